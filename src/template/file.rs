//! Template files, as Ansible's `template` module renders them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use minijinja::syntax::SyntaxConfig;

use crate::yaml::{Source, Span};

use super::context::{Context, Root, inside_file};
use super::engine::{Engine, Sheet, Unit, with_newlines};
use super::error::{Kind, TemplateError, carry};
use super::explain::explain;
use super::rewrite::{self, Edits, Mode};

/// Finds a template file by the name an `include`, `import` or `extends` gives.
pub type Loader = Arc<dyn Fn(&str) -> Option<Arc<Source>> + Send + Sync>;

/// How a template file is read: the parameters of the `template` module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// Whether the newline after a block is dropped.
    pub trim_blocks: bool,
    /// Whether blanks before a block are dropped.
    pub lstrip_blocks: bool,
    /// What newlines of the template become: `\n`, `\r` or `\r\n`.
    pub newline_sequence: String,
    /// Whether the newline at the end of the file stays. Ansible keeps it.
    pub keep_trailing_newline: bool,
    /// `{{` or what stands for it.
    pub variable_start_string: String,
    /// `}}` or what stands for it.
    pub variable_end_string: String,
    /// `{%` or what stands for it.
    pub block_start_string: String,
    /// `%}` or what stands for it.
    pub block_end_string: String,
    /// `{#` or what stands for it.
    pub comment_start_string: String,
    /// `#}` or what stands for it.
    pub comment_end_string: String,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions {
            trim_blocks: true,
            lstrip_blocks: false,
            newline_sequence: "\n".to_owned(),
            keep_trailing_newline: true,
            variable_start_string: "{{".to_owned(),
            variable_end_string: "}}".to_owned(),
            block_start_string: "{%".to_owned(),
            block_end_string: "%}".to_owned(),
            comment_start_string: "{#".to_owned(),
            comment_end_string: "#}".to_owned(),
        }
    }
}

impl FileOptions {
    fn syntax(&self) -> Result<SyntaxConfig, minijinja::Error> {
        let mut builder = SyntaxConfig::builder();
        builder.trim_blocks(self.trim_blocks).lstrip_blocks(self.lstrip_blocks);
        builder.variable_delimiters(self.variable_start_string.clone(), self.variable_end_string.clone());
        builder.block_delimiters(self.block_start_string.clone(), self.block_end_string.clone());
        builder.comment_delimiters(self.comment_start_string.clone(), self.comment_end_string.clone());
        builder.build()
    }

    /// Reads a `#jinja2: name:value, …` line.
    fn header(&mut self, line: &str) -> Result<(), String> {
        for pair in line.split(',') {
            let (name, value) = pair.split_once(':').ok_or_else(|| format!("`{}` is not `name:value`", pair.trim()))?;
            let (name, value) = (name.trim(), value.trim());
            let flag = || match value.to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(format!("`{name}` must be True or False, not `{value}`")),
            };
            let string = || value.trim_matches(['\'', '"']).replace("\\r", "\r").replace("\\n", "\n");
            match name {
                "trim_blocks" => self.trim_blocks = flag()?,
                "lstrip_blocks" => self.lstrip_blocks = flag()?,
                "keep_trailing_newline" => self.keep_trailing_newline = flag()?,
                "newline_sequence" => self.newline_sequence = string(),
                "variable_start_string" => self.variable_start_string = string(),
                "variable_end_string" => self.variable_end_string = string(),
                "block_start_string" => self.block_start_string = string(),
                "block_end_string" => self.block_end_string = string(),
                "comment_start_string" => self.comment_start_string = string(),
                "comment_end_string" => self.comment_end_string = string(),
                _ => return Err(format!("`{name}` is not an option of a template file")),
            }
        }
        Ok(())
    }
}

/// The files a rendering has read, by the name the engine knows them by.
#[derive(Default)]
pub(crate) struct Loaded(Mutex<HashMap<String, Read>>);

/// A file and what was changed in it before the engine saw it.
type Read = (Arc<Source>, Arc<Edits>);

impl Loaded {
    fn put(&self, name: &str, source: Arc<Source>, edits: Arc<Edits>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), (source, edits));
    }

    pub(crate) fn get(&self, name: &str) -> Option<Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

const HEADER: &str = "#jinja2:";

