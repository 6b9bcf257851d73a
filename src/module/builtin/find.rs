//! `ansible.builtin.find`: files by name, age, size and content.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/find_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{copy::unread, stat::fields};
use crate::{
    fact::{Algorithm, FileKind, Missing, Probe, State},
    module::{
        Context, Described, Failure, Flag, List, Mode, Module, ParameterError, Plan, PlanError, Return, Returns, Text,
        Whole, path,
        regexp::{Characters, Pattern},
        tree,
    },
    playbook::About,
    python::{encoding::Encoding, fnmatch},
};

/// Parameters of `find`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// The directories to look in.
    #[serde(alias = "name", alias = "path")]
    #[schemars(extend("x-aliases" = ["name", "path"]))]
    paths: List<Text>,
    /// Patterns of names as a shell has them, or with `use_regex` expressions; one must match.
    #[serde(default, alias = "pattern")]
    #[schemars(extend("x-aliases" = ["pattern"]))]
    patterns: List<Text>,
    /// Patterns of names that are left out.
    #[serde(default, alias = "exclude")]
    #[schemars(extend("x-aliases" = ["exclude"]))]
    excludes: List<Text>,
    /// An expression that a line of the file must match at its beginning.
    contains: Option<Text>,
    /// Match `contains` anywhere in the whole file.
    #[serde(default)]
    read_whole_file: Flag,
    /// The encoding of the files that `contains` is looked for in, such as `utf-8`, `latin-1` or `gbk`; a file that is
    /// not in it ends the search of its directory. By default any bytes are taken.
    encoding: Option<Text>,
    /// What to look for.
    #[serde(default)]
    file_type: FileType,
    /// The least age, as `3d` or `2w`; with a minus the greatest.
    age: Option<Text>,
    /// Which time is the age: `mtime`, `atime` or `ctime`.
    #[serde(default = "mtime")]
    age_stamp: Text,
    /// The least size, as `10m`; with a minus the greatest.
    size: Option<Text>,
    /// Whether to look in directories below.
    #[serde(default)]
    recurse: Flag,
    /// How many levels to go down.
    depth: Option<Whole>,
    /// Whether names that begin with a dot count.
    #[serde(default)]
    hidden: Flag,
    /// Whether links to directories are followed.
    #[serde(default)]
    follow: Flag,
    /// Whether to compute checksums.
    #[serde(default)]
    get_checksum: Flag,
    /// Which checksum.
    #[serde(default = "sha1", alias = "checksum", alias = "checksum_algo")]
    #[schemars(extend("x-aliases" = ["checksum", "checksum_algo"]))]
    checksum_algorithm: Text,
    /// Whether `patterns` and `excludes` are regular expressions.
    #[serde(default)]
    use_regex: Flag,
    /// Permissions that a path must have.
    mode: Option<Mode>,
    /// Whether `mode` must be all of the permissions, rather than share some.
    #[serde(default = "Flag::yes")]
    exact_mode: Flag,
    /// How many to return at most.
    limit: Option<Whole>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum FileType {
    /// Anything.
    Any,
    /// Directories.
    Directory,
    /// Regular files.
    #[default]
    File,
    /// Symbolic links.
    Link,
}

fn mtime() -> Text {
    Text("mtime".to_owned())
}

fn sha1() -> Text {
    Text("sha1".to_owned())
}

