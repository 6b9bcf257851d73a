//! A file whose text a module makes: a key, a certificate, a kubeconfig. Read, compared by the module, written whole.
//! Its text may be secret and is never part of a difference.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Missing, Probe, State},
    module::{
        Change, Content, Context, Place, Plan, PlanError, Step,
        ownership::{self, Attributes},
        path,
        put::{self, Put},
        settle,
    },
    sh::quote,
};

/// The file a module is about.
pub(crate) struct WholeFile<'a> {
    /// Its absolute path.
    pub path: &'a str,
    /// Owner, group and mode.
    pub attributes: Attributes<'a>,
    /// Keep the old file.
    pub backup: bool,
}

impl WholeFile<'_> {
    /// What must be read of it.
    pub fn probes(&self, context: &Context<'_>) -> Vec<Probe> {
        let mut probes = vec![path::stat(self.path), content(self.path)];
        probes.extend(path::above(self.path));
        probes.extend(self.attributes.probes(context));
        probes
    }

    /// Its text; `None` when there is no such file.
    pub fn text(&self, state: &State) -> Result<Option<String>, Missing> {
        text(state, self.path)
    }

    /// Brings it to a text (`None` leaves the text as it is), owner and mode. `what` says it in words.
    pub fn put(
        &self,
        context: &Context<'_>,
        state: &State,
        text: Option<String>,
        mut result: Map<String, Json>,
        what: &str,
    ) -> Result<Plan, PlanError> {
        let outcome = put::put(
            context,
            state,
            Put {
                path: self.path,
                stat: state.stat(self.path, false)?,
                parent: state.stat(path::parent(self.path), true)?,
                content: text.map(|t| Content::Bytes(Arc::from(t.into_bytes()))),
                attributes: self.attributes,
                backup: self.backup,
                validate: None,
            },
        )?;
        result.insert("filename".into(), json!(self.path));
        if let Some(kept) = outcome.backup {
            result.insert("backup_file".into(), json!(kept));
        }
        let mut changes: Vec<Change> = outcome.change.into_iter().collect();
        if let Some(Change { what: told, step: Step::Write(_), .. }) = changes.first_mut() {
            *told = format!("{what} {}", self.path);
        }
        Ok(Plan {
            changes,
            result,
            diff: outcome.diff.into_iter().collect(),
            predictions: outcome.predictions,
            ..Plan::default()
        })
    }

    /// Removes it.
    pub fn remove(
        &self,
        context: &Context<'_>,
        state: &State,
        mut result: Map<String, Json>,
    ) -> Result<Plan, PlanError> {
        result.insert("filename".into(), json!(self.path));
        let Some(stat) = state.stat(self.path, false)? else { return Ok(Plan::ok(result)) };
        // Where others can write above it, by its name in the directory that was looked at.
        let place = Place::of(context, state, self.path);
        let step = Step::Script(match place.guarded {
            true => format!("rm -f -- {} || exit 1\n", quote(self.path)),
            false => format!("{}rm -f -- {} || exit 1\n", place.enter(), settle::word(&place.name)),
        });
        let change = Change::closed(format!("remove {}", self.path), step, ownership::written(self.path, Some(stat)));
        let predictions = put::absent_predictions(self.path);
        Ok(Plan { changes: vec![change], result, predictions, ..Plan::default() })
    }
}

/// The question for the bytes of a file.
pub(crate) fn content(path: &str) -> Probe {
    Probe::Content { path: path.to_owned() }
}

/// The text of any file.
pub(crate) fn text(state: &State, path: &str) -> Result<Option<String>, Missing> {
    Ok(state.content(path)?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}
