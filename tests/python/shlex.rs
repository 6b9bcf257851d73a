//! Words of a command line.

use bringup::python::shlex::{Unclosed, quote, split, words};
use serde_json::{Value as Json, json};

use super::{cases, compare, text};

/// Words, or the error in Python's words.
fn answer(found: Result<Vec<String>, Unclosed>) -> Json {
    match found {
        Ok(words) => json!(words),
        Err(Unclosed::Quote(..)) => json!("No closing quotation"),
        Err(Unclosed::Backslash(_)) => json!("No escaped character"),
    }
}

#[test]
fn lines_are_split_and_words_quoted_as_in_python() {
    compare("shlex", cases("shlex"), |case| {
        let line = text(case, "line");
        let commented = words(line, true).map(|found| found.words.into_iter().map(|word| word.text).collect());
        vec![
            ("words".to_owned(), answer(split(line))),
            ("commented".to_owned(), answer(commented)),
            ("quoted".to_owned(), json!(quote(line))),
        ]
    });
}

#[test]
fn a_quoted_word_is_one_word() {
    for case in cases("shlex") {
        let line = text(&case, "line");
        assert_eq!(split(&quote(line)).unwrap(), [line]);
    }
}
