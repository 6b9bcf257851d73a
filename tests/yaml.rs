//! Reading YAML: values, places, limits.

use bringup::yaml::{self, Node, Options, Value, YamlError};
use serde_json::json;

fn read(text: &str) -> Node {
    match yaml::load_str("x.yml", text) {
        Ok(node) => node,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

fn refused(text: &str) -> String {
    match yaml::load_str("x.yml", text) {
        Ok(node) => panic!("{text:?} was read as {node:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_are_those_of_ansible() {
    for (text, expected) in [
        ("", json!(null)),
        ("# nothing\n", json!(null)),
        ("---\n", json!(null)),
        ("a: yes\nb: 'yes'\nc: !!str yes\n", json!({"a": true, "b": "yes", "c": "yes"})),
        ("mode: 0644", json!({"mode": 420})),
        ("a: !!int '12'\nb: !!float 1\nc: !!bool 'no'\n", json!({"a": 12, "b": 1.0, "c": false})),
        ("a:\nb: ~\nc: ''\n", json!({"a": null, "b": null, "c": ""})),
        ("- a\n- - b\n  - c\n", json!(["a", ["b", "c"]])),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", json!({"a": "x\ny\n", "b": "x y"})),
        ("a: |\n  x\n  y", json!({"a": "x\ny"})),
        ("a: >+\n  x\n\n", json!({"a": "x\n\n"})),
        ("a: b # c\nd: e#f\n", json!({"a": "b", "d": "e#f"})),
        ("a: &x {b: 1}\nc: *x\n", json!({"a": {"b": 1}, "c": {"b": 1}})),
        ("a: 2024-01-02\n", json!({"a": "2024-01-02"})),
        ("a: \"{{ b }}/c\"\n", json!({"a": "{{ b }}/c"})),
        ("a: b {{ c }}\n", json!({"a": "b {{ c }}"})),
        ("a: C:\\path\nb: http://x:80/y\n", json!({"a": "C:\\path", "b": "http://x:80/y"})),
        ("a: x\r\nb:\r\n  - y\r\n", json!({"a": "x", "b": ["y"]})),
        ("\u{feff}a: 1\n", json!({"a": 1})),
        ("{\"a\": 1e3, \"b\": [true, null, \"\\ud83d\\ude00\"]}", json!({"a": 1000.0, "b": [true, null, "😀"]})),
        ("{\n\t\"a\": [\n\t\t1\n\t]\n}\n", json!({"a": [1]})),
        ("\"a\": 1\n? b\n: 2\n", json!({"a": 1, "b": 2})),
    ] {
        assert_eq!(read(text).to_json(), expected, "{text:?}");
    }
}

#[test]
fn merge_keys_follow_pyyaml() {
    let text = "
base: &base {a: 1, b: 1}
other: &other {b: 2, c: 2}
one: {<<: *base, b: 3}
after: {b: 3, <<: *base}
list: {<<: [*base, *other], d: 4}
quoted: {'<<': 1}
";
    let node = read(text).to_json();
    assert_eq!(node["one"].to_string(), r#"{"a":1,"b":3}"#);
    assert_eq!(node["after"].to_string(), r#"{"a":1,"b":3}"#);
    assert_eq!(node["list"], json!({"a": 1, "b": 1, "c": 2, "d": 4}));
    assert_eq!(node["quoted"], json!({"<<": 1}));
}

#[test]
fn places_are_those_of_the_file() {
    let text = "# é\nkey:   ünï: x  # c\n";
    assert!(yaml::load_str("x.yml", text).is_err());
    let text = "# é\nkey:   ünï x   # c\nlist:\n  - a b\n  - {c: \"d e\"}\nblock: |\n  é\n  f\nend: 1\r\nlast: 2";
    let node = read(text);
    let place = |n: &Node| (n.span.text().to_owned(), n.span.line_column());
    assert_eq!(place(node.get("key").unwrap()), ("ünï x".into(), (2, 8)));
    let list = node.get("list").unwrap();
    assert_eq!(place(list), ("- a b\n  - {c: \"d e\"}".into(), (4, 3)));
    let items = list.as_seq().unwrap();
    assert_eq!(place(&items[1]), ("{c: \"d e\"}".into(), (5, 5)));
    assert_eq!(place(items[1].get("c").unwrap()), ("\"d e\"".into(), (5, 9)));
    assert_eq!(place(node.get("end").unwrap()), ("1".into(), (9, 6)));
    assert_eq!(place(node.get("last").unwrap()), ("2".into(), (10, 7)));
    assert!(node.get("block").unwrap().span.text().ends_with("é\n  f"));
    assert_eq!(node.get("end").unwrap().span.place(), "x.yml:9:6");
}

#[test]
fn unsafe_and_vault_keep_their_kind() {
    let node = read("a: !unsafe '{{ x }}'\nb: !unsafe [c, {d: e}]\nv: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n");
    let is_unsafe = |n: &Node| matches!(&n.value, Value::String { unsafe_text: true, .. });
    assert!(is_unsafe(node.get("a").unwrap()));
    let list = node.get("b").unwrap().as_seq().unwrap();
    assert!(is_unsafe(&list[0]) && is_unsafe(list[1].get("d").unwrap()));
    assert_eq!(node.get("v").unwrap().value, Value::Vault("$ANSIBLE_VAULT;1.1;AES256\n6162\n".into()));
    assert!(matches!(read("$ANSIBLE_VAULT;1.1;AES256\n6162\n").value, Value::Vault(_)));
}

#[test]
fn a_key_given_twice_is_refused_unless_allowed() {
    assert_eq!(refused("a: 1\nb: 2\na: 3\n"), "found a duplicate dict key (a), first given in line 1");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.yml");
    std::fs::write(&path, "a: 1\nb: 2\na: 3\n").unwrap();
    let node = yaml::load_with(&path, Options { duplicate_keys: true, many: false }).unwrap();
    assert_eq!(node.to_json().to_string(), r#"{"a":3,"b":2}"#);
}

#[test]
fn several_documents_are_read_where_they_are_allowed() {
    let all = yaml::load_all_str("x.yml", "a: 1\n---\nb: 2\n---\n").unwrap();
    let all: Vec<_> = all.iter().map(Node::to_json).collect();
    assert_eq!(all, [json!({"a": 1}), json!({"b": 2}), json!(null)]);
    assert_eq!(refused("a: 1\n---\nb: 2\n"), "the file holds more than one document");
}

#[test]
fn bombs_and_abysses_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
    }
    assert!(refused(&bomb).contains("unfold into more than"));
    assert!(refused(&"[".repeat(5000)).contains("deep"), "{}", refused(&"[".repeat(5000)));
    assert!(refused(&format!("a: {}1{}", "{b: ".repeat(200), "}".repeat(200))).contains("levels deep"));
    let deep: String = (0..150).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(refused(&deep).contains("levels deep"));
    assert!(refused("a: &a [*a]").contains("inside of the value it repeats"));
}

#[test]
fn a_file_that_is_not_utf8_is_refused() {
    let error = yaml::load_bytes("x.yml", b"a: 1\nb: \xff\n".to_vec()).unwrap_err();
    assert_eq!(error.to_string(), "`x.yml` is not UTF-8: the byte 0xff in line 2 begins no character");
    let missing = yaml::load(std::path::Path::new("/nowhere/x.yml")).unwrap_err();
    assert!(matches!(missing, YamlError::Read { .. }));
}

#[test]
fn values_of_the_wrong_kind_are_named() {
    let node = read("a: name:foo\nb: 12\nc: {d: 1}\ne: Yes\nf: [1]\n");
    let get = |key: &str| node.get(key).unwrap();
    let said = |error: yaml::Unexpected| (error.to_string(), error.help.unwrap_or_default());
    assert_eq!(
        said(get("a").expect_map().unwrap_err()),
        ("expected a mapping, found the text `name:foo`".into(), "put a space behind the colon: `name: foo`".into())
    );
    assert_eq!(
        said(get("b").expect_str().unwrap_err()),
        ("expected a text, found a number (`12`)".into(), "put quotes around it: \"12\"".into())
    );
    assert_eq!(
        said(get("e").expect_str().unwrap_err()),
        ("expected a text, found a truth value (`Yes`)".into(), "put quotes around it: \"Yes\"".into())
    );
    assert_eq!(
        said(get("c").expect_seq().unwrap_err()),
        ("expected a list, found a mapping".into(), "put `- ` before each item".into())
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[ a-c0-9:\\-{}\\[\\]*&!|>'\"%#,\n\t?~<é.]{0,80}") {
        if let Ok(node) = yaml::load_str("x.yml", &text) {
            fn inside(node: &Node) {
                assert!(node.span.source.text.get(node.span.start..node.span.end).is_some());
                node.as_seq().into_iter().flatten().for_each(inside);
                for (key, value) in node.as_map().into_iter().flatten() {
                    inside(key);
                    inside(value);
                }
            }
            inside(&node);
            let _ = yaml::parse_kv(&node);
        }
    }

    #[test]
    fn no_line_of_arguments_makes_the_reader_panic(text in "[ a-c=:{}%#'\"\\\\\né]{0,60}") {
        let node = Node::text(text.clone(), yaml::Span::whole(&yaml::Source::new("x.yml", text)));
        let _ = yaml::parse_kv(&node);
        let _ = yaml::parse_kv_free_form(&node);
    }
}
