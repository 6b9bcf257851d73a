//! What is known of a host, how it came to be known, and what made it stale.

mod read;

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::{Answer, FileStat, Probe, Resource, resource::within};

/// Answers older than this are read again before a change is planned on them.
const FRESH: Duration = Duration::from_secs(5);

/// So many links in a row are followed.
const LINKS: usize = 40;

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// It has not been read yet, or has become stale.
    Unread(Box<Probe>),
    /// Check mode only: a task that was not carried out may alter it. The task's name.
    Depends(String),
    /// The host could not answer.
    Failed(String),
}

#[derive(Clone, Debug)]
enum Known {
    Read {
        answer: Answer,
        at: Instant,
    },
    Predicted(Answer),
    /// A directory in which something was written: all but its times and size is still so.
    Coarse(Answer),
    Depends(String),
}

/// The answers known of one machine as one user.
#[derive(Clone, Debug, Default)]
pub struct State {
    known: HashMap<Probe, Known>,
    /// Check mode: everything not read before depends on this task.
    tainted: Option<String>,
    /// Check mode: paths at and below which a task would leave nobody knows what, if nothing is predicted of them.
    open: Vec<(String, String)>,
    /// Paths predicted to be gone, with all below them: probes below are answered without asking.
    removed: HashSet<String>,
    /// Something was predicted: it may be asked for under another name.
    predicted: bool,
    /// Where links were seen or predicted, so that other paths are not looked through for them.
    links: HashSet<String>,
}

static NO_STAT: Answer = Answer::Stat(None);
static NO_CHECKSUM: Answer = Answer::Checksum(None);
static NO_CONTENT: Answer = Answer::Content(None);

impl State {
    /// Returns a state that knows the given answers, for tests.
    pub fn of(answers: impl IntoIterator<Item = (Probe, Answer)>) -> State {
        let mut state = State::default();
        for (probe, answer) in answers {
            state.learn(probe, answer, Instant::now());
        }
        state
    }

    /// Records an answer read at `at`.
    pub fn learn(&mut self, probe: Probe, answer: Answer, at: Instant) {
        // Facts are as they are: what a command that did not run would make of them, Ansible does not know either.
        let known = match self.depends(&probe).or_else(|| self.may_come(&probe, &answer)) {
            Some(task) if !gathers(&probe) => Known::Depends(task.to_owned()),
            _ => {
                self.note_link(&probe, &answer);
                Known::Read { answer, at }
            }
        };
        self.known.insert(probe, known);
    }

    /// Check mode: the task that the answer to a probe not read before depends on.
    fn depends(&self, probe: &Probe) -> Option<&str> {
        let below = |resource: &Resource, top: &str| matches!(resource, Resource::Path(path) if within(path, top));
        let reads = if self.open.is_empty() { Vec::new() } else { probe.reads() };
        let open =
            || self.open.iter().find(|(top, _)| reads.iter().any(|r| below(r, top))).map(|(_, task)| task.as_str());
        self.tainted.as_deref().or_else(open)
    }

    /// Check mode: the task that may make what is not there yet, for it is a directory on the way to where that task may write.
    fn may_come(&self, probe: &Probe, answer: &Answer) -> Option<&str> {
        let (Probe::Stat { path, .. }, Answer::Stat(None)) = (probe, answer) else { return None };
        self.open.iter().find(|(top, _)| within(top, path)).map(|(_, task)| task.as_str())
    }

    /// Records what a planned change will leave, so that later tasks are planned on it, whatever name they know it by.
    pub fn predict(&mut self, probe: Probe, answer: Answer) {
        self.predicted = true;
        // A link that leads to nothing takes nothing away from where it leads.
        let nothing = matches!((&probe, &answer), (Probe::Stat { follow: true, .. }, Answer::Stat(None)));
        let real = self.under_real_name(&probe).filter(|_| !nothing).map(|(real, _)| real);
        // At the end of all links both ways to look at it see the same.
        let plain = match &real {
            Some(Probe::Stat { path, follow: true }) => Some(Probe::Stat { path: path.clone(), follow: false }),
            _ => None,
        };
        for probe in [plain, real, Some(probe)].into_iter().flatten() {
            if let (Probe::Stat { path, follow: false }, Answer::Stat(None)) = (&probe, &answer) {
                self.removed.insert(path.clone());
            }
            self.note_link(&probe, &answer);
            self.known.insert(probe, Known::Predicted(answer.clone()));
        }
    }

    fn note_link(&mut self, probe: &Probe, answer: &Answer) {
        if let (Probe::Stat { path, follow: false }, Answer::Stat(Some(stat))) = (probe, answer)
            && stat.kind == super::FileKind::Link
        {
            self.links.insert(path.clone());
        }
    }

