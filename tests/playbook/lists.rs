//! What ansible-core 2.19 lists of a playbook for each set of flags (`list.txt`) is what we list.

use bringup::playbook::{Listing, TagFilter, as_written};
use libtest_mimic::Trial;

use crate::support::{
    loader::{load, root},
    skip::{always, slug},
};

pub fn trials() -> Vec<Trial> {
    let recorded = std::fs::read_to_string(root().join("site/list.txt")).unwrap();
    let cases: Vec<(String, String)> = recorded
        .split("== ")
        .skip(1)
        .map(|case| case.split_once('\n').unwrap())
        .map(|(flags, expected)| (flags.to_owned(), expected.to_owned()))
        .collect();
    assert!(cases.len() >= 7);
    let trial = |(flags, expected): (String, String)| {
        always(format!("playbook::lists_what_ansible_lists::{}", slug(&flags)), move || lists(&flags, &expected))
    };
    cases.into_iter().map(trial).collect()
}

fn lists(flags: &str, expected: &str) {
    let words: Vec<&str> = flags.split(' ').collect();
    let value = |flag: &str| words.iter().position(|w| *w == flag).map_or("", |at| words[at + 1]);
    let what = Listing { tasks: words.contains(&"--list-tasks"), tags: words.contains(&"--list-tags") };
    let listed =
        load("site/site.yml")
            .list(what, &TagFilter::new(&[value("--tags")], &[value("--skip-tags")]), &|_, tag| as_written(tag));
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim_end).filter(|l| !l.is_empty() && !l.starts_with("playbook:"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(lines(&listed), lines(expected), "{flags}");
}
