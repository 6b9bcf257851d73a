//! The answers by kind, as modules read them.

use super::{
    super::{Algorithm, Answer, FileStat, GroupEntry, PackageState, Probe, ScriptAnswer, UnitState, UserEntry},
    Known, Missing, State,
};

impl State {
    /// The answer to a probe.
    ///
    /// # Errors
    /// [`Missing`] when it is not there to be used; a module hands that on from `plan`.
    pub fn get(&self, probe: &Probe) -> Result<&Answer, Missing> {
        match self.what_is_known(probe) {
            None => self
                .foretold(probe)
                .ok_or_else(|| Missing::Unread(Box::new(self.telling(probe).unwrap_or_else(|| probe.clone())))),
            Some(Known::Depends(task)) => Err(Missing::Depends(task.clone())),
            Some(Known::Read { answer: Answer::Failed(why), .. }) => Err(Missing::Failed(why.clone())),
            Some(Known::Read { answer, .. } | Known::Predicted(answer) | Known::Coarse(answer)) => Ok(answer),
        }
    }

    /// The [`Probe::Stat`] of a path with times and size as they are now, for tasks that return them.
    pub fn exact_stat(&self, path: &str, follow: bool) -> Result<Option<&FileStat>, Missing> {
        let probe = Probe::Stat { path: path.to_owned(), follow };
        match self.what_is_known(&probe) {
            Some(Known::Coarse(_)) => Err(Missing::Unread(Box::new(self.asked_as(probe)))),
            _ => self.stat(path, follow),
        }
    }

    /// The [`Probe::Stat`] of a path.
    pub fn stat(&self, path: &str, follow: bool) -> Result<Option<&FileStat>, Missing> {
        match self.get(&Probe::Stat { path: path.to_owned(), follow })? {
            Answer::Stat(stat) => Ok(stat.as_ref()),
            Answer::Nowhere(_) => Ok(None),
            other => Err(mismatch(other)),
        }
    }

    /// The [`Probe::Checksum`] of a path.
    pub fn checksum(&self, path: &str, algorithm: Algorithm) -> Result<Option<&str>, Missing> {
        match self.get(&Probe::Checksum { path: path.to_owned(), algorithm })? {
            Answer::Checksum(sum) => Ok(sum.as_deref()),
            Answer::Nowhere(_) => Ok(None),
            other => Err(mismatch(other)),
        }
    }

    /// The [`Probe::Content`] of a path.
    pub fn content(&self, path: &str) -> Result<Option<&[u8]>, Missing> {
        match self.get(&Probe::Content { path: path.to_owned() })? {
            Answer::Content(bytes) => Ok(bytes.as_deref()),
            Answer::Nowhere(_) => Ok(None),
            other => Err(mismatch(other)),
        }
    }

    /// The [`Probe::Package`] of a name.
    pub fn package(&self, name: &str) -> Result<Option<&PackageState>, Missing> {
        match self.get(&Probe::Package { name: name.to_owned() })? {
            Answer::Package(package) => Ok(package.as_ref()),
            other => Err(mismatch(other)),
        }
    }

    /// The [`Probe::Unit`] of a name.
    pub fn unit(&self, name: &str) -> Result<&UnitState, Missing> {
        match self.get(&Probe::Unit { name: name.to_owned() })? {
            Answer::Unit(unit) => Ok(unit),
            other => Err(mismatch(other)),
        }
    }

    /// The [`Probe::Kernel`] of a key.
    pub fn kernel(&self, key: &str) -> Result<Option<&str>, Missing> {
        match self.get(&Probe::Kernel { key: key.to_owned() })? {
            Answer::Kernel(value) => Ok(value.as_deref()),
            other => Err(mismatch(other)),
        }
    }

    /// The [`Probe::User`] of a name or number.
    pub fn user(&self, name: &str) -> Result<Option<&UserEntry>, Missing> {
        match self.get(&Probe::User { name: name.to_owned() })? {
            Answer::User(user) => Ok(user.as_ref()),
            other => Err(mismatch(other)),
        }
    }

    /// The [`Probe::Group`] of a name or number.
    pub fn group(&self, name: &str) -> Result<Option<&GroupEntry>, Missing> {
        match self.get(&Probe::Group { name: name.to_owned() })? {
            Answer::Group(group) => Ok(group.as_ref()),
            other => Err(mismatch(other)),
        }
    }

    /// The answer of a [`Probe::Script`].
    pub fn script(&self, probe: &Probe) -> Result<&ScriptAnswer, Missing> {
        match self.get(probe)? {
            Answer::Script(output) => Ok(output),
            other => Err(mismatch(other)),
        }
    }
}

fn mismatch(answer: &Answer) -> Missing {
    Missing::Failed(format!("an answer of another kind was recorded: {answer:?}"))
}
