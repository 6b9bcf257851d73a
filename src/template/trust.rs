//! Whose words a text is: only what a file of the user's says may be read as an expression.
//!
//! A text that stands in a playbook, an inventory or an extra variable is *trusted*. It stays so while it is handed on as
//! it is: through variables, lists, loops, `hostvars`, an inline `if`. Whatever a template makes of texts is data, and so
//! is all that comes from a host. Where a rendered value is read as an expression a second time (`assert: that`,
//! `debug: var`, a condition in braces) only trusted texts are.
//!
//! The engine's mark of texts that need no escaping carries it: nothing is escaped here, so it has no other use, and every
//! filter, operator and block makes texts without it. `tests/template/trust.rs` tries them all.

use std::collections::HashMap;

use minijinja::Value;
use minijinja::value::ValueKind;
use serde_json::Value as Json;

use super::error::{Kind, TemplateError};
use super::value::{from_json_as, pairs};
use crate::yaml::Span;

/// A text as an engine value that may be evaluated.
#[expect(clippy::disallowed_methods, reason = "the one place that gives the mark")]
pub(crate) fn trusted(text: &str) -> Value {
    Value::from_safe_string(text.to_owned())
}

/// Whether all texts in a value are trusted: what it prints is then the user's own words.
pub(crate) fn is_trusted(value: &Value) -> bool {
    whole(value, 0)
}

fn whole(value: &Value, depth: usize) -> bool {
    match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Number => true,
        ValueKind::String => value.is_safe(),
        ValueKind::Seq | ValueKind::Iterable if depth < 20 => {
            value.try_iter().is_ok_and(|mut items| items.all(|item| whole(&item, depth + 1)))
        }
        ValueKind::Map if depth < 20 => {
            pairs(value).is_ok_and(|all| all.iter().all(|(k, v)| whole(k, depth + 1) && whole(v, depth + 1)))
        }
        _ => false,
    }
}

/// Whether a text is a name or a path and nothing else: it calls nothing and ends no quotes, whoever chose it.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/'))
}

/// Names of hosts and groups, which may have come from a host: trusted as far as they are nothing but names.
pub(crate) fn names(json: &Json) -> Value {
    from_json_as(json, &is_name)
}

/// The texts of rendered values, by whose words they are: what JSON cannot say of itself.
///
/// A text that stands in them twice, once as data, is data.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    texts: HashMap<String, Word>,
    /// Where the value that is being noted stands.
    span: Option<Span>,
}

#[derive(Clone, Debug)]
struct Word {
    trusted: bool,
    /// Whether all data in it stands between the user's quotes and cannot end them: as an expression it says what the user wrote.
    quoted: bool,
    span: Option<Span>,
}

impl Trust {
    /// Notes where the texts that follow come from.
    pub(crate) fn at(&mut self, span: &Span) {
        self.span = Some(span.clone());
    }

    /// Notes a text.
    pub(crate) fn note(&mut self, text: &str, trusted: bool) {
        match self.texts.get_mut(text) {
            Some(word) => {
                word.trusted &= trusted;
                word.quoted = false;
            }
            None => {
                self.texts.insert(text.to_owned(), Word { trusted, quoted: false, span: self.span.clone() });
            }
        }
    }

    /// Notes of a text that stands there once that it holds data between quotes alone.
    pub(crate) fn note_quoted(&mut self, text: &str) {
        if let Some(word) = self.texts.get_mut(text) {
            word.quoted = true;
        }
    }

    /// Whether a text may be read as an expression: it is the user's own, or data stands in it as texts alone.
    pub(crate) fn reads(&self, text: &str) -> bool {
        self.texts.get(text).is_some_and(|word| word.trusted || word.quoted)
    }

    /// Whether a text is the user's own.
    pub fn holds(&self, text: &str) -> bool {
        self.texts.get(text).is_some_and(|word| word.trusted)
    }

    /// The place of the value that a text came out of.
    pub fn place(&self, text: &str) -> Option<&Span> {
        self.texts.get(text).and_then(|word| word.span.as_ref())
    }

