"""Tests beside the playbook."""


def near(value, other, by=1):
    return abs(value - other) <= by


class TestModule(object):
    def tests(self):
        return {"near": near, "odd_one": lambda value: value % 2 == 1}
