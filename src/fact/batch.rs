//! Many probes, few scripts: one per subject, and one for each script probe.

use super::{
    Algorithm, Answer, Describer, Probe, ScriptAnswer, account, checksum, content, kernel, package, setup,
    stat::{self, Found},
    unit,
};

/// At most so many questions share one script, so that no command line grows without bound.
const CHUNK: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Stat { follow: bool },
    Checksum(Algorithm),
    Content,
    Package,
    Unit,
    Kernel,
    User,
    Group,
    Described(Describer),
    Script,
    Facts,
}

/// One script that answers several probes.
#[derive(Clone, Debug)]
pub struct Batch {
    subject: Subject,
    probes: Vec<Probe>,
    /// POSIX sh, read-only.
    pub script: String,
}

/// What the host returned for a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// Exit status; `None` when the script did not end by itself.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: &'a [u8],
    /// Standard error.
    pub stderr: &'a [u8],
}

/// Merges probes into as few scripts as possible. [`Probe::Api`] is not for a shell and is left out.
pub fn batch(probes: &[Probe]) -> Vec<Batch> {
    let mut batches: Vec<(Subject, Vec<Probe>)> = Vec::new();
    for probe in probes {
        let Some(subject) = subject(probe) else { continue };
        let open = batches
            .iter_mut()
            .find(|(s, of)| *s == subject && of.len() < CHUNK && !matches!(s, Subject::Script | Subject::Facts));
        match open {
            Some((_, of)) if of.contains(probe) => {}
            Some((_, of)) => of.push(probe.clone()),
            None => batches.push((subject, vec![probe.clone()])),
        }
    }
    batches.into_iter().map(|(subject, probes)| Batch { script: script(subject, &probes), subject, probes }).collect()
}

fn subject(probe: &Probe) -> Option<Subject> {
    Some(match probe {
        Probe::Stat { follow, .. } => Subject::Stat { follow: *follow },
        Probe::Checksum { algorithm, .. } => Subject::Checksum(*algorithm),
        Probe::Content { .. } => Subject::Content,
        Probe::Package { .. } => Subject::Package,
        Probe::Unit { .. } => Subject::Unit,
        Probe::Kernel { .. } => Subject::Kernel,
        Probe::User { .. } => Subject::User,
        Probe::Group { .. } => Subject::Group,
        Probe::Described { by, .. } => Subject::Described(*by),
        Probe::Script { .. } => Subject::Script,
        Probe::Facts => Subject::Facts,
        Probe::Api(_) => return None,
    })
}

fn script(subject: Subject, probes: &[Probe]) -> String {
    let names: Vec<&str> = probes.iter().map(name).collect();
    match subject {
        Subject::Stat { follow } => stat::script(follow, &names),
        Subject::Checksum(algorithm) => checksum::script(algorithm, &names),
        Subject::Content => content::script(&names),
        Subject::Package => package::script(&names),
        Subject::Unit => unit::script(&names),
        Subject::Kernel => kernel::script(&names),
        Subject::User => account::user_script(&names),
        Subject::Group => account::group_script(&names),
        Subject::Described(by) => by.script(&names),
        Subject::Script => names.concat(),
        Subject::Facts => setup::script(),
    }
}

fn name(probe: &Probe) -> &str {
    match probe {
        Probe::Stat { path, .. }
        | Probe::Checksum { path, .. }
        | Probe::Content { path }
        | Probe::Described { path, .. } => path,
        Probe::Package { name } | Probe::Unit { name } | Probe::User { name } | Probe::Group { name } => name,
        Probe::Kernel { key } => key,
        Probe::Script { script, .. } => script,
        Probe::Facts | Probe::Api(_) => "",
    }
}

impl Batch {
    /// Reads the host's reply: an answer for each probe. What is not understood becomes [`Answer::Failed`].
    pub fn answers(self, reply: Reply<'_>) -> Vec<(Probe, Answer)> {
        let answers = self.parse(reply).unwrap_or_else(|| vec![Answer::Failed(why(reply)); self.probes.len()]);
        self.probes.into_iter().zip(answers).collect()
    }

    fn parse(&self, reply: Reply<'_>) -> Option<Vec<Answer>> {
        let Reply { status, stdout, stderr } = reply;
        let status = status?;
        let count = self.probes.len();
        if self.subject == Subject::Script {
            let output = ScriptAnswer { status, stdout: stdout.to_vec(), stderr: stderr.to_vec() };
            return Some(vec![Answer::Script(output)]);
        }
        if status != 0 {
            return None;
        }
        Some(match self.subject {
            Subject::Stat { follow } => told(stat::parse(follow, &self.names(), stdout, stderr)?, Answer::Stat),
            Subject::Checksum(_) => told(checksum::parse(&self.names(), stdout, stderr)?, Answer::Checksum),
            Subject::Content => told(content::parse(&self.names(), stdout, stderr)?, Answer::Content),
            Subject::Package => wrap(package::parse(&self.names(), stdout)?, Answer::Package),
            Subject::Unit => wrap(unit::parse(count, stdout)?, Answer::Unit),
            Subject::Kernel => told(kernel::parse(&self.names(), stdout, stderr)?, Answer::Kernel),
            Subject::User => wrap(account::parse_users(count, stdout)?, Answer::User),
            Subject::Group => wrap(account::parse_groups(count, stdout)?, Answer::Group),
            Subject::Described(by) => wrap(by.parse(&self.names(), stdout), Answer::Script),
            Subject::Facts => vec![Answer::Facts(setup::parse(stdout)?)],
            Subject::Script => return None,
        })
    }

    fn names(&self) -> Vec<&str> {
        self.probes.iter().map(name).collect()
    }
}

fn told<T>(found: Vec<Found<T>>, answer: fn(Option<T>) -> Answer) -> Vec<Answer> {
    found.into_iter().map(|f| f.answer(answer)).collect()
}

fn wrap<T>(values: Vec<T>, answer: fn(T) -> Answer) -> Vec<Answer> {
    values.into_iter().map(answer).collect()
}

fn why(reply: Reply<'_>) -> String {
    let stderr = String::from_utf8_lossy(reply.stderr);
    let stderr = stat::other_words(&stderr);
    match reply.status {
        None => "the host did not finish answering".to_owned(),
        Some(_) if !stderr.is_empty() => stderr.to_owned(),
        Some(status) => format!("the host's answer was not understood (exit status {status})"),
    }
}
