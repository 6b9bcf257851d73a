//! What a module printed, read as Ansible reads it.
//!
//! Source: `ActionBase._parse_returned_data` and `TaskExecutor._execute` of ansible-core.

use std::{borrow::Cow, sync::Arc};

use serde_json::{Map, Value as Json, json};

use crate::module::{Diff, Effect, Failure, StepOutput, Told};

/// What a module came to.
pub(super) struct Read {
    fields: Map<String, Json>,
    warnings: Vec<String>,
    help: Option<String>,
}

/// Reads what a module has printed.
pub(super) fn read(name: &str, output: Option<&StepOutput>) -> Read {
    let none = StepOutput::default();
    let output = output.unwrap_or(&none);
    if let Some(error) = &output.error {
        return failed(Map::new(), error.clone(), None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    match object(&text) {
        Ok((fields, junk)) => {
            let junk = junk.map(|junk| format!("Module invocation had junk after the JSON data: {junk}"));
            Read { fields: known(fields), warnings: junk.into_iter().collect(), help: None }
        }
        Err(why) => unreadable(name, &text, output, &why),
    }
}

/// The object that a module printed, and what it has said behind it. What stands before it is of no account.
fn object(text: &str) -> Result<(Map<String, Json>, Option<String>), Unreadable> {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.trim().starts_with('{')).ok_or(Unreadable::NoStart)?;
    let last = lines.iter().rposition(|line| line.trim().ends_with('}')).filter(|last| *last >= first);
    let last = last.ok_or(Unreadable::NoEnd)?;
    let object = lines[first..=last].join("\n");
    let fields = serde_json::from_str(&in_range(&object)).map_err(|error| match error.to_string() {
        said if said.contains("surrogate") || said.contains("hex escape") => Unreadable::NotText,
        said => Unreadable::Wrong(said),
    })?;
    let junk = lines[last + 1..].join("\n");
    Ok((fields, Some(junk).filter(|junk| !junk.trim().is_empty())))
}

/// The text with numbers that JSON has no room for as texts: a modulus of 2048 bits must keep its digits, and what Python calls `NaN` is none.
fn in_range(text: &str) -> Cow<'_, str> {
    /// So many digits are always in range.
    const SURE: usize = 18;
    let mut changed: Option<String> = None;
    let mut done = 0;
    let (mut at, bytes) = (0, text.as_bytes());
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_text(bytes, at),
            b'-' | b'0'..=b'9' | b'N' | b'I' => {
                let length = bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
                let word = &text[at..at + length];
                let digits = word.trim_start_matches('-');
                let large =
                    digits.len() > SURE && digits.bytes().all(|b| b.is_ascii_digit()) && word.parse::<i64>().is_err();
                if large || digits == "NaN" || digits == "Infinity" {
                    let changed = changed.get_or_insert_default();
                    changed.push_str(&text[done..at]);
                    changed.push_str(&format!("\"{word}\""));
                    done = at + length;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    match changed {
        None => Cow::Borrowed(text),
        Some(changed) => Cow::Owned(changed + &text[done..]),
    }
}

/// Where a JSON text that begins here ends.
fn end_of_text(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

enum Unreadable {
    NoStart,
    NoEnd,
    NotText,
    Wrong(String),
}

fn unreadable(name: &str, text: &str, output: &StepOutput, why: &Unreadable) -> Read {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let why = match why {
        Unreadable::NoStart => "No start of json char found".to_owned(),
        Unreadable::NoEnd => "No end of json char found".to_owned(),
        Unreadable::NotText => format!("Module \"{name}\" returned non UTF-8 data in the JSON response."),
        Unreadable::Wrong(said) => said.clone(),
    };
    let mut fields = Map::new();
    if let Some(trace) = [&stderr, text].into_iter().find(|said| said.starts_with("Traceback")) {
        fields.insert("exception".into(), json!(trace));
    }
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
    let help = match output.status {
        ..0 => Some(format!("signal {} ended it", -output.status)),
        _ => last,
    };
    fields.insert("module_stdout".into(), json!(text));
    fields.insert("module_stderr".into(), json!(stderr));
    // As a shell tells of a signal.
    let rc = if output.status < 0 { 128 - output.status } else { output.status };
    fields.insert("rc".into(), json!(rc));
    failed(fields, format!("MODULE FAILURE: {why}\nSee stdout/stderr for the exact error"), help)
}

fn failed(mut fields: Map<String, Json>, message: String, help: Option<String>) -> Read {
    fields.insert("failed".into(), json!(true));
    fields.insert("msg".into(), json!(message));
    Read { fields, warnings: Vec::new(), help }
}

/// The fields that a playbook sees: what is for Ansible alone is left out, what it adds is added.
fn known(mut fields: Map<String, Json>) -> Map<String, Json> {
    // From 2.19 on an exception's words stand with it alone.
    if let (None, Some(words)) = (fields.get("msg"), fields.get("exception").and_then(|e| e.get("event")?.get("msg"))) {
        let words = words.clone();
        fields.insert("msg".into(), words);
    }
    let mut fields = without_internal(fields);
    // A loop's results have that name.
    if fields.get("results").is_some_and(|results| !results.is_array())
        && let Some(results) = fields.remove("results")
    {
        fields.insert("ansible_module_results".into(), results);
    }
    for stream in ["stdout", "stderr"] {
        let lines = format!("{stream}_lines");
        if !fields.contains_key(&lines)
            && let Some(text) = fields.get(stream)
        {
            let text = text.as_str().unwrap_or_default();
            let split = json!(text.lines().collect::<Vec<_>>());
            fields.insert(lines, split);
        }
    }
    if !fields.contains_key("failed") {
        let rc = fields.get("rc");
        let failed = rc.is_some_and(|rc| *rc != json!(0) && *rc != json!("0"));
        fields.insert("failed".into(), json!(failed));
    }
    fields
}

/// What is not for Ansible alone.
fn without_internal(fields: Map<String, Json>) -> Map<String, Json> {
    let known = fields.into_iter().filter(|(name, _)| !name.starts_with("_ansible_"));
    known.map(|(name, value)| (name, plain(value))).collect()
}

/// A value without what ansible-core from 2.19 on writes around it: warnings and errors become their texts.
fn plain(value: Json) -> Json {
    match value {
        Json::Array(items) => items.into_iter().map(plain).collect(),
        Json::Object(mut map) => match map.get("__ansible_type").and_then(Json::as_str) {
            None => without_internal(map).into(),
            Some(kind) => {
                let kind = kind.to_owned();
                let event = map.remove("event").and_then(|event| match event {
                    Json::Object(event) => Some(event),
                    _ => None,
                });
                let text =
                    |name: &str| event.as_ref().and_then(|event| event.get(name)).cloned().filter(|v| !v.is_null());
                match kind.as_str() {
                    "DeprecationSummary" => {
                        let version = map.remove("version").unwrap_or_default();
                        let date = map.remove("date").unwrap_or_default();
                        json!({ "msg": text("msg"), "version": version, "date": date })
                    }
                    "ErrorSummary" => text("formatted_traceback").or_else(|| text("msg")).unwrap_or_default(),
                    _ => text("msg").or_else(|| map.remove("value").map(plain)).unwrap_or_default(),
                }
            }
        },
        other => other,
    }
}

impl Read {
    fn flag(&self, name: &str) -> bool {
        match self.fields.get(name) {
            Some(value) => crate::python::truth::boolean(value).unwrap_or_else(|| crate::python::truth::truthy(value)),
            None => false,
        }
    }

    pub fn changed(&self) -> bool {
        self.flag("changed")
    }

    /// The fields of the result.
    pub fn finish(self) -> Result<Map<String, Json>, Failure> {
        if !self.flag("failed") {
            return Ok(self.fields);
        }
        let changed = self.changed();
        let message = match self.fields.get("msg") {
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => match self.fields.get("rc") {
                Some(rc) => format!("the module failed with rc={rc}"),
                None => "the module failed and said nothing of why".to_owned(),
            },
        };
        let failure = Failure::new(message).fields(self.fields).changed(changed);
        Err(match self.help {
            Some(help) => failure.help(help),
            None => failure,
        })
    }

    /// What the run takes over from it.
    pub fn told(self) -> Told {
        let skipped = self.flag("skipped");
        let facts = match self.fields.get("ansible_facts") {
            Some(Json::Object(facts)) if !facts.is_empty() => Some(Arc::new(Effect::Facts(facts.clone()))),
            _ => None,
        };
        let mut warnings = self.warnings;
        if let Some(Json::Array(said)) = self.fields.get("warnings") {
            warnings.extend(said.iter().map(|said| said.as_str().map_or_else(|| said.to_string(), str::to_owned)));
        }
        let diff = match self.fields.get("diff") {
            Some(Json::Array(many)) => many.iter().filter_map(difference).collect(),
            Some(one) => difference(one).into_iter().collect(),
            None => Vec::new(),
        };
        Told { skipped, effects: facts.into_iter().collect(), diff, warnings }
    }
}

/// A difference in one of the ways that modules tell it.
fn difference(told: &Json) -> Option<Diff> {
    let told = told.as_object()?;
    let header = |name: &str| told.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    if let Some(prepared) = told.get("prepared").and_then(Json::as_str) {
        return Some(Diff {
            before_header: String::new(),
            after_header: String::new(),
            before: String::new(),
            after: prepared.to_owned(),
        });
    }
    let side = |name: &str| match told.get(name) {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Null) | None => String::new(),
        Some(other) => serde_json::to_string_pretty(other).unwrap_or_default() + "\n",
    };
    let diff = Diff {
        before_header: header("before_header"),
        after_header: header("after_header"),
        before: side("before"),
        after: side("after"),
    };
    (diff.before != diff.after).then_some(diff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stdout: &str, stderr: &str, status: i32) -> Read {
        let output = StepOutput { status, stdout: stdout.into(), stderr: stderr.into(), ..StepOutput::default() };
        read("a.b.c", Some(&output))
    }

    #[test]
    fn numbers_that_json_has_no_room_for_keep_their_digits() {
        let large = "9".repeat(40);
        let cases = [
            (r#"{"a": 1, "b": -2.5e3, "c": "12"}"#.to_owned(), json!({ "a": 1, "b": -2500.0, "c": "12" })),
            (format!("{{\"n\": {large}, \"m\": [-{large}]}}"), json!({ "n": large, "m": [format!("-{large}")] })),
            (r#"{"a": NaN, "b": -Infinity, "c": true}"#.to_owned(), json!({ "a": "NaN", "b": "-Infinity", "c": true })),
            (
                format!(r#"{{"text\"\\": "NaN {large} \" {large}"}}"#),
                json!({ "text\"\\": format!("NaN {large} \" {large}") }),
            ),
            (r#"{"a": 9223372036854775807}"#.to_owned(), json!({ "a": i64::MAX })),
        ];
        for (text, value) in cases {
            assert_eq!(serde_json::from_str::<Json>(&in_range(&text)).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn what_newer_ansible_writes_around_values_is_taken_off() {
        let said = r#"{"failed": true, "warnings": [{"__ansible_type": "WarningSummary", "event": {"__ansible_type": "Event", "msg": "careful"}}],
            "deprecations": [{"__ansible_type": "DeprecationSummary", "event": {"msg": "old"}, "version": "9.0"}],
            "exception": {"__ansible_type": "ErrorSummary", "event": {"msg": "no good", "formatted_traceback": null}}}"#;
        let failure = of(said, "", 1).finish().unwrap_err();
        assert_eq!(failure.message, "no good");
        assert_eq!(failure.result["warnings"], json!(["careful"]));
        assert_eq!(failure.result["deprecations"], json!([{ "msg": "old", "version": "9.0", "date": null }]));
        assert_eq!(failure.result["exception"], json!("no good"));
    }

    #[test]
    fn a_result_is_an_object_among_what_was_printed() {
        let cases = [
            ("{\"changed\": true}", Ok(true)),
            ("noise\n  {\"changed\": \"yes\",\n \"a\": 1}\nmore", Ok(true)),
            ("", Err("No start of json char found")),
            ("noise", Err("No start of json char found")),
            ("{\"a\": 1", Err("No end of json char found")),
            ("{\"a\": }", Err("expected value")),
            ("[1]", Err("No start of json char found")),
            ("{\"rc\": 2}", Err("rc=2")),
            ("{\"rc\": \"0\"}", Ok(false)),
        ];
        for (said, wanted) in cases {
            let changed = of(said, "", 0).changed();
            match (of(said, "", 0).finish(), wanted) {
                (Ok(_), Ok(wanted)) => assert_eq!(changed, wanted, "{said}"),
                (Err(failure), Err(wanted)) => assert!(failure.message.contains(wanted), "{said}: {}", failure.message),
                (other, _) => panic!("{said}: {other:?}"),
            }
        }
    }
}
