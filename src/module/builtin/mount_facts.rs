//! `ansible.builtin.mount_facts`: mounted file systems, and those that are to be mounted, as facts.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/mount_facts_module.html>

mod tables;

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{Context, Described, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return, Returns, Text},
    playbook::{About, Sets},
    python::fnmatch::fnmatch,
    sh::{self, quote, words},
};
use tables::Mount;

/// Parameters of `mount_facts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MountFacts {
    /// Which devices, as shell patterns.
    #[serde(default)]
    devices: List<Text>,
    /// Which kinds of file systems, as shell patterns.
    #[serde(default)]
    fstypes: List<Text>,
    /// Where from: files, `mount` (what the program prints), or `dynamic`, `static` and `all`, which is both.
    #[serde(default)]
    sources: List<Text>,
    /// The program that lists mounts: for `mount`, and where no file does; null for none.
    #[serde(default = "mount")]
    mount_binary: Option<Text>,
    /// How many seconds each mount may take to tell its size; by default as long as it likes.
    #[serde(default)]
    timeout: Option<f64>,
    /// What then: `error`, `warn` or `ignore`.
    #[serde(default)]
    on_timeout: OnTimeout,
    /// Whether all mounts of a directory are told in `aggregate_mounts`; null is no, with a warning where there are several.
    #[serde(default)]
    include_aggregate_mounts: Option<Flag>,
}

/// What becomes of a mount that takes too long.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// It fails the task.
    #[default]
    Error,
    /// A warning tells of it.
    Warn,
    /// Nothing.
    Ignore,
}

fn mount() -> Option<Text> {
    Some(Text("mount".to_owned()))
}

const DYNAMIC: [&str; 3] = ["/etc/mtab", "/proc/mounts", "/etc/mnttab"];
const STATIC: [&str; 3] = ["/etc/fstab", "/etc/vfstab", "/etc/filesystems"];

impl Described for MountFacts {
    const NAME: &'static str = "ansible.builtin.mount_facts";
    const ABOUT: About = About { sets: Sets::Facts(&["mount_points", "aggregate_mounts"]), ..About::TELLS };
    const SUMMARY: &'static str = "Returns mounts as facts";
    const EXAMPLES: &'static str = "\
- name: Learn what is mounted from servers
  ansible.builtin.mount_facts:
    devices: '[!/]*'
    fstypes: [nfs, nfs4]
    timeout: 5
    on_timeout: warn
";
    const RETURNS: Returns = &[&[
        Return::map("ansible_facts.mount_points", "always", "The mounts by directory: of each the one found first"),
        Return::map("ansible_facts.mount_points.{mount}", "always", "A mount"),
        Return::text("ansible_facts.mount_points.{mount}.device", "always", "What is mounted"),
        Return::text("ansible_facts.mount_points.{mount}.mount", "always", "The directory"),
        Return::text("ansible_facts.mount_points.{mount}.fstype", "always", "The kind of file system"),
        Return::text("ansible_facts.mount_points.{mount}.options", "where the source tells them", "How it is mounted"),
        Return::text("ansible_facts.mount_points.{mount}.uuid", "always", "The device's UUID; null where it has none"),
        Return::map("ansible_facts.mount_points.{mount}.ansible_context", "always", "Where it was read"),
        Return::text("ansible_facts.mount_points.{mount}.ansible_context.source", "always", "The file, or `mount`"),
        Return::text("ansible_facts.mount_points.{mount}.ansible_context.source_data", "always", "The line"),
        Return::any(
            "ansible_facts.mount_points.{mount}.{field}",
            "where it is known",
            "`dump`, `passno`; `size_total`, `size_available`; `block_` and `inode_` with `total`, `available` and `used`; `block_size`",
        ),
        Return::list(
            "ansible_facts.aggregate_mounts",
            "always",
            "All mounts, with `include_aggregate_mounts`; else none",
        ),
        Return::any(
            "ansible_facts.aggregate_mounts[].{field}",
            "with `include_aggregate_mounts`",
            "As in `mount_points`",
        ),
        Return::text("ansible_facts.aggregate_mounts[].ansible_context.source", "as above", "As in `mount_points`"),
        Return::text(
            "ansible_facts.aggregate_mounts[].ansible_context.source_data",
            "as above",
            "As in `mount_points`",
        ),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if let Some(seconds) = self.timeout.filter(|seconds| *seconds <= 0.0 || !seconds.is_finite()) {
            let message = format!("argument 'timeout' must be a positive number or null, not {seconds}");
            return Err(ParameterError::new("timeout", message));
        }
        match self.sources.0.iter().any(|source| source.0.is_empty()) {
            true => Err(ParameterError::new("sources", "sources contains an empty string")),
            false => Ok(()),
        }
    }
}

/// What the host said of its sources.
#[derive(Default)]
struct Told {
    /// Name, real path and text of each.
    sources: Vec<(String, String, String)>,
    /// The UUIDs of devices.
    uuids: Vec<(String, String)>,
    /// Whether the program took too long.
    late: bool,
}

impl Told {
    fn read(text: &str) -> Told {
        let mut told = Told::default();
        for part in text.split('\u{1}').skip(1) {
            let mut lines = part.splitn(3, '\n');
            let (name, real) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            let text = lines.next().unwrap_or_default();
            match name {
                "uuids" => {
                    let pairs = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
                    told.uuids = pairs.filter_map(|p| Some((p.first()?.to_string(), p.get(1)?.to_string()))).collect();
                }
                "late" => told.late = true,
                _ => told.sources.push((name.to_owned(), real.to_owned(), text.to_owned())),
            }
        }
        told
    }

