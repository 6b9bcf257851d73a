//! What users are told: the place in their file, what is wrong, what was probably meant.

use bringup::template::{Engine, TemplateError, Verdict};
use bringup::yaml;
use miette::Diagnostic;
use serde_json::json;

use super::context;

/// The error as the user sees it, without colours.
fn shown(error: &TemplateError) -> String {
    let mut out = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none()).render_report(&mut out, error).unwrap();
    out
}

fn tree_error(text: &str) -> TemplateError {
    let engine = Engine::new();
    let vars = context(
        &engine,
        &json!({"port": 80, "service_name": "web", "server": {"address": "a", "names": []}, "deep": "{{ server.adress }}"}),
    );
    let node = yaml::load_str("site.yml", text).unwrap();
    engine.render_tree(&node, &vars).unwrap_err()
}

fn place(error: &TemplateError) -> String {
    let span = error.span().unwrap();
    format!("{} `{}`", span.place(), &span.source.text[span.start..span.end])
}

#[test]
fn an_undefined_name_is_named_and_shown() {
    let error = tree_error("a: 1\nb:\n  - c: 'x {{ prot }} y'\n");
    assert_eq!(error.to_string(), "`prot` is undefined");
    assert_eq!(place(&error), "site.yml:3:14 `prot`");
    let report = shown(&error);
    assert!(report.contains("did you mean `port`?"), "{report}");
    assert!(report.contains("site.yml:3:14"), "{report}");
}

#[test]
fn a_missing_attribute_is_named() {
    let error = tree_error("x: '{{ server.adress }}'\n");
    assert_eq!(error.to_string(), "`server` has no attribute `adress`");
    assert_eq!(place(&error), "site.yml:1:8 `server.adress`");
    assert_eq!(error.help().unwrap().to_string(), "did you mean `address`?");
}

#[test]
fn folded_and_literal_texts_lead_to_the_right_line() {
    let error = tree_error("a: >-\n  first line\n  second {{ servce_name }}\n");
    assert_eq!(place(&error), "site.yml:3:13 `servce_name`");
    let error = tree_error("a: |\n  one\n\n  {% if port %}\n  {{ port }} {{ nope }}\n  {% endif %}\n");
    assert_eq!(place(&error), "site.yml:5:17 `nope`");
    let error = tree_error("a: \"quoted \\\"{{ nope }}\\\"\"\n");
    assert_eq!(place(&error), "site.yml:1:17 `nope`");
}

#[test]
fn a_variable_in_between_is_told() {
    let error = tree_error("x: '{{ deep | upper }}'\n");
    assert_eq!(error.to_string(), "`server` has no attribute `adress`");
    let help = error.help().unwrap().to_string();
    assert!(help.contains("did you mean `address`?"), "{help}");
    assert!(help.contains("in the value of `deep`"), "{help}");
    assert!(help.contains("used at site.yml:1:"), "{help}");
}

#[test]
fn rewriting_does_not_move_places() {
    let error = tree_error("x: \"{{ server.x.y | default('z') }} {{ '%s' % port }} {{ nope }}\"\n");
    assert_eq!(place(&error), "site.yml:1:58 `nope`");
    let error = tree_error("x: '{{ server.x.y | default(nope.b) }}'\n");
    assert_eq!(place(&error), "site.yml:1:21 `default(nope.b)`");
}

#[test]
fn unknown_names_are_suggested() {
    for (text, message, help) in [
        ("{{ port | deafult(1) }}", "there is no filter `deafult`", "did you mean `default`?"),
        ("{{ port is definde }}", "there is no test `definde`", "did you mean `defined`?"),
        ("{{ lokup('file', 'x') }}", "there is no function `lokup`", "did you mean `lookup`?"),
        ("{{ lookup('flie', 'x') }}", "there is no lookup `flie`", "did you mean `file`?"),
        ("{{ [1] | map('uper') | list }}", "there is no filter `uper`", "did you mean `upper`?"),
        ("{{ [1] | select('evn') | list }}", "there is no test `evn`", "did you mean `even`?"),
    ] {
        let engine = Engine::new();
        let errors = engine.check(text, None);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert_eq!(errors[0].to_string(), message);
        assert_eq!(errors[0].help().unwrap().to_string(), help);
        let error = engine.render(text, &context(&engine, &json!({"port": 1}))).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn sound_templates_pass_the_check() {
    let engine = Engine::new();
    for text in [
        "{{ a.b.c | default(omit) }}",
        "{{ x | ansible.builtin.b64encode }}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1) }}",
        "{% from 'x' import f %}{{ f() }}",
        "{{ lookup('ansible.builtin.file', 'x') }}",
        "no template {",
    ] {
        assert!(engine.check(text, None).is_empty(), "{text}: {:?}", engine.check(text, None));
    }
    assert!(engine.check_expression("a is defined and b | bool", None).is_empty());
    assert_eq!(engine.check_expression("a ==", None).len(), 1);
    assert_eq!(engine.check("{{ a | x | y }} {{ b is z }}", None).len(), 3);
}

#[test]
fn conditions_must_be_meant() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({"flag": "false", "path": "/x", "n": 0, "list": []}));
    let decide =
        |text: &str| engine.condition(&yaml::load_str("p.yml", text).unwrap(), &vars).and_then(Verdict::strictly);
    assert!(decide("path").unwrap() && !decide("n").unwrap() && !decide("list").unwrap());
    assert!(decide("[n == 0, path]").unwrap() && !decide("[path, n]").unwrap());
    assert!(
        decide("true").unwrap() && !decide("no").unwrap() && decide("'{{ n == 0 }}'").unwrap() && decide("''").unwrap()
    );
    let error = decide("flag").unwrap_err();
    assert!(error.to_string().contains("is a text"), "{error}");
    assert_eq!(error.help().unwrap().to_string(), "write `(flag) | bool` to read it as false");
    let error = decide("missing").unwrap_err();
    assert_eq!(error.to_string(), "`missing` is undefined");
    assert_eq!(place(&error), "p.yml:1:1 `missing`");
    let error = decide("path == 'x' or (missing.x and path)").unwrap_err();
    assert_eq!(place(&error), "p.yml:1:17 `missing.x`");
}

#[test]
fn an_endless_template_ends() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({}));
    let text = "{% for a in range(100000) %}{% for b in range(100000) %}{% set c = a * b %}{% endfor %}{% endfor %}";
    let error = engine.render(text, &vars).unwrap_err();
    assert!(error.to_string().contains("does not end"), "{error}");
    let text = "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(1) }}";
    assert!(engine.render(text, &vars).is_err());
}

#[test]
fn wrong_syntax_is_placed() {
    let error = tree_error("a: ok\nb: '{{ port + }}'\n");
    assert!(error.to_string().starts_with("wrong template syntax"), "{error}");
    assert_eq!(error.span().unwrap().line_column().0, 2);
    let error = tree_error("b: '{% if port %}x'\n");
    assert!(error.to_string().contains("unexpected end of input"), "{error}");
}