impl Engine {
    /// Renders a template file. A first line `#jinja2: trim_blocks:False, …` changes the options.
    pub fn render_file(
        &self,
        source: &Arc<Source>,
        options: &FileOptions,
        loader: &Loader,
        vars: &Context,
    ) -> Result<String, TemplateError> {
        let mut options = options.clone();
        let skip = header(source, &mut options)?;
        let syntax = options.syntax().map_err(|error| {
            let span = Span { source: source.clone(), start: 0, end: skip };
            TemplateError::new(Kind::Syntax(error.detail().unwrap_or("wrong delimiters").to_owned()), Some(span))
        })?;
        let loaded = Arc::new(Loaded::default());
        let mut env = (*self.env).clone();
        env.set_syntax(syntax.clone());
        let (files, load, sub) = (loaded.clone(), loader.clone(), syntax.clone());
        env.set_loader(move |name: &str| -> Result<Option<String>, minijinja::Error> {
            let Some(found) = load(name) else { return Ok(None) };
            let span = Span { source: found.clone(), start: 0, end: found.text.len() };
            Unit::plain(&found.text, Some(&span)).guard(&found.text, Mode::File, &sub).map_err(carry)?;
            let edits = rewrite::edits(&found.text, Mode::File, &sub);
            let changed = edits.apply(&found.text).into_owned();
            files.put(name, found, Arc::new(edits));
            Ok(Some(changed))
        });
        let body = source.text.get(skip..).unwrap_or_default();
        let body = newlines(body, &options.newline_sequence);
        let span = Span { source: source.clone(), start: 0, end: source.text.len() };
        let mut unit = Unit::plain(&source.text, Some(&span));
        unit.header = skip;
        unit.guard(&body, Mode::File, &syntax)?;
        let edits = rewrite::edits(&body, Mode::File, &syntax);
        let changed = edits.apply(&body).into_owned();
        unit.by_line = source.text.get(skip..) != Some(body.as_str());
        unit.files = Some(&loaded);
        unit.edits = edits;
        let _inside = inside_file(&source.name).map_err(|error| error.at(Some(span.clone())))?;
        let mut sheet = Sheet::default();
        env.template_from_named_str("<file>", &changed)
            .and_then(|template| {
                template.render_captured_to(Value::from_object(Root(vars.inner.clone())), &mut sheet).map(|_| ())
            })
            .map_err(|error| explain(&error, &unit, &vars.inner))?;
        let text = sheet.text();
        if !options.keep_trailing_newline {
            return Ok(text);
        }
        let shown = with_newlines(&body.replace("\r\n", "\n"), Value::from(text));
        Ok(shown.to_string())
    }
}

fn header(source: &Arc<Source>, options: &mut FileOptions) -> Result<usize, TemplateError> {
    let Some(rest) = source.text.strip_prefix(HEADER) else { return Ok(0) };
    let line = rest.lines().next().unwrap_or_default();
    let end = HEADER.len() + line.len();
    options.header(line).map_err(|message| {
        let span = Span { source: source.clone(), start: 0, end };
        TemplateError::new(Kind::Syntax(format!("wrong `#jinja2:` line: {message}")), Some(span))
    })?;
    let newline = source.text.get(end..).unwrap_or_default();
    Ok(end + newline.len().min(if newline.starts_with("\r\n") { 2 } else { usize::from(newline.starts_with('\n')) }))
}

/// How long the `#jinja2:` line of a text is, and the delimiters it sets.
pub(crate) fn preamble(text: &str) -> (usize, Option<SyntaxConfig>) {
    let mut options = FileOptions::default();
    let source = Arc::new(Source { name: String::new(), text: text.to_owned() });
    match header(&source, &mut options) {
        Ok(0) | Err(_) => (0, None),
        Ok(skip) => (skip, options.syntax().ok()),
    }
}

/// Brings all newlines of a template to one form.
fn newlines(body: &str, sequence: &str) -> String {
    let unix = if body.contains('\r') { body.replace("\r\n", "\n").replace('\r', "\n") } else { body.to_owned() };
    if sequence == "\n" { unix } else { unix.replace('\n', sequence) }
}

/// Makes a loader that finds nothing.
pub fn no_loader() -> Loader {
    Arc::new(|_| None)
}
