//! One function for each kind of text that comes from outside, for the fuzzers in `fuzz/`. None of them may panic, hang or
//! take memory without bound, whatever the bytes are; what they return is of no interest.
//!
//! This is no part of the program: it is there for `cargo fuzz` and for the test that runs what the fuzzers once found.

use std::{
    io::Write as _,
    path::Path,
    sync::{Arc, LazyLock},
};

use indexmap::IndexMap;
use serde_json::json;

use crate::{
    cli::Modules,
    connection,
    fact::{Algorithm, Describer, Probe, Reply, batch, setup},
    inventory::Inventory,
    kube,
    module::archive,
    playbook::{Loader, Options},
    ssh,
    template::{Context, Engine, NoLocal, Var},
    vault::{
        Envelope,
        aes256::{Keys, Payload},
    },
    yaml::{self, Source, Span},
};

/// A kind of text by the name of its fuzzer and of the folder with its seeds.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 12] = [
    ("frames", frames),
    ("yaml", yaml),
    ("playbook", playbook),
    ("inventory", inventory),
    ("ini", ini),
    ("pattern", pattern),
    ("template", template),
    ("known_hosts", known_hosts),
    ("ssh_config", ssh_config),
    ("archive", archive),
    ("facts", facts),
    ("vault", vault),
];

/// An error as people see it: its places must lie within the text.
fn shown(error: impl miette::Diagnostic + Send + Sync + 'static) {
    let _ = format!("{:?}", miette::Report::new(error));
}

/// What a shell on a host sends back.
pub fn frames(data: &[u8]) {
    connection::fuzz::frames(data);
}

/// YAML of any kind: files, the one-line form of a task, kubeconfigs of hosts.
pub fn yaml(data: &[u8]) {
    match yaml::load_bytes("file.yml", data.to_vec()) {
        Ok(node) => {
            let json = node.to_json();
            let _ = kube::Entries::of(&json, "c");
            let _ = kube::remove(&json, "c");
            if node.as_str().is_some() {
                let _ = yaml::parse_kv(&node).map_err(shown);
                let _ = yaml::parse_kv_free_form(&node).map_err(shown);
            }
        }
        Err(error) => shown(error),
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = yaml::load_all_str("file.yml", text);
    }
}

/// A playbook in a file.
pub fn playbook(data: &[u8]) {
    static LOADER: LazyLock<Arc<Modules>> = LazyLock::new(|| Arc::new(Modules));
    let Some(file) = file(data) else { return };
    match Loader::new(LOADER.clone(), Options::default()).load(file.path()) {
        Ok((_, warnings)) => warnings.into_iter().for_each(shown),
        Err(errors) => errors.diagnostics.into_iter().for_each(shown),
    }
}

fn inventory_of(name: &str, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Inventory::of_text(name, text) {
        Ok(inventory) => {
            let _ = inventory.warnings();
            // A few bytes may name many hosts, which take their time to be written down.
            if inventory.hosts().len() < 1000 {
                let _ = (inventory.graph("all"), inventory.list_json(None));
            }
        }
        Err(error) => shown(error),
    }
}

/// An inventory in YAML or JSON.
pub fn inventory(data: &[u8]) {
    inventory_of("hosts.yml", data);
}

/// An inventory in the INI form.
pub fn ini(data: &[u8]) {
    inventory_of("hosts.ini", data);
}

/// Patterns of hosts.
pub fn pattern(data: &[u8]) {
    static HOSTS: LazyLock<Option<Inventory>> = LazyLock::new(|| {
        let text = "h[1:9]\n[web]\nw[01:20].lan\n[db]\nd1\nw03.lan\n[prod:children]\nweb\ndb\n";
        Inventory::of_text("hosts.ini", text).ok()
    });
    let (Some(hosts), Ok(text)) = (&*HOSTS, std::str::from_utf8(data)) else { return };
    let (pattern, limit) = text.split_once('\n').map_or((text, None), |(pattern, limit)| (pattern, Some(limit)));
    // A limit may name a file.
    let limit = limit.filter(|limit| !limit.contains('@'));
    let _ = hosts.resolve(&[pattern], limit).map_err(shown);
}

/// The engine with so few steps that an endless loop ends at once.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut engine = Engine::new();
    Arc::make_mut(&mut engine.env).set_fuel(Some(100_000));
    engine
});

