"""Where bringup knowingly does less than Python, or something else, and why."""

NAMES = "the names of characters are not known"
ASCII_CASE = "the engine folds case over all of Unicode or not at all"
SURROGATE = "a Rust text holds no half of a surrogate pair"
DEPTH = "groups are nested too deeply"
BIG = "whole numbers have 128 bits"

# Pattern and flags -> why it is refused.
REGEX_REFUSED = {
    (r"\N{EM DASH}", ""): NAMES,
    (r"[\N{EM DASH}x]", ""): NAMES,
    (r"(?ai)k", ""): ASCII_CASE,
    ("é", "ai"): ASCII_CASE,
    (r"\ud800", ""): SURROGATE,
    ("(" * 80 + "a" + ")" * 80, ""): DEPTH,
}
# Pattern, flags and text -> why the answer is another one.
REGEX_DIFFERS = {
    ("(a*)*", "", "aa"): "a repetition of what may be empty is not done once more for nothing, so its group keeps the last text",
}
# Encoding and text -> why the answer is another one.
ENCODING_DIFFERS = {("gbk", "€"): "it has the euro, as the web has it"}
