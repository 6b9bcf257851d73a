//! Regular expressions.

use bringup::python::regex::{Captures, Fault, Flags, Place, Regex, Replacement};
use serde_json::{Map, Value as Json, json};

use super::{cases, same, text};

fn flags(letters: &str) -> Flags {
    let has = |letter: char| letters.contains(letter);
    Flags { ignorecase: has('i'), multiline: has('m'), dotall: has('s'), verbose: has('x'), ascii: has('a') }
}

fn groups(regex: &Regex, found: Option<&Captures<'_>>) -> Json {
    found.map_or(Json::Null, |found| (0..regex.groups()).map(|g| found.get(g)).collect::<Vec<_>>().into())
}

/// `re.findall` and `re.split`, both made of the matches one after another.
fn all(regex: &Regex, text: &str) -> Result<(Json, Json), Fault> {
    let (mut found, mut parts, mut last) = (Vec::new(), Vec::new(), 0);
    for one in regex.each(text) {
        let one = one?;
        let group = |g: usize| one.get(g).unwrap_or_default();
        found.push(match regex.groups() {
            1 => json!(group(0)),
            2 => json!(group(1)),
            n => json!((1..n).map(group).collect::<Vec<_>>()),
        });
        let (start, end) = one.whole();
        parts.push(json!(&text[last..start]));
        parts.extend((1..regex.groups()).map(|g| json!(one.get(g))));
        last = end;
    }
    parts.push(json!(&text[last..]));
    Ok((json!(found), json!(parts)))
}

fn answer(case: &Json) -> Result<Map<String, Json>, Fault> {
    let (pattern, letters, subject) = (text(case, "pattern"), flags(text(case, "flags")), text(case, "text"));
    let regex = Regex::new(pattern, letters)?;
    let mut out = Map::new();
    for (name, place) in [("search", Place::Anywhere), ("match", Place::Start), ("fullmatch", Place::Whole)] {
        let regex = Regex::at(pattern, letters, place)?;
        out.insert(name.to_owned(), groups(&regex, regex.captures(subject)?.as_ref()));
    }
    let (found, parts) = all(&regex, subject)?;
    out.extend([("findall".to_owned(), found), ("split".to_owned(), parts)]);
    match Replacement::new(text(case, "replacement"), &regex) {
        Ok(replacement) => {
            let replace = |count| regex.replace(subject, &replacement, count, usize::MAX).map(|(text, _)| json!(text));
            out.extend([("sub".to_owned(), replace(0)?), ("once".to_owned(), replace(1)?)]);
        }
        Err(fault) => {
            out.insert("sub_error".to_owned(), json!(fault.to_string()));
        }
    }
    Ok(out)
}

#[test]
fn expressions_match_as_in_python() {
    let mut wrong = Vec::new();
    for case in cases("regex") {
        let what = format!("{} {:?} on {}", case["pattern"], text(&case, "flags"), case["text"]);
        let answer = answer(&case);
        if case.get("refused").is_some() {
            if !matches!(answer, Err(Fault::Refused(_))) {
                wrong.push(format!("{what}: is not refused: {answer:?}"));
            }
            continue;
        }
        let fields = |ours: Map<String, Json>| -> Vec<String> {
            let other = ours.into_iter().filter(|(field, ours)| case.get(field) != Some(ours));
            other.map(|(field, ours)| format!("{what}: {field}: {ours}, Python {:?}", case.get(&field))).collect()
        };
        let differences = match (answer, case.get("error")) {
            (Err(Fault::Wrong(ours)), Some(theirs)) if json!(ours) == *theirs => Vec::new(),
            (Ok(ours), None) => fields(ours),
            (ours, theirs) => vec![format!("{what}: {ours:?}, Python {theirs:?}")],
        };
        match case.get("differs") {
            Some(_) if differences.is_empty() => wrong.push(format!("{what}: does not differ any more")),
            Some(_) => {}
            None => wrong.extend(differences),
        }
    }
    same("regex", wrong);
}

#[test]
fn long_matches_end() {
    let regex = Regex::new(r"^(a|aa)+\1c", Flags::default()).unwrap();
    let found = regex.is_match(&format!("{}bc", "a".repeat(80)));
    assert!(matches!(found, Err(Fault::Limit(_))), "{found:?}");
    assert!(matches!(Regex::new(&"a".repeat(60_000), Flags::default()), Err(Fault::Refused(_))));
    assert!(matches!(Regex::new(&"(".repeat(40_000), Flags::default()), Err(Fault::Refused(_))));
    let empty = Regex::new("x*", Flags::default()).unwrap();
    let replacement = Replacement::new("123456", &empty).unwrap();
    assert!(matches!(empty.replace("abcdef", &replacement, 0, 20), Err(Fault::TooLarge)));
}
