"""Words of a command line: `shlex.split`, with comments and without, and `shlex.quote`."""

import shlex

LINES = [
    "", " ", "\t\r\n ", "a", " a ", "a b", "a  b\tc\nd\re", "a\x0bb\x0cc", "a\u00a0b", "a\u2003b", "a\u3000b", "\u00e9 \U0001f600",
    "''", '""', "'' ''", "a ''", "a''b", "''''", "a'b c'd", 'a"b c"d', "'a'\"b\"c", "' a '", '" a "',
    "'a\nb'", '"a\tb"', "'a\"b'", "\"a'b\"", "'a\\b'", "'a\\'", "'a\\' b", "'it'\\''s'", "'it'\"'\"'s'",
    "a\\ b", "\\a", "\\\\", "\\\\\\\\", "a\\\nb", "\\'", '\\"', "\\#", "\\ ", "\\\t", "\\ a", "\\n",
    '"\\a"', '"\\\\"', '"\\""', '"\\\'"', '"\\$x"', '"\\`"', '"\\\n"', '"a\\\\"', '"\\\\\\""', '"a\\ b"',
    "'", '"', "'a", '"a', "a'", 'a"', "a 'b c", '"a \' b', "'a \" b", "\"a\\\"", "'a\\''",
    "\\", "a\\", "a \\", "a\\\\\\", '"\\', '"a\\', "'\\", "\\\\ \\",
    "#", "a #b", "a#b", "#a b", "'#' a", '"a # b" c', "a\\#b", "a # b\nc", "a#b\nc d", "a '#", "# 'a", "# a\\", "a ##", "#\n#\nb",
    "h a=1  b=2", "h a=\"b c\" d='e f' # g", "h a='x#y'", "h a=\"x\\\"y\\z\" b='\\'", "key='value with \"quotes\"'",
    "$HOME", "`id`", "$(id)", "a;b", "a && b || c", "a|b", "a>b 2>&1", "(a)", "{a,b}", "a*?[b]", "~/a", "a=b", "-x --long=1",
    "a,b:c/d.e-f_g@h%i+j", "!a", "a^b", "<a>", "tab\tin", "nul\x00in", "\x7f", "caf\u00e9",
    "ansible-playbook -i 'hosts file' --extra-vars '{\"a\": \"b c\"}' site.yml",
    "ssh -o ProxyCommand=\"ssh -W %h:%p -q 'bastion host'\" x",
    "sh -c 'echo \"$1\" && exit 0' -- \"a b\"",
]


def words(line, comments):
    try:
        return shlex.split(line, comments=comments)
    except ValueError as error:
        return str(error)


def cases():
    return [
        {"line": line, "words": words(line, False), "commented": words(line, True), "quoted": shlex.quote(line)}
        for line in LINES
    ]
