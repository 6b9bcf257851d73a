//! The parser's messages for those who have not read the YAML specification.

/// The parser's own message in plain words.
#[allow(clippy::too_many_lines, reason = "a table: an entry for each message")]
pub(super) fn plain_words(info: &str) -> (String, Option<&'static str>) {
    let known: &[(&str, &str, &str)] = &[
        (
            "mapping values are not allowed",
            "a `key: value` cannot stand here",
            "indent it like its neighbours, or put quotes around a text that contains `: `",
        ),
        (
            "mapping keys are not allowed",
            "`? ` starts a key, and none can stand here",
            "put quotes around a text that starts with `? `",
        ),
        (
            "must be followed by a valid YAML whitespace",
            "a tab stands where YAML allows spaces alone",
            "replace the tab by a space",
        ),
        (
            "simple key expect",
            "this line is neither `key: value` nor a list item",
            "add the colon behind the key, or put quotes around a text over several lines",
        ),
        (
            "did not find expected '-'",
            "a list item does not line up with those before it",
            "start every item of the list with `- ` in the same column",
        ),
        (
            "did not find expected key",
            "this line does not line up with the mapping it belongs to",
            "indent it exactly like the other keys",
        ),
        (
            "block sequence entries are not allowed",
            "a list item cannot stand here",
            "begin the list on a line of its own",
        ),
        (
            "flow mapping, did not find expected",
            "`{` is not closed, or a comma is missing",
            "add the missing `,` or `}`",
        ),
        ("flow sequence, expected", "`[` is not closed, or a comma is missing", "add the missing `,` or `]`"),
        ("misplaced bracket", "a closing bracket without an opening one", "remove it, or put quotes around the text"),
        (
            "unknown escape character",
            "an escape that YAML does not know in \"…\"",
            "write `\\\\` for a backslash, or use '…'",
        ),
        (
            "invalid indentation",
            "this line is indented too little for what it belongs to",
            "indent it further than the line it continues",
        ),
        (
            "wrongly indented line in block scalar",
            "a line of the text block is indented less than its first",
            "indent all lines of the block alike",
        ),
        ("block scalar", "`|` or `>` must end its line", "begin the text on the next line, indented"),
        ("unprintable", "a control character that YAML forbids", "remove it, or write it as an escape in \"…\""),
        ("recursion limit", "values are nested too deeply", "no list or mapping may be nested that deeply"),
        (
            "did not find expected <document start>",
            "something follows behind the end of the document",
            "indent it like the rest, or start a new document with `---`",
        ),
        ("did not find expected node content", "a value is missing here", "remove the extra comma, or add the value"),
        (
            "handle wasn't declared",
            "this tag's prefix is declared nowhere",
            "put quotes around a text that starts with `!`",
        ),
        ("tag", "a tag that cannot be read", "put quotes around a text that starts with `!`"),
        ("directive", "a `%` directive that cannot be read", "put quotes around a text that starts with `%`"),
        ("unexpected eof", "the file ends in the middle of a value", "close what is open"),
    ];
    known.iter().find(|(part, ..)| info.contains(part)).map_or_else(
        || (format!("not valid YAML: {info}"), None),
        |(_, message, help)| ((*message).into(), Some(*help)),
    )
}
