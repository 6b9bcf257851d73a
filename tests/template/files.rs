//! Template files, as the `template` module renders them.

use std::collections::HashMap;
use std::sync::Arc;

use bringup::template::{Engine, FileOptions, Loader, TemplateError, no_loader};
use bringup::yaml::Source;
use serde_json::{Value as Json, json};

use super::context;

fn source(name: &str, text: &str) -> Arc<Source> {
    Arc::new(Source { name: name.to_owned(), text: text.to_owned() })
}

fn render_with(text: &str, vars: &Json, options: &FileOptions, loader: &Loader) -> Result<String, TemplateError> {
    let engine = Engine::new();
    engine.render_file(&source("templates/a.j2", text), options, loader, &context(&engine, vars))
}

fn render(text: &str, vars: &Json) -> String {
    render_with(text, vars, &FileOptions::default(), &no_loader()).unwrap()
}

fn loader(files: &[(&str, &str)]) -> Loader {
    let files: HashMap<String, Arc<Source>> =
        files.iter().map(|(name, text)| ((*name).to_owned(), source(&format!("templates/{name}"), text))).collect();
    Arc::new(move |name| files.get(name).cloned())
}

#[test]
fn blocks_leave_no_lines_behind() {
    let text = "a\n{% for i in l %}\n- {{ i }}\n{% endfor %}\nb\n";
    assert_eq!(render(text, &json!({"l": [1, 2]})), "a\n- 1\n- 2\nb\n");
    let text = "a\n  {% if true %}\nx\n  {% endif %}\nb\n";
    assert_eq!(render(text, &json!({})), "a\n  x\n  b\n");
    let options = FileOptions { lstrip_blocks: true, ..FileOptions::default() };
    assert_eq!(render_with(text, &json!({}), &options, &no_loader()).unwrap(), "a\nx\nb\n");
}

#[test]
fn the_end_of_the_file_stays_as_it_is() {
    assert_eq!(render("x\n", &json!({})), "x\n");
    assert_eq!(render("x", &json!({})), "x");
    assert_eq!(render("x\n\n\n", &json!({})), "x\n\n\n");
    assert_eq!(render("{{ a }}\n", &json!({"a": "x\n"})), "x\n");
    assert_eq!(render("{% if true %}\nx\n{% endif %}\n", &json!({})), "x\n");
}

#[test]
fn the_first_line_may_change_the_options() {
    let text = "#jinja2: trim_blocks:False, lstrip_blocks: True\na\n  {% if true %}\nx\n  {% endif %}\nb\n";
    assert_eq!(render(text, &json!({})), "a\n\nx\n\nb\n");
    let text = "#jinja2: variable_start_string:'[%', variable_end_string:'%]'\n[% a %] {{ b }}\n";
    assert_eq!(render(text, &json!({"a": 1})), "1 {{ b }}\n");
    let wrong = render_with("#jinja2: trim_blocks:maybe\nx\n", &json!({}), &FileOptions::default(), &no_loader());
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "wrong `#jinja2:` line: `trim_blocks` must be True or False, not `maybe`"
    );
}

#[test]
fn newlines_become_what_is_asked_for() {
    let options = FileOptions { newline_sequence: "\r\n".to_owned(), ..FileOptions::default() };
    let text = render_with("a {{ x }}\n{% if true %}\nb\n{% endif %}\n", &json!({"x": 1}), &options, &no_loader());
    assert_eq!(text.unwrap(), "a 1\r\nb\r\n");
    assert_eq!(render("a\r\nb\r\n", &json!({})), "a\nb\n");
}

#[test]
fn files_include_import_and_extend_others() {
    let files = loader(&[
        ("part.j2", "[{{ name }}{{ extra | default('-') }}]\n"),
        ("macros.j2", "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}"),
        ("base.j2", "begin\n{% block body %}\nbase\n{% endblock %}\nend\n"),
    ]);
    let run = |text: &str| render_with(text, &json!({"name": "n", "l": [1]}), &FileOptions::default(), &files).unwrap();
    assert_eq!(run("{% for extra in l %}{% include 'part.j2' %}{% endfor %}\n"), "[n1]\n");
    assert_eq!(run("{% from 'macros.j2' import twice %}{{ twice('ab') }}\n"), "abab\n");
    assert_eq!(run("{% import 'macros.j2' as m %}{{ m.twice(3) }}\n"), "33\n");
    assert_eq!(
        run("{% extends 'base.j2' %}{% block body %}\nmine {{ name }}\n{{ super() }}{% endblock %}\n"),
        "begin\nmine n\nbase\nend\n"
    );
    assert_eq!(run("{% include 'none.j2' ignore missing %}x\n"), "x\n");
    let error = render_with("a\n{% include 'none.j2' %}\n", &json!({}), &FileOptions::default(), &files).unwrap_err();
    assert!(error.to_string().contains("none.j2"), "{error}");
    assert_eq!(error.span().unwrap().place(), "templates/a.j2:2:1".replace(":1", ":4"));
}

