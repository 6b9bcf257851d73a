//! Rows of a text in CSV, as Python's `csv` reads them.
//!
//! Source: <https://docs.python.org/3/library/csv.html>. Only a quote at the beginning of a field means anything; between quotes
//! two of them are one, and lines may end there.

/// How a text is read.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// What separates fields.
    pub delimiter: char,
    /// Whether blanks behind a delimiter are dropped.
    pub skip_blanks: bool,
    /// Whether what is not well-formed is an error.
    pub strict: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect { delimiter: ',', skip_blanks: false, strict: false }
    }
}

/// Where a reader stands in a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// Behind a quote between quotes.
    Quote,
}

/// The rows of a text; empty lines are rows without fields.
///
/// # Errors
/// What is not well-formed, where that counts.
pub fn rows(text: &str, dialect: Dialect) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    let (mut row, mut field, mut at) = (Vec::new(), String::new(), At::Start);
    let mut chars = text.chars().peekable();
    // Whether anything of the row was read.
    let mut any = false;
    while let Some(c) = chars.next() {
        let ends = matches!(c, '\n' | '\r');
        match at {
            At::Quoted if c == '"' => at = At::Quote,
            At::Quoted => field.push(c),
            At::Quote if c == '"' => {
                field.push('"');
                at = At::Quoted;
            }
            _ if ends => {
                if c == '\r' && chars.peek() == Some(&'\n') {
                    chars.next();
                }
                if any {
                    row.push(std::mem::take(&mut field));
                }
                rows.push(std::mem::take(&mut row));
                (at, any) = (At::Start, false);
                continue;
            }
            _ if c == dialect.delimiter => {
                row.push(std::mem::take(&mut field));
                at = At::Start;
            }
            At::Quote if dialect.strict => return Err(format!("'{}' expected after '\"'", dialect.delimiter)),
            At::Start if c == '"' => at = At::Quoted,
            At::Start if c == ' ' && dialect.skip_blanks => {}
            _ => {
                field.push(c);
                at = At::Plain;
            }
        }
        any = true;
    }
    if at == At::Quoted && dialect.strict {
        return Err("unexpected end of data".to_owned());
    }
    if any {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_python() {
        // What `list(csv.reader(io.StringIO(TEXT, newline=''), ...))` gives.
        let plain = Dialect::default();
        for (text, dialect, expected) in [
            ("a,b\r\nc,\n", plain, vec![vec!["a", "b"], vec!["c", ""]]),
            ("a\n\nb", plain, vec![vec!["a"], vec![], vec!["b"]]),
            ("\"x\"\"y\",\"1\n2\"\n", plain, vec![vec!["x\"y", "1\n2"]]),
            ("a\"b,\"c\"d\n", plain, vec![vec!["a\"b", "cd"]]),
            ("a, b\n", Dialect { skip_blanks: true, ..plain }, vec![vec!["a", "b"]]),
            ("a;b,c\n", Dialect { delimiter: ';', ..plain }, vec![vec!["a", "b,c"]]),
            ("\"open", plain, vec![vec!["open"]]),
            ("\"\"\n", plain, vec![vec![""]]),
        ] {
            assert_eq!(rows(text, dialect).unwrap(), expected, "{text:?}");
        }
        let strict = Dialect { strict: true, ..plain };
        assert!(rows("\"a\"b", strict).is_err() && rows("\"open", strict).is_err() && rows("\"a\",b", strict).is_ok());
    }
}
