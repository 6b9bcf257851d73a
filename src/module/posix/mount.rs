//! `ansible.posix.mount`: file systems in `/etc/fstab` and mounted.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/posix/mount_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns, Step,
        Text,
        edit::{self, Edit},
    },
    sh::quote,
};

/// Parameters of `mount`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where it is mounted.
    #[serde(alias = "name")]
    #[schemars(extend("x-aliases" = ["name"]))]
    path: Text,
    /// `mounted`: in fstab and mounted; `present`: in fstab; `unmounted`: not mounted; `absent`: neither, and the directory
    /// is removed; `absent_from_fstab`: not in fstab; `remounted`: mounted anew; `ephemeral`: mounted, not in fstab.
    state: Wanted,
    /// The device, server's path or directory.
    #[serde(default)]
    src: Option<Text>,
    /// The kind of file system.
    #[serde(default)]
    fstype: Option<Text>,
    /// Mount options.
    #[serde(default)]
    opts: Option<Text>,
    /// fstab's fifth field.
    #[serde(default)]
    dump: Option<Text>,
    /// fstab's sixth field.
    #[serde(default)]
    passno: Option<Text>,
    /// The file to keep it in.
    #[serde(default)]
    fstab: Option<Text>,
    /// Mount it at boot; false adds `noauto`.
    #[serde(default = "Flag::yes")]
    boot: Flag,
    /// Keep the old fstab.
    #[serde(default)]
    backup: Flag,
    /// Keep the options out of the result: they hold a password.
    #[serde(default)]
    opts_no_log: Flag,
}

/// What is to become of a mount.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Wanted {
    Mounted,
    Present,
    Unmounted,
    Absent,
    AbsentFromFstab,
    Remounted,
    Ephemeral,
}

impl Described for Mount {
    const NAME: &'static str = "ansible.posix.mount";
    const SUMMARY: &'static str = "Mounts file systems, now and at each boot";
    const EXAMPLES: &'static str = "\
- name: Put etcd's data on a disk of its own
  ansible.posix.mount:
    path: /var/lib/etcd
    src: /dev/vdb
    fstype: ext4
    opts: noatime
    state: mounted
";
    const RETURNS: Returns = &[&[
        Return::text("name", "always", "Where it is mounted"),
        Return::text("src", "always", "What is mounted"),
        Return::text("fstype", "always", "The type of the file system"),
        Return::text("opts", "without `opts_no_log`", "The options"),
        Return::text("dump", "always", "The fifth field of fstab"),
        Return::text("passno", "always", "The sixth field of fstab"),
        Return::text("fstab", "always", "The file"),
        Return::text("boot", "always", "`yes` or `no`: whether it is mounted when the host starts"),
        Return::text(
            "backup_file",
            "when the file changed",
            "Where the file as it was is kept; empty without `backup`",
        ),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if !self.path.0.starts_with('/') && !self.unmountable() {
            return Err(ParameterError::new("path", "an absolute path is needed; `none` and `swap` are for swap"));
        }
        if self.unmountable() && !matches!(self.state, Wanted::Present | Wanted::Absent | Wanted::AbsentFromFstab) {
            let why = "swap is not mounted: it may be `present`, `absent` or `absent_from_fstab`";
            return Err(
                ParameterError::new("state", why).help("`swapon` and `swapoff` by `command` turn it on and off")
            );
        }
        let kept = matches!(self.state, Wanted::Mounted | Wanted::Present | Wanted::Ephemeral);
        if kept && (self.src.is_none() || self.fstype.is_none()) {
            return Err(ParameterError::new("state", "`mounted`, `present` and `ephemeral` need `src` and `fstype`"));
        }
        for (name, value) in
            [("fstype", &self.fstype), ("opts", &self.opts), ("dump", &self.dump), ("passno", &self.passno)]
        {
            if value.as_ref().is_some_and(|v| v.0.is_empty() || v.0.contains(char::is_whitespace)) {
                return Err(ParameterError::new(name, "blanks cannot be part of it"));
            }
        }
        Ok(())
    }
}

/// fstab's spelling of blanks.
fn escape(text: &str) -> String {
    text.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}

impl Mount {
    fn fstab(&self) -> &str {
        self.fstab.as_ref().map_or("/etc/fstab", |f| &f.0)
    }

