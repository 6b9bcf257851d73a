//! Wrong input: each case below `tests/bad/KIND` is a file or a folder, and its diagnostic stands beside it (`CASE.snap`).
//!
//! A new case is a new file; `INSTA_UPDATE=always cargo test bad` writes its diagnostic, which is then read by a person.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use bringup::{
    inventory::{Inventory, InventoryError, Vars, parse_extra_vars},
    run::InventoryExpressions,
};
use libtest_mimic::Trial;

use crate::support::{diagnostic::render, loader::loader, skip::always};

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad").join(kind)
}

/// The cases of a kind, in the order of their names.
fn cases(kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(kind)).unwrap_or_else(|error| panic!("{}: {error}", folder(kind).display()));
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        !name.starts_with('.') && !name.ends_with(".snap") && !name.ends_with(".snap.new")
    });
    cases.sort();
    cases
}

/// The name of a case.
fn name(case: &Path) -> String {
    case.file_name().unwrap().to_string_lossy().into_owned()
}

/// What is to refuse a case: the rendered diagnostics, and nothing when it is accepted.
type Refuse = fn(&Path) -> Option<String>;

/// Holds a case against its snapshot.
fn check(case: &Path, refuse: Refuse) {
    let said = refuse(case).unwrap_or_else(|| panic!("{} is accepted", case.display()));
    let folder = case.parent().unwrap();
    let said = said.replace(&format!("{}/", folder.display()), "").replace(&folder.display().to_string(), ".");
    let said: String = said.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    insta::with_settings!({
        snapshot_path => folder,
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name(case), said);
    });
}

/// Two cases with one diagnostic show the same mistake; a diagnostic without a case shows none.
fn check_all(kind: &str, cases: &[PathBuf], at_least: usize) {
    assert!(cases.len() >= at_least, "tests/bad/{kind} has {} cases", cases.len());
    let mut seen: HashMap<String, String> = HashMap::new();
    for case in cases {
        let name = name(case);
        let file = case.with_file_name(format!("{name}.snap"));
        let Ok(text) = fs::read_to_string(file) else { continue };
        let (_, said) = text.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
        if let Some(other) = seen.insert(said.replace(&name, ""), name.clone()) {
            panic!("tests/bad/{kind}: {name} and {other} show the same diagnostic");
        }
    }
    for entry in fs::read_dir(folder(kind)).unwrap() {
        let path = entry.unwrap().path();
        let Some(case) = path.to_str().and_then(|p| p.strip_suffix(".snap")) else { continue };
        assert!(Path::new(case).exists(), "{} is the diagnostic of no case", path.display());
    }
}

pub fn trials() -> Vec<Trial> {
    let kinds: [(&str, usize, Refuse); 2] = [("inventory", 60, refuse_inventory), ("playbook", 110, refuse_playbook)];
    let mut trials = Vec::new();
    for (kind, at_least, refuse) in kinds {
        let cases = cases(kind);
        for case in &cases {
            let (title, case) = (format!("bad::{kind}::{}", name(case)), case.clone());
            trials.push(always(title, move || check(&case, refuse)));
        }
        let title = format!("bad::{kind}_cases_have_each_a_diagnostic_of_their_own");
        trials.push(always(title, move || check_all(kind, &cases, at_least)));
    }
    trials
}

/// A case is a playbook, or a folder with `site.yml`.
fn refuse_playbook(case: &Path) -> Option<String> {
    let file = if case.is_dir() { case.join("site.yml") } else { case.to_owned() };
    let found = loader().lint(&[file]);
    (!found.is_empty()).then(|| found.iter().map(|d| render(d)).collect::<Vec<_>>().join("\n"))
}

/// A file is an inventory; a folder has its arguments in `args`.
fn refuse_inventory(case: &Path) -> Option<String> {
    let error = match case.is_dir() {
        false => {
            Inventory::load(&[case.to_str().unwrap()], &[], (&InventoryExpressions::default(), &Vars::new())).err()
        }
        true => run(case).err(),
    };
    error.map(|error| render(&error))
}

fn run(case: &Path) -> Result<(), InventoryError> {
    let text = fs::read_to_string(case.join("args")).unwrap();
    let words = shell_words::split(&text).unwrap();
    let inside = |word: &str| case.join(word).display().to_string();
    let (mut sources, mut dirs, mut pattern, mut limit, mut extra) = (Vec::new(), Vec::new(), None, None, Vec::new());
    for pair in words.chunks(2) {
        let word = pair[1].as_str();
        match pair[0].as_str() {
            "-i" if word.contains(',') => sources.push(word.to_owned()),
            "-i" => sources.push(inside(word)),
            "--playbook-dir" => dirs.push(case.join(word)),
            "--pattern" => pattern = Some(word.to_owned()),
            "--limit" => limit = Some(word.replace('@', &format!("@{}/", case.display()))),
            "-e" => extra.push(word.replace('@', &format!("@{}/", case.display()))),
            other => panic!("{other}"),
        }
    }
    parse_extra_vars(&extra)?;
    let inventory = Inventory::load(&sources, &dirs, (&InventoryExpressions::default(), &Vars::new()))?;
    inventory.select(pattern.as_deref().unwrap_or("all"), limit.as_deref())?;
    Ok(())
}
