"""Filters of a role."""


class FilterModule(object):
    def filters(self):
        return {"of_role": lambda value: "role:%s" % value}
