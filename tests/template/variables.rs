//! Variables: read when they are needed, found in files, told from data.

use std::sync::Arc;

use bringup::template::{Context, Engine, HostVars, NoLocal, Value, Var, Vars, is_omit};
use bringup::yaml;
use indexmap::IndexMap;
use serde_json::json;

use super::context;

#[test]
fn a_variable_renders_what_it_names() {
    let engine = Engine::new();
    let vars =
        context(&engine, &json!({"a": "{{ b }}-x", "b": "{{ c + 1 }}", "c": 4, "list": ["{{ b }}", {"k": "{{ a }}"}]}));
    assert_eq!(engine.render("{{ a }}", &vars).unwrap(), json!("5-x"));
    assert_eq!(engine.render("{{ list }}", &vars).unwrap(), json!([5, {"k": "5-x"}]));
    assert_eq!(engine.render("{{ list[1].k }}", &vars).unwrap(), json!("5-x"));
    assert_eq!(vars.variable("b").unwrap(), Some(json!(5)));
    assert_eq!(vars.variable("nothing").unwrap(), None);
}

#[test]
fn only_the_parts_that_are_read_need_a_value() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({"d": {"good": 1, "bad": "{{ missing }}"}, "l": ["{{ missing }}", 2]}));
    assert_eq!(engine.render("{{ d.good + l[1] }}", &vars).unwrap(), json!(3));
    assert_eq!(engine.render("{{ d.bad | default('none') }}", &vars).unwrap(), json!("none"));
    assert_eq!(engine.render("{{ d | list }}", &vars).unwrap(), json!(["good", "bad"]));
    let error = engine.render("{{ d.bad }}", &vars).unwrap_err();
    assert_eq!(error.to_string(), "`missing` is undefined");
}

#[test]
fn data_is_never_rendered() {
    let engine = Engine::new();
    let mut vars: IndexMap<String, Var> = IndexMap::new();
    vars.insert("fact".to_owned(), Var::data(&json!({"text": "{{ 1 + 1 }}"})));
    vars.insert("via".to_owned(), Var::json(&json!("{{ fact.text }}")));
    let node = yaml::load_str("t.yml", "raw: !unsafe '{{ nope }}'\n").unwrap();
    vars.insert("file".to_owned(), Var::node(&node));
    let vars = Context::new(&engine, Arc::new(vars), Arc::new(NoLocal));
    assert_eq!(engine.render("{{ via }}", &vars).unwrap(), json!("{{ 1 + 1 }}"));
    assert_eq!(engine.render("<{{ file.raw }}>", &vars).unwrap(), json!("<{{ nope }}>"));
}

#[test]
fn a_loop_among_variables_is_named() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({"x": "{{ y }}", "y": "a{{ z.k }}", "z": {"k": "{{ x }}"}}));
    let error = engine.render("{{ x }}", &vars).unwrap_err();
    assert_eq!(error.to_string(), "recursive loop in variable x -> y -> k -> x");
    // A part may use another part of the same variable.
    let vars = context(&engine, &json!({"v": {"a": 1, "b": "{{ v.a + 1 }}"}}));
    assert_eq!(engine.render("{{ v.b }}", &vars).unwrap(), json!(2));
}

#[test]
fn a_long_chain_of_variables_ends() {
    let mut vars = serde_json::Map::new();
    for n in 0..200 {
        vars.insert(format!("v{n}"), json!(format!("{{{{ v{} }}}}", n + 1)));
    }
    vars.insert("v30".to_owned(), json!("end"));
    let engine = Engine::new();
    // The stack of a thread of the executor is small.
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let checked = worker.spawn(move || {
        let vars = context(&engine, &vars.into());
        assert_eq!(engine.render("{{ v0 }}", &vars).unwrap(), json!("end"));
        let error = engine.render("{{ v31 }}", &vars).unwrap_err();
        assert!(error.to_string().contains("leads through more than"), "{error}");
    });
    checked.unwrap().join().unwrap();
}

