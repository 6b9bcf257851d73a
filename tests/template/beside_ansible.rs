//! Filters and tests with random values: Ansible itself is asked what each comes to, where it is installed.
//!
//! - `BRINGUP_TEST_ANSIBLE=/path/to/ansible-playbook` says where;
//! - `BRINGUP_TEST_ANSIBLE_VALUES=2000` says how many expressions are tried, `BRINGUP_TEST_SEED` which ones;
//! - filters of collections are asked of those that Ansible finds (`ANSIBLE_COLLECTIONS_PATH`).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bringup::template::{Context, Engine, NoLocal, Var};
use indexmap::IndexMap;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Map, Value as Json, json};

use crate::support::skip::skip;

/// Expressions in which a capital stands for a random value: `A` anything, `L` a list, `D` a mapping, `R` a list of mappings, `T` a text, `W` a
/// list of texts, `N` a number, `I` a small whole number, `J` a list of numbers, `B` true or false.
const EXPRESSIONS: &[&str] = &[
    // ansible.builtin and Jinja
    "A | string",
    "N | abs",
    "L | batch(3) | list",
    "L | batch(2, A) | list",
    "T | capitalize",
    "T | center(I + 5)",
    "A | default(A)",
    "A | default(A, true)",
    "D | dictsort",
    "D | dictsort(reverse=true)",
    "D | dictsort(by='value') if false else D",
    "T | escape",
    "N | filesizeformat",
    "N | filesizeformat(true)",
    "L | first",
    "T | first",
    "N | float",
    "T | float(1.5)",
    "A | float",
    "T | forceescape",
    "T | indent(I)",
    "T | indent(2, true)",
    "T | indent(first=true, blank=true)",
    "A | int",
    "T | int(7)",
    "T | int(base=16)",
    "W | join(T)",
    "L | join('-')",
    "L | last",
    "A | length",
    "A | list",
    "T | lower",
    "J | map('abs') | list",
    "W | map('upper') | list",
    "R | map(attribute='a', default=I) | list",
    "J | max",
    "J | min",
    "W | max",
    "W | min(case_sensitive=true)",
    "L | random(seed='x') if false else I",
    "J | reject('gt', I) | list",
    "J | select('odd') | list",
    "J | select('divisibleby', 2) | list",
    "W | reject('match', 'a') | list",
    "R | selectattr('a', 'defined') | list",
    "R | rejectattr('b', 'defined') | list",
    "T | replace('a', T)",
    "T | replace('a', 'bb', 1)",
    "L | reverse | list",
    "T | reverse",
    "N | round",
    "N | round(I)",
    "N | round(1, 'floor')",
    "N | round(I, 'ceil')",
    "L | slice(3) | list",
    "L | slice(2, A) | list",
    "J | sort",
    "J | sort(reverse=true)",
    "W | sort",
    "W | sort(case_sensitive=true)",
    "R | sort(attribute='k')",
    "T | striptags",
    "J | sum",
    "J | sum(start=I)",
    "T | title",
    "T | trim",
    "T | trim('ab ')",
    "T | truncate(I + 4)",
    "T | truncate(8, true, '~', 2)",
    "W | unique",
    "W | unique(case_sensitive=true)",
    "R | unique(attribute='k')",
    "T | upper",
    "T | urlencode",
    "D | urlencode",
    "T | wordcount",
    "T | wordwrap(I + 3)",
    "T | wordwrap(4, false)",
    "D | xmlattr",
    "R | groupby('k') | map('list') | list",
    "D | items | list",
    "D | bool",
    "N | bool",
    "T | bool",
    "T | b64encode",
    "T | b64encode | b64decode",
    "T | basename",
    "T | dirname",
    "T | splitext",
    "T | win_basename",
    "T | win_dirname",
    "T | win_splitdrive",
    "T | quote",
    "T | checksum",
    "T | md5",
    "T | sha1",
    "T | hash('sha256')",
    "T | comment",
    "T | comment('c')",
    "T | comment(decoration='! ')",
    "T | comment('plain', prefix='#x', postfix='', beginning='b')",
    "D | combine(D)",
    "D | combine(D, recursive=true)",
    "D | combine(D, D, list_merge='append')",
    "D | combine(D, recursive=true, list_merge='prepend_rp')",
    "D | combine(D, list_merge='append_rp')",
    "[D, D] | combine",
    "D | dict2items",
    "D | dict2items(key_name='x', value_name='y')",
    "D | dict2items | items2dict",
    "R | items2dict(key_name='k', value_name='a')",
    "W | difference(W) | length",
    "W | intersect(W) | length",
    "W | union(W) | length",
    "W | symmetric_difference(W) | sort(case_sensitive=true)",
    "J | difference(J) | sort",
    "W | intersect(W) | sort(case_sensitive=true)",
    "L | flatten",
    "L | flatten(levels=1)",
    "L | flatten(skip_nulls=false)",
    "T | from_json",
    "A | to_json | from_json",
    "A | to_nice_json",
    "A | to_nice_json(indent=2)",
    "A | to_json(separators=(',', ':'))",
    "D | to_json(sort_keys=true)",
    "A | to_yaml",
    "A | to_nice_yaml",
    "A | to_nice_yaml(indent=4)",
    "A | to_nice_yaml | from_yaml",
    "T | from_yaml",
    "N | human_readable",
    "N | human_readable(isbits=true)",
    "N | human_readable(unit='M')",
    "(I ~ 'K') | human_to_bytes",
    "T | human_to_bytes",
    "'1.5 MB' | human_to_bytes",
    "I | log",
    "N | log(10)",
    "N | pow(2)",
    "N | root",
    "I | root(3)",
    "D | extract({'x': D}) if false else D",
    "I | extract(L)",
    "'k' | extract(D)",
    "'k' | extract(D, 'n')",
    "L | product(W) | list",
    "L | permutations(2) | list",
    "L | combinations(2) | list",
    "L | zip(L) | list",
    "L | zip_longest(L, fillvalue=A) | list",
    "T | regex_escape",
    "T | regex_escape('posix_basic')",
    "T | regex_search('a.?')",
    "T | regex_search('(a)(.)', '\\\\1', '\\\\2')",
    "T | regex_findall('[a-z]')",
    "T | regex_findall('(a)(.)')",
    "T | regex_replace('a', T)",
    "T | regex_replace('[^a-z]+', '-')",
    "T | regex_replace('(.)b', '\\\\1B')",
    "T | regex_replace('a', 'X', count=1)",
    "T | regex_replace('A', 'x', ignorecase=true)",
    "R | rekey_on_member('k', duplicates='overwrite')",
    "R | rekey_on_member('k')",
    "('/' ~ T) | relpath('/a')",
    "[T, T] | path_join",
    "T | split",
    "T | split('a')",
    "T | split(',')",
    "R | subelements('l')",
    "R | subelements('l', skip_missing=true)",
    "B | ternary(A, A)",
    "A | ternary(1, 2)",
    "A | ternary(1, 2, 3)",
    "T | to_uuid",
    "T | type_debug",
    "A | type_debug",
    "T | urldecode",
    "T | urlsplit",
    "T | urlsplit('path')",
    "'http://u:p@h.example.org:8/p?q=' ~ T | urlsplit",
    "T | strftime if false else T",
    "'%Y-%m-%d' | strftime(I * 86400)",
    "'2020-0' ~ (I + 1) ~ '-01 00:00:00' | to_datetime | string",
    "T | commonpath if false else T",
    "['/a/b', '/a/c'] | commonpath",
    "T | normpath",
    "T | expandvars",
    "D | mandatory",
    "L | shuffle(seed='a')",
    "I | random(seed='b')",
    "L | random(seed='c')",
    "20 | random(start=I, step=2, seed='d')",
    "'hash' | password_hash('sha512', 'abcdefgh', rounds=1000)",
    // operators
    "A == A",
    "L == L",
    "J < J",
    "W <= W",
    "N + N",
    "N - I",
    "N * I",
    "I // 3",
    "I % 3",
    "N / 4",
    "I ** 2",
    "T + T",
    "T ~ I",
    "L + L",
    "T * I",
    "A in L",
    "T in T",
    "T[1:]",
    "T[::-1]",
    "L[I:]",
    "L[:I]",
    "L[::2]",
    "T.split('a')",
    "T.upper()",
    "T.startswith('a')",
    "D.keys() | list",
    "D.get('k', A)",
    "not A",
    "A and A",
    "A or A",
    // tests
    "A is defined",
    "A is none",
    "A is number",
    "A is string",
    "A is sequence",
    "A is mapping",
    "A is iterable",
    "A is boolean",
    "A is integer",
    "A is float",
    "I is odd",
    "I is even",
    "N is divisibleby(2)",
    "A is true",
    "A is false",
    "A is truthy",
    "A is falsy",
    "A is truthy(convert_bool=true)",
    "L is contains(A)",
    "T is contains('a')",
    "A is in L",
    "L is superset(L)",
    "L is subset(L)",
    "T is match('a')",
    "T is search('b')",
    "T is regex('.a')",
    "T is upper",
    "T is lower",
    "L is any",
    "L is all",
    "N is nan",
    "T is uri",
    "T is url",
    "T is urn",
    "T is abs",
    "'1.2.3' is version('1.' ~ I, '>=')",
    "(I ~ '.0') is version('2.0', '<', strict=true)",
    "T is version('1.0', '>')",
    "A is eq(A)",
    "N is gt(N)",
    // community.general
    "W | community.general.counter",
    "W | community.general.lists_union(W)",
    "W | community.general.lists_difference(W)",
    "J | community.general.lists_symmetric_difference(J)",
    "W | community.general.lists_intersect(W, W)",
    "R | community.general.keep_keys(target=['k', 'a'])",
    "R | community.general.remove_keys(target=['k'])",
    "R | community.general.remove_keys(target=['^a'], matching_parameter='regex')",
    "R | community.general.replace_keys(target=[{'before': 'k', 'after': 'z'}])",
    "R | community.general.lists_mergeby('k')",
    "[R, R] | community.general.lists_mergeby('k', recursive=true, list_merge='append')",
    "T | community.general.crc32",
    "T | community.general.dict_kv('x')",
    "R | community.general.groupby_as_dict('k')",
    "A | community.general.reveal_ansible_type",
    "W | community.general.version_sort",
    "T | community.general.unicode_normalize('NFKD')",
    "I | community.general.to_time_unit('ms') if false else I",
    "'1h 30m 5s' | community.general.to_seconds",
    "(I ~ 'd') | community.general.to_hours",
    "R | json_query('[].k')",
    "D | json_query('*')",
    "R | json_query('[?k].a')",
    "R | json_query('sort_by(@, &k)')",
    "D | json_query('keys(@)')",
    "J | json_query('sum(@)')",
    "A | json_query('to_string(@)')",
    "A | json_query('type(@)')",
    "L | json_query('[::2]')",
    "L | json_query('[] | length(@)')",
    "W | json_query(\"join(',', @)\")",
    "R | json_query('[*].{x: k, y: a}')",
    "T | json_query('reverse(@)')",
    "N | json_query('ceil(@)')",
    "'a,b\n1,' ~ I | community.general.from_csv",
    "L | community.general.json_patch_recipe([{'op': 'add', 'path': '/0', 'value': 1}])",
    "J | community.general.accumulate if false else J",
    // ansible.utils
    "D | ansible.utils.to_paths",
    "D | ansible.utils.to_paths(prepend='x')",
    "D | ansible.utils.get_path('k')",
    "L | ansible.utils.index_of('eq', A)",
    "J | ansible.utils.index_of('>', I)",
    "R | ansible.utils.index_of('eq', I, 'k')",
    "W | ansible.utils.param_list_compare(W)",
    "('10.0.' ~ I ~ '.7/24') | ansible.utils.ipaddr('network')",
    "'10.1.0.0/16' | ansible.utils.ipsubnet(24, I)",
    "['10.0.0.' ~ I, 'x', '::1'] | ansible.utils.ipv4",
    "D | ansible.utils.fact_diff(D)",
    "T | ansible.utils.fact_diff(T)",
    "W | ansible.utils.fact_diff(W, common=true)",
    "['10.0.0.0/25', '10.0.0.128/25'] | ansible.utils.cidr_merge",
    "'10.0.0.0/8' | ansible.utils.nthhost(I)",
    "[{'name': 'a', 'match_key': 'k', 'data': R}, {'name': 'b', 'match_key': 'k', 'data': R}] | ansible.utils.consolidate(false, false, false)",
    "'52:54:00:00:00:0' ~ I | ansible.utils.hwaddr('cisco')",
    "'10.0.0.' ~ I | ansible.utils.ipmath(I)",
    "'10.0.0.' ~ I is ansible.utils.in_network('10.0.0.0/29')",
];

