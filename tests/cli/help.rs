use super::{Place, settled};

#[test]
fn every_command_explains_itself() {
    let place = Place::new(&[]);
    let top = place.run(&["--help"]);
    assert_eq!(top.code, 0);
    settled(&place, || insta::assert_snapshot!("help", top.stdout));
    let commands =
        ["apply", "plan", "exec", "ping", "facts", "inventory", "lint", "vault", "doc", "init", "completions", "man"];
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
        (&["exec", "all", "uptime"], "put `--` before the command"),
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

/// The commands that a text for people shows: lines of code and code in a line.
fn shown_commands(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter_map(|l| l.strip_prefix("    ")).map(str::to_owned);
    let spans = text.lines().flat_map(|l| l.split('`').skip(1).step_by(2).map(str::to_owned));
    let commands = lines.chain(spans).filter(|c| c.starts_with("bringup "));
    let words = |c: String| {
        let command = c.split(" #").next().unwrap_or_default().split(" -- ").next().unwrap_or_default().to_owned();
        command.split_whitespace().skip(1).map(|w| w.split('=').next().unwrap_or_default().to_owned()).collect()
    };
    commands.map(words).collect()
}

#[test]
fn readmes_name_only_what_there_is() {
    let place = Place::new(&[]);
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for file in ["README.md", "playbooks/README.md", "lab/README.md", "tests/README.md"] {
        let text = std::fs::read_to_string(top.join(file)).unwrap();
        for words in shown_commands(&text) {
            let command = words.first().filter(|w| w.bytes().all(|b| b.is_ascii_lowercase()));
            let Some(command) = command else { continue };
            let help = place.run(&[command, "--help"]);
            assert_eq!(help.code, 0, "{file}: there is no `bringup {command}`");
            for flag in words.iter().filter(|w| w.starts_with('-')) {
                let mut known = help.stdout.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                assert!(known.any(|w| w == flag), "{file}: `bringup {command}` has no `{flag}`");
                seen += 1;
            }
        }
        // What is linked to is there.
        let folder = top.join(file).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.contains("://") && !path.is_empty() {
                assert!(folder.join(path).exists(), "{file}: there is no {path}");
            }
        }
    }
    assert!(seen > 5, "the commands of the README are found: {seen}");
}

/// Looks for the paths of the last column of a page's tables. Returns how many rows name one.
fn rows_with_tests(text: &str) -> usize {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    let mut seen = 0;
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).filter(|path| path.contains('/')).collect();
        for path in &named {
            assert!(top.join(path).exists(), "there is no {path}: {row}");
        }
        seen += usize::from(!named.is_empty());
    }
    seen
}

#[test]
fn pages_that_say_what_holds_them_name_tests_that_there_are() {
    let read =
        |page: &str| std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let differences = read("docs/coming-from-ansible.md");
    let (_, tables) = differences.split_once("### On purpose").unwrap();
    let rows = tables.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what")).count();
    assert!(rows > 20, "the rows are found: {rows}");
    assert_eq!(rows_with_tests(tables), rows, "each difference has a test");
    let (coverage, whole) = (read("docs/coverage.md"), 40);
    assert!(rows_with_tests(&coverage) > whole);
}
