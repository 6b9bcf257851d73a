"""Tests of a role."""


class TestModule(object):
    def tests(self):
        return {"of_role": lambda value: value == "role"}
