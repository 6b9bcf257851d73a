//! Lookups: against a made-up machine, and files against a real folder.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bringup::template::{Context, Engine, FileKind, Local, System, Var};
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

/// A machine in memory.
#[derive(Default)]
struct Fake {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Local for Fake {
    fn find(&self, kind: &str, name: &str) -> Option<String> {
        let name = name.trim_end_matches('.');
        let candidates = [name.to_owned(), format!("/role/{kind}/{name}"), format!("/play/{kind}/{name}")];
        let files = self.files.lock().unwrap();
        candidates
            .into_iter()
            .find(|path| files.contains_key(path) || files.keys().any(|f| f.starts_with(&format!("{path}/"))))
    }
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.lock().unwrap().get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn write_private(&self, path: &str, content: &[u8]) -> io::Result<()> {
        self.files.lock().unwrap().insert(path.to_owned(), content.to_vec());
        Ok(())
    }
    fn glob(&self, pattern: &str) -> Vec<String> {
        let (folder, suffix) = pattern.split_once('*').unwrap();
        self.files.lock().unwrap().keys().filter(|f| f.starts_with(folder) && f.ends_with(suffix)).cloned().collect()
    }
    fn kind(&self, path: &str, _: bool) -> Option<FileKind> {
        self.files.lock().unwrap().contains_key(path).then_some(FileKind::File)
    }
    fn real_path(&self, path: &str) -> Option<String> {
        Some(path.to_owned())
    }
    fn env(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/me".to_owned())
    }
    fn current_dir(&self) -> String {
        "/play".to_owned()
    }
    fn run(&self, command: &str) -> io::Result<(Option<i32>, Vec<u8>, Vec<u8>)> {
        Ok(match command {
            "fail" => (Some(3), Vec::new(), b"no luck\n".to_vec()),
            _ => (Some(0), format!("ran {command}\nline 2\n").into_bytes(), Vec::new()),
        })
    }
}

fn machine() -> Arc<Fake> {
    let files = [
        ("/role/files/key.pub", "ssh-ed25519 AAAA\n"),
        ("/role/files/a.conf", "A"),
        ("/role/files/b.conf", "B"),
        ("/play/vars/Debian.yml", "x: 1"),
        ("/play/vars/default.yml", "x: 2"),
        ("/play/files/users.csv", "al,1000,\"a, b\"\nbo,1001,c\n"),
        ("/play/files/app.ini", "[web]\nport = 80\nHost=h\n[db]\nport=5432\n"),
        ("/role/templates/t.j2", "{{ who }} {% include 'part.j2' %}\n"),
        ("/role/templates/part.j2", "part of {{ who }}"),
        ("/role/templates/data.j2", "{\"n\": {{ 1 + 1 }}}"),
        ("/play/kept", "old-password\n"),
    ];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect();
    Arc::new(Fake { files: Mutex::new(files) })
}

fn context(machine: &Arc<Fake>) -> (Engine, Context) {
    let engine = Engine::new();
    let vars: IndexMap<String, Var> = [
        ("who", json!("me")),
        ("names", json!(["key.pub"])),
        ("ansible_port", json!(22)),
        ("ansible_ssh_port", json!("2022")),
        ("groups", json!({"web": ["w1", "w2"], "all": ["w1", "w2", "d1"]})),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Var::json(&value)))
    .collect();
    let context = Context::new(&engine, Arc::new(vars), machine.clone());
    (engine, context)
}