    /// Whether a path may lead elsewhere than it says.
    fn may_lead(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        path.contains("//") || path.contains("/.") || ends.skip(1).any(|end| self.links.contains(&path[..end]))
    }

    /// The probe under the name its object has behind the links that are known, and whether one of these is only predicted; `None` where
    /// that is the same name.
    fn under_real_name(&self, probe: &Probe) -> Option<(Probe, bool)> {
        let real = |path: &str| self.may_lead(path).then(|| self.real(path))?;
        Some(match probe {
            Probe::Stat { path, follow: false } => {
                let (parent, name) = path.rsplit_once('/')?;
                let (parent, predicted) = real(parent)?;
                (Probe::Stat { path: format!("{parent}/{name}"), follow: false }, predicted)
            }
            Probe::Stat { path, follow: true } => {
                let (path, predicted) = real(path)?;
                (Probe::Stat { path, follow: true }, predicted)
            }
            Probe::Checksum { path, algorithm } => {
                let (path, predicted) = real(path)?;
                (Probe::Checksum { path, algorithm: *algorithm }, predicted)
            }
            Probe::Content { path } => {
                let (path, predicted) = real(path)?;
                (Probe::Content { path }, predicted)
            }
            _ => return None,
        })
    }

    /// The probe that tells what this one asks for: another one where a link is predicted that the host does not have yet.
    fn telling(&self, probe: &Probe) -> Option<Probe> {
        if !self.predicted || matches!(self.known.get(probe), Some(Known::Predicted(_))) {
            return None;
        }
        // What is predicted under the real name comes before what was read under another one: the host was asked before it was known to
        // be the same.
        let (real, predicted) = self.under_real_name(probe)?;
        (predicted || matches!(self.known.get(&real), Some(Known::Predicted(_)))).then_some(real)
    }

    /// The probe to ask the host in the place of this one.
    pub fn asked_as(&self, probe: Probe) -> Probe {
        self.telling(&probe).unwrap_or(probe)
    }

    fn what_is_known(&self, probe: &Probe) -> Option<&Known> {
        match self.telling(probe) {
            Some(real) => self.known.get(&real),
            None => self.known.get(probe),
        }
    }

