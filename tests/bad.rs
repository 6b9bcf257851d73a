//! Wrong input: each case below `tests/bad/KIND` is a file or a folder, and its diagnostic stands beside it (`CASE.snap`).
//!
//! A new case is a new file; `INSTA_UPDATE=always cargo test bad` writes its diagnostic, which is then read by a person.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use bringup::inventory::{Inventory, InventoryError, parse_extra_vars};

/// The cases of a kind, in the order of their names.
fn cases(kind: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad").join(kind);
    let entries = fs::read_dir(&root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        !name.starts_with('.') && !name.ends_with(".snap") && !name.ends_with(".snap.new")
    });
    cases.sort();
    cases
}

/// Renders a diagnostic as a terminal without colours shows it.
pub fn render(diagnostic: &dyn miette::Diagnostic) -> String {
    let theme = miette::GraphicalTheme::unicode_nocolor();
    let mut out = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_wrap_lines(false).with_links(false);
    handler.render_report(&mut out, diagnostic).unwrap();
    out
}

/// Holds every case of a kind against its snapshot; `refuse` gives the rendered diagnostics, and nothing when it accepts.
pub fn check(kind: &str, at_least: usize, refuse: impl Fn(&Path) -> Option<String>) {
    let mut seen: HashMap<String, String> = HashMap::new();
    let cases = cases(kind);
    for case in &cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let said = refuse(case).unwrap_or_else(|| panic!("tests/bad/{kind}/{name} is accepted"));
        let folder = case.parent().unwrap();
        let said = said.replace(&format!("{}/", folder.display()), "").replace(&folder.display().to_string(), ".");
        let said: String = said.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        if let Some(other) = seen.insert(said.replace(&name, ""), name.clone()) {
            panic!("tests/bad/{kind}: {name} and {other} show the same diagnostic");
        }
        insta::with_settings!({
            snapshot_path => folder,
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, said);
        });
    }
    assert!(cases.len() >= at_least, "tests/bad/{kind} has {} cases", cases.len());
}

/// A file is an inventory; a folder has its arguments in `args`.
fn refuse_inventory(case: &Path) -> Option<String> {
    let error = match case.is_dir() {
        false => Inventory::load(&[case.to_str().unwrap()], &[]).err(),
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
    let inventory = Inventory::load(&sources, &dirs)?;
    inventory.select(pattern.as_deref().unwrap_or("all"), limit.as_deref())?;
    Ok(())
}

#[test]
fn wrong_inventories_are_refused_with_place_reason_and_help() {
    check("inventory", 60, refuse_inventory);
}
