//! How a task of this collection reaches the API.

use serde_json::Value as Json;

use crate::{
    fact::{Answer, ApiQuery, Missing, Probe, Resource, State},
    kube::Request,
    module::{Change, Step, Text},
};

/// The kubeconfig on the host and the context in it.
pub(super) struct Access<'a> {
    pub kubeconfig: Option<&'a Text>,
    pub context: Option<&'a Text>,
}

impl Access<'_> {
    fn query(&self, request: &Request) -> ApiQuery {
        ApiQuery {
            kubeconfig: self.kubeconfig.map_or_else(|| "~/.kube/config".to_owned(), |k| k.0.clone()),
            context: self.context.map(|c| c.0.clone()),
            // A request is plain data; it always becomes JSON.
            request: serde_json::to_string(request).unwrap_or_default(),
        }
    }

    /// The question.
    pub fn probe(&self, request: &Request) -> Probe {
        Probe::Api(self.query(request))
    }

    /// Its answer.
    pub fn answer<'s>(&self, state: &'s State, request: &Request) -> Result<&'s Json, Missing> {
        match state.get(&self.probe(request))? {
            Answer::Api(value) => Ok(value),
            other => Err(Missing::Failed(format!("an answer of another kind was recorded: {other:?}"))),
        }
    }

    /// A change through the API. Other hosts may see it: it waits for its turn.
    pub fn change(&self, what: String, request: &Request) -> Change {
        Change { what, step: Step::Api(self.query(request)), writes: vec![Resource::Api], closed: false }
    }
}
