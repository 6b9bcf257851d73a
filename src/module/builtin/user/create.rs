//! A new user: `useradd`, or busybox's `adduser`.

use super::{Change, Context, Plan, PlanError, State, Step, User, home_stat, tell, with_files};
use crate::sh::quote;
use crate::{
    fact::{Answer, Probe, Resource, UserEntry},
    module::Failure,
    sh::words,
};

impl User {
    pub(super) fn create(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let name = &self.name.0;
        let group = match &self.group {
            Some(group) => Some(state.group(&group.0)?.cloned().ok_or_else(|| {
                Failure::new(format!("group `{}` is not there", group.0))
                    .help("let a task before make it: `ansible.builtin.group`")
            })?),
            None => state.group(name)?.cloned(),
        };
        let user = self.new_entry(group.as_ref().map(|g| (g.name.clone(), g.gid)))?;
        // Nothing is done to a home that is there already.
        let at_home = matches!(state.stat(&user.home, true), Ok(Some(_)));
        let mut changes = vec![Change::closed(
            format!("add user {name}"),
            Step::Script(self.create_script(group.as_ref().map(|g| g.name.as_str()))),
            self.create_writes(&user, at_home),
        )];
        let mut predictions = Vec::new();
        if user.uid != u32::MAX && user.gid != u32::MAX || context.check {
            predictions.push((self.question(), Answer::User(Some(user.clone()))));
            if self.group.is_none() && group.is_none() && context.check {
                let own = crate::fact::GroupEntry { name: name.clone(), gid: user.gid, members: Vec::new() };
                predictions.push((Probe::Group { name: name.clone() }, Answer::Group(Some(own))));
            }
            if self.create_home.0 && !at_home {
                for follow in [false, true] {
                    predictions
                        .push((Probe::Stat { path: user.home.clone(), follow }, Answer::Stat(Some(home_stat(&user)))));
                }
            }
        }
        let mut result = self.result(&user);
        result.insert("create_home".into(), self.create_home.0.into());
        result.insert("system".into(), self.system.0.into());
        if self.generate_ssh_key.0 {
            changes.push(self.key_change(&user, &mut result));
        }
        // The numbers may be the host's choice, and the key is made there.
        let output_in_result = self.generate_ssh_key.0 || user.uid == u32::MAX || user.gid == u32::MAX;
        Ok(Plan {
            changes,
            output_in_result,
            diff: vec![self.diff(None, Some(&user))],
            predictions,
            result,
            ..Plan::default()
        })
    }

    fn create_writes(&self, user: &UserEntry, at_home: bool) -> Vec<Resource> {
        // Others are left alone; of the groups, it has one made or becomes a member.
        let groups =
            [&user.name, &user.group].into_iter().chain(&user.groups).map(|name| Resource::Group(name.clone()));
        let mut writes = with_files(groups.chain([Resource::User(user.name.clone())]).collect());
        if !at_home {
            writes.push(Resource::Path(user.home.clone()));
        }
        writes
    }

    fn new_entry(&self, group: Option<(String, u32)>) -> Result<UserEntry, Failure> {
        let (group, gid) = group.unwrap_or_else(|| (self.name.0.clone(), u32::MAX));
        let text = |t: &Option<crate::module::Text>| t.as_ref().map(|t| t.0.clone()).unwrap_or_default();
        Ok(UserEntry {
            name: self.name.0.clone(),
            uid: self.wanted_uid()?.unwrap_or(u32::MAX),
            gid,
            groups: self.groups.iter().flat_map(|g| &g.0).map(|g| g.0.clone()).filter(|g| *g != group).collect(),
            group,
            comment: text(&self.comment),
            home: self.home_of(None),
            shell: self.shell.as_ref().map_or_else(|| "/bin/sh".to_owned(), |s| s.0.clone()),
            password_hash: match (&self.password, self.password_lock) {
                (Some(password), Some(lock)) if lock.0 => format!("!{}", password.0),
                (Some(password), _) => password.0.clone(),
                (None, _) => "!".to_owned(),
            },
            expires: self.expiry_days().unwrap_or_default(),
        })
    }