#[test]
fn errors_show_the_file_and_the_line() {
    let files = loader(&[("part.j2", "ok\n{{ a.b | default(1) }} {{ missing }}\n")]);
    let run = |text: &str| render_with(text, &json!({"a": {}}), &FileOptions::default(), &files).unwrap_err();
    let error = run("one\n{{ a.b.c | default(2) }} {{ nope }}\n");
    assert_eq!(
        (error.to_string().as_str(), error.span().unwrap().place().as_str()),
        ("`nope` is undefined", "templates/a.j2:2:29")
    );
    let error = run("#jinja2: lstrip_blocks: True\none\n{{ nope }}\n");
    assert_eq!(error.span().unwrap().place(), "templates/a.j2:3:4");
    let error = run("x\n{% include 'part.j2' %}\n");
    assert_eq!(
        (error.to_string().as_str(), error.span().unwrap().place().as_str()),
        ("`missing` is undefined", "templates/part.j2:2:27")
    );
    let error = run("x\r\ny {{ nope }}\r\n");
    assert_eq!(error.span().unwrap().line_column().0, 2);
}

#[test]
fn backslashes_are_jinjas_in_files_and_yamls_in_playbooks() {
    assert_eq!(render("{{ 'a\\tb' }}", &json!({})), "a\tb");
    assert_eq!(render("{{ 'x1' | regex_replace('(\\d)', '<\\\\1>') }}", &json!({})), "x<1>");
    let engine = Engine::new();
    let vars = context(&engine, &json!({}));
    assert_eq!(engine.render("{{ 'x1' | regex_replace('(\\d)', '<\\1>') }}", &vars).unwrap(), json!("x<1>"));
}

#[test]
fn macros_take_callers_and_defaults() {
    let text = "{% macro m(a, b='B') %}{{ a }}{{ b }}{% if caller is defined %}<{{ caller() }}>{% endif %}{% endmacro %}\
                {{ m(1) }} {{ m(1, b=2) }} {% call m('x') %}body{% endcall %}\n";
    assert_eq!(render(text, &json!({})), "1B 12 xB<body>\n");
}

#[test]
fn collections_made_in_a_template_can_grow() {
    let text = "{% set l = [] %}{% set d = {} %}{% for i in [1, 2] %}{% set _ = l.append(i) %}{% do d.update({'k' ~ i: i}) %}{% endfor %}\
                {{ l }} {{ d }} {{ l | length }} {{ d | dict2items | map(attribute='key') | join }}\n";
    assert_eq!(render(text, &json!({})), "[1, 2] {'k1': 1, 'k2': 2} 2 k1k2\n");
    let error =
        render_with("{% set _ = given.append(1) %}", &json!({"given": []}), &FileOptions::default(), &no_loader());
    assert!(error.unwrap_err().to_string().contains("was not made in this template"));
}

#[test]
fn words_of_jinja_about_contexts_are_understood() {
    let files = loader(&[("m.j2", "{% macro f() %}{{ name }}{% endmacro %}"), ("p.j2", "<{{ name }}>")]);
    let run = |text: &str| render_with(text, &json!({"name": "n"}), &FileOptions::default(), &files);
    assert_eq!(run("{% import 'm.j2' as m with context %}{{ m.f() }}").unwrap(), "n");
    assert_eq!(run("{% from 'm.j2' import f with context %}{{ f() }}").unwrap(), "n");
    assert_eq!(run("{% include 'p.j2' with context %}").unwrap(), "<n>");
    assert_eq!(run("{% include 'p.j2' ignore missing with context %}").unwrap(), "<n>");
    assert_eq!(run("{% include ['none.j2', 'p.j2'] %}").unwrap(), "<n>");
}

#[test]
fn a_template_that_looks_itself_up_ends() {
    let place = tempfile::tempdir().unwrap();
    let local = std::sync::Arc::new(bringup::template::System::new(vec![place.path().to_owned()]));
    let engine = Engine::new();
    for text in ["{{ lookup('template', 'f.j2') }}", "{% include 'f.j2' %}{{ lookup('template', 'f.j2') }}"] {
        std::fs::write(place.path().join("f.j2"), text).unwrap();
        let vars: indexmap::IndexMap<String, bringup::template::Var> = indexmap::IndexMap::new();
        let vars = bringup::template::Context::new(&engine, std::sync::Arc::new(vars), local.clone());
        // The stack of a thread of the executor is small.
        let engine = engine.clone();
        let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
            let error = engine.render("{{ lookup('template', 'f.j2') }}", &vars).unwrap_err();
            assert!(error.span().is_some(), "{error}");
        });
        worker.unwrap().join().unwrap();
    }
}