    fn point(&self) -> &str {
        let trimmed = self.path.0.trim_end_matches('/');
        if trimmed.is_empty() { "/" } else { trimmed }
    }

    /// Whether it is an entry for swap, which has no place where it is mounted.
    fn unmountable(&self) -> bool {
        matches!(self.path.0.as_str(), "none" | "swap") && self.fstype.as_ref().is_none_or(|f| f.0 == "swap")
    }

    fn options(&self) -> String {
        let given = self.opts.as_ref().map_or("defaults", |o| &o.0);
        let auto = given.split(',').any(|o| o == "noauto");
        if self.boot.0 || auto { given.to_owned() } else { format!("{given},noauto") }
    }

    fn line(&self) -> String {
        let or = |text: &Option<Text>, default: &str| text.as_ref().map_or_else(|| default.to_owned(), |t| t.0.clone());
        format!(
            "{} {} {} {} {} {}",
            escape(&or(&self.src, "none")),
            escape(self.point()),
            or(&self.fstype, "auto"),
            escape(&self.options()),
            or(&self.dump, "0"),
            or(&self.passno, "0")
        )
    }

    /// The same for every mount.
    fn question() -> Probe {
        Probe::Script {
            script: "cat /proc/self/mounts\n".to_owned(),
            reads: vec![Resource::Path("/proc/self/mounts".to_owned())],
        }
    }

    fn is_mine(&self, line: &str) -> bool {
        let line = line.trim();
        let fields: Vec<&str> = line.split_whitespace().collect();
        let at = |number: usize| fields.get(number).copied().unwrap_or_default();
        if line.starts_with('#') || at(1) != escape(self.point()) {
            return false;
        }
        // Several entries may have no place: they are told apart by their kind and by what is swapped to.
        let other_source = self.src.as_ref().is_some_and(|src| at(0) != escape(&src.0));
        !self.unmountable() || (at(2) == "swap" && !other_source)
    }

    /// fstab's text as it is to be; `None` when it is right.
    fn edited(&self, text: &str) -> Option<String> {
        let keep = matches!(self.state, Wanted::Mounted | Wanted::Present);
        let drop = matches!(self.state, Wanted::Absent | Wanted::AbsentFromFstab);
        let present: Vec<&str> = text.lines().filter(|l| self.is_mine(l)).collect();
        let wanted = self.line();
        let fields = |line: &str| {
            let mut fields: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            fields.resize(6, "0".to_owned());
            fields
        };
        let right = match present[..] {
            [one] => fields(one) == fields(&wanted),
            _ => false,
        };
        let due = (keep && !right) || (drop && !present.is_empty());
        if !due {
            return None;
        }
        let mut lines = Vec::new();
        let mut placed = !keep;
        for line in text.lines() {
            if !self.is_mine(line) {
                lines.push(line.to_owned());
            } else if !placed {
                lines.push(wanted.clone());
                placed = true;
            }
        }
        if !placed {
            lines.push(wanted);
        }
        Some(edit::joined(&lines))
    }

    fn script(&self, verb: &str) -> String {
        let path = quote(self.point());
        let by_fstab = if self.fstab.is_some() {
            format!("mount -T {} -- {path}", quote(self.fstab()))
        } else {
            format!("mount -- {path}")
        };
        let text = |t: &Option<Text>| t.as_ref().map(|t| quote(&t.0).into_owned()).unwrap_or_default();
        match verb {
            "mount" if self.state == Wanted::Ephemeral => {
                let kind = if self.options().split(',').any(|o| matches!(o, "bind" | "rbind")) {
                    String::new()
                } else {
                    format!("-t {} ", text(&self.fstype))
                };
                format!(
                    "mkdir -p -- {path} && mount {kind}-o {} -- {} {path}\n",
                    quote(&self.options()),
                    text(&self.src)
                )
            }
            "mount" => format!("mkdir -p -- {path} && {by_fstab}\n"),
            "unmount" => format!("umount -- {path}\n"),
            // What the kernel cannot change in place is taken off and put on.
            _ => format!("mount -o remount -- {path} 2>/dev/null || {{ umount -- {path} && {by_fstab}; }}\n"),
        }
    }