#[test]
fn overlays_come_first() {
    let engine = Engine::new();
    let base = context(&engine, &json!({"item": "base", "both": "{{ item }}!"}));
    let over = base.with([("item".to_owned(), Var::data(&json!("top")))].into_iter().collect());
    assert_eq!(engine.render("{{ both }}", &over).unwrap(), json!("top!"));
    assert_eq!(engine.render("{{ both }}", &base).unwrap(), json!("base!"));
    assert_eq!(engine.render("{{ vars.both }} {{ vars['item'] }}", &over).unwrap(), json!("top! top"));
}

/// Variables with `hostvars` and `groups` of the caller's.
struct Host {
    name: String,
    engine: Engine,
}

impl Vars for Host {
    fn get(&self, name: &str) -> Option<Var> {
        match name {
            "inventory_hostname" => Some(Var::data(&json!(self.name))),
            "address" => Some(Var::json(&json!("10.0.0.{{ inventory_hostname[1:] }}"))),
            "peers" => Some(Var::json(&json!("{{ groups.all | map('extract', hostvars, 'address') | join(',') }}"))),
            "groups" => Some(Var::data(&json!({"all": ["h1", "h2"]}))),
            _ => None,
        }
    }

    fn names(&self) -> Vec<String> {
        ["inventory_hostname", "address", "peers", "groups"].map(str::to_owned).to_vec()
    }

    fn object(&self, name: &str) -> Option<Value> {
        let engine = self.engine.clone();
        (name == "hostvars").then(|| {
            HostVars::value(vec!["h1".to_owned(), "h2".to_owned()], move |host| {
                let known = host.starts_with('h');
                known.then(|| host_context(&engine, host))
            })
        })
    }
}

fn host_context(engine: &Engine, name: &str) -> Context {
    Context::new(engine, Arc::new(Host { name: name.to_owned(), engine: engine.clone() }), Arc::new(NoLocal))
}

#[test]
fn hostvars_are_rendered_with_their_own_host() {
    let engine = Engine::new();
    let vars = host_context(&engine, "h1");
    assert_eq!(engine.render("{{ hostvars['h2'].address }} {{ address }}", &vars).unwrap(), json!("10.0.0.2 10.0.0.1"));
    assert_eq!(engine.render("{{ peers }}", &vars).unwrap(), json!("10.0.0.1,10.0.0.2"));
    assert_eq!(engine.render("{{ hostvars[inventory_hostname]['address'] }}", &vars).unwrap(), json!("10.0.0.1"));
    assert_eq!(engine.render("{{ 'x9' in hostvars }} {{ 'h1' in hostvars }}", &vars).unwrap(), json!("False True"));
    assert_eq!(engine.render("{{ hostvars.x9.address | default('none') }}", &vars).unwrap(), json!("none"));
    assert_eq!(engine.render("{{ hostvars | list }}", &vars).unwrap(), json!(["h1", "h2"]));
    let looped = "{% for h in groups['all'] %}{{ h }}={{ hostvars[h]['address'] }};{% endfor %}";
    assert_eq!(engine.render(looped, &vars).unwrap(), json!("h1=10.0.0.1;h2=10.0.0.2;"));
}

#[test]
fn omit_leaves_parameters_out() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({"given": 1, "indirect": "{{ nope | default(omit) }}"}));
    assert!(is_omit(&engine.render("{{ nope | default(omit) }}", &vars).unwrap()));
    assert!(is_omit(&engine.render("{{ indirect }}", &vars).unwrap()));
    let text = "a: '{{ nope | default(omit) }}'\nb: '{{ given | default(omit) }}'\nc: ['{{ indirect }}', 2, {d: '{{ omit }}'}]\n";
    let node = yaml::load_str("t.yml", text).unwrap();
    assert_eq!(engine.render_tree(&node, &vars).unwrap(), json!({"b": 1, "c": [2, {}]}));
}

#[test]
fn a_tree_keeps_types_and_renders_keys() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({"port": 80, "name": "web", "on": true}));
    let node = yaml::load_str(
        "t.yml",
        "'{{ name }}-x': {port: '{{ port }}', text: '{{ port }}/tcp', up: '{{ on }}', n: 0x10}\n",
    )
    .unwrap();
    assert_eq!(
        engine.render_tree(&node, &vars).unwrap(),
        json!({"web-x": {"port": 80, "text": "80/tcp", "up": true, "n": 16}})
    );
}