struct Random(StdRng);

impl Random {
    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.0).unwrap()
    }

    fn text(&mut self) -> String {
        const WORDS: &[&str] = &[
            "",
            "a",
            "b",
            "ab",
            "Ab",
            "a b",
            "abab",
            "b,a",
            "a/b.c",
            "/a/b/",
            "1",
            "-2",
            "0x1f",
            "1.5",
            "true",
            "no",
            "ä",
            "ß",
            "é😀",
            "x y  z",
            "a\nb",
            "a-b_c",
            "A",
            "null",
            "~",
            "a: b",
            "#a",
            "'q'",
            "\"d\"",
            "<b>&",
            "%41",
            "[1]",
            "{\"a\": 1}",
            "a=b&c",
            "10.0.0.1",
            "1.10",
            "urn:x",
            "http://h/a?b#c",
            "a\\b",
            "yes",
            "2024-01-01",
            "0o7",
            "1e3",
            "1_0",
            "@x",
            "*",
            "&",
            "!",
            "- a",
        ];
        let count = self.0.random_range(1..=2);
        (0..count).map(|_| self.one_of(WORDS)).collect::<Vec<_>>().join(self.one_of(&["", " ", "a", ","]))
    }

    fn whole(&mut self) -> i64 {
        self.0.random_range(0..6)
    }

    fn number(&mut self) -> Json {
        match self.0.random_range(0..6) {
            0 => json!(self.0.random_range(-5..5)),
            1 => json!(self.0.random_range(0..100_000_000_i64)),
            2 => json!(self.one_of(&[0.5, 1.5, 2.5, -0.5, 0.1, 1e16, 1e-7, 123.456, 3.0])),
            _ => json!(self.whole()),
        }
    }

    fn any(&mut self, depth: usize) -> Json {
        match self.0.random_range(0..if depth > 2 { 5 } else { 8 }) {
            0 => Json::Null,
            1 => json!(self.0.random::<bool>()),
            2 => self.number(),
            3 | 4 => json!(self.text()),
            5 => self.list(depth + 1),
            6 => self.mapping(depth + 1),
            _ => json!([]),
        }
    }

    fn list(&mut self, depth: usize) -> Json {
        let count = self.0.random_range(0..5);
        (0..count).map(|_| self.any(depth)).collect()
    }

    fn mapping(&mut self, depth: usize) -> Json {
        let mut all = Map::new();
        for _ in 0..self.0.random_range(0..4) {
            let key = self.one_of(&["k", "a", "b", "n", "l", "x y", "Z", "1", "é"]);
            all.insert(key.to_owned(), self.any(depth));
        }
        Json::Object(all)
    }

    fn rows(&mut self) -> Json {
        let count = self.0.random_range(0..4);
        let row = |random: &mut Random| {
            let mut row = Map::from_iter([("k".to_owned(), json!(random.whole()))]);
            if random.0.random() {
                row.insert("a".into(), random.any(2));
            }
            if random.0.random() {
                row.insert("l".into(), json!([random.whole(), random.text()]));
            }
            Json::Object(row)
        };
        (0..count).map(|_| row(self)).collect()
    }

    fn value(&mut self, kind: char) -> Json {
        let count = self.0.random_range(0..5);
        match kind {
            'L' => self.list(1),
            'D' => self.mapping(1),
            'R' => self.rows(),
            'T' => json!(self.text()),
            'W' => (0..count).map(|_| json!(self.text())).collect(),
            'N' => self.number(),
            'I' => json!(self.whole()),
            'J' => (0..count).map(|_| self.number()).collect(),
            'B' => json!(self.0.random::<bool>()),
            _ => self.any(0),
        }
    }

    /// The expression with names in the place of its capitals, and their values.
    fn filled(&mut self, expression: &str) -> (String, Map<String, Json>) {
        let (mut text, mut values, mut before, mut quoted) = (String::new(), Map::new(), ' ', None);
        let mut chars = expression.chars().peekable();
        while let Some(c) = chars.next() {
            let alone = !before.is_alphanumeric()
                && before != '_'
                && !chars.peek().is_some_and(|n| n.is_alphanumeric() || *n == '_');
            match quoted {
                Some(quote) if quote == c => quoted = None,
                None if c == '\'' => quoted = Some(c),
                _ => {}
            }
            if quoted.is_none() && alone && "ALDRTWNIJB".contains(c) {
                let name = format!("v{}", values.len());
                values.insert(name.clone(), self.value(c));
                text.push_str(&name);
            } else {
                text.push(c);
            }
            before = c;
        }
        (text, values)
    }
}

