//! How dnf is called.

use super::{Dnf, Wanted, Work};
use crate::{
    fact::{Probe, Resource},
    sh::{self, quote, words},
};

impl Dnf {
    /// The program: `dnf` is whatever has that name, else what stands for it.
    fn program(&self) -> &'static str {
        let backend = self.use_backend.as_ref().or(self.use_.as_ref()).map_or("auto", |backend| backend.0.as_str());
        if self.five || backend == "dnf5" { "dnf5" } else { "dnf" }
    }

    /// The options that the parameters stand for.
    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let mut add = |option: String| options.push(option);
        let lists = [
            ("enablerepo", &self.enablerepo),
            ("disablerepo", &self.disablerepo),
            ("exclude", &self.exclude),
            ("enableplugin", &self.enable_plugin),
            ("disableplugin", &self.disable_plugin),
        ];
        for (name, list) in lists {
            list.0.iter().filter(|item| !item.0.is_empty()).for_each(|item| add(format!("--{name}={}", item.0)));
        }
        let texts = [
            ("config", &self.conf_file),
            ("installroot", &self.installroot),
            ("releasever", &self.releasever),
            ("disableexcludes", &self.disable_excludes),
        ];
        for (name, value) in texts {
            if let Some(value) = value.as_ref().filter(|value| !(name == "installroot" && value.0 == "/")) {
                add(format!("--{name}={}", value.0));
            }
        }
        let best = self.best.map(|best| best.0).or(self.nobest.map(|nobest| !nobest.0));
        let flags = [
            (self.disable_gpg_check.0, "--nogpgcheck"),
            (self.skip_broken.0, "--skip-broken"),
            (self.update_cache.0, "--refresh"),
            (self.cacheonly.0, "--cacheonly"),
            (self.allowerasing.0, "--allowerasing"),
            (best == Some(true), "--best"),
            (best == Some(false), "--nobest"),
            (!self.sslverify.0 || !self.validate_certs.0, "--setopt=sslverify=0"),
            (!self.install_weak_deps.0, "--setopt=install_weak_deps=0"),
        ];
        flags.iter().filter(|(on, _)| *on).for_each(|(_, flag)| add((*flag).to_owned()));
        options
    }

    /// The shell functions `d` and `r`, with all options.
    pub(super) fn tools(&self) -> String {
        let root = self.installroot.as_ref().filter(|root| root.0 != "/");
        let root = root.map_or(String::new(), |root| format!(" --root {}", quote(&root.0)));
        let or = if self.program() == "dnf" {
            "command -v dnf >/dev/null || for p in dnf4 dnf5 yum; do command -v $p >/dev/null && { program=$p; break; }; done\n"
        } else {
            ""
        };
        format!(
            "export LC_ALL=C COLUMNS=400\nprogram={}\n{or}d() {{ $program {} \"$@\"; }}\nr() {{ rpm{root} \"$@\"; }}\n",
            self.program(),
            words(self.options())
        )
    }

    /// The command and its own options; `upgrade` is for what is installed already.
    fn verb(&self, upgrade: bool) -> String {
        let mut verb = String::from(match self.state() {
            _ if self.package.0.is_empty() && self.autoremove.0 => return "autoremove".to_owned(),
            Wanted::Absent => {
                let unneeded = if self.autoremove.0 { "1" } else { "0" };
                return format!("--setopt=clean_requirements_on_remove={unneeded} remove");
            }
            _ if upgrade => "upgrade",
            _ => "install",
        });
        if self.state() == Wanted::Latest {
            let kinds = [(self.security.0, " --security"), (self.bugfix.0, " --bugfix")];
            kinds.iter().filter(|(on, _)| *on).for_each(|(_, kind)| verb.push_str(kind));
        }
        if self.download_only.0 {
            verb.push_str(" --downloadonly");
            if let Some(folder) = &self.download_dir {
                verb.push_str(&format!(" --destdir={}", quote(&folder.0)));
            }
        }
        verb
    }

    fn question(script: String) -> Probe {
        let folders = ["/var/lib/rpm", "/usr/lib/sysimage/rpm", "/etc/yum.repos.d", "/var/cache/dnf"];
        let reads = folders.map(|folder| Resource::Path(folder.to_owned()));
        Probe::Script { script, reads: reads.into_iter().chain([Resource::Anything]).collect() }
    }

    /// Asks which packages are installed.
    pub(super) fn look(&self) -> Probe {
        let names = words(self.package.0.iter().map(|name| name.0.trim()));
        Dnf::question(format!("{}set -- {names}\n{}", self.tools(), sh::file!("look.sh")))
    }

    /// Asks what a transaction would do.
    pub(super) fn simulation(&self, work: &Work) -> Probe {
        let commands: String =
            self.calls(work).iter().map(|call| format!("d --assumeno {call} 2>&1 </dev/null\n")).collect();
        Dnf::question(format!("{}{commands}", self.tools()))
    }

    /// The script of a transaction.
    pub(super) fn transaction(&self, work: &Work) -> String {
        let commands: String = self.calls(work).iter().map(|call| format!("act {call} || exit\n")).collect();
        format!(
            "{}end=$(($(date +%s) + {}))\n{}{commands}",
            self.tools(),
            self.lock_timeout.0.max(0),
            sh::file!("run.sh"),
        )
    }

    /// dnf's commands: `install` leaves versions that are there as they are, so those are upgraded by themselves.
    fn calls(&self, work: &Work) -> Vec<String> {
        let parts = [(true, &work.upgrade), (false, &work.install)];
        let wanted =
            |(upgrade, names): &(bool, &Vec<String>)| !names.is_empty() || (work.all && *upgrade == self.everything());
        let call = |(upgrade, names): (bool, &Vec<String>)| match names.is_empty() {
            true => self.verb(upgrade),
            false => format!("{} -- {}", self.verb(upgrade), words(names)),
        };
        parts.into_iter().filter(wanted).map(call).collect()
    }

    /// The question for `list`.
    pub(super) fn listing(&self, what: &str) -> Probe {
        let format = "%{name}|%{arch}|%{epoch}|%{release}|%{version}|%{repoid}";
        // The fifth generation puts no end to a line by itself.
        let query = |kind: &str| {
            format!(
                "d -q repoquery {kind} --qf {}\"$nl\" 2>/dev/null | sed '/./!d; s/^/{} /'\n",
                quote(format),
                if kind.contains("--installed") { "installed" } else { "available" }
            )
        };
        let body = match what {
            "installed" => query("--installed"),
            "available" => query("--available"),
            "updates" | "upgrades" => query("--upgrades"),
            "repos" | "repositories" => {
                "d -q repolist --enabled 2>/dev/null | sed '1d; s/ .*//; s/^/repo /'\n".to_owned()
            }
            name => query(&format!("--installed {}", quote(name))) + &query(&format!("--available {}", quote(name))),
        };
        Dnf::question(format!("{}nl='\n'\n{body}", self.tools()))
    }
}
