//! `ansible.builtin.debconf`: answers to what Debian packages ask as they are installed.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/debconf_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, Text,
    },
    sh::quote,
};

/// Parameters of `debconf`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Debconf {
    /// The package that asks.
    #[serde(alias = "pkg")]
    #[schemars(extend("x-aliases" = ["pkg"]))]
    name: Text,
    /// The question, such as `tzdata/Areas`; without one all answers are told.
    #[serde(default, alias = "selection", alias = "setting")]
    #[schemars(extend("x-aliases" = ["selection", "setting"]))]
    question: Option<Text>,
    /// The kind of question.
    #[serde(default)]
    vtype: Option<Kind>,
    /// The answer.
    #[serde(default, alias = "answer")]
    #[schemars(extend("x-aliases" = ["answer"]))]
    value: Option<Json>,
    /// Whether it still counts as not asked.
    #[serde(default)]
    unseen: Flag,
}

/// The kinds of questions, debconf-devel(7).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// None: something to read.
    Error,
    /// Several of a list, separated by commas.
    Multiselect,
    /// Something to read.
    Note,
    /// Something secret, which debconf forgets when it has been used.
    Password,
    /// Whether it was asked.
    Seen,
    /// One of a list.
    Select,
    /// A line.
    String,
    /// Some text.
    Text,
    /// A heading.
    Title,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Boolean => "boolean",
            Kind::Error => "error",
            Kind::Multiselect => "multiselect",
            Kind::Note => "note",
            Kind::Password => "password",
            Kind::Seen => "seen",
            Kind::Select => "select",
            Kind::String => "string",
            Kind::Text => "text",
            Kind::Title => "title",
        }
    }
}

