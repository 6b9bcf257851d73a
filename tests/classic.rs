//! The mistakes that everybody makes: what we say of each, beside what Ansible says.
//!
//! A folder below `tests/classic` is a mistake: `site.yml` and what stands around it; `fault` is the place that has to be named; `ansible.txt`
//! is what Ansible says, and `ours.snap` what we say. An inventory of one host, this machine, is there where the folder has none.
//!
//!     RECORD=1 BRINGUP_TEST_ANSIBLE=/tmp/ansible/bin/ansible-playbook cargo test --test cases classic    # writes ansible.txt

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use libtest_mimic::{Failed, Trial};

use crate::{ansible::laid_out, random_plays::runs::ansible_program, support::skip::always};

fn folders() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classic");
    let mut folders: Vec<PathBuf> = fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

/// What a program says of the mistake, and with which exit code.
fn said(program: &Path, arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder).env("LC_ALL", "C.UTF-8");
    command
        .env("NO_COLOR", "1")
        .env("ANSIBLE_NOCOLOR", "1")
        .env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3")
        .env("COLUMNS", "100")
        .env("ANSIBLE_RETRY_FILES_ENABLED", "0");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder.display().to_string(), ".");
    let told = format!("{}{}exit {}\n", text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1));
    // Some of Ansible's lines are longer than anybody reads.
    let whole = |line: &str| match line.char_indices().nth(900) {
        Some((at, _)) => format!("{} [{} characters more]\n", &line[..at], line[at..].chars().count()),
        None => format!("{}\n", line.trim_end()),
    };
    told.lines().map(whole).collect()
}

fn check(case: &Path) -> Result<(), Failed> {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().canonicalize().unwrap();
    laid_out(case, &folder);
    if !folder.join("hosts").exists() {
        fs::write(folder.join("hosts"), "h1 ansible_connection=local\n").unwrap();
    }
    if std::env::var_os("RECORD").is_some() {
        let program = ansible_program().ok_or("there is no Ansible to ask")?;
        fs::write(case.join("ansible.txt"), said(&program, &["-i", "hosts", "site.yml"], &folder)).unwrap();
    }
    let ours =
        said(Path::new(env!("CARGO_BIN_EXE_bringup")), &["apply", "--no-lock", "-i", "hosts", "site.yml"], &folder);
    assert!(!ours.ends_with("exit 0\n") || ours.contains("warning"), "it is accepted: {ours}");
    let fault = fs::read_to_string(case.join("fault")).unwrap();
    assert!(ours.contains(fault.trim_end()), "it does not name {}: {ours}", fault.trim_end());
    assert!(case.join("ansible.txt").exists(), "what Ansible says is not recorded");
    insta::with_settings!({
        snapshot_path => case,
        prepend_module_to_snapshot => false,
        omit_expression => true,
        filters => [
            (r"\d+\.\d\d s, \d+ round trips?", "[TIME], [TRIPS]"),
            (r"\(\d+\.\d\d s\)", "([TIME])"),
        ],
    }, {
        insta::assert_snapshot!("ours", ours);
    });
    Ok(())
}

pub fn trials() -> Vec<Trial> {
    let trial = |case: PathBuf| {
        let name = format!("classic::{}", case.file_name().unwrap().to_string_lossy());
        always(name, move || check(&case).unwrap())
    };
    folders().into_iter().map(trial).collect()
}
