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
            try_all(&format!("{{{{ {}1 }}}}", "-".repeat(depth)));
            try_all(&format!("{{{{ {}a }}}}", "not ".repeat(depth)));
            try_all(&format!("{{{{ a{} }}}}", " if a else a".repeat(depth)));
            try_all(&format!("{{{{ a{} }}}}", " and a".repeat(depth)));
            try_all(&format!("{{{{ a{} }}}}", " ~ a".repeat(depth)));
            try_all(&format!("{{{{ a{} }}}}", " is defined".repeat(depth)));
            try_all(&format!("{{{{ {}1{} }}}}", "{'a':".repeat(depth), "}".repeat(depth)));
            try_all(&format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}x".repeat(depth)));
            try_all(&format!("{{{{ '{}' | from_yaml }}}}", "[".repeat(depth)));
            try_all(&format!("{{{{ '{}' | from_json }}}}", "[".repeat(depth)));
            try_all(&format!("{{{{ 'a' | regex_search('{}a{}') }}}}", "(".repeat(depth), ")".repeat(depth)));
            try_all(&"{% if a %}".repeat(depth));
            try_all(&format!("{{% set ns = namespace(x=[]) %}}{{% for i in range({depth}) %}}{{% set ns.x = [ns.x] %}}{{% endfor %}}{{{{ ns.x }}}}"));
        }
    });
    worker.unwrap().join().unwrap();
}

/// What asks for more than a template may make, or leads on without an end.
#[test]
#[allow(clippy::too_many_lines, reason = "a list of templates")]
fn nothing_grows_without_bound() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({"big": "x".repeat(1_000_000), "many": (0..2000).collect::<Vec<_>>()}));
    let doubling = "{% set x = 'aaaaaaaa' %}".to_owned() + &"{% set x = x ~ x %}".repeat(60) + "{{ x }}";
    let lists = "{% set x = [1] %}".to_owned() + &"{% set x = x + x %}".repeat(60) + "{{ x | length }}";
    let pairs = "{% set x = [1] %}".to_owned() + &"{% set x = [x, x] %}".repeat(60) + "{{ x }}";
    for text in [
        "{{ '%10000000000d' % 1 }}",
        "{{ '%*d' % (10000000000, 1) }}",
        "{{ '%.10000000000f' % 1.5 }}",
        "{{ '%99999999999999999999999d' % 1 }}",
        "{{ '%10000000000d' | format(1) }}",
        "{{ '{:>9999999999}'.format(1) }}",
        "{{ '{:>{}}'.format(1, 9999999999) }}",
        "{{ 'a'.ljust(10000000000) }}",
        "{{ 'a'.rjust(10000000000) }}",
        "{{ 'a'.center(10000000000) }}",
        "{{ 'a'.zfill(10000000000) }}",
        "{{ 'a' | center(10000000000) }}",
        "{{ 'a' | indent(10000000000, true) }}",
        "{{ 'a' | comment(prefix_count=10000000000) }}",
        "{{ range(10 ** 12) }}",
        "{{ 'x' * 10 ** 12 }}",
        "{{ [1] * 10 ** 12 }}",
        "{{ 2 ** (10 ** 9) }}",
        "{{ [1] | batch(10 ** 12, 0) | list }}",
        "{{ [1] | slice(10 ** 12) | list }}",
        "{{ many | product(many) | list }}",
        "{{ [1, 2] | product(repeat=10 ** 9) | list }}",
        "{{ many | permutations(4) | list }}",
        "{{ many | combinations(4) | list }}",
        "{{ lookup('password', '/dev/null length=10000000000') }}",
        "{{ lookup('sequence', '1-10000000000') }}",
        "{{ lookup('sequence', '1-100000:%010000d') }}",
        "{{ big | replace('x', big) }}",
        "{{ big.replace('x', big) }}",
        "{{ big | regex_replace('x', big) }}",
        "{{ many | join(big) }}",
        "{{ big.join(['a'] * 1000) }}",
        "{{ big | wordwrap(1, wrapstring=big) }}",
        "{{ 'a' | regex_search('a{1000000000}') }}",
        "{{ 'a' | regex_search('((a{1000}){1000}){1000}') }}",
        "{% for i in range(1000000) %}{{ big }}{% endfor %}",
        "{% for i in range(1000000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}",
        "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
        "{% macro m(x) %}{{ m(x ~ x) }}{% endmacro %}{{ m('aaaaaaaa') }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        &doubling,
        &lists,
        &pairs,
    ] {
        let error = engine.render(text, &vars).err().unwrap_or_else(|| panic!("{text:.80}"));
        assert!(error.span().is_some(), "{text:.80}: {error}");
    }
    // Every step through variables doubles it.
    let mut chain = serde_json::Map::new();
    chain.insert("v0".to_owned(), json!("aaaaaaaa"));
    for step in 1..39 {
        chain.insert(format!("v{step}"), json!(format!("{{{{ v{0} }}}}{{{{ v{0} }}}}", step - 1)));
    }
    let error = engine.render("{{ v38 }}", &context(&engine, &json!(chain))).unwrap_err();
    assert!(error.to_string().contains("no more than 64 MiB"), "{error}");
}

#[test]
fn parentheses_stay_where_growth_is_measured() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({"a": "x", "l": [1]}));
    for (text, expected) in [
        ("{% if true %}{{ ('a' ~ 'b') ~ ('c' ~ a) }}{% endif %}", json!("abcx")),
        ("{% set y = (l + l) + (l + [2]) %}{{ y }}", json!([1, 1, 1, 2])),
        ("{% set y = 1 + 2 * (3 + 4) %}{{ y }}", json!(15)),
        ("{% set y = a ~ (a | upper) ~ (1 + 1) %}{{ y }}", json!("xX2")),
    ] {
        assert_eq!(engine.render(text, &vars).unwrap(), expected, "{text}");
    }
}
