"""Filters beside the playbook."""
import datetime

from ansible.errors import AnsibleFilterError
from jinja2 import pass_context, pass_environment, pass_eval_context


def marked(value, mark="!", *more, **named):
    return "%s%s%s%s" % (value, mark, "".join(more), "".join("%s=%s" % pair for pair in sorted(named.items())))


def refused(value):
    raise AnsibleFilterError("it is %s" % value)


def broken(value):
    return value.no_such_attribute


def missing_as(value, word):
    """What has no value is looked at before 2.19 alone: there the filter is not called."""
    return "given"


def same(value, *others):
    return value


def named(value):
    """What a value is in Python, all the way down."""
    if isinstance(value, dict):
        return {str(key): [type(key).__name__.lstrip("_"), named(item)] for key, item in value.items()}
    if isinstance(value, tuple):
        return ["tuple"] + [named(item) for item in value]
    if isinstance(value, list):
        return ["list"] + [named(item) for item in value]
    for kind in (bool, int, float, str, bytes, datetime.datetime, datetime.timedelta):
        if isinstance(value, kind):
            return "%s %s" % (kind.__name__, value)
    return str(value)


def made(kind):
    """Values that JSON has no word for."""
    return {
        "tuple": (1, "two", (3,)),
        "big": 2**64 - 1,
        "float": 1.5,
        "whole float": 2.0,
        "tiny": 1e-7,
        "moment": datetime.datetime(2024, 2, 29, 12, 30, 1),
        "span": datetime.timedelta(days=2, seconds=3),
        "keys": {1: "one", True: "yes", None: "none", "text": 2, 2.5: "float"},
        "deep": {"a": [{"b": (1, {"c": None})}]},
        "none": None,
        "text": "{{ 6 * 7 }}",
        "list": ["{{ 6 * 7 }}", "{% if true %}x{% endif %}"],
        "empty": {"l": [], "d": {}, "t": "", "u": ()},
        "words": "a\tb\n\u00e4\U0001f600 \"'\\",
    }[kind]


def each(count):
    for number in range(count):
        yield number


@pass_environment
def by_environment(environment, value):
    return environment.from_string("{{ x + 1 }}").render(x=value)


@pass_context
def by_context(context, name, default="nothing"):
    return context.get(name, default)


@pass_context
def resolved(context, name):
    return context.resolve(name)


@pass_eval_context
def by_eval_context(context, value):
    return [bool(context.autoescape), value]


class FilterModule(object):
    def filters(self):
        return {
            "marked": marked,
            "refused": refused,
            "broken": broken,
            "missing_as": missing_as,
            "same": same,
            "named": named,
            "made": made,
            "each": each,
            "by_environment": by_environment,
            "by_context": by_context,
            "by_eval_context": by_eval_context,
            "resolved": resolved,
        }
