//! Every keyword is read by somebody: the cases of `tests/keyword/*.yml` show what each does.

use std::{collections::BTreeSet, fs, path::Path, sync::Mutex, thread};

use bringup::playbook::keywords;
use indexmap::IndexMap;
use serde::Deserialize;

use crate::{engine::apply, support::world::Servers};

/// A playbook that behaves otherwise without the lines marked `# here`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    keyword: String,
    /// What is shown, where a keyword has several cases.
    #[serde(default)]
    shows: String,
    playbook: String,
    /// Files beside it.
    #[serde(default)]
    files: IndexMap<String, String>,
    #[serde(default)]
    args: Vec<String>,
    /// What is printed with the keyword, and not without it.
    tells: Option<String>,
    /// What is there afterwards with the keyword, and not without it: a file's text, or whether there is one.
    #[serde(default)]
    leaves: IndexMap<String, serde_json::Value>,
    /// Becomes other users.
    #[serde(default)]
    root: bool,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keyword");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &std::path::PathBuf| -> Vec<Case> {
        serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    };
    files.iter().flat_map(read).collect()
}

impl Case {
    /// Runs a playbook; whether all is as it is to be with the keyword, and what was printed.
    fn holds(&self, servers: &Servers, playbook: &str) -> (bool, String) {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in &self.files {
            let file = place.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let (_, text) = apply(servers, 2, place.path(), playbook, &args);
        let tells = self.tells.as_ref().is_none_or(|wanted| text.contains(wanted));
        let leaves = self.leaves.iter().all(|(name, wanted)| {
            let found = fs::read_to_string(place.path().join(name));
            match wanted {
                serde_json::Value::Bool(there) => found.is_ok() == *there,
                wanted => found.is_ok_and(|found| Some(found.as_str()) == wanted.as_str()),
            }
        });
        (tells && leaves, text)
    }

    fn check(&self, servers: &Servers) -> Result<(), String> {
        let title = format!("{} {}", self.keyword, self.shows);
        assert!(self.tells.is_some() || !self.leaves.is_empty(), "{title}: nothing is looked at");
        let without: String = self.playbook.split_inclusive('\n').filter(|line| !line.contains("# here")).collect();
        assert_ne!(without, self.playbook, "{title}: no line is marked `# here`");
        let (with, text) = self.holds(servers, &self.playbook);
        if !with {
            return Err(format!("{title}: with the keyword it is not so:\n{text}"));
        }
        match self.holds(servers, &without) {
            (true, text) => Err(format!("{title}: without the keyword it is the same:\n{text}")),
            (false, _) => Ok(()),
        }
    }
}

#[test]
fn every_keyword_does_something() {
    let (cases, failed) = (cases(), Mutex::new(Vec::new()));
    let root = String::from_utf8(std::process::Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    let work = Mutex::new(cases.iter().filter(|case| !case.root || root.trim() == "0").collect::<Vec<_>>());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let servers = Servers::start();
                let next = || work.lock().unwrap().pop();
                while let Some(case) = next() {
                    failed.lock().unwrap().extend(case.check(&servers).err());
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn every_keyword_has_a_case_and_a_reader() {
    let shown: BTreeSet<String> = cases().into_iter().map(|case| case.keyword).collect();
    let known: BTreeSet<String> = keywords().map(|keyword| keyword.name.to_owned()).collect();
    assert_eq!(known, shown, "a keyword without a case in tests/keyword, or a case without a keyword");
    for keyword in keywords() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(keyword.read_by);
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("`{}`: {}: {e}", keyword.name, keyword.read_by));
        let reads = [format!(".{}", keyword.name), format!("\"{}\"", keyword.name), format!("{}:", keyword.name)];
        assert!(
            reads.iter().any(|word| text.contains(word.as_str())),
            "`{}` is not read by {}",
            keyword.name,
            keyword.read_by
        );
    }
}