impl Described for Find {
    const NAME: &'static str = "ansible.builtin.find";
    const ABOUT: About = About::TELLS;
    const SUMMARY: &'static str = "Finds files by name, age, size and content";
    const EXAMPLES: &'static str = "\
- name: logs of last month
  ansible.builtin.find:
    paths: /var/log/example
    patterns: '*.log'
    age: 4w
    recurse: true
  register: old
";
    const RETURNS: Returns = &[&[
        Return::whole("matched", "always", "How many paths match"),
        Return::whole("examined", "always", "How many paths were looked at"),
        Return::list("files", "always", "The paths that match, each with the fields of `stat`"),
        Return::text("files[].path", "always", "The path"),
        Return::text("files[].mode", "always", "The permissions as octal digits"),
        Return::text("files[].checksum", "with `get_checksum`, of files", "The checksum"),
        Return::any("files[].{field}", "always", "What `stat` returns under that name"),
        Return::map("skipped_paths", "always", "Paths that could not be looked at, and why"),
        Return::text("msg", "always", "Whether all paths were looked at"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.use_regex.0 {
            for (name, list) in [("patterns", &self.patterns), ("excludes", &self.excludes)] {
                for pattern in &list.0 {
                    Pattern::new(&pattern.0, false).map_err(|why| ParameterError::new(name, why))?;
                }
            }
        }
        if let Some(contains) = &self.contains {
            Pattern::new(&contains.0, false).map_err(|why| ParameterError::new("contains", why))?;
        }
        if !matches!(self.age_stamp.0.as_str(), "mtime" | "atime" | "ctime") {
            return Err(ParameterError::new("age_stamp", "it may be mtime, atime or ctime"));
        }
        if Algorithm::parse(&self.checksum_algorithm.0).is_none() {
            return Err(ParameterError::new("checksum_algorithm", format!("`{}` is none", self.checksum_algorithm.0)));
        }
        amount("age", &self.age, "smhdw", &[1, 60, 3600, 86_400, 604_800])?;
        amount("size", &self.size, "bkmgt", &[1, 1 << 10, 1 << 20, 1 << 30, 1 << 40])?;
        match self.limit {
            Some(limit) if limit.0 <= 0 => Err(ParameterError::new("limit", "leave it out for no limit")),
            _ => Ok(()),
        }
    }
}

/// Reads `-3d` with the given units.
fn amount(name: &str, text: &Option<Text>, units: &str, factors: &[i64]) -> Result<Option<i64>, ParameterError> {
    let Some(text) = text else { return Ok(None) };
    let lower = text.0.to_ascii_lowercase();
    let unit = lower.chars().last().and_then(|c| units.find(c));
    let digits = if unit.is_some() { &lower[..lower.len() - 1] } else { &lower };
    let number: Option<i64> = digits.parse().ok();
    let factor = factors.get(unit.unwrap_or(0)).copied().unwrap_or(1);
    number
        .and_then(|n| n.checked_mul(factor))
        .map(Some)
        .ok_or_else(|| ParameterError::new(name, format!("failed to process {name}: `{}`", text.0)))
}

/// What names must be like.
enum Name {
    Shell(fnmatch::Pattern),
    Expression(Box<Pattern>),
}

impl Name {
    fn fits(&self, name: &str) -> Result<bool, Failure> {
        match self {
            Name::Shell(pattern) => Ok(pattern.matches(name)),
            Name::Expression(pattern) => pattern.matches(name).map_err(Failure::new),
        }
    }
}

/// The filters, ready for use.
struct Filter {
    patterns: Vec<Name>,
    excludes: Vec<Name>,
    age: Option<i64>,
    size: Option<i64>,
}

impl Find {
    fn filter(&self) -> Result<Filter, Failure> {
        let compile = |list: &List<Text>| -> Result<Vec<Name>, Failure> {
            let one = |t: &Text| match self.use_regex.0 {
                // Ansible matches expressions at the beginning of the name.
                true => Pattern::start(&t.0).map(|pattern| Name::Expression(Box::new(pattern))).map_err(Failure::new),
                false => Ok(Name::Shell(fnmatch::Pattern::new(&t.0))),
            };
            list.0.iter().map(one).collect()
        };
        let told = |e: ParameterError| Failure::new(e.message);
        Ok(Filter {
            patterns: compile(&self.patterns)?,
            excludes: compile(&self.excludes)?,
            age: amount("age", &self.age, "smhdw", &[1, 60, 3600, 86_400, 604_800]).map_err(told)?,
            size: amount("size", &self.size, "bkmgt", &[1, 1 << 10, 1 << 20, 1 << 30, 1 << 40]).map_err(told)?,
        })
    }

    fn matches(&self, filter: &Filter, top: &str, entry: &tree::Entry, now: i64) -> Result<bool, Failure> {
        let stat = &entry.stat;
        let below = entry.path.strip_prefix(top).unwrap_or(&entry.path).trim_start_matches('/');
        let depth = below.split('/').count() as i64;
        if (!self.recurse.0 && depth > 1) || self.depth.is_some_and(|d| d.0 > 0 && depth > d.0) {
            return Ok(false);
        }
        let name = path::name(&entry.path);
        if name.starts_with('.') && !self.hidden.0 {
            return Ok(false);
        }
        let right_kind = match self.file_type {
            FileType::Any => true,
            FileType::Directory => stat.kind == FileKind::Directory,
            FileType::File => stat.kind == FileKind::File,
            FileType::Link => stat.kind == FileKind::Link,
        };
        let any = |patterns: &[Name]| -> Result<bool, Failure> {
            for pattern in patterns {
                if pattern.fits(name)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        if !right_kind || (!filter.patterns.is_empty() && !any(&filter.patterns)?) || any(&filter.excludes)? {
            return Ok(false);
        }
        let time = match self.age_stamp.0.as_str() {
            "atime" => stat.atime,
            "ctime" => stat.ctime,
            _ => stat.mtime,
        };
        let bounded = |limit: Option<i64>, value: i64| match limit {
            None => true,
            Some(least) if least >= 0 => value >= least,
            Some(most) => value <= -most,
        };
        let sized = stat.kind != FileKind::File || bounded(filter.size, stat.size as i64);
        let permitted = match self.mode.as_ref().and_then(|m| m.bits(0, false)) {
            None => true,
            Some(mode) if self.exact_mode.0 => stat.permissions() == mode,
            Some(mode) => stat.permissions() & mode != 0,
        };
        Ok(bounded(filter.age, now - time) && sized && permitted)
    }

    /// Whether the file's text is as wanted.
    fn contained(&self, text: &Characters) -> Result<bool, Failure> {
        let Some(contains) = &self.contains else { return Ok(true) };
        if self.read_whole_file.0 {
            let pattern = Pattern::new(&text.like(&contains.0), false).map_err(Failure::new)?;
            return pattern.matches(&text.text).map_err(Failure::new);
        }
        let pattern = Pattern::start(&text.like(&contains.0)).map_err(Failure::new)?;
        for line in text.text.split_inclusive('\n') {
            if pattern.matches(line).map_err(Failure::new)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The text of a file.
    fn text(&self, path: &str, bytes: &[u8]) -> Result<Characters, String> {
        let Some(encoding) = &self.encoding else { return Ok(Characters::of(bytes)) };
        // To find something a table is good enough that is the web's and not Python's.
        let label = encoding.0.to_ascii_lowercase().replace('_', "-");
        let web = || encoding_rs::Encoding::for_label(label.as_bytes());
        let web = || web().or_else(|| encoding_rs::Encoding::for_label(label.replace('-', "").as_bytes()));
        let known = Encoding::named(&encoding.0).or_else(|| web().map(Encoding::Table));
        let known = known.ok_or_else(|| format!("unknown encoding: {}", encoding.0))?;
        match known.decode(bytes) {
            Some(text) => Ok(Characters::of(text.as_bytes())),
            None => Err(format!(
                "Failed to read the file {path} due to an encoding error. current encoding: {}",
                encoding.0
            )),
        }
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::parse(&self.checksum_algorithm.0).unwrap_or(Algorithm::Sha1)
    }

    /// Leaves out the directory of a file that cannot be read as it is to be, and says why.
    fn give_up(
        &self,
        context: &Context<'_>,
        state: &State,
        file: &str,
        why: &str,
        skipped: &mut Map<String, Json>,
    ) -> Result<(), PlanError> {
        for top in &self.paths.0 {
            let top = path::absolute(context, state, &top.0)?;
            if path::is_below(file, &top) {
                skipped.insert(top, json!(why));
            }
        }
        Ok(())
    }

    /// The directories, what is in them, and what of that matches so far.
    fn found(&self, context: &Context<'_>, state: &State) -> Result<Found, PlanError> {
        let filter = self.filter()?;
        let now = jiff::Timestamp::now().as_second();
        let (mut found, mut examined, mut skipped) = (Vec::new(), 0, Map::new());
        for top in &self.paths.0 {
            let top = path::absolute(context, state, &top.0)?;
            if state.stat(&top, true)?.is_none_or(|s| s.kind != FileKind::Directory) {
                skipped.insert(top.clone(), json!(format!("'{top}' is not a directory")));
                continue;
            }
            let (entries, unseen) = tree::what_is_seen(state, &top, self.follow.0)?;
            for why in &unseen {
                let (path, why) = refused(why).unwrap_or((top.clone(), why));
                skipped.insert(path, json!(why));
            }
            for entry in entries {
                // A listing of one's own would end where it is deep enough, one level below.
                let level = level(&top, &entry.path);
                let deepest = self.depth.filter(|d| d.0 > 0).map_or(i64::MAX, |d| d.0.saturating_add(1));
                examined += usize::from(level <= if self.recurse.0 { deepest } else { 1 });
                if self.matches(&filter, &top, &entry, now)? {
                    found.push(entry);
                }
            }
        }
        Ok((found, examined, skipped))
    }
}

/// The directory that find(1) could not look into, and why: `find: '/a/./b': Permission denied`.
fn refused(line: &str) -> Option<(String, &str)> {
    let (path, why) = line.strip_prefix("find: ")?.rsplit_once(": ")?;
    let path = path.trim_matches('\'');
    path.starts_with('/').then(|| (path.replacen("/./", "/", 1), why))
}

/// What matches, how many entries were looked at, and the directories that were not, each with its reason.
type Found = (Vec<tree::Entry>, usize, Map<String, Json>);

impl Module for Find {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = Vec::new();
        for top in &self.paths.0 {
            match path::absolute(context, state, &top.0) {
                Ok(top) => {
                    probes.extend([Probe::Stat { path: top.clone(), follow: true }, tree::probe(&top, self.follow.0)])
                }
                Err(missing) => probes.extend(unread(missing)),
            }
        }
        if let Ok((found, _, _)) = self.found(context, state) {
            for entry in found.iter().filter(|e| e.stat.kind == FileKind::File) {
                if self.contains.is_some() {
                    probes.push(Probe::Content { path: entry.path.clone() });
                }
                if self.get_checksum.0 {
                    probes.push(Probe::Checksum { path: entry.path.clone(), algorithm: self.algorithm() });
                }
            }
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let (entries, examined, mut skipped) = self.found(context, state)?;
        let limit = self.limit.map_or(usize::MAX, |l| usize::try_from(l.0).unwrap_or(usize::MAX));
        let mut files = Vec::new();
        let mut unread = Vec::new();
        let mut message = "All paths examined";
        for entry in &entries {
            if skipped.keys().any(|top| self.encoding.is_some() && path::is_below(&entry.path, top)) {
                continue;
            }
            let regular = entry.stat.kind == FileKind::File;
            if regular && self.contains.is_some() && self.file_type == FileType::File {
                let bytes = match state.content(&entry.path) {
                    Err(Missing::Failed(why)) => {
                        unread.push(why);
                        continue;
                    }
                    bytes => bytes?.unwrap_or_default(),
                };
                let text = match self.text(&entry.path, bytes) {
                    Ok(text) => text,
                    Err(why) => {
                        self.give_up(context, state, &entry.path, &why, &mut skipped)?;
                        continue;
                    }
                };
                if !self.contained(&text)? {
                    continue;
                }
            }
            let mut file = fields(&entry.path, &entry.stat);
            file.remove("exists");
            if regular && self.get_checksum.0 {
                match state.checksum(&entry.path, self.algorithm()) {
                    Err(Missing::Unread(probe)) => return Err(Missing::Unread(probe).into()),
                    sum => drop(sum?.map(|sum| file.insert("checksum".into(), json!(sum)))),
                }
            }
            files.push(Json::Object(file));
            if files.len() >= limit {
                message = "Limit of matches reached";
                break;
            }
        }
        let mut plan = Plan::default();
        for (top, why) in &skipped {
            message = "Not all paths examined, check warnings for details";
            plan.warnings
                .push(format!("Skipped '{top}' path due to this access issue: {}", why.as_str().unwrap_or_default()));
        }
        plan.warnings.extend(unread.iter().map(|why| format!("left out: {why}")));
        plan.result = Map::from_iter([
            ("matched".to_owned(), json!(files.len())),
            ("files".to_owned(), Json::Array(files)),
            ("examined".to_owned(), json!(examined)),
            ("skipped_paths".to_owned(), Json::Object(skipped)),
            ("msg".to_owned(), json!(message)),
        ]);
        Ok(plan)
    }
}

/// How far below a directory a path is. What a host lists elsewhere is not deep.
fn level(top: &str, path: &str) -> i64 {
    let below = path.strip_prefix(top).unwrap_or_default().trim_start_matches('/');
    i64::try_from(below.split('/').count()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_list_what_it_was_not_asked_for() {
        for (path, deep) in [("/a/b", 1), ("/a/b/c", 1), ("/a/b/c/d", 2), ("/é", 1), ("", 1)] {
            assert_eq!(level("/a/b", path), deep, "{path}");
        }
    }
}
