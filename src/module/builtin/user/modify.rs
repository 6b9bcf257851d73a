//! An existing user: what differs, and `usermod` for it.

use super::{Change, Context, Plan, PlanError, State, Step, UpdatePassword, User, account_files, home_stat, tell};
use crate::sh::quote;
use crate::{
    fact::{Answer, Probe, Resource, UserEntry},
    module::{Failure, Place},
    sh::words,
};

impl User {
    /// What must be known of an existing or coming home directory.
    pub(super) fn home_probes(&self, user: Option<&UserEntry>) -> Vec<Probe> {
        let mut probes = Vec::new();
        if self.create_home.0 {
            probes.push(Probe::Stat { path: self.home_of(user), follow: true });
        }
        if self.generate_ssh_key.0 {
            probes.push(Probe::Stat { path: self.key_file(&self.home_of(user)), follow: true });
        }
        probes
    }

    pub(super) fn modify(&self, context: &Context<'_>, state: &State, user: &UserEntry) -> Result<Plan, PlanError> {
        let mut after = user.clone();
        let mut plan = Plan::default();
        let mut script = self.differences(state, user, &mut after)?;
        script.push_str(&self.aging_differences(state, &mut plan)?);
        let mut result = self.result(&after);
        if !script.is_empty() {
            let script = format!("{script}{}", tell(&self.name.0));
            let mut writes = account_files();
            // Without moving it nothing is done to a home that is there.
            if self.move_home.0 {
                writes.extend([user.home.clone(), after.home.clone()].map(Resource::Path));
            }
            plan.changes.push(Change::closed(format!("change user {}", self.name.0), Step::Script(script), writes));
            if after != *user {
                plan.diff.push(self.diff(Some(user), Some(&after)));
            }
            plan.predictions.push((self.question(), Answer::User(Some(after.clone()))));
        }
        if self.move_home.0 && after.home != user.home {
            for follow in [false, true] {
                let stat = |path: &str, stat| (Probe::Stat { path: path.to_owned(), follow }, Answer::Stat(stat));
                plan.predictions.push(stat(&after.home, Some(home_stat(&after))));
                plan.predictions.push(stat(&user.home, None));
            }
        }
        let home_there = !self.create_home.0 || state.stat(&after.home, true)?.is_some();
        if !(home_there || self.move_home.0 && after.home != user.home) {
            plan.changes.push(self.home_change(context, state, &after));
            for follow in [false, true] {
                plan.predictions
                    .push((Probe::Stat { path: after.home.clone(), follow }, Answer::Stat(Some(home_stat(&after)))));
            }
        }
        if self.generate_ssh_key.0 {
            let file = self.key_file(&after.home);
            if self.force.0 || state.stat(&file, true)?.is_none() {
                plan.changes.push(self.key_change(&after, &mut result));
                plan.output_in_result = true;
            } else {
                let public =
                    state.content(&format!("{file}.pub"))?.map(|text| String::from_utf8_lossy(text).trim().to_owned());
                result.extend(public.map(|public| ("ssh_public_key".to_owned(), public.into())));
                result.insert("ssh_key_file".into(), file.into());
            }
        }
        plan.result = result;
        Ok(plan)
    }

    /// The script that brings the account's fields about; empty when they are right. `after` becomes what it leaves.
    fn differences(&self, state: &State, user: &UserEntry, after: &mut UserEntry) -> Result<String, PlanError> {
        let mut options: Vec<String> = Vec::new();
        let mut option = |name: &str, value: &str| options.extend([name.to_owned(), value.to_owned()]);
        if let Some(uid) = self.wanted_uid()?.filter(|uid| *uid != user.uid) {
            option("-u", &uid.to_string());
            after.uid = uid;
        }
        if let Some(group) = &self.group {
            let group = state.group(&group.0)?.ok_or_else(|| {
                Failure::new(format!("group `{}` is not there", group.0))
                    .help("let a task before make it: `ansible.builtin.group`")
            })?;
            if group.gid != user.gid {
                option("-g", &group.name);
                (after.gid, after.group) = (group.gid, group.name.clone());
            }
        }
        if let Some(groups) = self.wanted_groups(user, &after.group) {
            option("-G", &groups.join(","));
            after.groups = groups;
        }
        if let Some(comment) = self.comment.as_ref().filter(|c| c.0 != user.comment) {
            option("-c", &comment.0);
            after.comment.clone_from(&comment.0);
        }
        if let Some(home) = self.home.as_ref().filter(|h| h.0 != user.home) {
            option("-d", &home.0);
            after.home.clone_from(&home.0);
            if self.move_home.0 {
                options.push("-m".to_owned());
            }
        }
        let mut option = |name: &str, value: &str| options.extend([name.to_owned(), value.to_owned()]);
        if let Some(shell) = self.shell.as_ref().filter(|s| s.0 != user.shell) {
            option("-s", &shell.0);
            after.shell.clone_from(&shell.0);
        }
        if let Some(days) = self.expiry_days().filter(|days| *days != user.expires) {
            option("-e", &self.expiry_date().unwrap_or_default());
            after.expires = days;
        }
        if self.non_unique.0 && after.uid != user.uid {
            options.push("-o".to_owned());
        }
        let mut script = String::new();
        if !options.is_empty() {
            script = format!(
                "command -v usermod >/dev/null || {{ echo 'usermod is not there: install the package that holds it (passwd, shadow)' >&2; exit 9; }}\n\
                 usermod {} {} || exit\n",
                words(options),
                quote(&self.name.0)
            );
        }
        script.push_str(&self.password_differences(user, after));
        Ok(script)
    }

