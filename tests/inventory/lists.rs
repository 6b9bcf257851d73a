//! Inventories: what ansible-core says about each case (written by `derive`) must be what we say.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bringup::{
    inventory::{Inventory, Vars},
    run::InventoryExpressions,
};
use libtest_mimic::Trial;

use crate::support::skip::always;

/// One folder below `cases`.
struct Case {
    folder: PathBuf,
    sources: Vec<String>,
    playbook_dirs: Vec<PathBuf>,
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory/cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 10);
    folders.into_iter().map(case).collect()
}

fn case(folder: PathBuf) -> Case {
    let text = fs::read_to_string(folder.join("args")).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut case = Case { sources: Vec::new(), playbook_dirs: Vec::new(), folder };
    for pair in words.chunks(2) {
        let inside = case.folder.join(pair[1]);
        match pair[0] {
            "-i" if pair[1].contains(',') => case.sources.push(pair[1].into()),
            "-i" => case.sources.push(inside.display().to_string()),
            "--playbook-dir" => case.playbook_dirs.push(inside),
            other => panic!("{other}"),
        }
    }
    case
}

fn load(case: &Case) -> Inventory {
    Inventory::load(&case.sources, &case.playbook_dirs, (&InventoryExpressions::default(), &Vars::new()))
        .unwrap_or_else(|error| panic!("{}: {:?}", case.folder.display(), miette::Report::new(error)))
}

fn pretty(json: &serde_json::Value) -> String {
    serde_json::to_string_pretty(json).unwrap() + "\n"
}

type Check = fn(&Case);

pub fn trials() -> Vec<Trial> {
    let checks: [(&str, Check); 3] = [
        ("the_list_is_that_of_ansible", list),
        ("the_graph_is_that_of_ansible", graph),
        ("every_pattern_selects_what_ansible_selects", patterns),
    ];
    let mut trials = Vec::new();
    for (check, run) in checks {
        for case in cases() {
            if check.starts_with("every_pattern") && !case.folder.join("hosts.txt").exists() {
                continue;
            }
            let name = case.folder.file_name().unwrap().to_string_lossy().into_owned();
            trials.push(always(format!("inventory::{name}::{check}"), move || run(&case)));
        }
    }
    let count = || cases().iter().filter_map(|c| Some(recorded(c)?.lines().count())).sum::<usize>();
    trials.push(always("inventory::there_are_patterns_of_all_kinds", move || assert!(count() > 80)));
    trials
}

fn list(case: &Case) {
    let list = load(case).list_json(case.playbook_dirs.first().map(PathBuf::as_path));
    let expected = fs::read_to_string(case.folder.join("list.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let diff = similar::TextDiff::from_lines(pretty(&expected), pretty(&list)).unified_diff().to_string();
    assert!(diff.is_empty(), "{}\n{diff}", case.folder.display());
}

fn graph(case: &Case) {
    let expected = fs::read_to_string(case.folder.join("graph.txt")).unwrap();
    let graph = load(case).graph("all").unwrap();
    assert_eq!(graph.trim_end(), expected.trim_end(), "{}", case.folder.display());
}

/// What Ansible selected by each pattern.
fn recorded(case: &Case) -> Option<String> {
    fs::read_to_string(case.folder.join("hosts.txt")).ok()
}

fn patterns(case: &Case) {
    let inventory = load(case);
    for line in recorded(case).unwrap().lines() {
        let (pattern, hosts) = line.split_once(" =>").unwrap();
        let selected = inventory.select(pattern, None).map_or_else(|_| "ERROR".to_owned(), |hosts| hosts.join(" "));
        assert_eq!(selected, hosts.trim(), "{pattern:?} in {}", case.folder.display());
    }
}
