//! Whatever text comes in: an answer or an error, never a panic, and a place inside of the text.

use bringup::template::{Engine, FileOptions, no_loader};
use bringup::yaml::Source;
use proptest::prelude::*;
use serde_json::json;

use super::context;

/// Pieces of which texts are made that come close to templates.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{{-",
    "-}}",
    " ",
    "\n",
    "a",
    "b.c",
    "d['e']",
    "[0]",
    ".x",
    "|",
    "default('é')",
    "d(1)",
    " is ",
    "defined",
    "not ",
    "(",
    ")",
    "[",
    "]",
    ",",
    "'",
    "\"",
    "\\",
    "'\\1'",
    "'%s' % a",
    "%",
    "-",
    "+",
    "1",
    "2.5",
    "if a",
    "else",
    "endif",
    "for i in l",
    "endfor",
    "set x = [1]",
    "x.append(2)",
    "macro m(a)",
    "endmacro",
    "upper",
    "combine({'k': 1})",
    "ipaddr('net')",
    "regex_replace('(', '')",
    "to_nice_yaml",
    "lookup('vars', 'a')",
    "range(3)",
    "now()",
    "~",
    "==",
    "in l",
    "é",
    "日",
    "\u{0}",
    "omit",
    "raw",
    "endraw",
    "items()",
    "m(1)",
    "loop.index",
    "=",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..14).prop_map(|pieces| pieces.concat())
}

/// An expression in braces, more often sound than [`text`].
fn expression() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PIECES[10..]), 1..9)
        .prop_map(|pieces| format!("x {{{{ {} }}}}", pieces.join(" ")))
}

fn try_all(text: &str) {
    let engine = Engine::new();
    let vars = context(
        &engine,
        &json!({"a": 1, "b": {"c": "{{ a }}"}, "d": {"e": [1, {"x": "é"}]}, "l": [1, "{{ nope }}", null], "loop_": "{{ loop_ }}"}),
    );
    let check = |error: &bringup::template::TemplateError| {
        if let Some(span) = error.span() {
            assert!(span.start <= span.end && span.end <= span.source.text.len(), "{text:?}: {error}");
            assert!(
                span.source.text.is_char_boundary(span.start) && span.source.text.is_char_boundary(span.end),
                "{text:?}"
            );
            let mut out = String::new();
            miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
                .render_report(&mut out, error)
                .unwrap();
        }
    };
    if let Err(error) = engine.render(text, &vars) {
        check(&error);
    }
    if let Err(error) = engine.condition_at(text, None, &vars) {
        check(&error);
    }
    let source = std::sync::Arc::new(Source { name: "f.j2".to_owned(), text: text.to_owned() });
    for options in
        [FileOptions::default(), FileOptions { newline_sequence: "\r\n".to_owned(), ..FileOptions::default() }]
    {
        if let Err(error) = engine.render_file(&source, &options, &no_loader(), &vars) {
            check(&error);
        }
    }
    engine.check(text, None).iter().for_each(check);
    engine.check_expression(text, None).iter().for_each(check);
    engine.references(text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in text()) {
        try_all(&text);
    }

    #[test]
    fn any_expression_is_answered(text in expression()) {
        try_all(&text);
    }

    #[test]
    fn texts_survive_json_and_yaml(value in "(?s).{0,60}") {
        let engine = Engine::new();
        let vars = context(&engine, &json!({}));
        let vars = vars.with([("v".to_owned(), bringup::template::Var::data(&json!({"k": value})))].into_iter().collect());
        for filter in ["to_json | from_json", "to_nice_json | from_json", "to_yaml | from_yaml", "to_nice_yaml | from_yaml"] {
            let back = engine.render(&format!("{{{{ v | {filter} }}}}"), &vars).map_err(|e| e.to_string());
            prop_assert_eq!(back, Ok(json!({"k": value})), "{}", filter);
        }
        let back = engine.render("{{ v.k | b64encode | b64decode }}", &vars).unwrap();
        prop_assert_eq!(back, json!(value));
    }
}

#[test]
fn deep_texts_end() {
    // The stack of a thread of the executor is small.
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(|| {
        for depth in [40, 140, 160, 5000] {
            try_all(&format!("{{{{ {}1{} }}}}", "(".repeat(depth), ")".repeat(depth)));
            try_all(&format!("{{{{ {}1{} }}}}", "[".repeat(depth), "]".repeat(depth)));
            try_all(&format!("{{{{ a{} }}}}", ".b".repeat(depth)));
            try_all(&format!("{{{{ a{} | default(1) }}}}", ".b".repeat(depth)));
            try_all(&format!("{{{{ a{} }}}}", " | upper".repeat(depth)));
            try_all(&format!("{{{{ 1{} }}}}", " + 1".repeat(depth)));
            try_all(&"{% if a %}".repeat(depth));
            try_all(&format!("{{% set ns = namespace(x=[]) %}}{{% for i in range({depth}) %}}{{% set ns.x = [ns.x] %}}{{% endfor %}}{{{{ ns.x }}}}"));
        }
    });
    worker.unwrap().join().unwrap();
}