fn ours(engine: &Engine, expression: &str, values: &Map<String, Json>) -> Result<Json, String> {
    let vars: IndexMap<String, Var> = values.iter().map(|(name, value)| (name.clone(), Var::json(value))).collect();
    let vars = Context::new(engine, Arc::new(vars), Arc::new(NoLocal));
    let text = format!("{{{{ ({expression}) | to_json | string ~ ' ' }}}}");
    let found = engine.render(&text, &vars).map_err(|error| error.to_string())?;
    let text = found.as_str().map(str::to_owned).unwrap_or_else(|| found.to_string());
    serde_json::from_str(text.trim_end()).map_err(|error| format!("{text}: {error}"))
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The same but for the last digits of numbers that are not whole.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) if a.is_f64() && b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= a.abs() * 1e-14
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && same(a, b))
        }
        _ => a == b,
    }
}

#[test]
fn random_values_come_to_the_same_beside_ansible() {
    let python = std::env::var_os("BRINGUP_TEST_ANSIBLE").map(|path| PathBuf::from(path).with_file_name("python"));
    let Some(python) = python.filter(|path| path.is_file()) else {
        skip!("ansible is not asked: BRINGUP_TEST_ANSIBLE names none with a `python` beside it");
    };
    let mut random = Random(StdRng::seed_from_u64(number("BRINGUP_TEST_SEED", 1)));
    let count = number("BRINGUP_TEST_ANSIBLE_VALUES", 1000);
    let mut asked = Vec::new();
    for at in 0..count {
        let expression = EXPRESSIONS[usize::try_from(at).unwrap() % EXPRESSIONS.len()];
        asked.push(random.filled(expression));
    }
    let input: Vec<Json> = asked.iter().map(|(text, values)| json!([text, values])).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/template/ask.py");
    let mut command = Command::new(python);
    let mut running =
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    std::thread::spawn(move || stdin.write_all(json!(input).to_string().as_bytes()));
    let output = running.wait_with_output().unwrap();
    let answers: Vec<(Option<String>, Option<String>)> = serde_json::from_slice(&output.stdout).unwrap();
    let engine = Engine::new();
    let mut wrong = Vec::new();
    for ((text, values), (theirs, why)) in asked.iter().zip(answers) {
        let why = why.unwrap_or_default();
        // What is not there cannot be asked; lists and mappings have no hash, without which we do.
        let passed_by = ["No filter named", "No test named", "Could not load", "unhashable type"];
        if passed_by.iter().any(|part| why.contains(part)) {
            continue;
        }
        let values_of = || Json::Object(values.clone());
        match (ours(&engine, text, values), theirs) {
            (Ok(mine), Some(theirs)) => {
                let theirs: Json = serde_json::from_str(&theirs).unwrap();
                if !same(&mine, &theirs) {
                    wrong.push(format!("{text}\n  with {}\n  ours    {mine}\n  theirs  {theirs}", values_of()));
                }
            }
            (Ok(mine), None) => {
                wrong.push(format!("{text}\n  with {}\n  ours    {mine}\n  theirs  {why}", values_of()))
            }
            (Err(mine), Some(theirs)) => {
                wrong.push(format!("{text}\n  with {}\n  ours    error: {mine}\n  theirs  {theirs}", values_of()));
            }
            (Err(_), None) => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), asked.len(), wrong.join("\n"));
}
