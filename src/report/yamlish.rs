//! Results in a form that people read: like YAML, long texts as they are.

use serde_json::Value as Json;

use super::shown;

/// Fields that are of no interest to a reader.
fn hidden(name: &str) -> bool {
    name.starts_with("_ansible")
        || matches!(
            name,
            "invocation"
                | "failed"
                | "place"
                | "help"
                | "diff"
                | "warnings"
                | "stdout_lines"
                | "stderr_lines"
                | "ansible_loop_var"
        )
}

/// Renders a result's fields, each line indented by `indent` blanks.
pub fn fields(result: &Json, indent: usize) -> String {
    let mut out = String::new();
    if let Json::Object(map) = result {
        map.iter().filter(|(name, _)| !hidden(name)).for_each(|(name, value)| entry(&mut out, name, value, indent));
    }
    out
}

/// Renders one field.
pub fn entry(out: &mut String, name: &str, value: &Json, indent: usize) {
    let (blanks, name) = (" ".repeat(indent), shown::line(name));
    match value {
        Json::Object(map) if !map.is_empty() => {
            out.push_str(&format!("{blanks}{name}:\n"));
            map.iter().for_each(|(name, value)| entry(out, name, value, indent + 2));
        }
        Json::Array(items) if !items.is_empty() => {
            out.push_str(&format!("{blanks}{name}:\n"));
            for item in items {
                match item {
                    Json::Object(_) | Json::Array(_) => entry(out, "-", item, indent + 2),
                    plain => out.push_str(&format!("{blanks}  - {}\n", scalar(plain))),
                }
            }
        }
        Json::String(text) if text.trim_end_matches('\n').contains('\n') => {
            out.push_str(&format!("{blanks}{name}: |\n"));
            for line in shown::block(text).lines() {
                out.push_str(format!("{blanks}  {line}").trim_end());
                out.push('\n');
            }
        }
        plain => out.push_str(&format!("{blanks}{name}: {}\n", scalar(plain))),
    }
}

fn scalar(value: &Json) -> String {
    match value {
        Json::String(text) if text.is_empty() => "\"\"".to_owned(),
        Json::String(text) => shown::line(text.trim_end_matches('\n')).into_owned(),
        other => shown::json(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_texts_stay_readable() {
        let result = json!({"rc": 1, "stdout": "a\nb\n", "empty": "", "_ansible_no_log": false, "l": [1, {"k": "v"}]});
        assert_eq!(
            fields(&result, 2),
            "  rc: 1\n  stdout: |\n    a\n    b\n  empty: \"\"\n  l:\n    - 1\n    -:\n      k: v\n"
        );
    }
}