#[test]
fn references_are_found() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({"a": "{{ b }}", "b": "{{ hostvars[c].x }}", "c": "h1", "t": "{{ now() }}"}));
    let direct = engine.references("{{ a }} {% for i in list %}{{ i }}{% set q = z %}{{ q }}{% endfor %}");
    assert_eq!(direct.names.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "list", "z"]);
    assert!(!direct.hostvars && !direct.impure && !direct.any);
    let all = engine.all_references(&direct, &vars);
    assert_eq!(all.names.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c", "hostvars", "list", "z"]);
    assert!(all.hostvars);
    assert!(engine.all_references(&engine.references("{{ t }}"), &vars).impure);
    assert!(engine.expression_references("x is defined and lookup('file', y)").impure);
    assert!(engine.references("{{ lookup('vars', name) }}").any);
    let literal = engine.references("{{ lookup('vars', 'known') }} {{ vars.other }}");
    assert!(!literal.any && literal.names.contains("known") && literal.names.contains("other"));
    assert!(engine.references("{{ l | shuffle }}").impure && !engine.references("{{ l | sort }}").impure);
    assert_eq!(engine.references("plain text"), bringup::template::References::default());
    assert_eq!(engine.references("{{ broken"), bringup::template::References::default());
}

#[test]
fn references_miss_nothing() {
    let engine = Engine::new();
    let names = |text: &str| engine.references(text).names.into_iter().collect::<Vec<_>>();
    assert_eq!(names("{{ list[1:] }} {{ a[b:c] }}"), ["a", "b", "c", "list"]);
    assert_eq!(names("{% set x = x + 1 %}{{ x }}"), ["x"]);
    assert_eq!(names("{% call f(g) %}{{ h }}{% endcall %}{% do i.append(j) %}"), ["f", "g", "h", "i", "j"]);
    assert_eq!(
        names("{% filter indent(n) %}{{ m }}{% endfilter %}{% with q = r %}{{ q }}{% endwith %}"),
        ["m", "n", "r"]
    );
    assert_eq!(names("{{ x is divisibleby(y) }} {{ p | default(q.r) }} {{ {k: v} }}"), ["k", "p", "q", "v", "x", "y"]);
    assert_eq!(names("{{ q('items', l) }} {{ now() }} {{ query(n) ~ query }}"), ["l", "n", "query"]);
    let file = engine
        .file_references("#jinja2: variable_start_string:'<<', variable_end_string:'>>'\n<< inside >> {{ outside }}\n");
    assert_eq!(file.names.into_iter().collect::<Vec<_>>(), ["inside"]);
    assert!(engine.file_references("{% if x %}").any);
    assert!(engine.file_references("{% include 'x' %}").any);
}

#[test]
fn rendering_is_quick_enough() {
    let engine = Engine::new();
    let vars = context(&engine, &json!({"a": "{{ b }}/{{ c }}", "b": "x", "c": [1, 2, 3], "d": {"e": {"f": 1}}}));
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        engine.render("{{ a }}-{{ d.e.f | default(5) }}", &vars).unwrap();
        engine.render("{{ c | map('string') | join(',') }}", &vars).unwrap();
        assert!(engine.condition_at("d.e.f == 1 and b is defined", None, &vars).unwrap().holds);
    }
    println!("{:?} per rendering", start.elapsed() / 3000);
}

/// Variables whose values are made anew each time that they are asked for, as those of an item or of a special name are.
struct Fleeting;

impl Vars for Fleeting {
    fn get(&self, name: &str) -> Option<Var> {
        let text = match name.split_once('_')? {
            ("broken", _) => "{{ missing }}",
            ("sound", _) => "{{ 'so' }}",
            ("outer", _) => {
                "{% for i in range(200) %}{{ lookup('vars', 'broken_' ~ i, default='-') }}{{ lookup('vars', 'sound_' ~ i, default='lost') }}{% endfor %}"
            }
            _ => return None,
        };
        Some(Var::json(&json!(text)))
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn a_failure_is_remembered_for_its_own_text_alone() {
    let engine = Engine::new();
    let vars = Context::new(&engine, Arc::new(Fleeting), Arc::new(NoLocal));
    let shown = engine.render("{{ outer_ }}", &vars);
    assert_eq!(shown.unwrap(), json!("-so".repeat(200)));
}
