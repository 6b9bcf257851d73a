//! What `apt` runs on a host: apt-get, patient with locks and with what an interrupted dpkg left.

use super::{Apt, Upgrade, Wanted, Wish};
use crate::{
    module::{Failure, Whole},
    sh::{self, words},
};

impl Apt {
    /// A script that reads the lists, for a module that has changed where they come from.
    pub(in crate::module::builtin) fn reading(retries: Option<Whole>, longest: Option<Whole>) -> String {
        let apt = Apt { update_cache_retries: retries, update_cache_retry_max_delay: longest, ..Apt::default() };
        apt.prelude() + &apt.update_command()
    }

    fn lock_timeout(&self) -> i64 {
        self.lock_timeout.map_or(60, |t| t.0.max(0))
    }

    /// What every script of this module begins with.
    pub(super) fn prelude(&self) -> String {
        let mut script = format!("end=$(($(date +%s) + {}))\n{}", self.lock_timeout(), sh::file!("run.sh"));
        if let Some(answer) = self.policy_rc_d {
            script.push_str(&format!("answer={}\n{}", answer.0, sh::file!("policy.sh")));
        }
        script
    }

    /// The options of apt-get that the parameters stand for.
    fn options(&self) -> Vec<String> {
        let mut options: Vec<String> = vec!["-o".into(), format!("DPkg::Lock::Timeout={}", self.lock_timeout())];
        for option in self.dpkg_options.0.split(',').map(str::trim).filter(|o| !o.is_empty()) {
            options.extend(["-o".to_owned(), format!("Dpkg::Options::=--{}", option.trim_start_matches('-'))]);
        }
        match self.install_recommends.map(|r| r.0) {
            Some(true) => options.extend(["-o".into(), "APT::Install-Recommends=yes".into()]),
            Some(false) => options.push("--no-install-recommends".into()),
            None => {}
        }
        if let Some(release) = &self.default_release {
            options.extend(["-t".to_owned(), release.0.clone()]);
        }
        let flags = [
            (
                self.force.0,
                "--allow-downgrades --allow-remove-essential --allow-change-held-packages --allow-unauthenticated",
            ),
            (self.allow_unauthenticated.0, "--allow-unauthenticated"),
            (self.allow_downgrade.0, "--allow-downgrades"),
            (self.allow_change_held_packages.0, "--allow-change-held-packages"),
            (self.only_upgrade.0, "--only-upgrade"),
            (self.fail_on_autoremove.0, "--no-remove"),
            (self.purge.0, "--purge"),
            (self.autoremove.0, "--auto-remove"),
        ];
        options.extend(flags.iter().filter(|(on, _)| *on).flat_map(|(_, f)| f.split(' ')).map(str::to_owned));
        options
    }

    /// Reads the lists, with pauses that double between tries. A list that could not be read is a failure.
    pub(super) fn update_command(&self) -> String {
        let retries = self.update_cache_retries.map_or(5, |r| r.0.max(1));
        let longest = self.update_cache_retry_max_delay.map_or(12, |d| d.0.max(0));
        format!("tries={retries} longest={longest}\n{}", sh::file!("update.sh"))
    }

    fn run(&self, verb: &str, arguments: &[String]) -> String {
        format!("run {} {verb} {} || exit\n", words(self.options()), words(arguments)).replace("  ||", " ||")
    }

    pub(super) fn packages_command(&self, wishes: &[Wish]) -> String {
        let arguments: Vec<_> = wishes.iter().map(Wish::argument).collect();
        match self.state {
            Wanted::Absent => self.run("remove", &wishes.iter().map(|w| w.name.clone()).collect::<Vec<_>>()),
            Wanted::BuildDep => self.run("build-dep", &arguments),
            Wanted::Fixed => self.run("--fix-broken install", &arguments),
            Wanted::Present | Wanted::Latest => self.run("install", &arguments),
        }
    }

    fn upgrade_verb(&self) -> &'static str {
        if self.upgrade == Upgrade::Full { "dist-upgrade" } else { "--with-new-pkgs upgrade" }
    }

    pub(super) fn upgrade_command(&self) -> String {
        self.run(self.upgrade_verb(), &[])
    }

    pub(super) fn deb_command(&self, path: &str) -> String {
        if path.contains("://") {
            // apt-get itself reads it as another user.
            let fetched =
                format!("( {}chmod 0755 \"$s\"; chmod 0644 \"$s/package.deb\"\n", super::questions::fetched(path));
            let command = self.run("install", &["PACKAGE".to_owned()]);
            return format!("{fetched}{} ) || exit\n", command.replace("PACKAGE", "\"$s/package.deb\"").trim_end());
        }
        self.run("install", &[path.to_owned()])
    }

    pub(super) fn fix_command(&self) -> String {
        self.run("--fix-broken install", &[])
    }

    pub(super) fn autoremove_command(&self) -> String {
        self.run("autoremove", &[])
    }

    /// The same without doing it, and without a lock.
    fn simulate(&self, verb: &str, arguments: &[String]) -> String {
        format!(
            "LC_ALL=C apt-get -s -y -o Debug::NoLocking=1 {} {verb} {} </dev/null\n",
            words(self.options()),
            words(arguments)
        )
    }

    pub(super) fn simulation(&self, wishes: &[Wish]) -> String {
        let arguments: Vec<_> = wishes.iter().map(Wish::argument).collect();
        match (self.upgrade, self.state) {
            (Upgrade::No, Wanted::BuildDep) => self.simulate("build-dep", &arguments),
            (Upgrade::No, _) => self.simulate("--fix-broken install", &arguments),
            _ => self.simulate(self.upgrade_verb(), &[]),
        }
    }

    pub(super) fn autoremove_simulation(&self) -> String {
        self.simulate("autoremove", &[])
    }
}

