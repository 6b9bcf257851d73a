//! `ansible.builtin.copy`: files and directories of the workstation, of the host, or a given content.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/copy_module.html>

mod deploy;
mod remote;
mod tree;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

pub(in crate::module) use self::deploy::{Deploy, Source, parent_of};
use crate::{
    fact::{Missing, Probe, State},
    module::{
        Content, Context, Described, Failure, Flag, Folder, Mode, Module, ParameterError, Plan, PlanError, Return,
        Returns, StepOutput, Text, default_finish, local, ownership::Attributes, path, put, returns,
    },
    playbook::{About, LocalFile, SearchKind},
};

/// Parameters of `copy`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// A file or directory of the workstation, looked for in `files/` of the role and beside the playbook; with
    /// `remote_src` one of the host. A directory with a slash at its end stands for what is in it.
    src: Option<Text>,
    /// The content itself, in the place of `src`. A mapping or list is written as JSON.
    content: Option<Json>,
    /// Where to. With a slash at the end, or where a directory is, the file goes below it.
    #[serde(default)]
    dest: Text,
    /// Keep the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: Flag,
    /// Whether a file that differs is replaced; otherwise only a missing one is written.
    #[serde(default = "Flag::yes", alias = "thirsty")]
    #[schemars(extend("x-aliases" = ["thirsty"]))]
    force: Flag,
    /// Whether a link at `dest` stands for its target; otherwise the link is replaced.
    #[serde(default)]
    follow: Flag,
    /// Whether links within a copied directory stand for their targets; otherwise they are copied as links. By default they do for a
    /// directory of the workstation, and do not with `remote_src`.
    local_follow: Option<Flag>,
    /// Whether `src` is on the host.
    #[serde(default)]
    remote_src: Flag,
    /// A command that checks the new file before it takes its place; `%s` is that file's name.
    validate: Option<Text>,
    /// The SHA-1 that the content must have.
    checksum: Option<Text>,
    /// Whether a file encrypted by `vault` is decrypted on the way.
    #[serde(default = "Flag::yes")]
    decrypt: Flag,
    /// Owner, by name or number.
    owner: Option<Text>,
    /// Group, by name or number.
    group: Option<Text>,
    /// Permissions, such as `'0644'` or `u=rw,g=r,o=`; `preserve` takes those of `src`.
    mode: Option<Mode>,
    /// Permissions of directories that are created; all directories of a copied tree get them.
    directory_mode: Option<Mode>,
}

impl Described for Copy {
    const NAME: &'static str = "ansible.builtin.copy";
    const ABOUT: About = About {
        background: false,
        file: Some(LocalFile {
            parameter: "src",
            folder: SearchKind::Files,
            template: None,
            remote: &[("remote_src", true)],
        }),
        writes_at: &["dest"],
        ..About::PLAIN
    };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Copies files to the host";
    const EXAMPLES: &'static str = "\
- name: a file that comes with the role
  ansible.builtin.copy:
    src: example.conf
    dest: /etc/example.conf
    owner: root
    group: root
    mode: '0644'

- name: a short text
  ansible.builtin.copy:
    content: \"hello\\n\"
    dest: /etc/motd

- name: sudoers is checked before it is replaced
  ansible.builtin.copy:
    src: sudoers.d/deploy
    dest: /etc/sudoers.d/deploy
    mode: '0440'
    validate: /usr/sbin/visudo -csf %s
";
    const RETURNS: Returns = &[
        returns::FILE,
        returns::BACKUP,
        &[
            Return::text("dest", "always", "The path on the host"),
            Return::text(
                "src",
                "always",
                "What was copied: a path of the workstation, or with `remote_src` one of the host",
            ),
            Return::text("checksum", "when one file was copied", "The SHA-1 checksum of the file as it is now"),
            Return::text("md5sum", "when one file was copied", "Its MD5 checksum"),
            Return::text("expected_checksum", "when it is not the one that `checksum` gives", "What `checksum` gives"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        match (&self.src, &self.content) {
            (None, None) => return Err(ParameterError::task("src (or content) is required")),
            (Some(_), Some(_)) => return Err(ParameterError::task("src and content are mutually exclusive")),
            (Some(src), None) if src.0.is_empty() => return Err(ParameterError::task("src (or content) is required")),
            (None, Some(_)) if self.dest.0.ends_with('/') => {
                return Err(ParameterError::new("dest", "can not use content with a dir as dest")
                    .help("name the file, without a slash at the end"));
            }
            (None, Some(_)) if self.mode == Some(Mode::Preserve) => {
                return Err(ParameterError::new("mode", "a content has no mode that could be preserved"));
            }
            (None, Some(_)) if self.remote_src.0 => {
                return Err(ParameterError::new("remote_src", "`remote_src` needs `src`"));
            }
            _ => {}
        }
        if self.dest.0.is_empty() {
            return Err(ParameterError::task("dest is required"));
        }
        put::check_validate(self.validate.as_ref().map(|v| v.0.as_str()))
    }
}

impl Module for Copy {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let probes = if self.remote_src.0 {
            self.probe_remote(context, state)
        } else {
            match self.local(context) {
                Ok(Local::File(source)) => self.deploy(&source).probe(context, state),
                Ok(Local::Directory(top)) => self.probe_tree(context, state, &top),
                Err(_) => Ok(Vec::new()),
            }
        };
        probes.unwrap_or_else(unread)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        if self.remote_src.0 {
            return self.plan_remote(context, state);
        }
        match self.local(context)? {
            Local::File(source) => self.deploy(&source).plan(context, state),
            Local::Directory(top) => self.plan_tree(context, state, &top),
        }
    }

    fn finish(&self, context: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = default_finish(plan, outputs)?;
        if plan.would_change() && !self.remote_src.0 && !result.contains_key("checksum") {
            if let Local::File(source) = self.local(context)? {
                result.insert("checksum".into(), Json::String(local::sha1(&source.content)?));
            }
        }
        Ok(result)
    }
}

/// The question behind an answer that is missing.
pub(in crate::module) fn unread(missing: Missing) -> Vec<Probe> {
    match missing {
        Missing::Unread(probe) => vec![*probe],
        _ => Vec::new(),
    }
}

/// What is copied from the workstation.
enum Local {
    File(Source),
    Directory(std::path::PathBuf),
}

impl Copy {
    /// Finds what is to be sent.
    fn local(&self, context: &Context<'_>) -> Result<Local, Failure> {
        if let Some(content) = &self.content {
            return Ok(Local::File(Source::bytes(text_of(content).into_bytes(), None)));
        }
        let written = self.src.as_ref().map_or("", |s| s.0.as_str());
        let found = context.controller.find(Folder::Files, written.trim_end_matches('/'))?;
        if found.is_dir() {
            return Ok(Local::Directory(found));
        }
        let file = local::load(context, &found, self.decrypt.0)?;
        if self.checksum.is_some() {
            self.expected(&local::sha1(&file.content)?)?;
        }
        Ok(Local::File(Source {
            content: file.content,
            mode: Some(file.mode),
            name: path::name(written).to_owned(),
            shown: local::absolute(&found),
        }))
    }

