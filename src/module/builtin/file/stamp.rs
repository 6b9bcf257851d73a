//! Modification and access times of `file`.

use serde_json::{Map, json};

use crate::{
    fact::{FileStat, Probe, State},
    module::{Diff, Failure, PlanError, Text, ownership},
    sh::quote,
};

/// The default format of times.
pub(super) fn format() -> Text {
    Text("%Y%m%d%H%M.%S".to_owned())
}

/// What one of a path's times is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// What it is.
    Preserve,
    /// The present.
    Now,
    /// A civil time in the host's zone, as `date -d` reads it.
    At(String),
}

impl Stamp {
    /// Reads a parameter.
    pub(super) fn parse(text: &str, format: &str) -> Result<Stamp, String> {
        match text {
            "preserve" => Ok(Stamp::Preserve),
            "now" => Ok(Stamp::Now),
            text => match jiff::civil::DateTime::strptime(format, text) {
                Ok(time) => Ok(Stamp::At(time.strftime("%Y-%m-%d %H:%M:%S").to_string())),
                Err(why) => Err(format!("`{text}` is no time in the format `{format}`: {why}")),
            },
        }
    }

    /// Asks the host, whose time zone counts, for the seconds since 1970.
    fn probe(time: &str) -> Probe {
        Probe::Script { script: format!("date -d {} +%s\n", quote(time)), reads: Vec::new() }
    }

    /// The time in seconds, where it is a given one.
    fn seconds(&self, state: &State) -> Result<Option<i64>, PlanError> {
        let Stamp::At(time) = self else { return Ok(None) };
        let answer = state.script(&Stamp::probe(time))?;
        let text = answer.text();
        match text.trim().parse() {
            Ok(seconds) => Ok(Some(seconds)),
            Err(_) => {
                let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
                Err(Failure::new(format!("the host cannot read the time `{time}`: {told}")).into())
            }
        }
    }
}

/// Both times.
#[derive(Clone, Debug)]
pub(super) struct Stamps {
    /// Of the content.
    pub(super) modification: Stamp,
    /// Of the last access.
    pub(super) access: Stamp,
}

impl Stamps {
    /// The shell lines that set what differs at a shell word; `new` says that it was created just before.
    pub(super) fn script(&self, state: &State, word: &str, stat: &FileStat, new: bool) -> Result<String, PlanError> {
        let mut script = String::new();
        // As most touch: both in one process.
        if let (Stamp::Now, Stamp::Now, false) = (&self.modification, &self.access, new) {
            return Ok(format!("touch -c -- {word} || exit 1\n"));
        }
        for (flag, stamp, present) in [("-m", &self.modification, stat.mtime), ("-a", &self.access, stat.atime)] {
            match (stamp, stamp.seconds(state)?) {
                (Stamp::Now, _) if !new => script.push_str(&format!("touch -c {flag} -- {word} || exit 1\n")),
                (_, Some(wanted)) if new || wanted != present => {
                    script.push_str(&format!("touch -c {flag} -d @{wanted} -- {word} || exit 1\n"));
                }
                _ => {}
            }
        }
        Ok(script)
    }

    /// What differs of the times; one that is to be the present time is called so.
    pub(super) fn difference(&self, path: &str, before: &FileStat, after: &FileStat) -> Option<Diff> {
        let (mut old, mut new) = (Map::new(), Map::new());
        let times = [
            ("mtime", &self.modification, before.mtime, after.mtime),
            ("atime", &self.access, before.atime, after.atime),
        ];
        for (name, stamp, was, is) in times {
            let now = matches!(stamp, Stamp::Now);
            if now || was != is {
                old.insert(name.to_owned(), json!(was));
                new.insert(name.to_owned(), if now { json!("now") } else { json!(is) });
            }
        }
        (!new.is_empty()).then(|| ownership::attribute_diff(path, old, new))
    }

    /// The times afterwards, as far as they are given ones.
    pub(super) fn applied(&self, state: &State, stat: &mut FileStat) -> Result<(), PlanError> {
        if let Some(seconds) = self.modification.seconds(state)? {
            stat.mtime = seconds;
        }
        if let Some(seconds) = self.access.seconds(state)? {
            stat.atime = seconds;
        }
        Ok(())
    }
}
