//! `ansible.builtin.assemble`: one file from fragments.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/assemble_module.html>

use std::fs;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::copy::{Deploy, Source, unread};
use crate::{
    fact::{FileKind, Missing, Probe, State},
    module::{
        Context, Described, Failure, Flag, Folder, Mode, Module, ParameterError, Plan, PlanError, Return, Returns,
        Text, ownership::Attributes, path, put, regexp::Pattern, returns, tree,
    },
    playbook::About,
};

/// Parameters of `assemble`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assemble {
    /// The directory of the fragments, on the host unless `remote_src` is false. They are taken in order of their names.
    src: Text,
    /// The file they are put together in.
    dest: Text,
    /// Whether `src` is on the host.
    #[serde(default = "Flag::yes")]
    remote_src: Flag,
    /// What is put between two fragments.
    delimiter: Option<Text>,
    /// Take only fragments whose names match.
    regexp: Option<Text>,
    /// Leave out fragments whose names begin with a dot.
    #[serde(default)]
    ignore_hidden: Flag,
    /// Keep the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: Flag,
    /// A command that checks the new file before it takes its place; `%s` is that file's name.
    validate: Option<Text>,
    /// Whether fragments encrypted by `vault` are decrypted on the way.
    #[serde(default = "Flag::yes")]
    decrypt: Flag,
    /// Owner, by name or number.
    owner: Option<Text>,
    /// Group, by name or number.
    group: Option<Text>,
    /// Permissions, such as `'0644'` or `u=rw,g=r,o=`.
    mode: Option<Mode>,
}

impl Described for Assemble {
    const NAME: &'static str = "ansible.builtin.assemble";
    const ABOUT: About = About { background: false, writes_at: &["dest"], ..About::PLAIN };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Puts a file together from fragments";
    const EXAMPLES: &'static str = "\
- name: one configuration from many
  ansible.builtin.assemble:
    src: /etc/example/conf.d
    dest: /etc/example/example.conf
    delimiter: '### next'
";
    const RETURNS: Returns = &[
        returns::FILE,
        returns::BACKUP,
        &[
            Return::text("dest", "always", "The file that was put together"),
            Return::text("src", "always", "The directory of its parts"),
            Return::text("checksum", "always", "Its SHA-1 checksum"),
            Return::text("md5sum", "when it changed", "Its MD5 checksum"),
            Return::text("msg", "always", "`OK`"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        if let Some(regexp) = &self.regexp {
            Pattern::new(&regexp.0, false).map_err(|why| ParameterError::new("regexp", why))?;
        }
        if self.mode == Some(Mode::Preserve) {
            return Err(ParameterError::new("mode", "many fragments have no one mode that could be preserved"));
        }
        put::check_validate(self.validate.as_ref().map(|v| v.0.as_str()))
    }
}

impl Assemble {
    fn wanted(&self, name: &str) -> Result<bool, Failure> {
        if self.ignore_hidden.0 && name.starts_with('.') {
            return Ok(false);
        }
        match &self.regexp {
            None => Ok(true),
            Some(regexp) => {
                let pattern = Pattern::new(&regexp.0, false).map_err(Failure::new)?;
                pattern.matches(name).map_err(Failure::new)
            }
        }
    }

    /// The fragments' paths on the host, in order.
    fn names(&self, state: &State, src: &str) -> Result<Vec<String>, PlanError> {
        let mut names = Vec::new();
        for entry in tree::entries(state, src, true)? {
            let direct = path::parent(&entry.path) == src;
            if direct && entry.stat.kind == FileKind::File && self.wanted(path::name(&entry.path))? {
                names.push(entry.path);
            }
        }
        Ok(names)
    }

    /// Puts fragments together: each ends its line before a delimiter, as Ansible has it.
    fn joined<'b>(&self, fragments: impl Iterator<Item = &'b [u8]>) -> Vec<u8> {
        let delimiter = self.delimiter.as_ref().map(|d| d.0.replace("\\n", "\n"));
        let mut all: Vec<u8> = Vec::new();
        let (mut ended, mut first) = (true, true);
        for fragment in fragments {
            if !ended {
                all.push(b'\n');
            }
            if let (Some(delimiter), false) = (&delimiter, first) {
                all.extend_from_slice(delimiter.as_bytes());
                if !delimiter.ends_with('\n') {
                    all.push(b'\n');
                }
            }
            all.extend_from_slice(fragment);
            first = false;
            ended = fragment.ends_with(b"\n");
        }
        all
    }

    fn content(&self, context: &Context<'_>, state: &State) -> Result<Source, PlanError> {
        if self.remote_src.0 {
            let src = path::absolute(context, state, &self.src.0)?;
            match state.stat(&src, true)?.map(|s| s.kind) {
                None => return Err(Failure::new(format!("Source ({src}) does not exist")).into()),
                Some(FileKind::Directory) => {}
                Some(_) => return Err(Failure::new(format!("Source ({src}) is not a directory")).into()),
            }
            let mut fragments = Vec::new();
            for name in self.names(state, &src)? {
                let bytes = state.content(&name)?;
                fragments.push(bytes.ok_or_else(|| Failure::new(format!("`{name}` cannot be read")))?);
            }
            return Ok(Source::bytes(self.joined(fragments.into_iter()), None));
        }
        let found = context.controller.find(Folder::Files, &self.src.0)?;
        let unreadable = |e: std::io::Error| Failure::new(format!("cannot read `{}`: {e}", found.display()));
        let mut names: Vec<_> = fs::read_dir(&found)
            .map_err(unreadable)?
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        names.sort();
        let mut fragments = Vec::new();
        for name in names {
            let text = name.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if name.is_file() && self.wanted(&text)? {
                fragments.push(match self.decrypt.0 {
                    true => context.controller.read(&name)?,
                    false => fs::read(&name).map_err(unreadable)?.into(),
                });
            }
        }
        Ok(Source::bytes(self.joined(fragments.iter().map(|f| &**f)), None))
    }

    fn deploy<'a>(&'a self, source: &'a Source) -> Deploy<'a> {
        Deploy {
            dest: &self.dest.0,
            source,
            attributes: Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref()),
            directory_mode: None,
            force: true,
            follow: false,
            backup: self.backup.0,
            validate: self.validate.as_ref().map(|v| v.0.as_str()),
            directory_ok: false,
        }
    }
}

impl Module for Assemble {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let empty = Source::bytes(Vec::new(), None);
        let mut probes = self.deploy(&empty).probe(context, state).unwrap_or_else(unread);
        if !self.remote_src.0 {
            return probes;
        }
        let src = match path::absolute(context, state, &self.src.0) {
            Ok(src) => src,
            Err(missing) => return unread(missing),
        };
        probes.extend([Probe::Stat { path: src.clone(), follow: true }, tree::probe(&src, true)]);
        if let Ok(names) = self.names(state, &src) {
            probes.extend(names.into_iter().map(|path| Probe::Content { path }));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let source = match self.content(context, state) {
            Err(PlanError::Missing(Missing::Failed(why))) => return Err(Failure::new(why).into()),
            other => other?,
        };
        let mut plan = self.deploy(&source).plan(context, state)?;
        plan.result.insert("src".into(), json!(self.src.0));
        plan.result.insert("msg".into(), json!("OK"));
        if let Some(diff) = plan.diff.first().filter(|_| context.diff) {
            plan.result.insert("diff".into(), diff.field());
        }
        Ok(plan)
    }
}
