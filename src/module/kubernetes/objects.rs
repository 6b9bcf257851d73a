//! The objects that a task's `definition`, `src` or `template` describes.

use serde_json::{Value as Json, json};

use crate::{
    kube::Reference,
    module::{Context, Failure, Folder, TemplateOptions, Text},
};

/// Reads all documents of a YAML text; lists (`kind: List`) are taken apart, empty documents dropped.
pub(super) fn parse(name: &str, text: &str) -> Result<Vec<Json>, Failure> {
    let nodes = crate::yaml::load_all_str(name, text).map_err(|e| Failure::new(format!("{name}: {e}")))?;
    Ok(nodes.iter().map(crate::yaml::Node::to_json).flat_map(flatten).collect())
}

/// One object or a list of them.
pub(super) fn flatten(value: Json) -> Vec<Json> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(items) => items.into_iter().flat_map(flatten).collect(),
        Json::Object(map)
            if map.get("kind").and_then(Json::as_str).is_some_and(|k| k.ends_with("List"))
                && map.contains_key("items") =>
        {
            flatten(map.get("items").cloned().unwrap_or(Json::Null))
        }
        other => vec![other],
    }
}

/// Reads a file of the workstation.
pub(super) fn from_file(context: &Context<'_>, name: &str) -> Result<Vec<Json>, Failure> {
    let path = context.controller.find(Folder::Files, name)?;
    let bytes = context.controller.read(&path)?;
    parse(&path.display().to_string(), &String::from_utf8_lossy(&bytes))
}

/// Renders a template of the workstation.
pub(super) fn from_template(context: &Context<'_>, template: &Json) -> Result<Vec<Json>, Failure> {
    let name = match template {
        Json::String(name) => name.as_str(),
        other => other.get("path").and_then(Json::as_str).ok_or_else(|| Failure::new("template needs a path"))?,
    };
    let path = context.controller.find(Folder::Templates, name)?;
    let options = TemplateOptions::default();
    let text = context.controller.render(&path, &options)?;
    parse(&path.display().to_string(), &text)
}

/// Fills in what parameters say and checks that the object has a kind and a name.
pub(super) fn complete(
    mut object: Json,
    api_version: Option<&Text>,
    kind: Option<&Text>,
    name: Option<&Text>,
    namespace: Option<&Text>,
) -> Result<Json, Failure> {
    if !object.is_object() {
        return Err(Failure::new(format!("an object is needed, this is {object}")));
    }
    for (field, value) in [("apiVersion", api_version), ("kind", kind)] {
        if let (None, Some(value)) = (object.get(field), value) {
            object[field] = json!(value.0);
        }
    }
    match object.get("metadata") {
        None | Some(Json::Null) => object["metadata"] = json!({}),
        Some(Json::Object(_)) => {}
        Some(other) => return Err(Failure::new(format!("metadata of an object is a mapping, this is {other}"))),
    }
    for (field, value) in [("name", name), ("namespace", namespace)] {
        if let (None, Some(value)) = (object["metadata"].get(field), value) {
            object["metadata"][field] = json!(value.0);
        }
    }
    let reference = Reference::of(&object);
    for (what, present) in [
        ("apiVersion", !reference.api_version.is_empty()),
        ("kind", !reference.kind.is_empty()),
        ("metadata.name", reference.name.is_some()),
    ] {
        if !present {
            return Err(Failure::new(format!("the object has no {what}")));
        }
    }
    Ok(object)
}

/// `Deployment kube-system/coredns`.
pub(super) fn title(reference: &Reference) -> String {
    let name = reference.name.as_deref().unwrap_or_default();
    match &reference.namespace {
        Some(namespace) => format!("{} {namespace}/{name}", reference.kind),
        None => format!("{} {name}", reference.kind),
    }
}

/// The object as readable text, for differences; the contents of Secrets are hidden.
pub(super) fn shown(object: &Json) -> String {
    if object.is_null() {
        return String::new();
    }
    let mut object = crate::kube::plain(object);
    if object.get("kind").and_then(Json::as_str) == Some("Secret") {
        for field in ["data", "stringData"] {
            for value in object.get_mut(field).and_then(Json::as_object_mut).into_iter().flatten() {
                *value.1 = json!("hidden");
            }
        }
        // kubectl keeps a copy of the whole object there.
        if let Some(copy) =
            object.pointer_mut("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration")
        {
            *copy = json!("hidden");
        }
    }
    serde_json::to_string_pretty(&object).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_is_refused() {
        for wrong in [json!(1), json!("a"), json!([]), json!({"apiVersion": "v1", "kind": "A", "metadata": "a"})] {
            let name = Text("a".to_owned());
            assert!(complete(wrong.clone(), None, Some(&name), Some(&name), Some(&name)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_difference_shows_what_a_secret_holds() {
        let copy = json!({"kubectl.kubernetes.io/last-applied-configuration": "s3cret"});
        let secret = json!({"kind": "Secret", "metadata": {"name": "a", "annotations": copy}, "data": {"k": "s3cret"}, "stringData": {"k": "s3cret"}});
        let shown = shown(&secret);
        assert!(!shown.contains("s3cret") && shown.matches("hidden").count() == 3, "{shown}");
    }
}