impl Described for Debconf {
    const NAME: &'static str = "ansible.builtin.debconf";
    const SUMMARY: &'static str = "Answers the questions of Debian packages";
    const EXAMPLES: &'static str = "\
- name: Answer what the mail server asks
  ansible.builtin.debconf:
    name: postfix
    question: postfix/main_mailer_type
    vtype: select
    value: Satellite system
";
    const RETURNS: Returns = &[&[
        Return::map("current", "with a question, but for passwords", "The question and its answer as it is now"),
        Return::map("previous", "with a question, but for passwords", "The question and its answer as it was"),
        Return::text("msg", "without a question to answer, and for passwords", "Nothing"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let fine = |t: &Text| !t.0.is_empty() && !t.0.starts_with('-') && !t.0.contains(char::is_whitespace);
        if !fine(&self.name) {
            return Err(ParameterError::new(
                "name",
                format!("`{}` is no name of a package", self.name.0.escape_debug()),
            ));
        }
        match &self.question {
            Some(question) if !fine(question) => {
                return Err(ParameterError::new("question", "it is one word, such as `tzdata/Areas`"));
            }
            Some(_) if self.vtype.is_none() || self.value.is_none() => {
                return Err(ParameterError::task("a question needs `vtype` and `value`"));
            }
            None if self.vtype.is_some() || self.value.is_some() => {
                return Err(ParameterError::new("question", "it is missing: whose `value` is it?"));
            }
            _ => {}
        }
        match self.written() {
            Some(value) if value.contains('\n') => Err(ParameterError::new("value", "an answer is one line")),
            _ => Ok(()),
        }
    }
}

impl Debconf {
    /// The answer as debconf has it.
    fn written(&self) -> Option<String> {
        let text = match self.value.as_ref()? {
            Json::String(text) => text.clone(),
            Json::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
            Json::Null => String::new(),
            Json::Array(chosen) => {
                let text = |one: &Json| one.as_str().map_or_else(|| one.to_string(), str::to_owned);
                chosen.iter().map(text).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        // Ansible takes Python's words for a boolean too.
        Some(if self.vtype == Some(Kind::Boolean) { text.to_lowercase() } else { text })
    }

    /// `* ` in front of a question says that it was asked. Passwords are not told that way.
    fn shown(&self) -> Probe {
        let name = quote(&self.name.0);
        let mut script = format!(
            "command -v debconf-show >/dev/null || {{ echo 'the host has no debconf' >&2; exit 90; }}\nLC_ALL=C debconf-show {name} || exit 91\n"
        );
        if let (Some(Kind::Password), Some(question)) = (self.vtype, &self.question) {
            let get = format!("GET {}", question.0);
            let get = quote(&get);
            script = format!(
                "command -v debconf-communicate >/dev/null || {{ echo 'the host has no debconf' >&2; exit 90; }}\nprintf '%s\\n' {get} | LC_ALL=C debconf-communicate {name}\n"
            );
        }
        Probe::Script { script, reads: vec![Resource::Path("/var/cache/debconf".to_owned())] }
    }

    fn password(&self, text: &str) -> Option<String> {
        text.trim_end_matches('\n').strip_prefix('0').map(|answer| answer.trim_start().to_owned())
    }
}

impl Module for Debconf {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.shown()]
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&self.shown())?;
        if matches!(answer.status, 90 | 91) {
            return Err(Failure::said(answer).into());
        }
        let text = answer.text();
        let known = text.lines().filter_map(|line| line.trim_start_matches([' ', '*']).split_once(':'));
        let known: Map<String, Json> = known.map(|(q, a)| (q.trim().to_owned(), json!(a.trim()))).collect();
        let (Some(question), Some(vtype), Some(wanted)) = (&self.question, self.vtype, self.written()) else {
            return Ok(Plan::ok(Map::from_iter([
                ("msg".to_owned(), json!("")),
                ("current".to_owned(), Json::Object(known)),
            ])));
        };
        if let Some(other) =
            self.value.as_ref().and_then(Json::as_array).and_then(|v| v.iter().find(|v| !v.is_string()))
        {
            let why = format!("Invalid value provided for '{}': {other} is no text", vtype.word());
            return Err(Failure::new(why).into());
        }
        let secret = vtype == Kind::Password;
        let present = match secret {
            true => self.password(&text),
            false => known.get(&question.0).and_then(Json::as_str).map(str::to_owned),
        };
        let chosen = self.value.as_ref().is_some_and(Json::is_array);
        // Of several chosen ones the order says nothing.
        let parts = |text: &str| {
            let mut parts: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
            parts.sort();
            parts
        };
        let same = match (&present, vtype) {
            // A text is taken as it stands there.
            (Some(present), Kind::Multiselect) if chosen => parts(present) == parts(&wanted),
            (Some(present), _) => *present == wanted,
            (None, _) => false,
        };
        let mut plan = Plan::default();
        if secret {
            plan.result.insert("msg".into(), json!(""));
        } else {
            plan.result.insert("current".into(), json!({ &question.0: wanted }));
            plan.result.insert("previous".into(), json!({ &question.0: present }));
        }
        if !same {
            self.answer(context, &mut plan, question, vtype, &wanted, present.as_deref());
        }
        Ok(plan)
    }
}

impl Debconf {
    fn answer(
        &self,
        _: &Context<'_>,
        plan: &mut Plan,
        question: &Text,
        vtype: Kind,
        wanted: &str,
        present: Option<&str>,
    ) {
        let (name, kind) = (&self.name.0, vtype.word());
        let line = format!("{name} {} {kind} {wanted}", question.0);
        let unseen = if self.unseen.0 { "-u " } else { "" };
        let script = format!("printf '%s\\n' {} | LC_ALL=C debconf-set-selections {unseen}\n", quote(&line));
        let writes = vec![Resource::Path("/var/cache/debconf".to_owned())];
        plan.changes.push(Change::closed(format!("answer {}", question.0), Step::Script(script), writes));
        if vtype == Kind::Password {
            return;
        }
        let shown = |answer: Option<&str>| answer.map_or(String::new(), |a| format!("{}: {a}\n", question.0));
        plan.diff.push(Diff {
            before: shown(present),
            after: shown(Some(wanted)),
            before_header: name.clone(),
            after_header: name.clone(),
        });
        let stdout = format!("* {}: {wanted}\n", question.0).into_bytes();
        plan.predictions.push((self.shown(), Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
    }
}
