//! INI files as Python's `configparser` reads them.
//!
//! Source: <https://docs.python.org/3/library/configparser.html>. A key ends at the first `=` or `:`; lines that stand deeper than
//! their key go on with its value; what `DEFAULT` holds stands in every section.

use std::fmt;

/// The keys of a section in their order, and their values where they have any.
pub type Entries = Vec<(String, Option<String>)>;

/// How deeply values may name one another.
const MAX_DEPTH: usize = 10;

/// How long a value may become that names others.
const MAX_BYTES: usize = 1 << 20;

/// How files are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Whether the case of keys counts.
    pub sensitive: bool,
    /// Whether a key may stand without a value.
    pub bare: bool,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub struct Ini {
    sections: Vec<(String, Entries)>,
    reading: Reading,
}

/// Why a text is no such file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line before the first section.
    NoSection(String),
    /// A line that is no `key = value`.
    NoValue(String),
    /// A section that stands twice.
    TwoSections(String),
    /// A key that stands twice in a section.
    TwoKeys(String, String),
    /// A value with a percent sign that means nothing.
    Percent(String),
    /// A value that names a key that is not there, or that leads to itself.
    Named(String, String),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoSection(line) => write!(out, "`{line}` stands before any section"),
            Fault::NoValue(line) => write!(out, "`{line}` is a key without a value"),
            Fault::TwoSections(name) => write!(out, "section `{name}` stands there twice"),
            Fault::TwoKeys(section, key) => write!(out, "`{key}` stands twice in section `{section}`"),
            Fault::Percent(rest) => write!(out, "'%' must be followed by '%' or '(', found: '%{rest}'"),
            Fault::Named(value, name) => write!(out, "`{value}` names `{name}`, which has no value"),
        }
    }
}

impl std::error::Error for Fault {}

impl Ini {
    /// Reads a text.
    ///
    /// # Errors
    /// Says what is no such file.
    pub fn parse(text: &str, reading: Reading) -> Result<Ini, Fault> {
        let mut ini = Ini { sections: vec![("DEFAULT".to_owned(), Entries::new())], reading };
        let (mut here, mut deep): (Option<usize>, usize) = (None, 0);
        for line in text.lines() {
            let (trimmed, indent) = (line.trim(), line.len() - line.trim_start().len());
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let last = here.and_then(|at| ini.sections.get_mut(at)).and_then(|(_, entries)| entries.last_mut());
            if indent > deep
                && let Some((_, Some(value))) = last
            {
                value.push('\n');
                value.push_str(trimmed);
                continue;
            }
            deep = indent;
            let header = trimmed.strip_prefix('[').and_then(|l| l.rsplit_once(']')).map(|(name, _)| name);
            match header.filter(|name| !name.is_empty()) {
                Some(name) => here = Some(ini.open(name)?),
                None => ini.add(here, trimmed)?,
            }
        }
        Ok(ini)
    }

    /// Begins a section.
    fn open(&mut self, name: &str) -> Result<usize, Fault> {
        if name == "DEFAULT" {
            return Ok(0);
        }
        if self.sections.iter().any(|(known, _)| known == name) {
            return Err(Fault::TwoSections(name.to_owned()));
        }
        self.sections.push((name.to_owned(), Entries::new()));
        Ok(self.sections.len() - 1)
    }

    /// Takes a line with a key.
    fn add(&mut self, here: Option<usize>, line: &str) -> Result<(), Fault> {
        let (key, value) = match line.split_once(['=', ':']) {
            Some((key, value)) => (key.trim_end(), Some(value.trim().to_owned())),
            None => (line, None),
        };
        let key = self.key(key);
        let bare = self.reading.bare;
        let Some((section, entries)) = here.and_then(|at| self.sections.get_mut(at)) else {
            return Err(Fault::NoSection(line.to_owned()));
        };
        if (value.is_none() && !bare) || key.is_empty() {
            return Err(Fault::NoValue(line.to_owned()));
        }
        if entries.iter().any(|(known, _)| *known == key) {
            return Err(Fault::TwoKeys(section.clone(), key));
        }
        entries.push((key, value));
        Ok(())
    }

    /// A key as it is kept.
    pub fn key(&self, key: &str) -> String {
        if self.reading.sensitive { key.to_owned() } else { key.to_lowercase() }
    }