    /// What is predicted of a probe that was not asked, because all above it goes.
    fn foretold(&self, probe: &Probe) -> Option<&'static Answer> {
        if self.removed.is_empty() {
            return None;
        }
        match self.telling(probe) {
            Some(real) => self.gone(&real),
            None => self.gone(probe).or_else(|| self.gone(&self.under_real_name(probe)?.0)),
        }
    }

    /// Forgets whatever `written` may have altered.
    pub fn forget(&mut self, written: &[Resource]) {
        if written.contains(&Resource::Anything) {
            self.removed.clear();
        }
        let written = &self.by_every_name(written);
        let aliases = self.aliases(written);
        self.known.retain(|probe, known| {
            if aliases.contains(probe) {
                return false;
            }
            if !touched(written, probe) {
                return true;
            }
            let kept = match known {
                Known::Read { answer, .. } | Known::Predicted(answer) | Known::Coarse(answer) => answer,
                Known::Depends(_) => return false,
            };
            if !only_entries(written, probe) || !matches!(kept, Answer::Stat(Some(_))) {
                return false;
            }
            *known = Known::Coarse(kept.clone());
            true
        });
    }

    /// What is known to be at a path itself.
    fn known_stat(&self, path: &str, follow: bool) -> Option<&FileStat> {
        match self.known.get(&Probe::Stat { path: path.to_owned(), follow })? {
            Known::Read { answer: Answer::Stat(stat), .. }
            | Known::Predicted(Answer::Stat(stat))
            | Known::Coarse(Answer::Stat(stat)) => stat.as_ref(),
            _ => None,
        }
    }

    /// Where a path leads through the links that are known, and whether one of these is only predicted; `None` where that is the path
    /// itself.
    fn real(&self, path: &str) -> Option<(String, bool)> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut done, mut links, mut predicted) = (String::new(), 0, false);
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => done.truncate(done.rfind('/').unwrap_or(0)),
                part => {
                    let next = format!("{done}/{part}");
                    match self.known_stat(&next, false).filter(|s| s.kind == super::FileKind::Link && links < LINKS) {
                        None => done = next,
                        Some(link) => {
                            links += 1;
                            predicted |= matches!(
                                self.known.get(&Probe::Stat { path: next.clone(), follow: false }),
                                Some(Known::Predicted(_))
                            );
                            if link.target.starts_with('/') {
                                done.clear();
                            }
                            left.extend(link.target.split('/').rev().map(str::to_owned));
                        }
                    }
                }
            }
        }
        (done != path).then_some((done, predicted))
    }

    /// What is written, under the real names too.
    fn by_every_name(&self, written: &[Resource]) -> Vec<Resource> {
        let mut all = written.to_vec();
        for resource in written {
            if let Resource::Path(path) = resource {
                all.extend(self.real(path).map(|(real, _)| Resource::Path(real)));
            }
        }
        all
    }

    /// The probes whose path is another name of something written: through a link above it or at it, or a hard link.
    fn aliases(&self, written: &[Resource]) -> HashSet<Probe> {
        let links: Vec<&str> = self
            .known
            .keys()
            .filter_map(|probe| match probe {
                Probe::Stat { path, follow: false } => Some(path.as_str()),
                _ => None,
            })
            .filter(|path| self.known_stat(path, false).is_some_and(|s| s.kind == super::FileKind::Link))
            .collect();
        let several =
            |path: &str| self.known_stat(path, false).is_some_and(|s| s.kind == super::FileKind::File && s.links > 1);
        let hard = written.iter().any(|w| matches!(w, Resource::Path(path) if several(path)));
        if links.is_empty() && !hard {
            return HashSet::new();
        }
        let through = |path: &str| {
            links.iter().any(|l| path.strip_prefix(l).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        };
        let other = |path: &str| {
            through(path)
                && self.real(path).is_some_and(|(real, _)| {
                    let real = Resource::Path(real);
                    written.iter().any(|w| w.touches(&real))
                })
        };
        // A link itself is no other name of what it leads to.
        let above = |path: &str| {
            let (parent, name) = path.rsplit_once('/').unwrap_or_default();
            through(parent)
                && self.real(parent).is_some_and(|(real, _)| {
                    let real = Resource::Path(format!("{real}/{name}"));
                    written.iter().any(|w| w.touches(&real))
                })
        };
        let is = |probe: &&Probe| match probe {
            Probe::Stat { path, follow: false } => above(path) || (hard && several(path)),
            Probe::Stat { path, .. } | Probe::Checksum { path, .. } | Probe::Content { path } => {
                other(path) || (hard && several(path))
            }
            Probe::Script { reads, .. } => {
                reads.iter().any(|r| matches!(r, Resource::Path(path) | Resource::Tree(path) if other(path) || hard))
            }
            _ => false,
        };
        self.known.keys().filter(is).cloned().collect()
    }

    /// Forgets every answer.
    pub fn clear(&mut self) {
        self.removed.clear();
        self.links.clear();
        self.predicted = false;
        self.known.clear();
    }

    /// Check mode: marks whatever `written` may have altered as depending on `task`, for good.
    pub fn taint(&mut self, written: &[Resource], task: &str) {
        let written = &self.by_every_name(written);
        let leads = |probe: &Probe, known: &Known| match (probe, known) {
            (Probe::Stat { path, .. }, Known::Read { answer: Answer::Stat(None), .. }) => {
                written.iter().any(|resource| matches!(resource, Resource::Path(top) if within(top, path)))
            }
            _ => false,
        };
        let aliases = self.aliases(written);
        for (probe, known) in &mut self.known {
            let touches = touched(written, probe) || aliases.contains(probe) || leads(probe, known);
            if !touches || matches!(known, Known::Depends(_)) || gathers(probe) {
                continue;
            }
            // A directory in which something may be written is there all the same.
            *known = match known {
                Known::Read { answer, .. } | Known::Predicted(answer) | Known::Coarse(answer)
                    if only_entries(written, probe) && matches!(answer, Answer::Stat(Some(_))) =>
                {
                    Known::Coarse(answer.clone())
                }
                _ => Known::Depends(task.to_owned()),
            };
        }
        if written.contains(&Resource::Anything) && self.tainted.is_none() {
            self.tainted = Some(task.to_owned());
        }
        self.open.extend(written.iter().filter_map(|resource| match resource {
            Resource::Path(path) => Some((path.clone(), task.to_owned())),
            _ => None,
        }));
    }

    /// The answer to a probe about a path below one that is predicted to be gone.
    fn gone(&self, probe: &Probe) -> Option<&'static Answer> {
        let (path, answer) = match probe {
            Probe::Stat { path, .. } => (path, &NO_STAT),
            Probe::Checksum { path, .. } => (path, &NO_CHECKSUM),
            Probe::Content { path } => (path, &NO_CONTENT),
            _ => return None,
        };
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            if self.removed.contains(parent) {
                return Some(answer);
            }
            above = parent;
        }
        None
    }

    /// Whether the probe needs to be asked before it can be relied on.
    pub fn wants(&self, probe: &Probe, now: Instant) -> bool {
        match self.what_is_known(probe) {
            None => self.foretold(probe).is_none(),
            Some(Known::Read { at, .. }) => *probe != Probe::Facts && now.saturating_duration_since(*at) > FRESH,
            Some(_) => false,
        }
    }

    /// Whether there is an answer, however old.
    pub fn knows(&self, probe: &Probe) -> bool {
        self.what_is_known(probe).is_some() || self.foretold(probe).is_some()
    }

    /// Whether the answer was read from the host, rather than predicted.
    pub fn was_read(&self, probe: &Probe) -> bool {
        matches!(self.what_is_known(probe), Some(Known::Read { .. }))
    }
}

