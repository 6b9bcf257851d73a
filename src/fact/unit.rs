//! systemd units: many names, one `systemctl show`.

use super::Resource;
use crate::sh::words;

/// What systemd knows of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked` …
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating` …
    pub active: String,
    /// `running`, `exited`, `dead` …
    pub sub: String,
    /// `enabled`, `disabled`, `static`, `masked`, … or empty.
    pub file: String,
    /// Whether its file changed since systemd read it.
    pub stale: bool,
    /// All properties asked for, as systemd prints them.
    pub properties: Vec<(String, String)>,
}

impl UnitState {
    /// One of the properties systemd printed.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Brings the listed properties in line with the fields, for predictions.
    pub fn sync(&mut self) {
        for (key, value) in &mut self.properties {
            match key.as_str() {
                "LoadState" => value.clone_from(&self.load),
                "ActiveState" => value.clone_from(&self.active),
                "SubState" => value.clone_from(&self.sub),
                "UnitFileState" => value.clone_from(&self.file),
                "NeedDaemonReload" => *value = if self.stale { "yes" } else { "no" }.to_owned(),
                _ => {}
            }
        }
    }
}

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,FragmentPath,\
                          Description,Type,Result,ExecMainStatus,NRestarts,RemainAfterExit,ActiveEnterTimestampMonotonic";

/// What a unit's state depends on: the manager, and the files it was read from.
pub(super) fn reads(name: &str) -> Vec<Resource> {
    let mut reads = vec![Resource::Unit(name.to_owned())];
    // `getty@tty1.service` is made of `getty@.service` (systemd.unit(5)).
    let template =
        name.split_once('@').and_then(|(front, rest)| Some(format!("{front}@.{}", rest.rsplit_once('.')?.1)));
    let files: Vec<&str> =
        [Some(name), template.as_deref().filter(|template| *template != name)].into_iter().flatten().collect();
    for directory in [
        "/etc/systemd/system",
        "/run/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ] {
        for file in &files {
            reads.push(Resource::Path(format!("{directory}/{file}")));
            reads.push(Resource::Path(format!("{directory}/{file}.d")));
        }
    }
    reads
}

/// Prints the properties of each unit, a blank line between two.
pub(crate) fn script(names: &[&str]) -> String {
    format!(
        "export LC_ALL=C\ncommand -v systemctl >/dev/null || {{ echo 'systemctl is not there: this host has no systemd' >&2; exit 9; }}\n\
         systemctl show --no-pager -p {PROPERTIES} -- {}\n",
        words(names)
    )
}

/// Parses what [`script`] printed, in the order asked.
pub(crate) fn parse(units: usize, stdout: &[u8]) -> Option<Vec<UnitState>> {
    let text = String::from_utf8_lossy(stdout);
    let mut all = Vec::with_capacity(units);
    for block in text.trim_end().split("\n\n").filter(|b| !b.is_empty()) {
        let mut unit = UnitState::default();
        for line in block.lines() {
            let (key, value) = line.split_once('=')?;
            match key {
                "LoadState" => value.clone_into(&mut unit.load),
                "ActiveState" => value.clone_into(&mut unit.active),
                "SubState" => value.clone_into(&mut unit.sub),
                "UnitFileState" => value.clone_into(&mut unit.file),
                "NeedDaemonReload" => unit.stale = value == "yes",
                _ => {}
            }
            unit.properties.push((key.to_owned(), value.to_owned()));
        }
        all.push(unit);
    }
    (all.len() == units).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::{super::Resource, reads};

    #[test]
    fn an_instance_is_made_of_its_templates_files() {
        let read = |unit: &str, path: &str| reads(unit).contains(&Resource::Path(path.to_owned()));
        assert!(read("sleeper@100.service", "/etc/systemd/system/sleeper@.service"));
        assert!(read("sleeper@100.service", "/etc/systemd/system/sleeper@.service.d"));
        assert!(read("sleeper@100.service", "/etc/systemd/system/sleeper@100.service"));
        assert!(!read("sleeper.service", "/etc/systemd/system/sleeper@.service"));
    }
}
