//! What stands behind `-e`: `k=v` words, JSON or YAML, or `@FILE`.
//!
//! Source: <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_variables.html#defining-variables-at-runtime>

use std::path::Path;

use super::{InventoryError, Vars, folder};
use crate::yaml::{self, Node, Source, Span};

/// Reads all `-e` arguments in their order; the last one that gives a name wins.
///
/// # Errors
/// When an argument is none of the three forms, or a file is wrong.
pub fn parse_extra_vars<S: AsRef<str>>(arguments: &[S]) -> Result<Vars, InventoryError> {
    let mut vars = Vars::new();
    for argument in arguments {
        one(argument.as_ref(), &mut vars)?;
    }
    Ok(vars)
}

/// Reads a file of variables: a mapping, or nothing.
///
/// # Errors
/// When the file cannot be read, is not YAML, or is no mapping.
pub fn file_vars(path: &Path) -> Result<Vars, InventoryError> {
    let mut vars = Vars::new();
    folder::merge(&yaml::load(path)?, &mut vars)?;
    // What a host says is data: nothing in it is a template.
    if yaml::origin::was_written(path) {
        vars.values_mut().for_each(|value| *value = value.to_json().into());
    }
    Ok(vars)
}

fn one(argument: &str, vars: &mut Vars) -> Result<(), InventoryError> {
    let source = Source::new("-e", argument);
    let whole = Span::whole(&source);
    let wrong = |message: String, help: String| InventoryError::ExtraVars { message, span: whole.clone(), help };
    if argument.trim().is_empty() {
        return Ok(());
    }
    if let Some(path) = argument.strip_prefix('@') {
        vars.extend(file_vars(Path::new(path))?);
        return Ok(());
    }
    if argument.starts_with(['/', '.']) {
        return Err(wrong("a file of variables needs an `@`".into(), format!("write `-e @{argument}`")));
    }
    if argument.trim_start().starts_with(['{', '[']) {
        return folder::merge(&yaml::load_source(&source)?, vars);
    }
    for (key, value) in yaml::parse_kv(&Node::text(argument, whole.clone()))? {
        let name = key.key_text();
        if name == "_raw_params" {
            let rest = value.key_text();
            let help = if argument.contains(": ") {
                format!("write YAML in braces: `-e '{{{argument}}}'`")
            } else if argument.contains('=') {
                "put quotes around a value with blanks: `-e 'name=\"two words\"'`".into()
            } else {
                "write `-e name=value`, `-e '{\"name\": value}'` or `-e @FILE`".into()
            };
            let message = format!("expected `name=value`, found `{rest}`");
            return Err(InventoryError::ExtraVars { message, span: value.span, help });
        }
        vars.insert(name, value.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn read(arguments: &[&str]) -> Json {
        let vars = parse_extra_vars(arguments).unwrap();
        Json::Object(vars.iter().map(|(k, v)| (k.clone(), v.to_json())).collect())
    }

    #[test]
    fn the_three_forms_are_read_and_the_last_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("v.yml");
        std::fs::write(&file, "a: 3\nd: [1]\n").unwrap();
        let file = format!("@{}", file.display());
        assert_eq!(read(&["a=1 b='x y'", "{\"c\": {\"d\": 1}}"]), json!({"a": "1", "b": "x y", "c": {"d": 1}}));
        assert_eq!(read(&["a=1", &file]), json!({"a": 3, "d": [1]}));
        assert_eq!(read(&[&file, "a=yes", ""]), json!({"a": "yes", "d": [1]}));
        assert_eq!(read(&["{a: yes, b: 0644}"]), json!({"a": true, "b": 420}));
    }

    #[test]
    fn anything_else_is_refused() {
        for (argument, message) in [
            ("x", "expected `name=value`, found `x`"),
            ("a=1 b", "expected `name=value`, found `b`"),
            ("a: 1", "expected `name=value`, found `a: 1`"),
            ("./vars.yml", "a file of variables needs an `@`"),
            ("[1]", "expected a mapping of variables, found a list"),
            ("a='x", "a single quote is opened here and not closed"),
        ] {
            assert_eq!(parse_extra_vars(&[argument]).unwrap_err().to_string(), message, "{argument}");
        }
    }
}