    /// The further groups as they are to be; `None` when they are right.
    fn wanted_groups(&self, user: &UserEntry, primary: &str) -> Option<Vec<String>> {
        let wanted: Vec<String> =
            self.groups.as_ref()?.0.iter().map(|g| g.0.clone()).filter(|g| g != primary).collect();
        let mut all = if self.append.0 { user.groups.clone() } else { Vec::new() };
        all.extend(wanted);
        all.sort();
        all.dedup();
        let mut present = user.groups.clone();
        present.sort();
        present.dedup();
        (all != present).then_some(all)
    }

    fn password_differences(&self, user: &UserEntry, after: &mut UserEntry) -> String {
        let present = user.password_hash.as_str();
        let bare = present.strip_prefix('!').unwrap_or(present);
        let update = self.update_password == UpdatePassword::Always;
        // A lock in front of the right hash is not another password.
        let hash = self.password.as_ref().filter(|p| update && p.0 != present && p.0 != bare).map(|p| p.0.as_str());
        let locked = hash.map_or(present.starts_with('!'), |h| h.starts_with('!'));
        let lock = self.password_lock.map(|l| l.0).filter(|l| *l != locked);
        let mut left = hash.unwrap_or(present).to_owned();
        match lock {
            Some(true) => left.insert(0, '!'),
            Some(false) => left = left.trim_start_matches('!').to_owned(),
            None => {}
        }
        after.password_hash = left;
        self.password_script(hash, lock)
    }

    /// Days since 1970 as the shadow file has them, empty for never; `None` when nothing is asked.
    pub(super) fn expiry_days(&self) -> Option<String> {
        let seconds = self.expires?.0;
        Some(if seconds < 0.0 { String::new() } else { ((seconds / 86_400.0).floor() as i64).to_string() })
    }

    /// The same as a date that usermod understands.
    pub(super) fn expiry_date(&self) -> Option<String> {
        let seconds = self.expires?.0;
        if seconds < 0.0 {
            return Some(String::new());
        }
        let timestamp = jiff::Timestamp::from_second(seconds as i64).ok()?;
        Some(timestamp.strftime("%Y-%m-%d").to_string())
    }

    fn home_change(&self, context: &Context<'_>, state: &State, user: &UserEntry) -> Change {
        let skeleton = self.skeleton.as_ref().map_or("/etc/skel", |s| &s.0);
        let umask = self.umask.as_ref().map_or("022", |u| &u.0);
        let owner = format!("{}:{}", user.uid, user.gid);
        // Made whole where nobody else can reach it: the directory above may be a user's, who could put a link in its place.
        let place = Place::of(context, state, &user.home).staged();
        let above = quote(&place.directory);
        let script = format!(
            "umask 022; [ -d {above} ] || mkdir -p -- {above} || exit\n{}fail() {{ rm -rf -- \"$t\"; leave; exit 1; }}\n\
             umask {umask}; mkdir -- \"$t\" || fail\n[ ! -d {skeleton} ] || cp -R {skeleton}/. \"$t\"/ || fail\n\
             chown -R {owner} \"$t\" || fail\n{}",
            place.open(),
            place.close(),
            skeleton = quote(skeleton)
        );
        Change::closed(
            format!("make home directory {}", user.home),
            Step::Script(script),
            vec![Resource::Path(user.home.clone())],
        )
    }
}
