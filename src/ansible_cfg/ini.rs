//! The form of `ansible.cfg`: that of Python's `configparser`, whole-line comments by `#` and `;`, others by ` ;` alone.
//!
//! Source: <https://docs.python.org/3/library/configparser.html#supported-ini-file-structure>

use indexmap::IndexMap;

/// The section whose keys all others have too.
const DEFAULT: &str = "DEFAULT";

/// A value with the line that its key stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: String,
    /// From 1.
    pub(super) line: usize,
}

/// Sections, their keys in lower case.
#[derive(Debug, Default)]
pub(super) struct Ini {
    sections: IndexMap<String, IndexMap<String, Entry>>,
}

/// What is wrong, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) message: String,
    pub(super) help: &'static str,
}

impl Ini {
    /// The entry of a key; one of `[DEFAULT]` where its section is there and says nothing.
    pub(super) fn get(&self, section: &str, key: &str) -> Option<&Entry> {
        let own = self.sections.get(section)?;
        own.get(key).or_else(|| self.sections.get(DEFAULT)?.get(key))
    }

    /// All entries: section, key, entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &str, &Entry)> {
        self.sections
            .iter()
            .flat_map(|(section, keys)| keys.iter().map(move |(key, entry)| (section.as_str(), key.as_str(), entry)))
    }

    /// Reads a text.
    pub(super) fn parse(text: &str) -> Result<Ini, Wrong> {
        let mut reader = Reader::default();
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            reader.line(at + 1, line)?;
        }
        for entry in reader.ini.sections.values_mut().flat_map(IndexMap::values_mut) {
            entry.value.truncate(entry.value.trim_end().len());
        }
        Ok(reader.ini)
    }
}

#[derive(Default)]
struct Reader {
    ini: Ini,
    section: Option<String>,
    key: Option<String>,
    /// How far the line of the key is indented: what is further in goes on with its value.
    indent: usize,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), Wrong> {
        let comment = comment(line);
        let value = line[..comment.unwrap_or(line.len())].trim();
        if value.is_empty() {
            if let (None, Some(entry)) = (comment, self.current()) {
                entry.value.push('\n');
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        let further_in = indent > self.indent;
        if let Some(entry) = self.current().filter(|_| further_in) {
            entry.value.push('\n');
            entry.value.push_str(value);
            return Ok(());
        }
        self.indent = indent;
        match value.strip_prefix('[').and_then(|rest| rest.rfind(']').map(|end| &rest[..end])) {
            Some(name) if !name.is_empty() => self.begin(number, name),
            _ => self.entry(number, value),
        }
    }

    fn current(&mut self) -> Option<&mut Entry> {
        self.ini.sections.get_mut(self.section.as_ref()?)?.get_mut(self.key.as_ref()?)
    }

    fn begin(&mut self, line: usize, name: &str) -> Result<(), Wrong> {
        if self.ini.sections.contains_key(name) && name != DEFAULT {
            let help = "put the keys of both under one of them";
            return Err(Wrong { line, message: format!("the section `[{name}]` is there twice"), help });
        }
        self.ini.sections.entry(name.to_owned()).or_default();
        (self.section, self.key) = (Some(name.to_owned()), None);
        Ok(())
    }

    fn entry(&mut self, line: usize, text: &str) -> Result<(), Wrong> {
        let Some(section) = &self.section else {
            let help = "begin the file with `[defaults]`";
            return Err(Wrong { line, message: "a setting stands before any `[section]`".into(), help });
        };
        let Some((key, value)) = text.split_once(['=', ':']).filter(|(key, _)| !key.trim().is_empty()) else {
            let help = "settings are lines such as `forks = 20`; what goes on with a value is indented";
            return Err(Wrong { line, message: "this is neither a section nor a setting".into(), help });
        };
        let key = key.trim_end().to_lowercase();
        let keys = self.ini.sections.entry(section.clone()).or_default();
        if let Some(first) = keys.get(&key) {
            let message = format!("`{key}` is there twice in `[{section}]` (first in line {})", first.line);
            return Err(Wrong { line, message, help: "remove one of the two" });
        }
        keys.insert(key.clone(), Entry { value: value.trim().to_owned(), line });
        self.key = Some(key);
        Ok(())
    }
}

/// Where the comment of a line begins.
fn comment(line: &str) -> Option<usize> {
    if line.trim_start().starts_with(['#', ';']) {
        return Some(0);
    }
    let behind_blank = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices(';').map(|(at, _)| at).find(|at| behind_blank(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, section: &str, key: &str) -> Option<String> {
        Ini::parse(text).unwrap().get(section, key).map(|entry| entry.value.clone())
    }

    #[test]
    fn the_form_is_that_of_configparser() {
        let text = "[defaults]\n# forks = 1\nForks = 7 ; not 8\nssh = a;b # c\nlong = one,\n  two ; no\n\n  three\nport: 22\npercent = 50%(x)s\n[x]\n";
        let defaults = |key: &str| value(text, "defaults", key);
        assert_eq!(defaults("forks").as_deref(), Some("7"));
        assert_eq!(defaults("ssh").as_deref(), Some("a;b # c"));
        assert_eq!(defaults("long").as_deref(), Some("one,\ntwo\n\nthree"));
        assert_eq!(defaults("port").as_deref(), Some("22"));
        assert_eq!(defaults("percent").as_deref(), Some("50%(x)s"));
        assert_eq!(value("[DEFAULT]\na = 1\n[defaults]\n", "defaults", "a").as_deref(), Some("1"));
        assert_eq!(value("[DEFAULT]\na = 1\n", "defaults", "a"), None);
        assert_eq!(value("[ssh_connection]\nargs = \n  -o x\n", "ssh_connection", "args").as_deref(), Some("\n-o x"));
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        let line = |text: &str| Ini::parse(text).unwrap_err().line;
        assert_eq!(line("forks = 1\n"), 1);
        assert_eq!(line("[defaults]\nforks\n"), 2);
        assert_eq!(line("[defaults]\na = 1\nA = 2\n"), 3);
        assert_eq!(line("[defaults]\n[x]\n[defaults]\n"), 3);
        assert_eq!(line("[defaults]\n= 1\n"), 2);
    }
}