    fn uuid(&self, device: &str) -> Option<&str> {
        self.uuids.iter().find(|(known, _)| known == device).map(|(_, uuid)| uuid.as_str())
    }

    fn device(&self, uuid: &str) -> Option<&str> {
        self.uuids.iter().find(|(_, known)| known == uuid).map(|(device, _)| device.as_str())
    }
}

impl MountFacts {
    /// All sources that are asked for, and whether one is named twice.
    fn sources(&self) -> (Vec<&str>, bool) {
        let named = self.sources.0.iter().map(|source| source.0.as_str());
        let named: Vec<&str> = if self.sources.0.is_empty() { vec!["all"] } else { named.collect() };
        let mut all = Vec::new();
        for source in named {
            match source {
                "all" => all.extend(DYNAMIC.into_iter().chain(STATIC)),
                "dynamic" => all.extend(DYNAMIC),
                "static" => all.extend(STATIC),
                file => all.push(file),
            }
        }
        let mut seen = HashSet::new();
        let named = all.len();
        all.retain(|source| seen.insert(*source));
        let twice = all.len() < named;
        (all, twice)
    }

    fn limit(&self) -> String {
        self.timeout.map_or(String::new(), |seconds| format!("timeout -s KILL {seconds}"))
    }

    fn question(&self) -> Probe {
        let (sources, _) = self.sources();
        let asked = sources.contains(&"mount");
        let dynamic = sources.iter().any(|source| DYNAMIC.contains(source));
        let binary = self.mount_binary.as_ref().filter(|_| asked || dynamic).map_or("", |binary| &binary.0);
        let script = format!(
            "binary={} asked={} limit={}\nset -- {}\n{}",
            quote(binary),
            if asked { "yes" } else { "" },
            quote(&self.limit()),
            words(sources.iter().filter(|source| **source != "mount")),
            sh::file!("mount_facts/sources.sh"),
        );
        Probe::Script { script, reads: vec![Resource::Anything] }
    }

    fn sizes_question(&self, points: &[String]) -> Probe {
        let script =
            format!("limit={}\nset -- {}\n{}", quote(&self.limit()), words(points), sh::file!("mount_facts/sizes.sh"));
        Probe::Script { script, reads: vec![Resource::Anything] }
    }

    /// The mounts of all sources that fit, each with its source.
    fn mounts(&self, told: &Told) -> Vec<(String, Mount)> {
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        for (source, real, text) in &told.sources {
            if !seen.insert(real) {
                continue;
            }
            let mounts = if source == "mount" { tables::printed(text) } else { tables::file(text) };
            found.extend(mounts.into_iter().map(|mount| (source.clone(), mount)));
        }
        let fits = |list: &List<Text>, text: &str| list.0.is_empty() || list.0.iter().any(|p| fnmatch(&p.0, text));
        found.retain(|(_, mount)| {
            let device = mount.text("device");
            let device = device.strip_prefix("UUID=").and_then(|uuid| told.device(uuid)).unwrap_or(device);
            fits(&self.devices, device) && fits(&self.fstypes, mount.text("fstype"))
        });
        found
    }

