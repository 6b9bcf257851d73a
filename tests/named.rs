//! Neither the loader nor the runner knows a module by its name: what they must know, its description says.

use std::{collections::BTreeSet, fs, path::Path};

use bringup::module::Registry;

/// Words that mean something else there, though a module has that name too.
const OTHERS: &[(&str, &str)] = &[
    ("add_host", "a field of results, which is no fact"),
    ("debug", "a strategy"),
    ("file", "a parameter of includes, a lookup, a kind of source"),
    ("gather_facts", "a keyword"),
    ("pause", "a field of `loop_control`"),
    ("template", "a lookup, a kind of source"),
    ("user", "a keyword, a part of connections"),
];

#[test]
fn loader_and_runner_name_no_module() {
    let mut names = BTreeSet::new();
    for entry in Registry::get().entries() {
        let last = entry.name.rsplit('.').next().unwrap();
        for name in entry.aliases.iter().copied().chain([entry.name, last]) {
            names.insert(name.to_owned());
            names.insert(format!("ansible.builtin.{name}"));
        }
    }
    let mut found = Vec::new();
    for folder in ["playbook", "run"] {
        look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder), &names, &mut found);
    }
    assert!(found.is_empty(), "modules are known by name at\n{}", found.join("\n"));
}

fn look(folder: &Path, names: &BTreeSet<String>, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look(&path, names, found);
            continue;
        }
        let shown = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for word in line.split('"').skip(1).step_by(2).filter(|word| names.contains(*word)) {
                if !OTHERS.iter().any(|(name, _)| *name == word) {
                    found.push(format!("src/{shown}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
}
