//! Modules beside Ansible's own documentation: what it takes is taken or refused by name, and what it returns is returned.

use std::{collections::BTreeSet, process::Command};

use bringup::module::{Entry, Registry};
use serde_json::Value as Json;

use crate::{cli::ansible::ansible, support::skip::skip};

/// What Ansible's module takes and ours does not know, and why.
const NOT_TAKEN: &[(&str, &[&str], &str)] = &[
    ("ansible.builtin.command", &["free_form"], "it stands for the text behind the module's name"),
    ("ansible.builtin.shell", &["free_form"], "it stands for the text behind the module's name"),
    ("ansible.builtin.set_fact", &["key_value"], "it stands for any name"),
];

/// What Ansible's module returns and ours does not, and why.
const NOT_RETURNED: &[(&str, &[&str], &str)] = &[
    (
        "ansible.builtin.get_url",
        &["secontext", "src"],
        "SELinux's is told by a difference; the file it came in is gone",
    ),
    ("ansible.builtin.git", &["git_dir_before", "git_dir_now"], "a repository is not moved apart from its files"),
    ("ansible.builtin.git", &["warnings"], "every module may return them"),
    ("ansible.builtin.sysvinit", &["results"], "it is `status`, in Ansible's results too"),
    ("ansible.builtin.user", &["stdout", "stderr"], "nothing is printed unless it fails"),
];

/// The names that a list of exceptions has for a module.
fn known(list: &'static [(&str, &[&str], &str)], module: &str) -> BTreeSet<&'static str> {
    list.iter().filter(|(name, ..)| *name == module).flat_map(|(_, names, _)| names.iter().copied()).collect()
}

/// What a page of Ansible's lists and ours does not, less what is known to be so; and what is known to be so and is not any more.
fn missing(theirs: BTreeSet<&str>, ours: &BTreeSet<String>, known: &BTreeSet<&str>) -> (Vec<String>, Vec<String>) {
    let lacking: BTreeSet<&str> = theirs.into_iter().filter(|name| !ours.contains(*name)).collect();
    let names = |set: Vec<&&str>| set.into_iter().map(|name| (*name).to_owned()).collect();
    (names(lacking.difference(known).collect()), names(known.difference(&lacking).collect()))
}

fn parameters(entry: &Entry, page: &Json) -> (Vec<String>, Vec<String>) {
    let options = page["doc"]["options"].as_object().into_iter().flatten();
    let names = options.flat_map(|(name, option)| {
        let aliases = option["aliases"].as_array().into_iter().flatten().filter_map(Json::as_str);
        aliases.chain([name.as_str()])
    });
    missing(names.collect(), &entry.parameters().iter().cloned().collect(), &known(NOT_TAKEN, entry.name))
}

fn returned(entry: &Entry, page: &Json) -> (Vec<String>, Vec<String>) {
    let names = page["return"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let first = |name: &str| name.split(['.', '[']).next().unwrap_or_default().to_owned();
    let ours = entry.returned().map(|field| first(field.name)).collect();
    missing(names.collect(), &ours, &known(NOT_RETURNED, entry.name))
}

#[test]
fn what_ansible_documents_is_known() {
    let doc = ansible().map(|folder| folder.join("ansible-doc")).filter(|doc| doc.exists());
    let Some(doc) = doc else { skip!("ansible-doc is not installed") };
    let own = |entry: &&Entry| entry.name.starts_with("ansible.builtin.");
    let entries: Vec<&Entry> = Registry::get().entries().iter().filter(own).collect();
    let output = Command::new(doc).args(["-t", "module", "-j"]).args(entries.iter().map(|e| e.name)).output().unwrap();
    let pages: Json = serde_json::from_slice(&output.stdout).unwrap();
    let mut wrong = Vec::new();
    for entry in entries {
        let page = &pages[entry.name];
        if page.is_null() {
            wrong.push(format!("Ansible has no page of {}", entry.name));
            continue;
        }
        for (what, (lacking, gone)) in [("take", parameters(entry, page)), ("return", returned(entry, page))] {
            if !lacking.is_empty() {
                wrong.push(format!("{} does not {what} {}", entry.name, lacking.join(", ")));
            }
            if !gone.is_empty() {
                wrong.push(format!("{} does {what} {} by now, or Ansible does not", entry.name, gone.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
