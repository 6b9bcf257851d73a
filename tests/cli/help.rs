use super::{Place, settled};

#[test]
fn every_command_explains_itself() {
    let place = Place::new(&[]);
    let top = place.run(&["--help"]);
    assert_eq!(top.code, 0);
    settled(&place, || insta::assert_snapshot!("help", top.stdout));
    let commands = ["apply", "plan", "exec", "ping", "facts", "inventory", "lint", "doc", "init", "completions", "man"];
    for command in commands {
        assert!(top.stdout.contains(command), "{command} is not listed");
        let help = place.run(&[command, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{command}");
        settled(&place, || insta::assert_snapshot!(format!("help_{command}"), help.stdout));
    }
}

#[test]
fn usage_errors_exit_with_one() {
    let place = Place::new(&[]);
    for (arguments, told) in [
        (&["apply", "--no-such"][..], "unexpected argument '--no-such'"),
        (&["nosuch"], "unrecognized subcommand 'nosuch'"),
        (&[], "Usage: bringup <COMMAND>"),
        (&["apply"], "<PLAYBOOK>"),
        (&["apply", "-f", "0", "x.yml"], "0 is not in 1..="),
        (&["apply", "-f", "many", "x.yml"], "invalid digit"),
        (&["exec", "all"], "<COMMAND>"),
        (&["exec", "all", "-m", "ping", "--", "ls"], "cannot be used with"),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 1, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn pages_and_completions_are_made_of_the_same_table() {
    let place = Place::new(&[]);
    assert!(place.run(&["man"]).stdout.contains(".TH bringup 1"));
    let page = place.run(&["man", "apply"]).stdout;
    assert!(page.contains("bringup\\-apply") && page.contains("\\-\\-list\\-tasks"), "{page}");
    assert_eq!(place.run(&["man", "nosuch"]).code, 1);
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]);
        assert!(script.code == 0 && script.stdout.contains("skip-tags"), "{shell}");
    }
}