    fn create_script(&self, group: Option<&str>) -> String {
        let mut script = format!(
            "if command -v useradd >/dev/null; then\n{}\nelse\n{}\nfi || exit\n",
            self.useradd(group),
            self.adduser(group)
        );
        script.push_str(
            &self.password_script(self.password.as_ref().map(|p| p.0.as_str()), self.password_lock.map(|l| l.0)),
        );
        script.push_str(&self.aging_script(None));
        script.push_str(&tell(&self.name.0));
        script
    }

    fn useradd(&self, group: Option<&str>) -> String {
        let mut add = vec!["useradd".to_owned()];
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                add.extend([name.to_owned(), value]);
            }
        };
        option("-u", self.uid.map(|u| u.0.to_string()));
        option("-g", group.map(str::to_owned));
        let groups: Vec<_> = self.groups.iter().flat_map(|g| &g.0).map(|g| g.0.as_str()).collect();
        option("-G", (!groups.is_empty()).then(|| groups.join(",")));
        option("-c", self.comment.as_ref().map(|c| c.0.clone()));
        option("-d", self.home.as_ref().map(|h| h.0.clone()));
        option("-s", self.shell.as_ref().map(|s| s.0.clone()));
        option("-e", self.expiry_date());
        option("-Z", self.seuser.as_ref().map(|s| s.0.clone()));
        for (key, value) in [("UID_MIN", self.uid_min), ("UID_MAX", self.uid_max)] {
            option("-K", value.map(|v| format!("{key}={}", v.0)));
        }
        if self.create_home.0 {
            option("-k", self.skeleton.as_ref().map(|s| s.0.clone()));
            option("-K", self.umask.as_ref().map(|u| format!("UMASK={}", u.0)));
        }
        add.push(if self.create_home.0 { "-m" } else { "-M" }.to_owned());
        for (flag, on) in [("-o", self.non_unique.0), ("-r", self.system.0)] {
            if on {
                add.push(flag.to_owned());
            }
        }
        format!("{} -- {}", words(add), quote(&self.name.0))
    }

    /// busybox: one call for the user, one for each further group.
    fn adduser(&self, group: Option<&str>) -> String {
        let mut add = vec!["adduser".to_owned(), "-D".to_owned()];
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                add.extend([name.to_owned(), value]);
            }
        };
        option("-u", self.uid.map(|u| u.0.to_string()));
        option("-G", group.map(str::to_owned));
        option("-g", self.comment.as_ref().map(|c| c.0.clone()));
        option("-h", self.home.as_ref().map(|h| h.0.clone()));
        option("-s", self.shell.as_ref().map(|s| s.0.clone()));
        option("-k", self.skeleton.as_ref().map(|s| s.0.clone()));
        for (flag, on) in [("-H", !self.create_home.0), ("-S", self.system.0)] {
            if on {
                add.push(flag.to_owned());
            }
        }
        let mut script = format!("{} {}", words(add), quote(&self.name.0));
        for group in self.groups.iter().flat_map(|g| &g.0) {
            script.push_str(&format!(" && addgroup {} {}", quote(&self.name.0), quote(&group.0)));
        }
        script
    }

    /// Sets and locks the password; the hash goes through a pipe, where no process list shows it.
    pub(super) fn password_script(&self, hash: Option<&str>, lock: Option<bool>) -> String {
        let mut script = String::new();
        if let Some(hash) = hash {
            let line = format!("{}:{hash}", self.name.0);
            script.push_str(&format!("printf '%s\\n' {} | chpasswd -e || exit\n", quote(&line)));
        }
        if let Some(lock) = lock {
            let (long, short) = if lock { ("-L", "-l") } else { ("-U", "-u") };
            let name = quote(&self.name.0);
            script.push_str(&format!(
                "if command -v usermod >/dev/null; then usermod {long} {name}; else passwd {short} {name} >/dev/null; fi || exit\n"
            ));
        }
        script
    }
}
