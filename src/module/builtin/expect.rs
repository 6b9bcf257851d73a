//! `ansible.builtin.expect`: a command that asks questions.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/expect_module.html>

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{
        Change, Context, Described, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns, Step,
        StepOutput, Text, Whole,
        converse::{Conversation, Question, TOO_LONG},
        path,
        process::{self, Guard},
        regexp::Pattern,
        returns,
    },
    python::shlex,
};

/// Parameters of `expect`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The command line. It is split into words as a shell would, but no shell sees it.
    command: Text,
    /// What is typed where the command shows a text: by regular expressions, a text or a list, whose items are typed one after the other. Never shown.
    responses: Map<String, Json>,
    /// How many seconds it may take until the next question or the end; null: as long as it likes.
    #[serde(default = "half_minute")]
    timeout: Option<Whole>,
    /// Whether the terminal shows what is typed.
    #[serde(default)]
    echo: Flag,
    /// The directory to run it in.
    #[serde(default)]
    chdir: Option<Text>,
    /// A file whose presence means that the command need not run.
    #[serde(default)]
    creates: Option<Text>,
    /// A file whose absence means that the command need not run.
    #[serde(default)]
    removes: Option<Text>,
}

fn half_minute() -> Option<Whole> {
    Some(Whole(30))
}

impl Described for Expect {
    const NAME: &'static str = "ansible.builtin.expect";
    const SUMMARY: &'static str = "Runs a command on a terminal and answers its questions";
    const EXAMPLES: &'static str = "\
- name: Change the password of a token
  ansible.builtin.expect:
    command: token-tool change
    responses:
      '(?i)old password': \"{{ old_password }}\"
      '(?i)new password': \"{{ new_password }}\"
  no_log: true
";
    const RETURNS: Returns =
        &[returns::COMMAND, &[Return::text("msg", "when it did not end well, or did not run", "Why")]];

    fn check(&self) -> Result<(), ParameterError> {
        shlex::split(&self.command.0).map_err(|unclosed| ParameterError::new("command", unclosed.to_string()))?;
        for (question, answer) in &self.responses {
            Pattern::dotall(question).map_err(|why| ParameterError::new("responses", why))?;
            if matches!(answer, Json::Object(_) | Json::Null) {
                return Err(ParameterError::new("responses", format!("`{question}` has neither a text nor a list")));
            }
        }
        Ok(())
    }
}

/// What is typed, as text.
fn typed(answer: &Json) -> String {
    match answer {
        Json::String(text) => text.clone(),
        Json::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
        other => other.to_string(),
    }
}

impl Expect {
    fn guard(&self) -> Guard<'_> {
        Guard {
            creates: self.creates.as_ref().map(|t| t.0.as_str()),
            removes: self.removes.as_ref().map(|t| t.0.as_str()),
            chdir: self.chdir.as_ref().map(|t| t.0.as_str()),
        }
    }

    fn questions(&self) -> Result<Vec<Question>, Failure> {
        let question = |(written, answer): (&String, &Json)| {
            let answers = match answer {
                Json::Array(answers) => answers.iter().map(typed).collect(),
                one => vec![typed(one)],
            };
            let pattern = Pattern::dotall(written).map_err(Failure::new)?;
            Ok(Question { written: written.clone(), pattern, answers, in_turn: answer.is_array() })
        };
        self.responses.iter().map(question).collect()
    }
}

impl Module for Expect {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.guard().probe(context, state).unwrap_or_else(super::copy::unread)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let shown = json!(self.command.0);
        if self.command.0.trim().is_empty() {
            return Err(Failure::new("no command given").with("rc", 256).into());
        }
        let guard = self.guard();
        if let Some(result) = guard.satisfied(context, state, &shown)? {
            return Ok(Plan::ok(result));
        }
        let words = shlex::split(&self.command.0).map_err(|unclosed| Failure::new(unclosed.to_string()))?;
        let name = words.first().cloned().unwrap_or_default();
        let seconds = self.timeout.map(|timeout| Duration::from_secs(timeout.0.max(0).unsigned_abs()));
        let conversation = Conversation {
            words,
            folder: self.chdir.as_ref().map(|chdir| path::absolute(context, state, &chdir.0)).transpose()?,
            questions: self.questions()?,
            timeout: seconds,
            echo: self.echo.0,
        };
        Ok(Plan {
            changes: vec![Change::open(format!("run {name}"), Step::Converse(conversation))],
            result: process::skipped(&shown),
            check_mode: guard.check_mode(),
            ..Plan::default()
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let Some(output) = outputs.first() else { return Ok(plan.result.clone()) };
        let shown = json!(self.command.0);
        if std::str::from_utf8(&output.stdout).is_err() {
            return Err(Failure::new(format!("the command `{}` returned non UTF-8 data", self.command.0)).changed(true));
        }
        match &output.error {
            Some(why) => {
                let told = StepOutput { error: None, status: 0, ..output.clone() };
                let mut fields = process::finished(&shown, &told, true).unwrap_or_default();
                fields.insert("rc".into(), Json::Null);
                Err(Failure::new(why).fields(fields).changed(why == TOO_LONG))
            }
            None => process::finished(&shown, output, true),
        }
    }
}