    /// The names of the sections, `DEFAULT` left out.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().skip(1).map(|(name, _)| name.as_str())
    }

    /// What a section holds, with what `DEFAULT` holds behind it; `None` where there is no such section.
    pub fn section(&self, name: &str) -> Option<Entries> {
        let mut found = self.sections.iter().skip(1).find(|(known, _)| known == name)?.1.clone();
        for (key, value) in self.sections.first().map(|(_, all)| all.as_slice()).unwrap_or_default() {
            if !found.iter().any(|(known, _)| known == key) {
                found.push((key.clone(), value.clone()));
            }
        }
        Some(found)
    }

    /// What stands in every section.
    pub fn defaults(&self) -> &Entries {
        static NONE: Entries = Entries::new();
        self.sections.first().map_or(&NONE, |(_, entries)| entries)
    }

    /// A value with the values put in that it names as `%(KEY)s`; `%%` is a percent sign.
    ///
    /// # Errors
    /// Says what it names that is not there.
    pub fn interpolated(&self, value: &str, all: &Entries) -> Result<String, Fault> {
        let mut out = String::new();
        self.put(value, all, 0, &mut out)?;
        Ok(out)
    }

    fn put(&self, value: &str, all: &Entries, depth: usize, out: &mut String) -> Result<(), Fault> {
        let mut rest = value;
        while let Some((before, behind)) = rest.split_once('%') {
            out.push_str(before);
            if let Some(more) = behind.strip_prefix('%') {
                out.push('%');
                rest = more;
                continue;
            }
            let Some((name, more)) = behind.strip_prefix('(').and_then(|named| named.split_once(")s")) else {
                return Err(Fault::Percent(behind.to_owned()));
            };
            let key = self.key(name);
            let found =
                all.iter().find(|(known, _)| *known == key).filter(|_| depth < MAX_DEPTH && out.len() < MAX_BYTES);
            let Some((_, found)) = found else { return Err(Fault::Named(value.to_owned(), name.to_owned())) };
            self.put(found.as_deref().unwrap_or_default(), all, depth + 1, out)?;
            rest = more;
        }
        out.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# c\n[DEFAULT]\nhome = /h\n[a b]\nKey: %(home)s/x = %%\nlong = 1\n  2\n\n  3\n[c]\n; c\nx=1\nHOME = /c\n";

    #[test]
    fn files_are_read_as_python_reads_them() {
        let ini = Ini::parse(TEXT, Reading::default()).unwrap();
        assert_eq!(ini.sections().collect::<Vec<_>>(), ["a b", "c"]);
        let entries = ini.section("a b").unwrap();
        let of = |key: &str| entries.iter().find(|(k, _)| k == key).and_then(|(_, v)| v.as_deref());
        assert_eq!((of("key"), of("long"), of("home")), (Some("%(home)s/x = %%"), Some("1\n2\n3"), Some("/h")));
        assert_eq!(ini.interpolated(of("key").unwrap(), &entries), Ok("/h/x = %".to_owned()));
        assert_eq!(ini.section("c").unwrap().len(), 2);
        assert_eq!(ini.section("DEFAULT"), None);
        let exact = Ini::parse("[a]\nK=1\nk=2\nbare\n", Reading { sensitive: true, bare: true }).unwrap();
        assert_eq!(exact.section("a").unwrap().len(), 3);
    }

    #[test]
    fn what_is_no_such_file_is_told() {
        for (text, fault) in [
            ("k=1", Fault::NoSection("k=1".into())),
            ("[a]\nk", Fault::NoValue("k".into())),
            ("[a]\nk=1\nK=2", Fault::TwoKeys("a".into(), "k".into())),
            ("[a]\n[a]", Fault::TwoSections("a".into())),
        ] {
            assert_eq!(Ini::parse(text, Reading::default()).unwrap_err(), fault);
        }
        let ini = Ini::parse("[a]\nk=%(k)s\nl=5%\nm=%(n)s", Reading::default()).unwrap();
        let all = ini.section("a").unwrap();
        for value in ["%(k)s", "5%", "%(n)s"] {
            assert!(ini.interpolated(value, &all).is_err(), "{value}");
        }
    }
}
