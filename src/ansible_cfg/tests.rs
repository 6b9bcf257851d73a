//! What files and variables come to.

use super::*;

fn read(cfg: &str, variables: &[(&str, &str)]) -> Result<(tempfile::TempDir, Configuration), ConfigurationError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ansible.cfg"), cfg).unwrap();
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let configuration = Configuration::of(variables, Some(dir.path()), None)?;
    Ok((dir, configuration))
}

#[test]
fn variables_win_over_the_file_and_paths_are_beside_it() {
    let cfg = "[defaults]\ninventory = hosts,more\nforks = 7\nroles_path = roles:../x\n[ssh_connection]\nssh_args = '-o A=b'\n";
    let (dir, read) = read(cfg, &[("ANSIBLE_FORKS", "9"), ("ANSIBLE_TIMEOUT", "")]).unwrap();
    let beside = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(read.number("DEFAULT_FORKS"), Some(9));
    assert_eq!(read.number("DEFAULT_TIMEOUT"), None);
    assert_eq!(read.list("DEFAULT_HOST_LIST"), Some([beside("hosts"), beside("more")].as_slice()));
    assert_eq!(read.list("DEFAULT_ROLES_PATH").unwrap()[0], beside("roles"));
    assert_eq!(read.text("ssh_args"), Some("-o A=b"));
    assert_eq!(read.warnings(), [""; 0]);
}

#[test]
fn what_does_nothing_is_named_once_and_slips_are_shown() {
    let cfg = "[defaults]\nforkz = 5\nlog_path = x\nnocows = 1\nretry_files_enabled = False\npipelining = maybe\nbecome = 1\n\
        [callback_profile_tasks]\na = 1\n[privilege_escalaton]\nbecome = true\n";
    let (dir, read) =
        read(cfg, &[("ANSIBLE_STDOUT_CALLBACK", "yaml"), ("ANSIBLE_FORK", "1"), ("ANSIBLE_MINE", "1")]).unwrap();
    let file = dir.path().join("ansible.cfg").display().to_string();
    let warnings = read.warnings().join("\n").replace(&file, "FILE");
    insta::assert_snapshot!(warnings, @r"
    FILE:6: `pipelining`: `maybe` is neither true nor false, and counts as false
    FILE: [callback_profile_tasks] is for plugins that are not here, and has no effect
    FILE:2: Ansible has no setting `forkz` in `[defaults]`; did you mean `forks`?
    FILE:7: Ansible has no setting `become` in `[defaults]`; it belongs into `[privilege_escalation]`
    FILE:11: there is no `[privilege_escalaton]`; did you mean `[privilege_escalation]`?
    ANSIBLE_FORK: Ansible has no such variable; did you mean `ANSIBLE_FORKS`?
    FILE: without effect here: ANSIBLE_STDOUT_CALLBACK, `log_path` (line 3); callbacks do not run here, `--output json` tells each event
    ");
}

#[test]
fn what_cannot_be_is_an_error_with_its_place() {
    let wrong = |cfg: &str| {
        read(cfg, &[]).err().map(|error| miette::Diagnostic::labels(&error).unwrap().next().unwrap().offset())
    };
    assert_eq!(wrong("[defaults]\nforks = many\n"), Some(11));
    assert_eq!(wrong("[defaults]\ngathering = never\n"), Some(11));
    assert_eq!(wrong("[defaults]\n\nforks\n"), Some(12));
    assert!(read("", &[("ANSIBLE_FORKS", "many")]).is_err());
}

#[test]
fn each_setting_is_there_once() {
    let mut names = HashSet::new();
    let mut keys = HashSet::new();
    for setting in settings() {
        assert!(names.insert(setting.name), "{}", setting.name);
        assert!(setting.keys().all(|key| keys.insert(key)), "{}", setting.name);
    }
}
