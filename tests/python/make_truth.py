"""What is true: `bool()` of what JSON can hold, and Ansible's `boolean()`."""

import json

# As `ansible.module_utils.parsing.convert_bool` has them.
TRUE = frozenset(("y", "yes", "on", "1", "true", "t", 1, 1.0, True))
FALSE = frozenset(("n", "no", "off", "0", "false", "f", 0, 0.0, False))

WORDS = ["y", "yes", "on", "1", "true", "t", "n", "no", "off", "0", "false", "f"]
OTHERS = [
    "", " ", "ye", "yess", "yes no", "ok", "none", "None", "null", "~", "2", "-1", "1.0", "0.0", "01", "00", "+1", "tr ue", "enabled",
    "disabled", "ja", "nein", "\u0661", "\uff59", "'yes'", "yes.", "\u00a0", "[]", "{}",
]
SPACED = [" yes", "no ", "\tTrue\n", "\u00a0on\u2003", "\x1coff\x1f", " 1 ", "0\r\n", "y\u200b", "\ufefftrue"]
VALUES = [
    "null", "true", "false", "0", "1", "-0", "-1", "2", "10", "0.0", "-0.0", "1.0", "1.5", "0.5", "-1.0", "1e0", "0e5", "1e-400",
    "5e-324", "1e300", "9223372036854775807", "18446744073709551615", "[]", "[0]", "[null]", "[[]]", "[false]", "[1]", "{}",
    '{"": null}', '{"a": 1}', '[""]', '{"a": {}}',
]


def boolean(value):
    """With `strict`; none where it raises."""
    if isinstance(value, (list, dict)):
        return None
    if isinstance(value, str):
        value = value.lower().strip()
    return True if value in TRUE else False if value in FALSE else None


def cases():
    texts = WORDS + [word.upper() for word in WORDS if word.upper() != word]
    texts += [word.capitalize() for word in WORDS if len(word) > 1] + OTHERS + SPACED
    values = texts + [json.loads(value) for value in VALUES]
    return [{"value": value, "bool": bool(value), "boolean": boolean(value)} for value in values]
