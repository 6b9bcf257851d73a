//! `archive`: an archive of the version beside the repository.

use std::sync::Arc;

use super::Git;
use crate::{
    fact::{Answer, FileKind, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Content, Context, Failure, FileWrite, Ownership, Place, Plan, PlanError, Step, Text,
        ownership::{self, Attributes},
        path,
    },
    sh::quote,
};

/// git's name of the format that a file's name asks for.
fn format(name: &str) -> Result<&'static str, Failure> {
    let formats = [(".zip", "zip"), (".gz", "tar.gz"), (".tar", "tar"), (".tgz", "tgz")];
    let found = formats.iter().find(|(end, _)| name.len() > end.len() && name.ends_with(end));
    found.map(|(_, format)| *format).ok_or_else(|| {
        let failure = Failure::new(format!("Unable to get file extension from archive file name : {name}"));
        failure.help("an archive is a .zip, .tar, .tar.gz or .tgz")
    })
}

impl Git {
    /// The command that prints the archive.
    fn archived(&self, dest: &str, format: &str) -> String {
        let prefix = self.archive_prefix.as_ref().map_or(String::new(), |p| format!("--prefix={} ", quote(&p.0)));
        format!("git -C {} archive --format={format} {prefix}{}", quote(dest), quote(&self.version.0))
    }

    fn archive_question(&self, context: &Context<'_>, dest: &str, archive: &str, format: &str) -> Probe {
        let file = quote(archive);
        let script = format!(
            "{}{}[ -f {file} ] || exit 1\n{} | cmp -s - {file}\n",
            context.environment,
            self.environment(),
            self.archived(dest, format)
        );
        Probe::Script { script, reads: vec![Resource::Path(archive.to_owned()), Resource::Anything] }
    }

    /// What must be known of the file.
    pub(super) fn archive_probes(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let file = self.archive.as_ref().and_then(|archive| path::absolute(context, state, &archive.0).ok());
        let probes = |file: String| [path::above(&file), vec![path::stat(&file)]].concat();
        file.map(probes).into_iter().flatten().chain(Attributes::default().probes(context)).collect()
    }

    /// Adds the archive to a plan, unless it is there as it is to be.
    pub(super) fn add_archive(
        &self,
        context: &Context<'_>,
        state: &State,
        plan: &mut Plan,
        dest: &str,
        archive: &Text,
    ) -> Result<(), PlanError> {
        let (file, stat) = path::follow(state, &path::absolute(context, state, &archive.0)?)?;
        if stat.is_some_and(|s| s.kind != FileKind::File) {
            return Err(Failure::new(format!("`{file}` is no regular file, it is not replaced")).into());
        }
        let format = format(&file)?;
        let question = self.archive_question(context, dest, &file, format);
        if plan.changes.is_empty() && stat.is_some() && state.script(&question)?.status == 0 {
            return Ok(());
        }
        let after = match stat {
            Some(stat) => stat.clone(),
            None => Attributes::default().created(context, state, FileKind::File, 0o644, None),
        };
        let write = FileWrite {
            ownership: Ownership { mode: Some(after.permissions()), ..Ownership::default() },
            replaces: stat.cloned(),
            place: Place::of(context, state, &file),
            ..FileWrite::new(&file, Content::Bytes(Arc::from(Vec::new())))
        };
        let commands = format!(
            "trap fail HUP INT TERM\n{} >\"$t\" || fail\ntrap - HUP INT TERM\nif {}; then rm -f -- \"$t\"; leave\nexit 0; fi\n",
            self.archived(dest, format),
            write.same()
        );
        let script = format!("{}{}", self.environment(), write.made_by(&commands, None));
        let mut change = Change::open(format!("archive {} as {file}", self.version.0), Step::Script(script));
        change.writes.extend(ownership::written(&file, stat));
        // A checkout alone may count as nothing.
        plan.changed = Some(true);
        plan.changes.push(change);
        plan.predictions.push((question, Answer::Script(ScriptAnswer::default())));
        Ok(())
    }
}
