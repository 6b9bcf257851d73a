//! `ansible.builtin.template`: a template of the workstation, rendered into a file of the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/template_module.html>

use schemars::JsonSchema;
use serde::Deserialize;

use super::copy::{Deploy, Source, unread};
use crate::{
    fact::{Probe, State},
    module::{
        Context, Described, Failure, Flag, Folder, Mode, Module, ParameterError, Plan, PlanError, Return, Returns,
        TemplateOptions, Text, local, ownership::Attributes, path, put, returns,
    },
    playbook::{About, LocalFile, SearchKind},
    python::encoding::{self, Encoding},
};

/// Parameters of `template`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The template, looked for in `templates/` of the role and beside the playbook.
    src: Text,
    /// Where to. With a slash at the end, or where a directory is, the file goes below it.
    dest: Text,
    /// Keep the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: Flag,
    /// Whether a file that differs is replaced; otherwise only a missing one is written.
    #[serde(default = "Flag::yes")]
    force: Flag,
    /// Whether a link at `dest` stands for its target; otherwise the link is replaced.
    #[serde(default)]
    follow: Flag,
    /// A command that checks the new file before it takes its place; `%s` is that file's name.
    validate: Option<Text>,
    /// Owner, by name or number.
    owner: Option<Text>,
    /// Group, by name or number.
    group: Option<Text>,
    /// Permissions, such as `'0644'` or `u=rw,g=r,o=`; `preserve` takes those of `src`.
    mode: Option<Mode>,
    /// What ends a line of the result: `\n`, `\r` or `\r\n`.
    #[serde(default = "newline")]
    newline_sequence: Text,
    /// Whether the newline behind a block is dropped.
    #[serde(default = "Flag::yes")]
    trim_blocks: Flag,
    /// Whether the white space before a block is dropped.
    #[serde(default)]
    lstrip_blocks: Flag,
    /// What begins a value in the template; `{{` if nothing is said.
    variable_start_string: Option<Text>,
    /// What ends a value.
    variable_end_string: Option<Text>,
    /// What begins a statement; `{%` if nothing is said.
    block_start_string: Option<Text>,
    /// What ends a statement.
    block_end_string: Option<Text>,
    /// What begins a comment; `{#` if nothing is said.
    comment_start_string: Option<Text>,
    /// What ends a comment.
    comment_end_string: Option<Text>,
    /// The encoding of the file, by Python's name: `utf-8`, `latin-1`, `cp1252`, `utf-16-le` and many more. The template is UTF-8.
    #[serde(default = "utf8")]
    output_encoding: Text,
}

fn newline() -> Text {
    Text("\n".to_owned())
}

fn utf8() -> Text {
    Text("utf-8".to_owned())
}

