//! The scripts that ask the check pods, in every shell, against commands that answer as a cluster's would.

use super::support::machine::{Machine, Shell};

const REACH: &str = include_str!("../playbooks/roles/validate/files/reach.sh");
const FULL: &str = include_str!("../playbooks/roles/validate/files/full.sh");

/// Pods are called after their nodes. What is in `wrong` goes wrong: a line `logs h2` and the like.
/// A pod answers yes at the address that `addresses` has for it.
const KUBECTL: &str = r#"
wrong() { grep -qx "$*" wrong 2>/dev/null; }
while :; do case $1 in --kubeconfig | -n) shift 2 ;; --request-timeout=*) shift ;; *) break ;; esac; done
command=$1 node=${2#pod/} node=${node#pod-}
echo "$command $node" >>calls
! wrong "$command $node" || { echo "no $command here" >&2; exit 1; }
case $command in
    logs) echo "serving on $node" ;;
    port-forward) echo "Forwarding from 127.0.0.1:2000${node#h} -> 8080"; exec sleep 60 ;;
    get) awk '{print "pod-" $1, $2, $1, "Running", "<none>"}' addresses ;;
    exec)
        shift 3
        [ "$1" != cat ] || { echo "$node"; exit; }
        shift 2
        for question; do
            case $question in
                pod=*) name=${question##*,} address=${question#pod=} address=${address%,*}
                    if grep -qxF "$name $address" addresses; then echo "ok pod on $name"; else echo "FAIL pod on $name: nobody is there"; fi ;;
                *) echo "ok $question" ;;
            esac
        done ;;
esac
"#;

/// The port of a pod that is forwarded leads to its web server.
const CURL: &str = r#"
for url; do :; done
port=${url#http://127.0.0.1:} port=${port%%/*}
printf 'h%s' "${port#2000}"
"#;

struct Answer {
    status: i32,
    said: String,
    calls: String,
}

fn ask(shell: Shell, script: &str, words: &str, rows: &str, files: &[(&str, &str)]) -> Answer {
    let machine = Machine::new(shell, false);
    machine.add_tool("kubectl", KUBECTL);
    machine.add_tool("curl", CURL);
    machine.add_tool("getent", "exit 2");
    for (name, content) in files {
        std::fs::write(machine.root.join(name), content).unwrap();
    }
    let home = machine.root.display();
    // The stand-ins look at their files where they are called.
    let output = machine.run(&format!("cd {home}\nprintf '%b' '{rows}' | (set -- {words}\n{script}\n)"), &[]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&output.stderr), "", "{shell:?}");
    let calls = std::fs::read_to_string(machine.root.join("calls")).unwrap_or_default();
    Answer { status: output.status, said: text(&output.stdout), calls }
}

const ROWS: &str = "pod-h1 10.0.0.1 h1\\npod-h2 10.0.0.2 h2\\n";
const ADDRESSES: &str = "h1 10.0.0.1\nh2 10.0.0.2\n";

fn full(shell: Shell, rows: &str, wrong: &str) -> Answer {
    ask(shell, FULL, "/config check", rows, &[("wrong", wrong)])
}

#[test]
fn logs_commands_and_ports_are_asked_of_every_pod() {
    for shell in Shell::all() {
        let answer = full(shell, ROWS, "");
        assert_eq!((answer.status, answer.said.as_str()), (0, ""), "{shell:?}");
        let mut calls: Vec<&str> = answer.calls.lines().collect();
        calls.sort_unstable();
        assert_eq!(calls, ["exec h1", "exec h2", "logs h1", "logs h2", "port-forward h1", "port-forward h2"]);
    }
}

#[test]
fn what_a_kubelet_does_not_give_is_told_with_its_node() {
    for shell in Shell::all() {
        for (wrong, told) in [
            ("logs h2", "h2: the API server does not reach the logs of its pod: no logs here"),
            ("exec h1", "h1: no command runs in its pod: no exec here"),
            ("port-forward h2", "h2: no port is forwarded to its pod: no port-forward here"),
        ] {
            let answer = full(shell, ROWS, wrong);
            assert_eq!((answer.status, answer.said.trim()), (1, told), "{shell:?}");
        }
    }
}

#[test]
fn no_name_of_a_node_hides_what_was_found() {
    for shell in Shell::all() {
        for node in ["forward.h1", "-h1", "h1.example.net"] {
            let answer = full(shell, &format!("pod-{node} 10.0.0.1 {node}\\n"), &format!("logs {node}"));
            let told = format!("{node}: the API server does not reach the logs of its pod: no logs here");
            assert!(answer.status == 1 && answer.said.contains(&told), "{shell:?}: {}", answer.said);
        }
    }
}

#[test]
fn no_pod_at_all_is_not_well() {
    for shell in Shell::all() {
        let answer = full(shell, "", "");
        assert_eq!((answer.status, answer.said.as_str()), (1, "there is no check pod\n"), "{shell:?}");
    }
}

fn reach(shell: Shell, rows: &str, addresses: &str) -> Answer {
    let words = "/config check - 'h1 h2' service=check";
    ask(shell, REACH, words, rows, &[("addresses", addresses)])
}

#[test]
fn pods_that_answer_are_asked_once() {
    for shell in Shell::all() {
        let answer = reach(shell, ROWS, ADDRESSES);
        assert_eq!((answer.status, answer.said.as_str()), (0, ""), "{shell:?}");
        let mut calls: Vec<&str> = answer.calls.lines().collect();
        calls.sort_unstable();
        assert_eq!(calls, ["exec h1", "exec h2"], "{shell:?}");
    }
}

#[test]
fn pods_with_addresses_of_two_families_are_asked_by_both() {
    const TWO: &str = "pod-h1 10.0.0.1,fd00::1 h1\\npod-h2 fd00::2,10.0.0.2 h2\\n";
    for shell in Shell::all() {
        let both = format!("{ADDRESSES}h1 [fd00::1]\nh2 [fd00::2]\n");
        let answer = reach(shell, TWO, &both);
        assert_eq!((answer.status, answer.said.as_str()), (0, ""), "{shell:?}");
        assert!(!answer.calls.contains("get pods"), "{}", answer.calls);
        // One that does not answer has the addresses read anew.
        let answer = reach(shell, TWO, &both.replace("h2 [fd00::2]\n", ""));
        assert!(answer.calls.contains("get pods"), "{}", answer.calls);
    }
}

#[test]
fn pods_that_have_moved_meanwhile_are_found_again() {
    for shell in Shell::all() {
        let answer = reach(shell, ROWS, "h1 10.0.0.7\nh2 10.0.0.2\n");
        assert_eq!((answer.status, answer.said.as_str()), (0, ""), "{shell:?}");
        assert!(answer.calls.contains("get pods"), "{}", answer.calls);
    }
}

#[test]
fn a_node_without_a_pod_and_a_pod_that_is_not_reached_are_told() {
    for shell in Shell::all() {
        let answer = reach(shell, ROWS, "h1 10.0.0.1\n");
        assert_eq!((answer.status, answer.said.as_str()), (1, "no check pod runs on h2\n"), "{shell:?}");
    }
}
