//! The cases in `tests/module/NAME/*.yml`: each module's parameters and a host in, changes and a host out.
//!
//! `cargo test module::copy` runs those of one module, `cargo test module::copy::a_new_file::dash` one in one shell.

use std::{collections::HashSet, fs, path::Path, sync::Arc};

use bringup::module::{Entry, Registry};
use libtest_mimic::{Completion, Trial};

use crate::support::{
    case::Case,
    machine::{Machine, Shell},
    returns, server,
    skip::{self, always, slug, trial},
    trial::{run, shells},
};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/module")
}

/// The folders, one per module, by the module's name.
fn modules() -> Vec<String> {
    let names = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The case files of a module as text.
fn files(module: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder().join(module)).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|f| (f.display().to_string(), fs::read_to_string(&f).unwrap())).collect()
}

/// Reads the cases of a file with the folders of a machine in the place of `/T` and `/L`, a web server's address in
/// that of `SERVER`.
fn cases(text: &str, top: &str, local: &str) -> Result<Vec<Case>, String> {
    let places = regex::Regex::new(r"/(T|L)\b").unwrap();
    let text = places.replace_all(text, |m: &regex::Captures<'_>| if &m[1] == "T" { top } else { local }.to_owned());
    let text = text.replace("SERVER", server::address());
    serde_yaml::from_str(&text).map_err(|e| e.to_string())
}

/// A test for each case in each of its shells, named `module::NAME::WHAT_IS_EXPECTED::SHELL`.
pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        always("module::every_module_has_cases_and_every_case_a_module", every_module_has_cases),
        always("module::the_names_of_cases_differ", names_differ),
    ];
    for module in modules() {
        for (file, text) in files(&module) {
            trials.extend(of_file(&module, &file, &text));
        }
    }
    trials
}

fn of_file(module: &str, file: &str, text: &str) -> Vec<Trial> {
    let read = match cases(text, "/T", "/L") {
        Ok(read) => read,
        Err(error) => {
            let name = Path::new(file).file_name().unwrap().to_string_lossy();
            let said = format!("{file}: {error}");
            return vec![always(format!("module::{module}::{name}"), move || panic!("{said}"))];
        }
    };
    let mut trials = Vec::new();
    let text: Arc<str> = text.into();
    for (number, case) in read.iter().enumerate() {
        for shell in shells(case) {
            let name = format!("module::{module}::{}::{}", slug(&case.name), shell.name());
            let (takes_root, needs) = (case.root || case.system, case.needs.clone());
            let missing = move || {
                let root = || takes_root.then(skip::root).flatten();
                shell.missing().or_else(root).or_else(|| needs.iter().find_map(|name| skip::program(name)))
            };
            let (module, text, system) = (module.to_owned(), text.clone(), case.system);
            trials.push(trial(name, missing, move || holds(&module, &text, number, shell, system)));
        }
    }
    trials
}

/// A test for each module that comes after all its cases, named `module::NAME::every_returned_field_is_shown`.
///
/// It takes their results, so it cannot tell where cases were not chosen or could not run; then it counts as ignored.
pub fn afterwards() -> Vec<Trial> {
    let of = |entry: &'static Entry| {
        let folder = folder_of(entry, &modules());
        let name = format!("module::{}::every_returned_field_is_shown", folder.as_deref().unwrap_or(entry.name));
        Trial::ignorable_test(name, move || {
            let Some(folder) = folder else { return Ok(Completion::ignored_with("it has no cases")) };
            let cases = files(&folder).into_iter().flat_map(|(_, text)| cases(&text, "/T", "/L").into_iter().flatten());
            let expected = cases.map(|case| shells(&case).len()).sum();
            Ok(returns::all_shown(entry, expected).map_or(Completion::Completed, Completion::ignored_with))
        })
    };
    Registry::get().entries().iter().map(of).collect()
}

/// The folder with the cases of a module: its name in full, or the last part of it.
fn folder_of(entry: &Entry, known: &[String]) -> Option<String> {
    let short = entry.name.rsplit('.').next();
    known.iter().find(|k| *k == entry.name || Some(k.as_str()) == short).cloned()
}

/// Runs a case on a machine of its own.
fn holds(module: &str, text: &str, number: usize, shell: Shell, system: bool) {
    let mut machine = Machine::new(shell, system);
    let (top, local) = (machine.root.display().to_string(), machine.local.display().to_string());
    let placed = cases(text, &top, &local).unwrap();
    if let Some(objects) = &placed[number].cluster {
        machine.join(objects);
    }
    run(module, &placed[number], &machine, &skip::user());
}

fn names_differ() {
    for module in modules() {
        let mut seen = HashSet::new();
        for (file, text) in files(&module) {
            for case in cases(&text, "/T", "/L").into_iter().flatten() {
                assert!(seen.insert(slug(&case.name)), "{file}: a case before has the name `{}`, too", case.name);
            }
        }
    }
}

fn every_module_has_cases() {
    let known = modules();
    for entry in Registry::get().entries() {
        let name = entry.name.rsplit('.').next().unwrap();
        let folder = folder_of(entry, &known);
        let folder = folder.unwrap_or_else(|| panic!("`{}` has no cases in tests/module/{name}/", entry.name));
        assert!(!files(&folder).is_empty(), "tests/module/{name}/ is empty");
    }
    for name in known {
        assert!(Registry::get().find(&name).is_some(), "tests/module/{name}/ belongs to no module");
    }
}
