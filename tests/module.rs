//! The cases in `tests/module/NAME/*.yml`: each module's parameters and a host in, changes and a host out.
//!
//! `cargo test module::copy` runs those of one module, `cargo test module::copy::a_new_file::dash` one in one shell.

use std::{collections::HashSet, fs, path::Path, sync::Arc};

use bringup::module::Registry;
use libtest_mimic::Trial;

use crate::support::{
    case::Case,
    machine::{Machine, Shell},
    server,
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
            let takes_root = case.root || case.system;
            let missing = move || shell.missing().or_else(|| takes_root.then(skip::root).flatten());
            let (module, text, system) = (module.to_owned(), text.clone(), case.system);
            trials.push(trial(name, missing, move || holds(&module, &text, number, shell, system)));
        }
    }
    trials
}

/// Runs a case on a machine of its own.
fn holds(module: &str, text: &str, number: usize, shell: Shell, system: bool) {
    let machine = Machine::new(shell, system);
    let (top, local) = (machine.root.display().to_string(), machine.local.display().to_string());
    let placed = cases(text, &top, &local).unwrap();
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

/// Modules that other tests hold, or whose cases are still to be written; remove a name with its first case.
const PENDING: [&str; 9] = [
    "k8s",
    "k8s_drain",
    "k8s_info",
    "kubeconfig",
    "openssl_csr",
    "openssl_privatekey",
    "openssl_publickey",
    "x509_certificate",
    "x509_certificate_info",
];

fn every_module_has_cases() {
    let known = modules();
    for entry in Registry::get().entries() {
        let name = entry.name.rsplit('.').next().unwrap();
        let folder = known.iter().find(|k| *k == entry.name || *k == name);
        if PENDING.contains(&name) {
            assert!(folder.is_none(), "`{name}` has cases: take it out of PENDING");
            continue;
        }
        let folder = folder.unwrap_or_else(|| panic!("`{}` has no cases in tests/module/{name}/", entry.name));
        assert!(!files(folder).is_empty(), "tests/module/{name}/ is empty");
    }
    for name in known {
        assert!(Registry::get().find(&name).is_some(), "tests/module/{name}/ belongs to no module");
    }
}
