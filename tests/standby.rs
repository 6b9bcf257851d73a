//! The guard of a self-hosted control plane, in every shell, against a folder that stands for a host.

use std::fs;

use super::support::machine::{Machine, Shell};

const PROGRAM: &str = include_str!("../playbooks/roles/standby/files/bringup-standby");

/// Answers as the API of a cluster would, out of files; each call is noted.
const KUBECTL: &str = r#"#!/bin/sh
api=${0%/*}/api
echo "$*" >>"$api/calls"
case "$*" in
    *'127.0.0.1:'*'get --raw /healthz') cat "$api/healthz" ;;
    *'get --raw /readyz') cat "$api/readyz" ;;
    *'get pods'*) cat "$api/pods" 2>/dev/null ;;
    *'get leases'*) cat "$api/leases" ;;
    *'get pod '*jsonpath*) cat "$api/fields" ;;
    *'get pod '*'.secret.items'*) cat "$api/files" ;;
    *'get pod '*) cat "$api/volumes" ;;
    *'get secret '*jsonpath*) cat "$api/version" ;;
    *'get secret '*) cat "$api/secret" ;;
esac
"#;

const API: u16 = 6443;
const SCHEDULER: u16 = 10259;

/// A host with a guard, and a cluster for it to ask.
struct Host {
    machine: Machine,
    uptime: u32,
}

impl Host {
    /// A host on which all is well: both parts are self-hosted, and their pods run.
    fn new(shell: Shell) -> Host {
        let host = Host { machine: Machine::new(shell, false), uptime: 1000 };
        for folder in ["api", "proc/net", "standby", "manifests", "run"] {
            fs::create_dir_all(host.machine.root.join(folder)).unwrap();
        }
        let root = host.machine.root.display();
        let settings = format!(
            "NODE=h1\nMANIFESTS={root}/manifests\nAPI=https://192.0.2.1:6443\nAPI_PART=kube-apiserver\n\
             PARTS='kube-scheduler:{SCHEDULER}:kube-scheduler kube-apiserver:{API}:-'\nKUBECTL={root}/kubectl\n"
        );
        host.put("standby/settings", &settings);
        host.put("standby/wanted", "kube-scheduler=self-hosted\nkube-apiserver=self-hosted\n");
        host.put("standby/kube-scheduler.yaml", "the scheduler's manifest\n");
        host.put("standby/kube-apiserver.yaml", "the API server's manifest\n");
        host.put("kubectl", KUBECTL);
        fs::set_permissions(host.machine.root.join("kubectl"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        for (file, content) in [("readyz", "ok"), ("healthz", "ok"), ("calls", "")] {
            host.put(&format!("api/{file}"), content);
        }
        host.pods(&[("kube-scheduler", true, 0), ("kube-apiserver", true, 0)]);
        host.renewed(1);
        host.listen(&[API, SCHEDULER]);
        host
    }

    fn put(&self, path: &str, content: &str) {
        fs::write(self.machine.root.join(path), content).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.machine.root.join(path)).unwrap_or_default()
    }

    fn has(&self, path: &str) -> bool {
        self.machine.root.join(path).exists()
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.machine.root.join(path)).unwrap();
    }

    /// The self-hosted pods on this host: part, readiness, restarts.
    fn pods(&self, pods: &[(&str, bool, u32)]) {
        let line = |(part, ready, restarts): &(&str, bool, u32)| {
            let ready = if *ready { "True" } else { "False" };
            format!("{part} self-hosted-{part}-x uid-{part} stays ready{ready} {restarts}\n")
        };
        self.put("api/pods", &pods.iter().map(line).collect::<String>());
    }

    /// The time at which the scheduler's lease was renewed.
    fn renewed(&self, time: u32) {
        self.put("api/leases", &format!("kube-scheduler h1_0001 {time}\n"));
    }

    /// Who listens: a port as often as there are processes.
    fn listen(&self, ports: &[u16]) {
        let row = |port: &u16| format!("   0: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 0\n");
        self.put("proc/net/tcp", &ports.iter().map(row).collect::<String>());
        // A connection to a port is nobody who listens.
        self.put("proc/net/tcp6", "   0: 0100007F:192B 0100007F:9C40 01 00000000:00000000 00:00000000 0\n");
    }

    /// One look, some seconds later; what the journal gets.
    fn look(&mut self, seconds: u32) -> String {
        self.uptime += seconds;
        self.put("proc/uptime", &format!("{}.25 99.00\n", self.uptime));
        let root = self.machine.root.display().to_string();
        let places = [
            ("STANDBY_DIR", format!("{root}/standby")),
            ("STANDBY_RUN", format!("{root}/run")),
            ("STANDBY_PROC", format!("{root}/proc")),
        ];
        let environment: Vec<(&str, &str)> = places.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let output = self.machine.run(&format!("set -- once\n{PROGRAM}"), &environment);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!((output.status, text(&output.stderr).as_str()), (0, ""), "{:?}", self.machine.shell);
        text(&output.stdout)
    }

    /// So many looks, two seconds apart; the lease is renewed meanwhile.
    fn looks(&mut self, count: u32) -> String {
        let mut said = String::new();
        for _ in 0..count {
            self.renewed(self.uptime);
            said += &self.look(2);
        }
        said
    }

    /// The time goes by with a look now and then.
    fn wait(&mut self, seconds: u32) -> String {
        (0..seconds / 10)
            .map(|_| {
                self.renewed(self.uptime);
                self.look(10)
            })
            .collect()
    }

    fn state(&self, part: &str) -> String {
        let status = self.read("run/status");
        status.lines().find_map(|l| l.strip_prefix(&format!("{part} "))).unwrap_or_default().to_owned()
    }

    fn manifests(&self) -> Vec<String> {
        let folder = fs::read_dir(self.machine.root.join("manifests")).unwrap();
        let mut names: Vec<String> = folder.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn everywhere(test: impl Fn(Host)) {
    for shell in Shell::all() {
        test(Host::new(shell));
    }
}

#[test]
fn it_does_nothing_while_all_is_well() {
    everywhere(|mut host| {
        assert_eq!(host.wait(40), "kube-scheduler: h1_0001 leads\n");
        assert!(host.manifests().is_empty());
        assert_eq!(
            (host.state("kube-scheduler"), host.state("kube-apiserver")),
            ("self-hosted".into(), "self-hosted".into())
        );
        // It looks at ports only, and seldom at the API.
        host.put("api/calls", "");
        assert_eq!(host.looks(6), "");
        let calls = host.read("api/calls");
        assert!(calls.lines().count() <= 12, "{calls}");
    });
}

#[test]
fn it_touches_nothing_it_was_not_told_to_guard() {
    everywhere(|mut host| {
        host.remove("standby/wanted");
        host.listen(&[]);
        host.put("api/readyz", "");
        assert_eq!(host.wait(120), "");
        assert!(host.manifests().is_empty());
    });
}

#[test]
fn an_api_that_nobody_serves_comes_from_the_standby_and_is_left_to_its_pod_again() {
    everywhere(|mut host| {
        host.looks(10);
        // The power was cut: nothing runs, and the last word about the pods was that they are ready.
        host.listen(&[]);
        host.put("api/readyz", "");
        assert_eq!(host.looks(3), "");
        let said = host.looks(2);
        assert_eq!(
            said,
            "kube-apiserver: nobody has listened on port 6443 for 6 seconds: the standby manifest is put in\n"
        );
        assert_eq!(host.manifests(), ["kube-apiserver.yaml"]);
        assert_eq!(host.read("manifests/kube-apiserver.yaml"), "the API server's manifest\n");
        // It serves; the self-hosted pod does not listen yet, whatever is said of it.
        host.listen(&[API]);
        host.put("api/readyz", "ok");
        host.wait(80);
        assert_eq!(
            host.manifests(),
            ["kube-apiserver.yaml", "kube-scheduler.yaml"],
            "the scheduler's pod is not there either"
        );
        // Both run, but not every answer is good.
        host.listen(&[API, API, SCHEDULER, SCHEDULER]);
        host.put("api/readyz", "");
        host.wait(40);
        assert_eq!(host.manifests().len(), 2);
        host.put("api/readyz", "ok");
        let said = host.looks(10);
        assert!(said.contains("kube-apiserver: the pod self-hosted-kube-apiserver-x is ready"), "{said}");
        assert!(host.manifests().is_empty(), "{:?}", host.manifests());
        host.listen(&[API, SCHEDULER]);
        host.looks(10);
        assert_eq!(
            (host.state("kube-scheduler"), host.state("kube-apiserver")),
            ("self-hosted".into(), "self-hosted".into())
        );
    });
}

#[test]
fn a_listener_that_is_not_ready_is_given_time() {
    everywhere(|mut host| {
        host.looks(5);
        host.put("api/readyz", "");
        let said = host.looks(21);
        assert_eq!(said, "");
        let said = host.looks(12);
        assert!(said.starts_with("kube-apiserver: the API has not been ready for 4"), "{said}");
    });
}

#[test]
fn a_pod_that_restarts_is_not_trusted() {
    everywhere(|mut host| {
        host.put("manifests/kube-apiserver.yaml", "static\n");
        host.listen(&[API, API, SCHEDULER]);
        for restarts in 0..10 {
            host.pods(&[("kube-scheduler", true, 0), ("kube-apiserver", true, restarts)]);
            host.looks(2);
        }
        assert_eq!(host.manifests(), ["kube-apiserver.yaml"]);
        host.looks(4);
        assert!(host.manifests().is_empty());
    });
}

#[test]
fn a_manifest_is_never_taken_away_without_a_copy() {
    everywhere(|mut host| {
        host.put("manifests/kube-apiserver.yaml", "static\n");
        host.remove("standby/kube-apiserver.yaml");
        host.listen(&[API, API, SCHEDULER]);
        let said = host.wait(40);
        assert!(said.contains("kube-apiserver: the manifest stays: there is no copy of it"), "{said}");
        assert_eq!(said.matches("there is no copy").count(), 1, "said once: {said}");
        assert_eq!(host.manifests(), ["kube-apiserver.yaml"]);
    });
}

#[test]
fn the_only_scheduler_comes_back_once_the_api_could_have_started_it() {
    everywhere(|mut host| {
        host.looks(10);
        host.listen(&[API]);
        host.pods(&[("kube-scheduler", false, 0), ("kube-apiserver", true, 0)]);
        assert_eq!(host.looks(6), "");
        let said = host.looks(2);
        assert!(said.contains("kube-scheduler: nobody has listened on port 10259"), "{said}");
        assert_eq!(host.manifests(), ["kube-scheduler.yaml"]);
    });
}

#[test]
fn a_part_without_an_api_is_the_apis_own_matter() {
    everywhere(|mut host| {
        host.looks(10);
        host.listen(&[API]);
        host.put("api/readyz", "");
        host.wait(40);
        assert!(host.manifests().is_empty());
    });
}

#[test]
fn a_lease_that_nobody_renews_calls_the_standby() {
    everywhere(|mut host| {
        host.looks(10);
        let mut said = String::new();
        for _ in 0..2 {
            said += &host.look(14);
        }
        assert_eq!(said, "");
        for _ in 0..4 {
            said += &host.look(5);
        }
        assert!(said.starts_with("kube-scheduler: its lease has not been renewed for 3"), "{said}");
        assert_eq!(host.manifests(), ["kube-scheduler.yaml"]);
    });
}

#[test]
fn what_comes_and_goes_stays_longer_each_time() {
    everywhere(|mut host| {
        host.wait(40);
        let mut stays = Vec::new();
        for _ in 0..3 {
            host.listen(&[SCHEDULER]);
            host.put("api/readyz", "");
            host.looks(5);
            assert_eq!(host.manifests(), ["kube-apiserver.yaml"]);
            host.listen(&[API, API, SCHEDULER]);
            host.put("api/readyz", "ok");
            let began = host.uptime;
            while !host.manifests().is_empty() {
                host.looks(1);
                assert!(host.uptime - began < 200);
            }
            stays.push(host.uptime - began);
        }
        assert!(stays[0] < stays[1] && stays[1] < stays[2], "{stays:?}");
    });
}

#[test]
fn a_stand_in_is_put_beside_the_pod_at_once_and_stays() {
    everywhere(|mut host| {
        host.looks(10);
        host.put("standby/wanted", "kube-scheduler=stand-in\nkube-apiserver=self-hosted\n");
        let said = host.looks(1);
        assert_eq!(said, "kube-scheduler: its DaemonSet is about to change: the standby manifest is put in\n");
        assert_eq!(host.state("kube-scheduler"), "starting");
        host.listen(&[API, SCHEDULER, SCHEDULER]);
        host.wait(60);
        assert_eq!(
            (host.state("kube-scheduler"), host.manifests()),
            ("stand-in".into(), vec!["kube-scheduler.yaml".into()])
        );
    });
}

#[test]
fn a_static_part_gets_its_lost_manifest_back() {
    everywhere(|mut host| {
        host.put("standby/wanted", "kube-scheduler=static\nkube-apiserver=static\n");
        host.pods(&[]);
        host.put("manifests/kube-scheduler.yaml", "as site.yml writes it\n");
        let said = host.looks(5);
        assert_eq!(
            said,
            "kube-apiserver: it shall be a static pod, and its manifest is not there: the standby manifest is put in\n"
        );
        host.wait(120);
        assert_eq!(host.read("manifests/kube-scheduler.yaml"), "as site.yml writes it\n");
        assert_eq!((host.state("kube-scheduler"), host.state("kube-apiserver")), ("static".into(), "static".into()));
        // With a self-hosted pod beside it, it is there when both listen.
        host.pods(&[("kube-scheduler", true, 0)]);
        host.looks(10);
        assert_eq!(host.state("kube-scheduler"), "starting");
    });
}

#[test]
fn the_copy_follows_the_pod_that_works() {
    everywhere(|mut host| {
        host.put("api/fields", "5\nDefault\nsystem-node-critical\n[{\"name\":\"kube-scheduler\",\"command\":[\"a b\\\\n\",\"$(HOST_IP)\"]}]\n");
        host.put("api/volumes", r#"{"name":"host-1","hostPath":{"path":"/etc/x","type":"File"}}"#);
        let said = host.looks(12);
        assert!(
            said.contains(
                "kube-scheduler: the standby manifest is as the pod self-hosted-kube-scheduler-x now, which works\n"
            ),
            "{said}"
        );
        let copy: serde_json::Value = serde_json::from_str(&host.read("standby/kube-scheduler.yaml")).unwrap();
        assert_eq!(copy["kind"], "Pod");
        assert_eq!(copy["metadata"]["name"], "kube-scheduler");
        assert_eq!(copy["spec"]["containers"][0]["command"], serde_json::json!(["a b\\n", "$(HOST_IP)"]));
        assert_eq!(copy["spec"]["volumes"][0]["hostPath"]["path"], "/etc/x");
        assert!(copy["spec"]["nodeSelector"].is_null());
        assert_eq!(host.wait(40), "");
        // A pod that a static one cannot be like, or an answer cut off, leaves the copy as it is.
        let before = host.read("standby/kube-scheduler.yaml");
        host.put("api/volumes", r#"{"name":"v","hostPath":{"path":unknown}}"#);
        let said = host.wait(40);
        assert!(said.contains("has a volume that a static pod cannot have"), "{said}");
        host.put("api/volumes", "");
        host.put("api/fields", "5\nDefault\n");
        host.wait(40);
        assert_eq!(host.read("standby/kube-scheduler.yaml"), before);
    });
}

#[test]
fn secrets_are_kept_as_files() {
    use std::os::unix::fs::PermissionsExt;
    everywhere(|mut host| {
        let folder = host.machine.root.join("standby/secrets");
        host.put("api/fields", "5\nDefault\nsystem-node-critical\n[{\"name\":\"c\"}]\n");
        host.put(
            "api/volumes",
            &format!(r#"{{"name":"c","hostPath":{{"path":"{}/s","type":"Directory"}}}}"#, folder.display()),
        );
        host.put("api/files", "s etcd.ca.crt etcd/ca.crt\ns sa.key sa.key\n");
        host.put("api/version", "uid-1 17");
        host.put("api/secret", "one\n");
        host.looks(12);
        assert_eq!(host.read("standby/secrets/s/etcd/ca.crt"), "one\n");
        let mode = fs::metadata(folder.join("s/sa.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(host.read("standby/kube-scheduler.yaml").contains("standby/secrets/s"));
        // A new version is fetched, the same one is not, and a Secret that is gone leaves its copy.
        host.put("api/secret", "two\n");
        host.wait(60);
        assert_eq!(host.read("standby/secrets/s/sa.key"), "one\n");
        host.put("api/version", "uid-1 18");
        host.wait(60);
        assert_eq!(host.read("standby/secrets/s/sa.key"), "two\n");
        host.put("api/version", "");
        host.put("api/secret", "");
        let said = host.wait(120);
        assert!(said.contains("the Secret s is not there"), "{said}");
        assert_eq!(host.read("standby/secrets/s/sa.key"), "two\n");
        assert!(!host.has("run/secret"), "no key is left behind");
        // A key that the pod has no longer from the Secret is not kept either.
        host.put("api/version", "uid-1 19");
        host.put("api/secret", "three\n");
        host.put("api/files", "s etcd.ca.crt etcd/ca.crt\n");
        host.wait(60);
        assert_eq!(host.read("standby/secrets/s/etcd/ca.crt"), "three\n");
        assert!(!host.has("standby/secrets/s/sa.key"));
        // A pod that has its files from the host: nobody needs the copies, and keys are not left lying about.
        host.put("api/volumes", r#"{"name":"c","hostPath":{"path":"/etc/x","type":"File"}}"#);
        let said = host.wait(60);
        assert!(said.contains("the standby's copies of them are taken away"), "{said}");
        assert!(!host.has("standby/secrets"));
    });
}

#[test]
fn an_api_that_does_not_tell_of_pods_is_named_and_nothing_is_taken_away() {
    everywhere(|mut host| {
        host.looks(10);
        // Its rights were taken away: the API is well and refuses.
        host.remove("api/pods");
        host.put("manifests/kube-scheduler.yaml", "static\n");
        host.listen(&[API, SCHEDULER, SCHEDULER]);
        let said = host.wait(40);
        assert_eq!(said.matches("the Role bringup:standby in kube-system").count(), 1, "{said}");
        assert_eq!(host.manifests(), ["kube-scheduler.yaml"]);
        host.pods(&[("kube-scheduler", true, 0), ("kube-apiserver", true, 0)]);
        host.wait(40);
        assert!(host.manifests().is_empty());
    });
}

#[test]
fn only_its_own_commands_are_understood() {
    for shell in Shell::all() {
        let host = Host::new(shell);
        let root = host.machine.root.display().to_string();
        let environment = [("STANDBY_DIR", format!("{root}/standby")), ("STANDBY_RUN", format!("{root}/run"))];
        let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(host.machine.run(&format!("set -- dance\n{PROGRAM}"), &environment).status, 2);
        host.put("run/status", "kube-scheduler self-hosted\n");
        let output = host.machine.run(&format!("set -- status\n{PROGRAM}"), &environment);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "kube-scheduler self-hosted\n");
    }
}