#[test]
fn lookups_read_the_machine() {
    let (engine, vars) = context(&machine());
    for (text, expected) in [
        ("{{ lookup('file', 'key.pub') }}", json!("ssh-ed25519 AAAA")),
        ("{{ lookup('file', 'key.pub', rstrip=false) }}", json!("ssh-ed25519 AAAA\n")),
        ("{{ lookup('file', 'a.conf', 'b.conf') }}", json!("A,B")),
        ("{{ query('file', 'a.conf', 'b.conf') }}", json!(["A", "B"])),
        (
            "{{ lookup('env', 'HOME') }}|{{ lookup('env', 'NONE') }}|{{ lookup('env', 'NONE', default='d') }}",
            json!("/home/me||d"),
        ),
        ("{{ lookup('pipe', 'date') }}", json!("ran date\nline 2")),
        ("{{ query('lines', 'date') }}", json!(["ran date", "line 2"])),
        ("{{ query('fileglob', '*.conf') }}", json!(["/role/files/a.conf", "/role/files/b.conf"])),
        ("{{ lookup('first_found', ['RedHat.yml', 'Debian.yml']) }}", json!("/play/vars/Debian.yml")),
        (
            "{{ lookup('first_found', {'files': ['x.yml', 'default.yml'], 'paths': ['/play/vars']}) }}",
            json!("/play/vars/default.yml"),
        ),
        ("{{ query('first_found', {'files': ['x.yml'], 'skip': true}) }}", json!([])),
        ("{{ lookup('first_found', files=['default.yml']) }}", json!("/play/vars/default.yml")),
        ("{{ lookup('csvfile', 'al', file='users.csv', delimiter=',', col=2) }}", json!("a, b")),
        ("{{ lookup('csvfile', 'zz', file='users.csv', delimiter=',', default='none') }}", json!("none")),
        ("{{ lookup('ini', 'port', section='db', file='app.ini') }}", json!("5432")),
        ("{{ lookup('ini', 'host', section='web', file='app.ini') }}", json!("h")),
        ("{{ lookup('template', 't.j2') }}", json!("me part of me\n")),
        ("{{ lookup('template', 't.j2', template_vars={'who': 'you'}) }}", json!("you part of you\n")),
        ("{{ lookup('template', 'data.j2') }}", json!({"n": 2})),
        ("{{ lookup('password', '/play/kept') }}", json!("old-password")),
        ("{{ query('config', 'DEFAULT_BECOME_USER', 'DEFAULT_GATHERING') }}", json!(["root", "implicit"])),
        ("{{ 'meow' in lookup('config', 'ANSIBLE_COW_ACCEPTLIST') }}", json!(true)),
        (
            "{{ query('config', 'NOT_ONE', on_missing='skip') + query('config', 'NOT_ONE', on_missing='warn') }}",
            json!([]),
        ),
        (
            "{{ query('config', 'port', 'ssh_executable', plugin_type='connection', plugin_name='ssh', show_origin=true) }}",
            json!([[2022, "var: ansible_ssh_port"], ["ssh", "default"]]),
        ),
        ("{{ lookup('config', 'remote_tmp', plugin_type='shell', plugin_name='sh') }}", json!("~/.ansible/tmp")),
        (
            "{{ lookup('password', '/dev/null', seed='s', length=8) == lookup('password', '/dev/null length=8 seed=s') }}",
            json!(true),
        ),
        ("{{ query('inventory_hostnames', 'all:!web') }}", json!(["d1"])),
        ("{{ lookup('file', 'missing', errors='ignore') is none }}", json!(true)),
        (
            "{{ '~/x' | expanduser }} {{ '$HOME/${HOME} $NONE' | expandvars }}",
            json!("/home/me/x /home/me//home/me $NONE"),
        ),
        ("{{ '/play/kept' is file }} {{ '/nope' is exists }}", json!("True False")),
    ] {
        assert_eq!(engine.render(text, &vars).map_err(|e| e.to_string()), Ok(expected), "{text}");
    }
}

#[test]
fn lookups_say_what_failed() {
    let (engine, vars) = context(&machine());
    for (text, part) in [
        ("{{ lookup('file', 'missing') }}", "there is no file `missing`"),
        ("{{ lookup('pipe', 'fail') }}", "`fail` ended with status 3: no luck"),
        ("{{ lookup('first_found', ['x', 'y']) }}", "none of these files exists: x, y"),
        (
            "{{ lookup('config', 'DEFAULT_FORKZ') }}",
            "Unable to find setting DEFAULT_FORKZ; did you mean `DEFAULT_FORKS`?",
        ),
        ("{{ lookup('config', 'NOT_ONE', on_missing='error') }}", "Unable to find setting NOT_ONE"),
        ("{{ lookup('config', 'X', on_missing='boo') }}", "valid values are: error, warn, skip"),
        ("{{ lookup('config', 1337) }}", "Invalid setting identifier"),
        ("{{ lookup('config', 'ConfigManager') }}", "Invalid setting"),
        ("{{ lookup('config', 'port', plugin_type='connection') }}", "cannot use one without the other"),
        ("{{ lookup('config', 'x', plugin_type='shell', plugin_name='csh') }}", "Unable to load shell plugin"),
        ("{{ lookup('fiel', 'x') }}", "there is no lookup `fiel`"),
        ("{{ lookup('ini', 'nope', file='app.ini', section='no') }}", "No section 'no' in app.ini"),
        ("{{ lookup('file', missing_name) }}", "`missing_name` is undefined"),
        ("{{ lookup('password', '/play/new encrypt=x') }}", "the password hash `x` is not supported"),
        ("{{ lookup('password', '/play/new colour=x') }}", "is not an option"),
        ("{{ lookup('sequence', 'start=5') }}", "must specify count or end in with_sequence"),
        ("{{ lookup('csvfile', 'a', file='none.csv') }}", "`none.csv`: No such file or directory"),
    ] {
        let error = engine.render(text, &vars).unwrap_err();
        assert!(error.to_string().contains(part), "{text}: {error}");
        assert!(error.span().is_some(), "{text}");
    }
}