/// Adds what to do to the failures people meet most.
pub(super) fn explain(failure: Failure) -> Failure {
    let advice = [
        ("Unable to locate package", "is the name right? `update_cache: true` reads the lists first"),
        ("Could not get lock", "another package manager is still at work; `lock_timeout` waits longer"),
        ("No space left on device", "the disk is full: `clean: true` drops fetched archives"),
        ("404  Not Found", "the lists are older than the mirror: `update_cache: true` reads them anew"),
        ("Packages were downgraded and -y was used", "`allow_downgrade: true` accepts a lower version"),
        ("Temporary failure resolving", "the host cannot resolve the mirror's name"),
        ("has no installation candidate", "no list offers it: is its repository set up?"),
    ];
    match advice.iter().find(|(sign, _)| failure.message.contains(sign)) {
        Some((_, help)) => failure.help(*help),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, process::Command};

    use super::*;
    use crate::sh::quote;

    /// Runs a script with stand-ins for apt-get, dpkg and sleep; returns status, calls, stdout and stderr.
    fn run_with(apt_get: &str, script: &str, shell: &[&str]) -> (i32, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let tool = |name: &str, body: &str| {
            let path = dir.path().join(name);
            fs::write(
                &path,
                format!("#!/bin/sh\nlog={}\necho \"{name} $*\" >>$log\n{body}\n", quote(log.to_str().unwrap())),
            )
            .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        tool("apt-get", apt_get);
        tool("dpkg", ":");
        tool("sleep", ":");
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        let output = Command::new(shell[0]).args(&shell[1..]).arg("-c").arg(script).env("PATH", path).output().unwrap();
        let calls = fs::read_to_string(&log).unwrap_or_default();
        (output.status.code().unwrap(), calls, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn install() -> String {
        let apt: Apt = serde_json::from_value(serde_json::json!({"name": ["nginx"]})).unwrap();
        apt.prelude() + &apt.packages_command(&[Wish::parse("nginx").unwrap()])
    }

    // Not busybox: its shell has a `dpkg` of its own.
    const SHELLS: &[&[&str]] = &[&["dash"], &["bash"]];

    #[test]
    fn an_interrupted_dpkg_is_finished_once() {
        for shell in SHELLS {
            let fake = "n=$(grep -c ^apt-get $log); [ $n -gt 1 ] && exit 0; echo \"E: dpkg was interrupted, you must manually run 'dpkg --configure -a'\" >&2; exit 100";
            let (status, calls, _) = run_with(fake, &install(), shell);
            assert_eq!(status, 0, "{shell:?}");
            assert_eq!(calls.lines().filter(|l| l.starts_with("dpkg ")).count(), 1, "{calls}");
            assert!(calls.contains("--configure -a"), "{calls}");
            let never = "echo 'E: dpkg was interrupted' >&2; exit 100";
            let (status, calls, stderr) = run_with(never, &install(), shell);
            assert_eq!(status, 100);
            assert_eq!(calls.lines().filter(|l| l.starts_with("dpkg ")).count(), 1, "{calls}");
            assert!(stderr.contains("dpkg was interrupted"));
        }
    }

    #[test]
    fn a_lock_is_waited_for() {
        for shell in SHELLS {
            let fake = "n=$(grep -c ^apt-get $log); [ $n -gt 3 ] && exit 0; echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7' >&2; exit 100";
            let (status, calls, _) = run_with(fake, &install(), shell);
            assert_eq!(status, 0, "{shell:?}");
            assert_eq!(calls.lines().filter(|l| l.starts_with("sleep")).count(), 3, "{calls}");
        }
    }

    #[test]
    fn reading_the_lists_is_tried_again() {
        let apt = Apt { update_cache_retries: Some(crate::module::Whole(3)), ..Apt::default() };
        let script = apt.prelude() + &apt.update_command();
        for shell in SHELLS {
            let (status, calls, stderr) =
                run_with("echo 'W: Failed to fetch http://deb' >&2; exit 100", &script, shell);
            assert_eq!(status, 100, "{shell:?}");
            assert_eq!(calls.lines().filter(|l| l.starts_with("apt-get")).count(), 3, "{calls}");
            assert!(stderr.contains("Failed to update apt cache") && stderr.contains("Failed to fetch"), "{stderr}");
        }
    }
}
