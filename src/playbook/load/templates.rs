//! The syntax of templates and conditions, and of the template files that tasks name.

use super::reader::Reader;
use super::search::search;
use super::values::{has_template, is_template, is_whole_template, truth};
use crate::playbook::{About, Args, Diagnostic, Scope};
use crate::template::TemplateError;
use crate::yaml::{Node, Value, read_source};

impl Reader<'_> {
    /// Checks the templates in a value and in all it holds.
    pub(super) fn templates(&mut self, node: &Node) {
        let problems = self.loader.engine.check_tree(node);
        self.template_errors(problems);
    }

    /// Checks one condition: an expression without braces. With braces it is rendered first, as Ansible does, and said to be written better.
    pub(super) fn condition(&mut self, keyword: &str, node: &Node) {
        let Value::String { text, unsafe_text: false } = &node.value else { return };
        if is_whole_template(text) {
            let expression = text.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
            let problem = Diagnostic::warning(&node.span, format!("`{keyword}` is a template already"));
            self.report(problem.label("braces that are not needed").help(format!(
                "write `{keyword}: {expression}`; braces are for a variable whose text is a condition itself"
            )));
        } else if has_template(text) {
            let problem =
                Diagnostic::warning(&node.span, format!("`{keyword}` holds a template inside of an expression"));
            let better =
                without_braces(text).filter(|better| self.loader.engine.check_expression(better, None).is_empty());
            let help = match (better, text.contains("{%")) {
                (Some(better), false) => format!("write the variable's name alone: `{better}`"),
                (_, true) => "write an expression without blocks, such as `a and not b`".to_owned(),
                (None, false) => {
                    "write an expression without braces; `~` puts texts together: `'a ' ~ name`".to_owned()
                }
            };
            self.report(problem.label("rendered first, then read as a condition").help(help));
            self.templates(node);
            return;
        }
        let problems = self.loader.engine.check_expression(text, Some(&node.span));
        // Nothing keeps a condition from being read but those around it.
        let conditional = std::mem::replace(&mut self.conditional, self.enclosed);
        self.template_errors(problems);
        self.conditional = conditional;
    }

    fn template_errors(&mut self, problems: Vec<TemplateError>) {
        self.report_running(problems.into_iter().map(Diagnostic::from));
    }

    /// Checks the template that a task names, and that a file of this machine is there.
    pub(super) fn named_files(&mut self, about: &About, args: &Args, scope: &Scope) {
        let Some(file) = about.file else { return };
        let get = |name: &str| args.iter().find(|(k, _)| k.as_str() == Some(name)).map(|(_, v)| v);
        let Some(src) = get(file.parameter).filter(|s| s.as_str().is_some() && !is_template(s)) else { return };
        // What is a template may be either.
        let remote = |(flag, value): &(&str, bool)| get(flag).is_some_and(|given| truth(given) != Some(!*value));
        if file.remote.iter().any(remote) {
            return;
        }
        let what = if file.template.is_some() { "template" } else { "file" };
        match (search(file.folder, &src.key_text(), scope), file.template) {
            (Err(missing), _) => self.named_file_missing(what, src, &missing.tried, scope),
            (Ok(_), None) => {}
            (Ok(path), Some(delimiters)) => {
                // With delimiters of its own it cannot be checked as usual.
                let changed = args.iter().any(|(k, _)| delimiters.contains(&k.key_text().as_str()));
                let source =
                    read_source(&path).ok().filter(|s| !changed && !crate::vault::is_encrypted(s.text.as_bytes()));
                if let Some(source) = source {
                    let problems = self.loader.engine.check_file(&source);
                    self.template_errors(problems);
                }
            }
        }
    }

    /// A file that is not there may still be made by an earlier task on this machine: it is a warning.
    fn named_file_missing(&mut self, what: &str, src: &Node, tried: &[std::path::PathBuf], scope: &Scope) {
        if !scope.whens().is_empty() {
            return;
        }
        let near = tried.iter().find_map(|t| super::playbook::near_file(t));
        let help = near.map_or_else(|| super::search::tried_text(tried), |n| format!("did you mean `{n}`?"));
        let problem = Diagnostic::warning(&src.span, format!("the {what} `{}` is not there (yet)", src.key_text()));
        self.report(problem.label("not found").help(help));
    }
}

/// The expression that was meant: braces taken away, and quotes that stand around them. None where they stand in a longer text.
fn without_braces(text: &str) -> Option<String> {
    let (mut out, mut quote, mut rest) = (String::new(), None, text);
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        if rest.starts_with("{{") {
            let (inside, after) = rest[2..].split_once("}}")?;
            // In a text that has nothing else in it, the quotes are those of the value.
            if let Some(open) = quote {
                (out.ends_with(open) && after.starts_with(open)).then_some(())?;
                out.pop();
                quote = None;
                rest = after.get(1..)?;
            } else {
                rest = after;
            }
            out.push_str(inside.trim());
            continue;
        }
        match quote {
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        out.push(c);
        rest = behind;
    }
    Some(out.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::without_braces;

    #[test]
    fn braces_are_taken_away_where_what_is_left_means_the_same() {
        for (written, better) in [
            ("{{ a }} == 'x'", Some("a == 'x'")),
            ("'{{ a }}' == \"{{ b }}\"", Some("a == b")),
            ("x in [{{ a }}]", Some("x in [a]")),
            ("not {{ a }}", Some("not a")),
            ("'172.29.0.1 {{ a }} {{ b }}' in content", None),
            ("content == '{{ a }} x'", None),
        ] {
            assert_eq!(without_braces(written).as_deref(), better, "{written}");
        }
    }
}