    /// Tells of a mount that took too long, as it was asked for.
    fn late(&self, what: &str, plan: &mut Plan) -> Result<(), Failure> {
        let message = format!("{what} after {} seconds", self.timeout.unwrap_or_default());
        match self.on_timeout {
            OnTimeout::Error => return Err(Failure::new(message)),
            OnTimeout::Warn => plan.warnings.push(message),
            OnTimeout::Ignore => {}
        }
        Ok(())
    }

    /// The facts, the first mount of each directory by itself.
    fn facts(&self, mounts: Vec<(String, Mount)>, plan: &mut Plan) -> Map<String, Json> {
        let (mut points, mut all) = (Map::new(), Vec::new());
        let mut seen: HashMap<String, Vec<String>> = HashMap::new();
        let mut repeated: Vec<String> = Vec::new();
        for (source, mount) in mounts {
            let point = mount.text("mount").to_owned();
            let of_source = seen.entry(source.clone()).or_default();
            if of_source.contains(&point) && !repeated.contains(&source) {
                repeated.push(source);
            }
            of_source.push(point.clone());
            all.push(Json::Object(mount.fields.clone()));
            points.entry(point).or_insert(Json::Object(mount.fields));
        }
        if self.include_aggregate_mounts.is_none() && !repeated.is_empty() {
            plan.warnings.push(format!(
                "mount_facts: ignoring repeat mounts in the following sources: {}. You can disable this warning by configuring the 'include_aggregate_mounts' option as True or False.",
                repeated.join(", ")
            ));
        }
        let aggregate = if self.include_aggregate_mounts.is_some_and(|i| i.0) { all } else { Vec::new() };
        Map::from_iter([
            ("mount_points".to_owned(), Json::Object(points)),
            ("aggregate_mounts".to_owned(), Json::Array(aggregate)),
        ])
    }
}

/// The fields of a size as `stat` told it.
fn size(line: &str) -> Option<[(&'static str, u64); 9]> {
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [block, unit, blocks, available, inodes, free] = numbers[..] else { return None };
    Some([
        ("size_total", unit.saturating_mul(blocks)),
        ("size_available", unit.saturating_mul(available)),
        ("block_size", block),
        ("block_total", blocks),
        ("block_available", available),
        ("block_used", blocks.saturating_sub(available)),
        ("inode_total", inodes),
        ("inode_available", free),
        ("inode_used", inodes.saturating_sub(free)),
    ])
}

impl Module for MountFacts {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&self.question())?;
        if answer.status != 0 {
            return Err(Failure::said(answer).into());
        }
        let told = Told::read(&answer.text());
        let mut plan = Plan::default();
        let (sources, twice) = self.sources();
        if twice {
            plan.warnings.push(format!(
                "mount_facts option 'sources' contains duplicate entries, repeat sources will be ignored: {}",
                sources.join(", ")
            ));
        }
        if told.late {
            self.late("Timed out listing the mounts", &mut plan)?;
        }
        let mut mounts = self.mounts(&told);
        let mut points: Vec<String> = mounts.iter().map(|(_, mount)| mount.text("mount").to_owned()).collect();
        points.retain(|point| point.starts_with('/'));
        points.sort();
        points.dedup();
        let sizes = if points.is_empty() { String::new() } else { state.script(&self.sizes_question(&points))?.text() };
        let sizes: HashMap<&str, &str> = points.iter().map(String::as_str).zip(sizes.lines()).collect();
        for (source, mount) in &mut mounts {
            let (point, kind) = (mount.text("mount").to_owned(), mount.text("fstype").to_owned());
            match sizes.get(point.as_str()) {
                Some(&"late") => {
                    self.late(&format!("Timed out getting mount size for mount {point} (type {kind})"), &mut plan)?;
                }
                Some(line) => {
                    let fields = size(line).into_iter().flatten();
                    mount.fields.extend(fields.map(|(name, number)| (name.to_owned(), json!(number))));
                }
                None => {}
            }
            let device = mount.text("device");
            let uuid = device.strip_prefix("UUID=").or_else(|| told.uuid(device)).map(str::to_owned);
            let context = json!({ "source": source, "source_data": mount.line });
            mount.fields.insert("ansible_context".into(), context);
            mount.fields.insert("uuid".into(), json!(uuid));
        }
        let facts = self.facts(mounts, &mut plan);
        let Plan { effects, .. } = Plan::facts(facts);
        plan.effects = effects;
        Ok(plan)
    }
}
