//! Debian packages: many names, one `dpkg-query`.

use std::collections::HashMap;

use crate::sh::words;

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageState {
    /// Its version, epoch and revision included.
    pub version: String,
    /// Whether it is held back from upgrades.
    pub held: bool,
}

/// Prints a line for each installed package of `names`; an unknown name is no error.
pub(super) fn script(names: &[&str]) -> String {
    format!(
        "command -v dpkg-query >/dev/null || {{ echo 'dpkg-query is not there: this is no Debian' >&2; exit 9; }}\n\
         dpkg-query -W -f '${{Package}}\\t${{Architecture}}\\t${{db:Status-Want}}\\t${{db:Status-Status}}\\t${{Version}}\\n' -- {} || [ $? = 1 ]\n",
        words(names)
    )
}

/// Parses what [`script`] printed.
pub(super) fn parse(names: &[&str], stdout: &[u8]) -> Option<Vec<Option<PackageState>>> {
    let text = String::from_utf8_lossy(stdout);
    let mut installed = HashMap::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [name, arch, want, status, version] = fields[..] else { return None };
        if status != "installed" {
            continue;
        }
        let state = PackageState { version: version.to_owned(), held: want == "hold" };
        installed.insert(format!("{name}:{arch}"), state.clone());
        installed.entry(name.to_owned()).or_insert(state);
    }
    Some(names.iter().map(|n| installed.get(*n).cloned()).collect())
}