/// A text with templates, as a variable, as a condition and as an expression.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = Source::new("file.yml", text);
    let span = Span::whole(&source);
    let vars: IndexMap<String, Var> = [
        ("text", Var::data(&json!("a text"))),
        ("number", Var::data(&json!(7))),
        ("list", Var::data(&json!([3, 1, "2", {"k": "v"}]))),
        ("map", Var::data(&json!({"a": 1, "b": {"c": [1, 2]}}))),
        ("result", Var::data(&json!({"rc": 0, "stdout": "out", "stdout_lines": ["out"], "changed": true}))),
        ("other", Var::json(&json!("{{ text ~ number }}"))),
        ("itself", Var::json_at(&json!(text), &span)),
    ]
    .map(|(name, var)| (name.to_owned(), var))
    .into_iter()
    .collect();
    let vars = Context::new(&ENGINE, Arc::new(vars), Arc::new(NoLocal));
    let _ = ENGINE.render_at(text, Some(&span), &vars).map_err(shown);
    let _ = ENGINE.condition_at(text, Some(&span), &vars).map_err(shown);
    let _ = ENGINE.expression(text, Some(&span), &vars);
}

/// A file of known hosts.
pub fn known_hosts(data: &[u8]) {
    ssh::fuzz::known_hosts(data);
}

/// A file of OpenSSH's settings.
pub fn ssh_config(data: &[u8]) {
    ssh::fuzz::ssh_config(data);
}

/// The listing of an archive.
pub fn archive(data: &[u8]) {
    for kind in [archive::Kind::Tar("-z"), archive::Kind::Zip] {
        let _ = archive::members(kind, data);
    }
}

/// An encrypted text: what is inside is looked at with keys that are derived once.
pub fn vault(data: &[u8]) {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::derive(b"pw", b"saltsalt"));
    let read = Envelope::parse(data).and_then(|envelope| Payload::parse(&envelope.body));
    match read.and_then(|payload| payload.open(&KEYS)) {
        Ok(_) => {}
        Err(error) => shown(error),
    }
}

/// A host's answers to questions of every kind; the first byte says how many of each were asked.
pub fn facts(data: &[u8]) {
    let Some((count, stdout)) = data.split_first() else { return };
    let path = |n: u8| format!("/p{n}");
    for n in 0..(count % 4) + 1 {
        let probes: Vec<Probe> = (0..=n)
            .flat_map(|n| {
                [
                    Probe::Stat { path: path(n), follow: false },
                    Probe::Stat { path: path(n), follow: true },
                    Probe::Checksum { path: path(n), algorithm: Algorithm::Sha1 },
                    Probe::Content { path: path(n) },
                    Probe::Package { name: format!("p{n}") },
                    Probe::Unit { name: format!("u{n}.service") },
                    Probe::Kernel { key: format!("k.{n}") },
                    Probe::User { name: format!("u{n}") },
                    Probe::Group { name: format!("g{n}") },
                    Probe::Described { path: path(n), by: Describer::Mime { follow: false } },
                    Probe::Described { path: path(n), by: Describer::Attributes },
                    Probe::Facts,
                ]
            })
            .collect();
        for batch in batch(&probes) {
            let _ = batch.answers(Reply { status: Some(0), stdout, stderr: b"" });
        }
    }
    let _ = setup::parse(stdout);
}

/// Bytes where a reader of files finds them.
fn file(data: &[u8]) -> Option<tempfile::NamedTempFile> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let mut file = tempfile::Builder::new().suffix(".yml").tempfile_in(folder).ok()?;
    file.write_all(data).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the fuzzers begin with, and all that they ever found.
    #[test]
    fn no_seed_does_harm() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        for (name, run) in TARGETS {
            let mut files: Vec<_> = std::fs::read_dir(seeds.join(name)).unwrap().map(|f| f.unwrap().path()).collect();
            files.sort();
            assert!(!files.is_empty(), "{name} has no seeds");
            for path in files {
                println!("{}", path.display());
                let began = std::time::Instant::now();
                run(&std::fs::read(&path).unwrap());
                assert!(began.elapsed().as_secs() < 120, "{} takes {:?}", path.display(), began.elapsed());
            }
        }
    }
}
