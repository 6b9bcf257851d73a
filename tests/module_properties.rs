//! Properties of the modules that write files: any name, any bytes, any mode, in real shells.

use bringup::{
    fact::{Answer, Probe, State},
    module::{Module, Registry},
};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use crate::support::{
    case::Case,
    controller::Workstation,
    machine::{Machine, Shell},
    trial::Trial,
};

fn module(name: &str, parameters: Json) -> Box<dyn Module> {
    let Json::Object(parameters) = parameters else { panic!("parameters are a mapping") };
    Registry::get().find(name).unwrap().parse(parameters).unwrap_or_else(|e| panic!("{e:?}"))
}

fn no_case() -> Case {
    serde_json::from_value(json!({ "name": "property" })).unwrap()
}

/// Plans and applies a task, then plans it again: nothing may be left to do.
fn converges(machine: &Machine, name: &str, parameters: Json) -> Map<String, Json> {
    let module = module(name, parameters);
    let controller = Workstation { top: machine.local.clone(), vars: Map::new() };
    let case = no_case();
    let user = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let trial = Trial { machine, case: &case, module: module.as_ref(), controller: &controller, user: user.trim() };
    let plan = trial.plan(false, &mut State::default()).unwrap();
    assert!(!plan.changes.is_empty());
    let outputs = trial.apply(&plan);
    for output in &outputs {
        assert_eq!((output.status, &output.error), (0, &None), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let again = trial.plan(false, &mut State::default()).unwrap();
    assert!(again.changes.is_empty(), "{:#?}", again.changes);
    plan.result
}

fn shells() -> impl Strategy<Value = Shell> {
    proptest::sample::select(Shell::all())
}

/// A file's name of what shells stumble over.
fn names() -> impl Strategy<Value = String> {
    "[a-c '\"\n\t$`\\\\*?\\[\\]{}()<>|&;#!~=%é-]{1,12}".prop_filter("no name", |n| {
        // `~` and `$NAME` at these places are expanded by design.
        !n.contains('$') || !n.contains("$H") && !n.contains("$U")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_reach_any_name(
        shell in shells(),
        name in names(),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        mode in 0o400u32..0o1000,
    ) {
        let machine = Machine::new(shell, false);
        std::fs::create_dir(machine.local.join("files")).unwrap();
        std::fs::write(machine.local.join("files/source"), &bytes).unwrap();
        let dest = format!("{}/{name}", machine.root.display());
        let result = converges(&machine, "copy", json!({ "src": "source", "dest": dest, "mode": format!("{mode:04o}") }));
        prop_assert_eq!(std::fs::read(&dest).unwrap(), bytes);
        use std::os::unix::fs::PermissionsExt as _;
        prop_assert_eq!(std::fs::metadata(&dest).unwrap().permissions().mode() & 0o7777, mode);
        prop_assert_eq!(result["mode"].as_str().unwrap(), format!("{mode:04o}"));
    }

    #[test]
    fn any_line_is_found_again(shell in shells(), before in "[a-c\n\r é\"'$\\\\]{0,30}", line in "[a-c é\"'$\\\\*.\\[]{1,12}") {
        let machine = Machine::new(shell, false);
        let path = machine.root.join("f");
        std::fs::write(&path, &before).unwrap();
        prop_assume!(!before.split('\n').any(|l| l.trim_end_matches('\r') == line));
        converges(&machine, "lineinfile", json!({ "path": path.display().to_string(), "line": line }));
        let text = std::fs::read_to_string(&path).unwrap();
        let ended = format!("{line}\n");
        prop_assert!(text.ends_with(&ended));
        prop_assert!(text.starts_with(&before));
    }

    #[test]
    fn directories_of_any_name_come_and_go(shell in shells(), first in names(), second in names()) {
        let machine = Machine::new(shell, false);
        let top = format!("{}/{first}", machine.root.display());
        prop_assume!(first != second);
        converges(&machine, "file", json!({ "path": format!("{top}/{second}"), "state": "directory" }));
        let inner = format!("{top}/{second}");
        prop_assert!(std::path::Path::new(&inner).is_dir());
        converges(&machine, "file", json!({ "path": top, "state": "absent" }));
        prop_assert!(!std::path::Path::new(&top).exists());
    }
}

#[test]
fn what_is_predicted_of_a_written_file_is_whole_and_true() {
    let tasks = [
        ("lineinfile", json!({ "line": "a.b=2", "create": true }), "path"),
        ("sysctl", json!({ "name": "a.b", "value": 2, "reload": false }), "sysctl_file"),
        ("mount", json!({ "path": "/mnt", "src": "/dev/x", "fstype": "ext4", "state": "present" }), "fstab"),
        ("bringup.kubeconfig_merge", json!({ "cluster_name": "c", "state": "absent" }), "path"),
    ];
    for (name, mut parameters, parameter) in tasks {
        let machine = Machine::new(Shell::all()[0], false);
        let (path, link) = (machine.root.join("file"), machine.root.join("link"));
        let old = match name {
            "bringup.kubeconfig_merge" => "clusters: [{name: c, cluster: {server: 'https://c'}}]\n",
            _ => "old\n",
        };
        std::fs::write(&path, old).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        parameters[parameter] = json!(link.display().to_string());
        let module = module(name, parameters);
        let controller = Workstation { top: machine.local.clone(), vars: Map::new() };
        let case = no_case();
        let user = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let trial = Trial {
            machine: &machine,
            case: &case,
            module: module.as_ref(),
            controller: &controller,
            user: user.trim(),
        };
        let plan = trial.plan(false, &mut State::default()).unwrap();
        for output in trial.apply(&plan) {
            assert_eq!(output.status, 0, "{name}: {}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(link.is_symlink(), "{name}");
        let (bytes, file) = (std::fs::read(&path).unwrap(), path.display().to_string());
        assert_ne!(bytes, old.as_bytes(), "{name}");
        let mut seen = 0;
        for (probe, answer) in &plan.predictions {
            match (probe, answer) {
                (Probe::Content { path }, Answer::Content(content)) if *path == file => {
                    assert_eq!(content.as_ref(), Some(&bytes), "{name}");
                }
                (Probe::Checksum { path, algorithm }, Answer::Checksum(sum)) if *path == file => {
                    assert_eq!(sum.as_ref(), Some(&bringup::module::local::checksum(*algorithm, &bytes)), "{name}");
                }
                (Probe::Stat { path, .. }, Answer::Stat(Some(stat))) if *path == file => {
                    assert_eq!(stat.size, bytes.len() as u64, "{name}");
                }
                _ => continue,
            }
            seen += 1;
        }
        assert_eq!(seen, 9, "{name}: the content, six checksums and both stats: {:?}", plan.predictions);
    }
}
