"""Filters of a collection."""


class FilterModule(object):
    def filters(self):
        return {"loud": lambda value: value.upper() + "!"}