    /// The error of a text that is data where an expression is needed.
    pub(crate) fn refuse(text: &str, span: Option<&Span>) -> TemplateError {
        let shown: String = text.chars().take(40).collect();
        let dots = if shown.len() < text.len() { "…" } else { "" };
        TemplateError::new(Kind::Untrusted(format!("{shown}{dots}")), span.cloned()).with_help(
            "a text from a host, or made by a template, is not evaluated: write the expression itself without braces, such as `result.rc == 0`; \
             `debug: msg` shows any value",
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use indexmap::IndexMap;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::template::{Context, Engine, NoLocal, Var, filter, function, test};

    const HOST: &str = "lookup('pipe', 'touch x')";
    const MINE: &str = "x == 1";

    fn context(engine: &Engine) -> Context {
        let mut vars: IndexMap<String, Var> = IndexMap::new();
        let (host, b64) = ("bG9va3VwKCdwaXBlJywgJ3RvdWNoIHgnKQ==", "eCA9PSAx");
        vars.insert("host".into(), Var::data(&json!(HOST)));
        vars.insert("hosts".into(), Var::data(&json!([HOST, [HOST, {"k": HOST}], {"k": HOST, "n": 1}, host, b64])));
        vars.insert("hostmap".into(), Var::data(&json!({"a": HOST, "b": [HOST], HOST: 1})));
        vars.insert("mine".into(), Var::json(&json!(MINE)));
        vars.insert("mines".into(), Var::json(&json!([MINE, {"k": MINE}, b64])));
        vars.insert("via".into(), Var::json(&json!("{{ host }}")));
        vars.insert("mixed".into(), Var::json(&json!("true and {{ host }}")));
        Context::new(engine, Arc::new(vars), Arc::new(NoLocal))
    }

    /// All texts in a value that are trusted.
    fn marked(value: &Value, found: &mut Vec<String>, depth: usize) {
        match value.kind() {
            ValueKind::String if value.is_safe() => found.push(value.to_string()),
            ValueKind::Seq | ValueKind::Iterable if depth < 8 => {
                value.try_iter().into_iter().flatten().for_each(|item| marked(&item, found, depth + 1));
            }
            ValueKind::Map if depth < 8 => pairs(value).into_iter().flatten().for_each(|(k, v)| {
                marked(&k, found, depth + 1);
                marked(&v, found, depth + 1);
            }),
            _ => {}
        }
    }

    /// Nothing may come out as trusted but what went in as trusted, unchanged.
    fn forges_nothing(template: &str) {
        static ENGINE: std::sync::LazyLock<Engine> = std::sync::LazyLock::new(Engine::new);
        let engine = &*ENGINE;
        let vars = context(engine);
        let Ok(value) = engine.render_value(template, None, &vars.inner) else { return };
        let mut found = Vec::new();
        marked(&value, &mut found, 0);
        found.retain(|text| ![MINE, "eCA9PSAx", "k"].contains(&text.as_str()));
        assert!(found.is_empty(), "{template}: {found:?}");
    }

    #[test]
    fn no_filter_test_or_function_forges_trust() {
        let inputs =
            ["host", "hosts", "hostmap", "mine", "mines", "[host, mine]", "[mine ~ host]", "via", "mixed", "7"];
        let arguments = [
            "",
            "mine",
            "host",
            "mine, host",
            "host, mine",
            "[mine], [host]",
            "0",
            "2, mine",
            "mine, 1",
            "attribute='k'",
            "{'k': host}",
        ];
        for input in inputs {
            for given in arguments {
                for name in filter::names().iter().filter(|n| !n.contains('.')) {
                    forges_nothing(&format!("{{{{ {input} | {name}({given}) }}}}"));
                }
                for name in function::names() {
                    forges_nothing(&format!("{{{{ {name}({input}, {given}) }}}}"));
                }
                for name in [
                    "upper",
                    "format",
                    "replace",
                    "join",
                    "strip",
                    "split",
                    "splitlines",
                    "partition",
                    "get",
                    "items",
                    "values",
                ] {
                    forges_nothing(&format!("{{{{ ({input}).{name}({given}) }}}}"));
                }
            }
            for name in test::names().iter().filter(|n| !n.contains('.')) {
                forges_nothing(&format!("{{{{ {input} is {name} }}}}"));
                forges_nothing(&format!("{{{{ [{input}] | select('{name}') | list }}}}"));
            }
            for name in filter::names().iter().filter(|n| !n.contains('.')) {
                forges_nothing(&format!("{{{{ [{input}] | map('{name}') | list }}}}"));
            }
            for operator in ["~", "+", "*", "%", "-", "/", "//", "**", "==", "<", "in", "and", "or"] {
                forges_nothing(&format!("{{{{ {input} {operator} host }}}}"));
                forges_nothing(&format!("{{{{ host {operator} {input} }}}}"));
                forges_nothing(&format!("{{{{ {input} {operator} 2 }}}}"));
            }
            for part in ["[0]", "[-1]", "[1:]", "[::-1]", "[0][0]", "['a']", "[:]"] {
                forges_nothing(&format!("{{{{ ({input}){part} }}}}"));
            }
        }
    }

    #[test]
    fn no_statement_forges_trust() {
        for input in ["host", "hosts", "hostmap", "via", "mixed", "mine", "mines"] {
            for template in [
                "{{ V }}x",
                " {{ V }}",
                "{% set x %}{{ V }}{% endset %}{{ x }}",
                "{% set x | trim %}{{ V }}{% endset %}{{ x }}",
                "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(V) }}",
                "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ V }}{% endcall %}",
                "{% for c in V %}{{ c }}{% endfor %}",
                "{% for c in V %}{% if c == 'l' %}l{% endif %}{% endfor %}",
                "{% filter safe %}{{ V }}{% endfilter %}",
                "{% filter upper %}{{ V }}{% endfilter %}",
                "{% with a = V %}{{ a }}!{% endwith %}",
                "{% set n = namespace(x=V) %}{{ n.x ~ '' }}",
                "{% autoescape true %}{% set x %}{{ V }}{% endset %}{{ x }}{% endautoescape %}",
                "{% autoescape true %}{% macro m(a) %}{{ a }}{% endmacro %}{% set y = m(V) %}{% endautoescape %}{{ y }}",
                "{%- autoescape 'html' -%}{{ V ~ '' }}{%- endautoescape -%}",
                "{% raw %}{{ x }}{% endraw %}{{ V }}",
            ] {
                // Trusted words alone may make a trusted text; with anything else they may not.
                let template = template.replace('V', if input.starts_with("mine") { "[mine, host]" } else { input });
                forges_nothing(&template);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_chain_of_filters_forges_trust(
            input in prop::sample::select(&["host", "hosts", "hostmap", "[mine, host]", "mines + hosts", "mixed"][..]),
            chain in prop::collection::vec((0usize..500, prop::sample::select(&["", "(mine)", "(host)", "(0)", "(mine, host)", "(attribute='k')"][..])), 1..5),
        ) {
            let names = filter::names();
            let chain: String = chain.iter().map(|(i, given)| format!(" | {}{given}", names[i % names.len()])).collect();
            forges_nothing(&format!("{{{{ {input}{chain} }}}}"));
        }
    }

    /// What somebody reads twice: the texts of `that`, of a condition.
    fn decided(text: &str) -> Result<bool, String> {
        let engine = Engine::new();
        let mut vars: IndexMap<String, Var> = IndexMap::new();
        for (name, value) in
            [("host", HOST), ("plain", "some words"), ("name", "mine"), ("open", "'"), ("slash", "a\\")]
        {
            vars.insert(name.into(), Var::data(&json!(value)));
        }
        vars.insert("mine".into(), Var::json(&json!("secret")));
        vars.insert("folder".into(), Var::json(&json!("C:\\")));
        vars.insert("nested".into(), Var::json(&json!("'{{ plain }}'")));
        let vars = Context::new(&engine, Arc::new(vars), Arc::new(NoLocal));
        let mut trust = Trust::default();
        let node = crate::yaml::load_str("t", &format!("- {}", json!(text))).map_err(|e| e.to_string())?;
        let node = node.as_seq().unwrap_or_default()[0].clone();
        let by_condition = engine.condition(&node, &vars).map(|verdict| verdict.holds).map_err(|e| e.to_string());
        let rendered = engine.render_tree_noting(&node, &vars, &mut trust).map_err(|e| e.to_string())?;
        let by_parameter = match &rendered {
            serde_json::Value::String(text) => {
                engine.condition_of(text, &trust, &vars).map(|verdict| verdict.holds).map_err(|e| e.to_string())
            }
            other => Ok(other.as_bool().unwrap_or_default()),
        };
        assert_eq!(by_condition.is_ok(), by_parameter.is_ok(), "{text}: {by_condition:?} {by_parameter:?}");
        by_parameter
    }

    #[test]
    fn data_between_quotes_is_a_text_and_nothing_else_is_read() {
        for (text, expected) in [
            ("'{{ plain }}' == 'some words'", true),
            ("\"{{ plain }}!\" in ['some words!']", true),
            ("'{{ plain | upper }}' == 'SOME WORDS' and mine == '{{ mine }}'", true),
            ("'{{ plain }}' == plain and '{{ name }}' != mine", true),
        ] {
            assert_eq!(decided(text), Ok(expected), "{text}");
        }
        for text in [
            "{{ name }} == 'secret'",
            "'{{ folder }}' == ' or {{ name }} or '",
            "'{{ folder }}' == '{{ name }}'",
            "'{{ host }}' == ''",
            "'' ~ {{ plain }}",
            "'{{ open }} or true or {{ open }}'",
            "'{{ slash }}' or true or '{{ plain }}'",
            "'a' == {{ plain }} or '{{ plain }}'",
            "'x {{ nested }} y' == ''",
            "\\'{{ plain }}\\'",
            "{% if true %}'{{ plain }}'{% endif %} == ''",
        ] {
            assert!(decided(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_that_a_playbook_lists_are_its_own_and_what_is_made_of_them_is_not() {
        let engine = Engine::new();
        let vars = context(&engine);
        let trusts = |text: &str| is_trusted(&engine.render_value(text, None, &vars.inner).unwrap());
        assert!(trusts("{{ ['x == 1', mine] }}") && trusts("{{ ['x == 1'] + mines[:1] }}"));
        for text in
            ["{{ ['a', host] }}", "{{ ['a' ~ host] }}", "{{ ['a' + host] }}", "{{ ['a'] | map('upper') | list }}"]
        {
            assert!(!trusts(text), "{text}");
        }
    }

    #[test]
    fn what_is_handed_on_stays_trusted() {
        let engine = Engine::new();
        let vars = context(&engine);
        for template in [
            "{{ mine }}",
            "{{ mines[0] }}",
            "{{ mines[1].k }}",
            "{{ mines | first }}",
            "{{ mine if mine else host }}",
            "{{ mine | default(host) }}",
            "{{ mine }} and {{ mine }}",
            "{{ 1 + 1 }} == 2",
            "plain",
        ] {
            let value = engine.render_value(template, None, &vars.inner).unwrap();
            assert!(is_trusted(&value), "{template}");
        }
    }
}
