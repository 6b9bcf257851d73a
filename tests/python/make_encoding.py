"""Encodings: what each byte is, and what a text is in bytes."""

import known

# Every byte of these stands for itself.
BYTES = [
    "ascii", "latin-1", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-10",
    "iso8859-13", "iso8859-14", "iso8859-15", "iso8859-16", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256",
    "cp1257", "cp1258", "cp866", "cp874", "koi8-r", "mac-cyrillic", "mac-roman",
]
NAMES = BYTES + [
    "utf-8", "UTF8", "u8", "utf_8_sig", "utf-16", "utf-16-le", "UTF_16_BE", "utf-32", "utf-32-le", "utf-32-be", "gbk", "gb18030", "cp949",
    "l2", "latin2", "windows-1252", "Windows_1251", "greek", "ISO-8859-5",
]
TEXTS = ["", "a", "é", "€", "łódź", "привет", "ελλάδα", "שלום", "日本語", "한국어", "😀", "\x81", "¤", "a\nb"]


def coded(make):
    try:
        return make()
    except (UnicodeError, LookupError):
        return None


def cases():
    made = []
    for name in BYTES:
        table = [coded(lambda: bytes([byte]).decode(name)) for byte in range(256)]
        made.append({"name": name, "table": table})
    for name in NAMES:
        for text in TEXTS:
            case = {"name": name, "text": text, "bytes": coded(lambda: text.encode(name).hex())}
            if (name, text) in known.ENCODING_DIFFERS:
                case["differs"] = known.ENCODING_DIFFERS[(name, text)]
            made.append(case)
    return made
