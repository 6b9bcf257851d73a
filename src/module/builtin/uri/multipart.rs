//! A form of several parts, as browsers send files.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value as Json};
use sha1::{Digest as _, Sha1};

use crate::{
    fact::State,
    module::{Context, Failure, Folder, PlanError, local, path},
};

/// What kind of file a name speaks of, where that is well known.
const KINDS: &[(&str, &str)] = &[
    (".css", "text/css"),
    (".csv", "text/csv"),
    (".gif", "image/gif"),
    (".gz", "application/octet-stream"),
    (".html", "text/html"),
    (".jpg", "image/jpeg"),
    (".json", "application/json"),
    (".pdf", "application/pdf"),
    (".png", "image/png"),
    (".svg", "image/svg+xml"),
    (".tar", "application/x-tar"),
    (".txt", "text/plain"),
    (".xml", "text/xml"),
    (".zip", "application/zip"),
];

/// The type of a form, which names what stands between its parts, and the form itself. Files are the workstation's, or with `remote` the host's.
///
/// # Errors
/// What cannot be a part, and files that cannot be read.
pub(super) fn form(
    context: &Context<'_>,
    state: &State,
    fields: &Map<String, Json>,
    remote: bool,
) -> Result<(String, Vec<u8>), PlanError> {
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort();
    let mut parts = Vec::new();
    for name in names {
        let value = fields.get(name).unwrap_or(&Json::Null);
        parts.push(part(context, state, name, value, remote)?);
    }
    // A form is the same each time it is planned, so the line between its parts is made of them.
    let digest = parts.iter().fold(Sha1::new(), |hash, part| hash.chain_update(part)).finalize();
    let line = format!("==={}==", local::hexadecimal(&digest));
    let mut form = Vec::new();
    for part in parts {
        form.extend_from_slice(format!("--{line}\r\n").as_bytes());
        form.extend(part);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{line}--\r\n").as_bytes());
    Ok((format!("multipart/form-data; boundary=\"{line}\""), form))
}

/// One part with its headers.
fn part(context: &Context<'_>, state: &State, name: &str, value: &Json, remote: bool) -> Result<Vec<u8>, PlanError> {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\r', '\n'], " ");
    let disposition = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
    let map = match value {
        Json::String(text) => return Ok(plain(&format!("Content-Type: text/plain\r\n{disposition}"), text)),
        Json::Object(map) => map,
        _ => return Err(Failure::new(format!("body: `{name}` is neither a text nor a mapping")).into()),
    };
    let text = |key: &str| map.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    let (file, content) = (text("filename"), text("content"));
    let kind = text("mime_type").unwrap_or_else(|| {
        let known =
            |file: &str| KINDS.iter().find(|(end, _)| file.to_lowercase().ends_with(end)).map(|(_, kind)| *kind);
        file.and_then(known).unwrap_or("application/octet-stream")
    });
    let shown = file.map(|file| format!("; filename=\"{}\"", quoted(path::name(file)))).unwrap_or_default();
    let head = format!("Content-Type: {}\r\n{disposition}{shown}", quoted(kind));
    match (file, content) {
        (_, Some(content)) => Ok(plain(&head, content)),
        (Some(file), None) => {
            let bytes = read(context, state, file, remote)?;
            let lines: Vec<String> = STANDARD
                .encode(bytes)
                .as_bytes()
                .chunks(76)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            Ok(plain(&format!("Content-Transfer-Encoding: base64\r\n{head}"), &lines.join("\r\n")))
        }
        (None, None) => Err(Failure::new(format!("body: `{name}` has neither a `filename` nor `content`")).into()),
    }
}

fn plain(head: &str, content: &str) -> Vec<u8> {
    format!("{head}\r\n\r\n{content}").into_bytes()
}

fn read(context: &Context<'_>, state: &State, file: &str, remote: bool) -> Result<Vec<u8>, PlanError> {
    if remote {
        let file = path::absolute(context, state, file)?;
        let bytes = state.content(&file)?.map(<[u8]>::to_vec);
        return bytes.ok_or_else(|| Failure::new(format!("`{file}` cannot be read on the host")).into());
    }
    Ok(context.controller.read(&context.controller.find(Folder::Files, file)?)?.to_vec())
}