    fn change(&self, verb: &str) -> Change {
        let what = if verb == "remount" { "mount anew" } else { verb };
        // Everything below the path is another thing afterwards.
        Change::open(format!("{what} {}", self.point()), Step::Script(self.script(verb)))
    }

    fn result(&self) -> Map<String, serde_json::Value> {
        let text = |t: &Option<Text>| json!(t.as_ref().map(|t| &t.0));
        let mut result = Map::new();
        for (key, value) in [
            ("name", json!(self.point())),
            ("src", text(&self.src)),
            ("fstype", text(&self.fstype)),
            ("dump", json!(self.dump.as_ref().map_or("0", |d| &d.0))),
            ("passno", json!(self.passno.as_ref().map_or("0", |p| &p.0))),
            ("fstab", json!(self.fstab())),
            ("boot", json!(if self.boot.0 { "yes" } else { "no" })),
        ] {
            result.insert(key.to_owned(), value);
        }
        if !self.opts_no_log.0 {
            result.insert("opts".into(), json!(self.options()));
        }
        result
    }
}

impl Module for Mount {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = vec![Mount::question()];
        if !matches!(self.state, Wanted::Unmounted | Wanted::Remounted | Wanted::Ephemeral) {
            probes.extend(Edit::of(self.fstab()).probe(context, state));
        }
        if self.state == Wanted::Absent && !self.unmountable() {
            probes.push(Probe::Stat { path: self.point().to_owned(), follow: false });
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let text = state.script(&Mount::question())?.text();
        let mounted = text.lines().any(|l| l.split(' ').nth(1).is_some_and(|p| p == escape(self.point())));
        let mut plan = Plan::ok(self.result());
        let mut rewritten = false;
        if !matches!(self.state, Wanted::Unmounted | Wanted::Remounted | Wanted::Ephemeral) {
            let edit = Edit { backup: self.backup.0, ..Edit::of(self.fstab()) };
            let file = edit.present(context, state)?;
            if let Some(after) = self.edited(file.text()?.unwrap_or_default()) {
                let mut edited = edit.write(context, state, &file, &after)?;
                plan.result.insert("backup_file".into(), json!(edited.backup.clone().unwrap_or_default()));
                if self.opts_no_log.0 {
                    edited.diff.clear();
                }
                edited.add(&mut plan);
                rewritten = true;
            }
        }
        let verb = match (self.state, mounted) {
            (Wanted::Mounted | Wanted::Ephemeral, false) => Some("mount"),
            (Wanted::Mounted, true) if rewritten => Some("remount"),
            (Wanted::Unmounted | Wanted::Absent, true) => Some("unmount"),
            (Wanted::Remounted, true) => Some("remount"),
            (Wanted::Remounted, false) => return Err(Failure::new(format!("{} is not mounted", self.point())).into()),
            _ => None,
        };
        if let Some(verb) = verb {
            plan.changes.push(self.change(verb));
            let mut lines: Vec<_> = text
                .lines()
                .filter(|l| l.split(' ').nth(1) != Some(&escape(self.point())))
                .map(str::to_owned)
                .collect();
            if verb != "unmount" {
                lines.push(self.line());
            }
            let stdout = edit::joined(&lines).into_bytes();
            plan.predictions
                .push((Mount::question(), Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
        }
        if self.state == Wanted::Absent && !self.unmountable() && state.stat(self.point(), false)?.is_some() {
            let script = format!("rmdir -- {}\n", quote(self.point()));
            plan.changes.push(Change::closed(
                format!("remove directory {}", self.point()),
                Step::Script(script),
                vec![Resource::Path(self.point().to_owned())],
            ));
            plan.predictions.push((Probe::Stat { path: self.point().to_owned(), follow: false }, Answer::Stat(None)));
        }
        Ok(plan)
    }
}
