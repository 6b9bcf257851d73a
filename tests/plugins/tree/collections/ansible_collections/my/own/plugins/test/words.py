"""Tests of a collection."""


class TestModule(object):
    def tests(self):
        return {"loud": lambda value: value.isupper()}
