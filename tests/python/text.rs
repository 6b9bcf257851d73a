//! The methods of texts.

use bringup::python::{character, text};
use serde_json::{Value as Json, json};

use super::{cases, compare};

/// What a method answers; a number behind its name is its argument.
fn answer(subject: &str, field: &str) -> Json {
    let (method, number) = field.split_once(' ').map_or((field, None), |(method, n)| (method, n.parse().ok()));
    match method {
        "upper" => json!(subject.to_uppercase()),
        "lower" => json!(subject.to_lowercase()),
        "capitalize" => json!(text::capitalize(subject)),
        "title" => json!(text::title(subject)),
        "swapcase" => json!(text::swapcase(subject)),
        "casefold" => json!(text::casefold(subject)),
        "isupper" => json!(text::is_upper(subject)),
        "islower" => json!(text::is_lower(subject)),
        "istitle" => json!(text::is_title(subject)),
        "isalpha" => json!(text::all(subject, character::is_alpha)),
        "isdecimal" => json!(text::all(subject, character::is_decimal)),
        "isdigit" => json!(text::all(subject, character::is_digit)),
        "isnumeric" => json!(text::all(subject, character::is_numeric)),
        "isalnum" => json!(text::all(subject, character::is_alnum)),
        "isspace" => json!(text::all(subject, character::is_space)),
        "isprintable" => json!(subject.chars().all(character::is_printable)),
        "isidentifier" => json!(text::is_identifier(subject)),
        "repr" => json!(text::repr(subject)),
        "strip" => json!(text::strip(subject)),
        "split" => json!(text::split(subject, number)),
        "rsplit" => json!(text::rsplit(subject, number)),
        "splitlines" => json!(text::splitlines(subject, false)),
        "keepends" => json!(text::splitlines(subject, true)),
        "expandtabs" => json!(text::expandtabs(subject, number.unwrap(), 1000)),
        other => panic!("no method {other}"),
    }
}

#[test]
fn texts_do_as_in_python() {
    compare("text", cases("text"), |case| {
        let subject = super::text(case, "text");
        let fields = case.as_object().unwrap().keys().filter(|field| *field != "text" && *field != "differs");
        fields.map(|field| (field.clone(), answer(subject, field))).collect()
    });
}

#[test]
fn tabs_do_not_grow_without_bound() {
    assert_eq!(text::expandtabs("\t\t", 8, 8), None);
}