#[test]
fn passwords_are_made_once_and_kept() {
    let machine = machine();
    let (engine, vars) = context(&machine);
    let text = "{{ lookup('password', '/play/new chars=digits,ascii_lowercase length=12') }}";
    let first = engine.render(text, &vars).unwrap();
    let made = first.as_str().unwrap();
    assert!(made.len() == 12 && made.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase()), "{made}");
    let (engine, vars) = context(&machine);
    assert_eq!(engine.render(text, &vars).unwrap(), first);
    assert_eq!(machine.read("/play/new").unwrap(), format!("{made}\n").into_bytes());
}

#[test]
fn a_password_has_a_salt_as_its_hash_wants_it() {
    let machine = machine();
    for (kind, begin) in [("md5", "$1$"), ("sha256", "$5$"), ("bcrypt", "$2b$12$"), ("yescrypt", "$y$j9T$")] {
        let text = format!("{{{{ lookup('password', '/play/of-{kind} length=5 encrypt={kind}') }}}}");
        let hash = || {
            let (engine, vars) = context(&machine);
            engine.render(&text, &vars).unwrap()
        };
        let first = hash();
        assert!(first.as_str().unwrap().starts_with(begin), "{first}");
        assert_eq!(hash(), first, "the salt is kept");
    }
}

#[test]
fn loops_of_old_run_lookups() {
    let (engine, vars) = context(&machine());
    let run = |name: &str, terms: Json| engine.lookup(name, &terms, None, &vars).unwrap();
    assert_eq!(run("items", json!(["a", ["b", "c"]])), [json!("a"), json!("b"), json!("c")]);
    assert_eq!(run("dict", json!({"a": 1})), [json!({"key": "a", "value": 1})]);
    assert_eq!(run("sequence", json!("start=1 end=3")), [json!("1"), json!("2"), json!("3")]);
    assert_eq!(run("together", json!([["a"], [1]])), [json!(["a", 1])]);
    assert_eq!(run("first_found", json!([{"files": ["Debian.yml"]}])), [json!("/play/vars/Debian.yml")]);
    let error = engine.lookup("itmes", &json!([]), None, &vars).unwrap_err();
    assert_eq!(error.to_string(), "there is no lookup `itmes`");
}

#[test]
fn files_are_searched_in_the_role_first() {
    let folder = tempfile::tempdir().unwrap();
    let (role, play) = (folder.path().join("role"), folder.path().join("play"));
    std::fs::create_dir_all(role.join("files")).unwrap();
    std::fs::create_dir_all(play.join("files")).unwrap();
    std::fs::write(role.join("files/x"), "role").unwrap();
    std::fs::write(play.join("files/x"), "play").unwrap();
    std::fs::write(play.join("files/y"), "only play").unwrap();
    std::fs::write(play.join("z"), "beside").unwrap();
    let engine = Engine::new();
    let vars: IndexMap<String, Var> = IndexMap::new();
    let vars = Context::new(&engine, Arc::new(vars), Arc::new(System::new(vec![role, play.clone()])));
    let run = |text: &str| engine.render(text, &vars).map_err(|e| e.to_string());
    assert_eq!(
        run("{{ lookup('file', 'x') }} {{ lookup('file', 'y') }} {{ lookup('file', 'z') }}"),
        Ok(json!("role only play beside"))
    );
    assert_eq!(run("{{ lookup('pipe', 'pwd') }}"), Ok(json!(play.canonicalize().unwrap().to_str().unwrap())));
    assert_eq!(run("{{ query('fileglob', 'files/*') | map('basename') | list }}"), Ok(json!(["x"])));
    assert_eq!(
        run("{{ 'z' is file }} {{ 'files' is directory }} {{ 'none' is exists }}"),
        Ok(json!("True True False"))
    );
    assert!(run("{{ lookup('pipe', 'echo out; echo err >&2; exit 4') }}").unwrap_err().contains("status 4: err"));
    let made = run("{{ lookup('password', 'secrets/deep/pw length=5') }}").unwrap();
    let path = play.join("secrets/deep/pw");
    assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), made.as_str().unwrap());
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}