impl Described for Template {
    const NAME: &'static str = "ansible.builtin.template";
    const ABOUT: About = About {
        background: false,
        file: Some(LocalFile {
            parameter: "src",
            folder: SearchKind::Templates,
            template: Some(&[
                "block_start_string",
                "block_end_string",
                "variable_start_string",
                "variable_end_string",
                "comment_start_string",
                "comment_end_string",
            ]),
            remote: &[],
        }),
        writes_at: &["dest"],
        ..About::PLAIN
    };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Renders a template into a file of the host";
    const EXAMPLES: &'static str = "\
- name: the configuration
  ansible.builtin.template:
    src: example.conf.j2
    dest: /etc/example.conf
    owner: root
    group: root
    mode: '0644'
  notify: restart example
";
    const RETURNS: Returns = &[
        returns::FILE,
        returns::BACKUP,
        &[
            Return::text("dest", "always", "The path on the host"),
            Return::text("src", "always", "The template"),
            Return::text("checksum", "always", "The SHA-1 checksum of the file"),
            Return::text("md5sum", "always", "Its MD5 checksum"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        if self.newline().is_none() {
            return Err(ParameterError::new("newline_sequence", "it is none of \\n, \\r and \\r\\n"));
        }
        if Encoding::named(&self.output_encoding.0).is_none() {
            let message = format!("the encoding `{}` is not supported", self.output_encoding.0);
            return Err(ParameterError::new("output_encoding", message).help(format!("take {}", encoding::NAMES)));
        }
        if self.dest.0.is_empty() || self.src.0.is_empty() {
            return Err(ParameterError::task("src and dest are required"));
        }
        let delimiters = [
            (&self.variable_start_string, "variable_start_string"),
            (&self.variable_end_string, "variable_end_string"),
            (&self.block_start_string, "block_start_string"),
            (&self.block_end_string, "block_end_string"),
            (&self.comment_start_string, "comment_start_string"),
            (&self.comment_end_string, "comment_end_string"),
        ];
        for (given, name) in delimiters {
            if given.as_ref().is_some_and(|text| text.0.is_empty()) {
                return Err(ParameterError::new(name, "it is empty"));
            }
        }
        put::check_validate(self.validate.as_ref().map(|v| v.0.as_str()))
    }
}

impl Template {
    fn newline(&self) -> Option<&'static str> {
        match self.newline_sequence.0.as_str() {
            "\n" | "\\n" => Some("\n"),
            "\r" | "\\r" => Some("\r"),
            "\r\n" | "\\r\\n" => Some("\r\n"),
            _ => None,
        }
    }

    fn render(&self, context: &Context<'_>) -> Result<Source, Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        let found = context.controller.find(Folder::Templates, &self.src.0)?;
        let plain = TemplateOptions::default();
        let named = |given: &Option<Text>, otherwise: String| given.as_ref().map_or(otherwise, |text| text.0.clone());
        let options = TemplateOptions {
            trim_blocks: self.trim_blocks.0,
            lstrip_blocks: self.lstrip_blocks.0,
            newline_sequence: self.newline().unwrap_or("\n").to_owned(),
            variable_start_string: named(&self.variable_start_string, plain.variable_start_string),
            variable_end_string: named(&self.variable_end_string, plain.variable_end_string),
            block_start_string: named(&self.block_start_string, plain.block_start_string),
            block_end_string: named(&self.block_end_string, plain.block_end_string),
            comment_start_string: named(&self.comment_start_string, plain.comment_start_string),
            comment_end_string: named(&self.comment_end_string, plain.comment_end_string),
            ..plain
        };
        let text = context.controller.render(&found, &options)?;
        let encoding = Encoding::named(&self.output_encoding.0).unwrap_or(Encoding::Utf8);
        let lacking = |c: char| {
            let named = &self.output_encoding.0;
            Failure::new(format!("`{c}` does not exist in the encoding `{named}`")).with("src", local::absolute(&found))
        };
        let mut source = Source::bytes(encoding.encode(&text).map_err(lacking)?, Some(path::name(&self.src.0)));
        source.shown = local::absolute(&found);
        if self.mode == Some(Mode::Preserve) {
            let unreadable = |e: std::io::Error| Failure::new(format!("cannot read `{}`: {e}", found.display()));
            source.mode = Some(std::fs::metadata(&found).map_err(unreadable)?.permissions().mode() & 0o7777);
        }
        Ok(source)
    }

    fn deploy<'a>(&'a self, source: &'a Source) -> Deploy<'a> {
        Deploy {
            dest: &self.dest.0,
            source,
            attributes: Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref()),
            directory_mode: None,
            force: self.force.0,
            follow: self.follow.0,
            backup: self.backup.0,
            validate: self.validate.as_ref().map(|v| v.0.as_str()),
            directory_ok: true,
        }
    }
}

impl Module for Template {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        // What is asked depends on the name alone: the template is rendered once, for the plan.
        let source = Source::bytes(Vec::new(), Some(path::name(&self.src.0)));
        self.deploy(&source).probe(context, state).unwrap_or_else(unread)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let source = self.render(context)?;
        self.deploy(&source).plan(context, state)
    }
}
