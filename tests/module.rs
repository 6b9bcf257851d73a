//! The cases in `tests/module/NAME/*.yml`: each module's parameters and a host in, changes and a host out.
//!
//! `BRINGUP_CASE=text cargo test module` runs only the cases whose module or name contains the text.

use std::{
    fs, panic,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use bringup::module::Registry;

use crate::support::{
    case::Case,
    machine::Machine,
    server,
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
fn cases(file: &str, text: &str, top: &str, local: &str) -> Vec<Case> {
    let places = regex::Regex::new(r"/(T|L)\b").unwrap();
    let text = places.replace_all(text, |m: &regex::Captures<'_>| if &m[1] == "T" { top } else { local }.to_owned());
    let text = text.replace("SERVER", server::address());
    serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"))
}

#[test]
fn every_case_holds_in_every_shell() {
    let user = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let user = user.trim();
    let filter = std::env::var("BRINGUP_CASE").unwrap_or_default();
    let mut jobs = Vec::new();
    for module in modules() {
        for (file, text) in files(&module) {
            let (file, text) = (Arc::new(file), Arc::new(text));
            for (number, case) in cases(&file, &text, "/T", "/L").into_iter().enumerate() {
                if ((case.root || case.system) && user != "root")
                    || !(module.contains(&filter) || case.name.contains(&filter))
                {
                    continue;
                }
                for shell in shells(&case) {
                    jobs.push((
                        module.clone(),
                        file.clone(),
                        text.clone(),
                        number,
                        case.name.clone(),
                        case.system,
                        shell,
                    ));
                }
            }
        }
    }
    let count = jobs.len();
    let jobs = Mutex::new(jobs);
    let failed = Mutex::new(Vec::new());
    let work = || {
        // Taken in a statement of its own: the lock is not held while a case runs.
        let next = || jobs.lock().unwrap().pop();
        while let Some((module, file, text, number, name, system, shell)) = next() {
            let machine = Machine::new(shell, system);
            let (top, local) = (machine.root.display().to_string(), machine.local.display().to_string());
            let placed = cases(&file, &text, &top, &local);
            let result = panic::catch_unwind(panic::AssertUnwindSafe(|| run(&module, &placed[number], &machine, user)));
            if result.is_err() {
                failed.lock().unwrap().push(format!("{module}: {name} ({shell:?}) in {file}"));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    assert!(failed.is_empty(), "{} of {count} runs failed:\n{}", failed.len(), failed.join("\n"));
    assert!(count > 0 || !filter.is_empty());
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

#[test]
fn every_module_has_cases_and_every_case_a_module() {
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
