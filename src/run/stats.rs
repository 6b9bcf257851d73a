//! What `set_stats` gives the run.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

/// Values by the host they belong to; those of nobody belong to the run.
#[derive(Debug, Default)]
pub struct Stats(IndexMap<Option<String>, Map<String, Json>>);

impl Stats {
    /// Takes values over those that are there; with `aggregate` they are added to them.
    pub fn take(&mut self, host: Option<&str>, values: &Map<String, Json>, aggregate: bool) {
        let known = self.0.entry(host.map(str::to_owned)).or_default();
        for (name, value) in values {
            match known.get_mut(name).filter(|_| aggregate) {
                Some(before) => add(before, value),
                None => drop(known.insert(name.clone(), value.clone())),
            }
        }
    }

    /// All of them: each host's in the order of their names, those of the run last.
    pub fn all(&self) -> Vec<(Option<String>, Json)> {
        let mut all: Vec<_> =
            self.0.iter().map(|(host, values)| (host.clone(), Json::Object(values.clone()))).collect();
        all.sort_by_key(|(host, _)| (host.is_none(), host.clone()));
        all
    }
}

/// Adds a value to another, as Python's `+` does; two that are not of one type stay as they were.
fn add(before: &mut Json, more: &Json) {
    match (before, more) {
        (Json::Object(before), Json::Object(more)) => {
            for (name, value) in more {
                match (before.get_mut(name), value) {
                    (Some(inner @ Json::Object(_)), Json::Object(_)) => add(inner, value),
                    _ => drop(before.insert(name.clone(), value.clone())),
                }
            }
        }
        (Json::Array(before), Json::Array(more)) => before.extend(more.iter().cloned()),
        (Json::String(before), Json::String(more)) => before.push_str(more),
        (before @ (Json::Number(_) | Json::Bool(_)), more @ (Json::Number(_) | Json::Bool(_))) => {
            let whole = |value: &Json| value.as_i64().or_else(|| value.as_bool().map(i64::from));
            match (whole(before), whole(more)) {
                (Some(a), Some(b)) => *before = json!(a.saturating_add(b)),
                // A whole number and another one are of two types.
                (None, None) => *before = json!(before.as_f64().unwrap_or(0.0) + more.as_f64().unwrap_or(0.0)),
                _ => {}
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Json) -> Map<String, Json> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn values_are_added_as_python_adds() {
        let mut stats = Stats::default();
        let first = object(json!({"n": 10, "f": 0.5, "t": "a", "l": [1], "m": {"a": {"b": 1}, "c": 1}, "x": 1}));
        let second = object(json!({"n": 15, "f": 1.0, "t": "b", "l": [2], "m": {"a": {"d": 2}, "c": 2}, "x": "no"}));
        stats.take(None, &first, true);
        stats.take(None, &second, true);
        stats.take(Some("h2"), &object(json!({"n": 1})), true);
        stats.take(Some("h1"), &object(json!({"n": 1})), true);
        stats.take(Some("h1"), &object(json!({"n": 2})), false);
        let run = json!({"n": 25, "f": 1.5, "t": "ab", "l": [1, 2], "m": {"a": {"b": 1, "d": 2}, "c": 2}, "x": 1});
        let host = |name: &str| Some(name.to_owned());
        assert_eq!(stats.all(), [(host("h1"), json!({"n": 2})), (host("h2"), json!({"n": 1})), (None, run)]);
    }
}
