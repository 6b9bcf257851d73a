"""Texts: the methods of `str`, and `repr()`."""

TEXTS = [
    "", " ", "a", "A", "abc", "ABC", "Abc", "aBC", "hello world", "they're bill's", "x-ray 3rd 2x4", "_a_b", "a.b\nc\td", "\u00e9t\u00e9 \u00c9T\u00c9",
    "stra\u00dfe", "\u00dfa", "\u1e9e", "\ufb01n", "\u01c6 \u01c4a", "\u01c5", "\u0149a", "\u1fb3a \u1fb7", "\u1f80\u1f88", "\u10d0\u10d1", "\u1c90",
    "\u03a3", "\u0391\u03a3", "\u0391\u03a3 \u03a3\u0391", "\u0391\u03a3\u0301.", "\u0391\u03a3'\u0391", "\u0130x", "\u0131", "I\u0307", "\u13a0\uab70\u13f8",
    "\u2160\u2170", "\u24b6\u24d0", "\u02b0", "\u00aa", "\u0345", "e\u0301", "\u4e2d\u6587", "\u0e01\u0e34", "\u0915\u093f", "\U00010400\U00010428",
    "12", "\u0661\u0662", "\u00b2", "\u00bd", "\u2167", "\u2460", "\u4e09", "\u3007", "1.5", "-1", "1_0", "a1", "a\u00b2", "\U0001d7d8",
    "a b", "a_b", "1a", "def", "\u00e9", "\u2118x", "a\u00b7", "x\u0301", "$a", "a-b",
    " \t\n", "\u00a0\u2003", "\x1c\x1f", "\u200b", "\ufeff", "\x85\u2028", "a\x00", "\x7f", "\x80", "\u00ad", "\u0600", "\u2028", "\ue000",
    "\U000e0001", "\U0010ffff", "\u0378", "\U0001f600", "\u202e", "'", '"', "'\"", "it's", "\\", "a\\'b", "\r\n\t\b\x1b", "\x00\xff\u0100",
]
SPACED = [
    "", " ", "a", " a ", "  a b  c ", "a\tb\nc\rd", "\x1ca\x1db\x1ec\x1f", "\u00a0a\u00a0b\u3000", "a\u200bb", "\ufeffa ", "\x85a\u2028b\u2029",
    "a\x0bb\x0cc", "one  two   three    four", "\n\na\n\nb\n\n",
]
LINES = [
    "", "\n", "a", "a\n", "a\nb", "a\n\nb\n", "\na", "a\r\nb\rc", "\r\n\r\n", "\n\r", "a\x0bb\x0cc\x1cd\x1de\x1ef\x1fg", "a\x85b\u2028c\u2029d", "a\r",
    "\u00e9\n\u00e9", "a\tb\\n",
]
TABBED = ["", "\t", "a\tb", "ab\tc\td", "a\t\tb", "12345678\t9", "1234567\t8", "a\nb\tc", "a\rb\tc", "\u00e9\tb", "\U0001f600\tb", "\t\n\t"]
METHODS = [
    "upper", "lower", "capitalize", "title", "swapcase", "casefold", "isupper", "islower", "istitle", "isalpha", "isdecimal", "isdigit",
    "isnumeric", "isalnum", "isspace", "isprintable", "isidentifier",
]


def cases():
    made = []
    for text in TEXTS:
        made.append({"text": text, "repr": repr(text)} | {method: getattr(text, method)() for method in METHODS})
    for text in SPACED:
        case = {"text": text, "strip": text.strip(), "split": text.split(), "rsplit": text.rsplit()}
        for most in (0, 1, 2):
            case |= {f"split {most}": text.split(None, most), f"rsplit {most}": text.rsplit(None, most)}
        made.append(case)
    made += [{"text": text, "splitlines": text.splitlines(), "keepends": text.splitlines(True)} for text in LINES]
    for text in TABBED:
        made.append({"text": text} | {f"expandtabs {size}": text.expandtabs(size) for size in (0, 1, 3, 8)})
    return made
