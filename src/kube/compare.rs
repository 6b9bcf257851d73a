//! Whether two states of an object differ in anything a person wrote.

use serde_json::Value as Json;

/// The object without what the server alone decides: `status`, revision, times, who manages what.
pub fn plain(object: &Json) -> Json {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
        if let Some(metadata) = map.get_mut("metadata").and_then(Json::as_object_mut) {
            for field in ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"] {
                metadata.remove(field);
            }
        }
    }
    object
}

/// Whether the server would store something else than it has.
pub fn differs(present: &Json, wanted: &Json) -> bool {
    plain(present) != plain(wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_decides_is_no_difference() {
        let present = json!({"kind": "A", "metadata": {"name": "a", "resourceVersion": "1", "generation": 1, "uid": "x"}, "spec": {"a": 1}, "status": {"x": 1}});
        let same = json!({"kind": "A", "metadata": {"name": "a", "resourceVersion": "2", "generation": 2, "uid": "x", "managedFields": []}, "spec": {"a": 1}});
        let other = json!({"kind": "A", "metadata": {"name": "a", "labels": {"l": "1"}}, "spec": {"a": 1}});
        assert!(!differs(&present, &same));
        assert!(differs(&present, &other));
    }
}