    /// Compares with the SHA-1 that the task expects.
    fn expected(&self, sha1: &str) -> Result<(), Failure> {
        match &self.checksum {
            Some(expected) if !expected.0.eq_ignore_ascii_case(sha1) => {
                Err(Failure::new("Copied file does not match the expected checksum. Transfer failed.")
                    .with("checksum", sha1)
                    .with("expected_checksum", expected.0.as_str()))
            }
            _ => Ok(()),
        }
    }

    fn deploy<'a>(&'a self, source: &'a Source) -> Deploy<'a> {
        Deploy {
            dest: &self.dest.0,
            source,
            attributes: self.attributes(),
            directory_mode: self.directory_mode.as_ref(),
            force: self.force.0,
            follow: self.follow.0,
            backup: self.backup.0,
            validate: self.validate.as_ref().map(|v| v.0.as_str()),
            directory_ok: self.content.is_none(),
        }
    }

    /// Whether links of a directory stand for their targets.
    fn follows_links(&self) -> bool {
        self.local_follow.map_or(!self.remote_src.0, |f| f.0)
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref())
    }

    fn directory_attributes(&self) -> Attributes<'_> {
        Attributes { mode: self.directory_mode.as_ref(), ..self.attributes() }
    }
}

/// A content parameter as text: mappings and lists become JSON, as Ansible has it.
fn text_of(content: &Json) -> String {
    match content {
        Json::String(text) => text.clone(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Null => String::new(),
        other => python_json(other),
    }
}

/// JSON with a space behind each comma and colon, as Python writes it.
fn python_json(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(python_json).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let pairs = map.iter().map(|(k, v)| format!("{}: {}", ascii(&Json::from(k.as_str())), python_json(v)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => ascii(other),
    }
}

/// A JSON scalar with everything beyond ASCII escaped, as Python writes it.
fn ascii(value: &Json) -> String {
    let mut text = String::new();
    for unit in value.to_string().chars() {
        match unit {
            c if c.is_ascii() => text.push(c),
            c => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|u| text.push_str(&format!("\\u{u:04x}")));
            }
        }
    }
    text
}

/// A local content in memory.
impl Source {
    pub(in crate::module) fn bytes(bytes: Vec<u8>, name: Option<&str>) -> Source {
        Source {
            content: Content::Bytes(bytes.into()),
            mode: None,
            name: name.unwrap_or_default().to_owned(),
            shown: deploy::GENERATED.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contents_are_written_as_python_writes_them() {
        assert_eq!(text_of(&json!({"a": [1, "é"], "b": null})), r#"{"a": [1, "\u00e9"], "b": null}"#);
        assert_eq!(text_of(&json!("x")), "x");
    }
}