/// Whether a probe gathers facts.
fn gathers(probe: &Probe) -> bool {
    match probe {
        Probe::Facts => true,
        Probe::Script { script, reads } => reads == &[Resource::Anything] && super::setup::is_script(script),
        _ => false,
    }
}

fn touched(written: &[Resource], probe: &Probe) -> bool {
    let open = written.contains(&Resource::Anything);
    // Facts are gathered anew only where something of unknown effect ran since.
    open || (*probe != Probe::Facts && probe.reads().iter().any(|r| written.iter().any(|w| w.touches(r))))
}

/// Whether a stat is touched for nothing but an entry written into the directory it is about.
fn only_entries(written: &[Resource], probe: &Probe) -> bool {
    let Probe::Stat { path, .. } = probe else { return false };
    let about = Resource::Path(path.clone());
    written.iter().filter(|w| w.touches(&about)).all(|w| match w {
        Resource::Path(w) => w.strip_prefix(path.as_str()).is_some_and(|rest| !rest.is_empty()),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{FileKind, ScriptAnswer},
        *,
    };

    #[test]
    fn below_a_removed_directory_there_is_nothing_until_something_is_put_there() {
        let mut state = State::default();
        let stat = |path: &str| Probe::Stat { path: path.to_owned(), follow: false };
        state.predict(stat("/a"), Answer::Stat(None));
        assert!(!state.wants(&stat("/a/b/c"), Instant::now()));
        assert_eq!(state.stat("/a/b/c", false), Ok(None));
        assert!(state.stat("/ab", false).is_err());
        let file = FileStat::new(crate::fact::FileKind::File, 0o644, "root", "root");
        state.predict(stat("/a/b"), Answer::Stat(Some(file)));
        assert!(state.stat("/a/b", false).unwrap().is_some());
        state.forget(&[Resource::Anything]);
        assert!(state.wants(&stat("/a/b/c"), Instant::now()));
    }

    #[test]
    fn what_a_task_would_leave_below_a_path_is_not_read_from_the_host() {
        let stat = |path: &str| Probe::Stat { path: path.to_owned(), follow: false };
        let script = |path: &str| Probe::Script { script: "x".into(), reads: vec![Resource::Path(path.into())] };
        let mut state = State::default();
        state.taint(&[Resource::Path("/opt/a".into())], "unpack");
        for probe in [stat("/opt/a/b"), stat("/opt/a"), stat("/opt"), stat("/opt/ab")] {
            state.learn(probe, Answer::Stat(None), Instant::now());
        }
        let said = ScriptAnswer { status: 1, ..ScriptAnswer::default() };
        state.learn(script("/opt/a/b/c"), Answer::Script(said), Instant::now());
        assert!(state.stat("/opt/a/b", false).is_err());
        assert!(state.stat("/opt/a", false).is_err());
        assert!(state.script(&script("/opt/a/b/c")).is_err());
        // It may be made on the way to it; where it is, it stays.
        assert!(state.stat("/opt", false).is_err());
        assert_eq!(state.stat("/opt/ab", false), Ok(None));
        let folder = || Answer::Stat(Some(FileStat::new(FileKind::Directory, 0o755, "root", "root")));
        let mut there = State::of([(stat("/opt"), folder()), (stat("/opt/a"), Answer::Stat(None))]);
        there.taint(&[Resource::Path("/opt/a".into())], "unpack");
        assert!(there.stat("/opt/a", false).is_err());
        assert!(there.stat("/opt", false).unwrap().is_some());
        // What a later task would put there is known.
        let file = FileStat::new(FileKind::File, 0o644, "root", "root");
        state.predict(stat("/opt/a/b"), Answer::Stat(Some(file)));
        assert!(state.stat("/opt/a/b", false).unwrap().is_some());
    }

    #[test]
    fn what_is_predicted_holds_under_every_name() {
        let stat = |path: &str, follow| Probe::Stat { path: path.to_owned(), follow };
        let link = |target: &str| {
            let mut stat = FileStat::new(FileKind::Link, 0o777, "root", "root");
            target.clone_into(&mut stat.target);
            Answer::Stat(Some(stat))
        };
        let file = || Answer::Stat(Some(FileStat::new(FileKind::File, 0o600, "root", "root")));
        let fresh = || State::of([(stat("/l", false), link("d")), (stat("/x", false), link("/l/f"))]);
        let content = |path: &str| Probe::Content { path: path.to_owned() };
        let bytes = || Answer::Content(Some(b"new".to_vec()));
        let (now, names) = (Instant::now(), ["/l/f", "/d/f"]);
        for written in ["/l/f", "/d/f", "/x"] {
            let mut state = fresh();
            for (probe, answer) in [(stat(written, true), file()), (content(written), bytes())] {
                state.predict(probe, answer);
            }
            for name in names {
                let at = format!("{written} under {name}");
                assert!(!state.wants(&stat(name, true), now) && state.knows(&stat(name, true)), "{at}");
                assert_eq!(state.content(name), Ok(Some(&b"new"[..])), "{at}");
            }
            assert_eq!(state.content("/x"), Ok(Some(&b"new"[..])), "{written} under /x");
            assert!(state.stat("/x", false).unwrap().is_some_and(|s| s.kind == FileKind::Link));
            // The host was asked before the link was known.
            state.learn(content("/l/./f"), Answer::Content(None), now);
            assert_eq!(state.content("/l/./f"), Ok(Some(&b"new"[..])), "{written} under /l/./f");
        }
        // Behind a link that is yet to be made the host is asked by the name it has already.
        let mut state = State::default();
        state.predict(stat("/new", false), link("/d"));
        state.learn(stat("/new/f", false), Answer::Stat(None), now);
        assert_eq!(state.stat("/new/f", false), Err(Missing::Unread(Box::new(stat("/d/f", false)))));
        state.learn(stat("/d/f", false), file(), now);
        assert!(state.stat("/new/f", false).unwrap().is_some());
        // What goes, goes under its other name; a link that goes leaves what it led to.
        let mut state = fresh();
        state.predict(stat("/d", false), Answer::Stat(None));
        assert_eq!(state.stat("/l/f/deep", false), Ok(None));
        let mut state = fresh();
        state.predict(stat("/x", false), Answer::Stat(None));
        assert!(state.wants(&stat("/d/f", false), now));
    }

    #[test]
    fn what_is_written_is_stale_under_every_name() {
        let stat = |path: &str, follow| Probe::Stat { path: path.to_owned(), follow };
        let is = |kind, target: &str| {
            let mut stat = FileStat::new(kind, 0o644, "root", "root");
            target.clone_into(&mut stat.target);
            Answer::Stat(Some(stat))
        };
        let fresh = || {
            State::of([
                (stat("/l", false), is(FileKind::Link, "d")),
                (stat("/d", false), is(FileKind::Directory, "")),
                (stat("/d/f", false), is(FileKind::File, "")),
                (stat("/l/f", false), is(FileKind::File, "")),
                (stat("/l/new", false), Answer::Stat(None)),
                (stat("/d/new", false), Answer::Stat(None)),
                (stat("/x", false), is(FileKind::Link, "/l/f")),
                (Probe::Content { path: "/x".into() }, Answer::Content(Some(Vec::new()))),
                (stat("/other", false), is(FileKind::File, "")),
            ])
        };
        let now = Instant::now();
        for (written, stale, kept) in [
            ("/d/f", vec![stat("/l/f", false), Probe::Content { path: "/x".into() }], vec![stat("/d/new", false)]),
            ("/l/f", vec![stat("/d/f", false)], vec![stat("/other", false)]),
            ("/d/new", vec![stat("/l/new", false)], vec![stat("/d/f", false), stat("/l/f", false)]),
            ("/l/new", vec![stat("/d/new", false)], vec![stat("/d/f", false)]),
            ("/d", vec![stat("/l/f", false), stat("/l/new", false)], vec![stat("/other", false)]),
            // Or nobody would know any more that `/l/new` is `/d/new`.
            ("/d/else", vec![], vec![stat("/l", false), stat("/l/f", false)]),
        ] {
            let mut state = fresh();
            state.forget(&[Resource::Path(written.into())]);
            stale.iter().for_each(|p| assert!(state.wants(p, now), "{written} leaves {p:?}"));
            kept.iter().for_each(|p| assert!(!state.wants(p, now), "{written} takes {p:?}"));
        }
    }
}
