//! `url`: what a server answers, asked by this machine.

use std::time::Duration;

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::call::{Call, Lookup};
use crate::ansible_cfg::Asked;
use crate::http::{Request, parse};
use crate::template::context::Context;
use crate::template::error::{Kind, TemplateError, carry};
use crate::template::value::{from_json, items, pairs, string, to_json};

/// Its name.
pub(super) const LOOKUPS: &[(&str, Lookup)] = &[("url", url)];

/// What may come from variables and Ansible's configuration too.
const CONFIGURED: &[&str] = &[
    "ca_path",
    "ciphers",
    "follow_redirects",
    "force",
    "force_basic_auth",
    "http_agent",
    "timeout",
    "unix_socket",
    "unredirected_headers",
    "use_gssapi",
    "use_netrc",
];

/// An option of the call, else of a variable of the user's own, else of the configuration.
///
/// These decide whom this machine trusts and what it connects to: no host's word counts.
fn option(call: &mut Call<'_>, name: &str) -> Result<Option<Value>, Error> {
    if let Some(given) = call.option(name) {
        return Ok(Some(given).filter(|value| !value.is_none()));
    }
    if !CONFIGURED.contains(&name) {
        return Ok(None);
    }
    let mut foreign = None;
    let mut variable = |variable: &str| {
        let inner = call.context.as_ref()?;
        inner.vars.get(variable)?;
        let own = Context::new(&inner.engine, inner.vars.clone(), inner.local.clone()).own_words();
        let value = own.inner.lookup(variable).and_then(|value| to_json(&value).ok());
        if value.is_none() {
            foreign = Some(variable.to_owned());
        }
        value
    };
    let variable = std::cell::RefCell::new(&mut variable);
    let asked = call.local.configuration().option("lookup", "url", name, &|name| (variable.borrow_mut())(name));
    if let Some(name) = foreign {
        let message = format!("lookup `url`: `{name}` is not wholly your own words");
        let help =
            "what a host says decides nothing of how this machine asks a server: give it as an option of the call";
        return Err(carry(TemplateError::new(Kind::Failed(message), None).with_help(help)));
    }
    match asked {
        Asked::Value(json, _) if !json.is_null() => Ok(Some(from_json(&json))),
        _ => Ok(None),
    }
}

fn flag(call: &mut Call<'_>, name: &str, default: bool) -> Result<bool, Error> {
    let truth = |v: Value| v.as_str().and_then(crate::template::value::boolean_text).unwrap_or_else(|| v.is_true());
    Ok(option(call, name)?.map_or(default, truth))
}

fn text(call: &mut Call<'_>, name: &str) -> Result<Option<String>, Error> {
    option(call, name)?.map(|value| string(&value)).transpose()
}

/// A list, or a text with commas.
fn list(call: &mut Call<'_>, name: &str) -> Result<Vec<String>, Error> {
    match option(call, name)? {
        None => Ok(Vec::new()),
        Some(value) if value.kind() == ValueKind::String => {
            Ok(string(&value)?.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect())
        }
        Some(value) => items(&value)?.iter().map(string).collect(),
    }
}

fn headers(call: &mut Call<'_>) -> Result<Vec<(String, String)>, Error> {
    let Some(given) = call.option("headers").filter(|given| !given.is_none()) else { return Ok(Vec::new()) };
    if given.kind() != ValueKind::Map {
        return Err(call.wrong("headers must be a dict"));
    }
    pairs(&given)?.iter().map(|(name, value)| Ok((string(name)?, value.to_string()))).collect()
}

/// How long it waits while nothing comes.
fn timeout(call: &mut Call<'_>) -> Result<Duration, Error> {
    let Some(value) = option(call, "timeout")? else { return Ok(Duration::from_secs(10)) };
    let seconds = match value.as_str() {
        Some(text) => crate::python::number::float(text),
        None => f64::try_from(value.clone()).ok(),
    };
    let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| call.wrong(format!("`timeout` is a number of seconds, not `{value}`")))
}

/// What all of the call's addresses are asked with.
fn request(call: &mut Call<'_>) -> Result<Request, Error> {
    let mut headers = headers(call)?;
    if flag(call, "force", false)? {
        headers.insert(0, ("cache-control".to_owned(), "no-cache".to_owned()));
    }
    let user = text(call, "username")?.filter(|name| !name.is_empty());
    let password = text(call, "password")?.unwrap_or_default();
    let redirects = text(call, "follow_redirects")?.unwrap_or_else(|| "urllib2".to_owned());
    let follow = match redirects.as_str() {
        "urllib2" | "all" | "yes" | "safe" => true,
        "none" | "no" => false,
        other => {
            return Err(call.wrong(format!("`follow_redirects` is one of all, none, safe or urllib2, not `{other}`")));
        }
    };
    let kept = list(call, "unredirected_headers")?;
    let sent = |name: &&String| headers.iter().any(|(sent, _)| sent.eq_ignore_ascii_case(name));
    if let Some(name) = kept.iter().find(sent).filter(|_| follow) {
        let message = format!("lookup `url`: `{name}` would be sent on: curl keeps no header back");
        let help = "only to another server it sends no `Authorization`; ask the last address at once";
        return Err(carry(TemplateError::new(Kind::Failed(message), None).with_help(help)));
    }
    let ciphers = list(call, "ciphers")?;
    Ok(Request {
        method: "GET".to_owned(),
        headers,
        challenged: !flag(call, "force_basic_auth", false)?,
        user: user.map(|name| (name, password)),
        timeout: timeout(call)?,
        patient: true,
        validate_certs: flag(call, "validate_certs", true)?,
        ca_path: text(call, "ca_path")?.filter(|path| !path.is_empty()),
        follow,
        use_proxy: flag(call, "use_proxy", true)?,
        unix_socket: text(call, "unix_socket")?.filter(|path| !path.is_empty()),
        agent: text(call, "http_agent")?.unwrap_or_default(),
        ciphers: (!ciphers.is_empty()).then(|| ciphers.join(":")),
        decompress: true,
        negotiate: flag(call, "use_gssapi", false)?,
        netrc: flag(call, "use_netrc", true)?,
        ..Request::default()
    })
}

/// The lines of a content, whatever ends them.
fn lines(content: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = content.split('\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let ends = |line: &'_ str| line.strip_suffix('\r').map_or(line.len(), str::len);
    lines.into_iter().flat_map(|line| line[..ends(line)].split('\r')).collect()
}

fn url(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let split = call.flag("split_lines", true);
    let base = request(call)?;
    let mut out = Vec::new();
    for term in call.texts()? {
        let content = asked(call, Request { url: term.clone(), ..base.clone() })?;
        let content = String::from_utf8(content);
        let content = content.map_err(|_| call.wrong(format!("what {term} answers is not text in utf-8")))?;
        match split {
            true => out.extend(lines(&content).into_iter().map(Value::from)),
            false => out.push(Value::from(content)),
        }
    }
    Ok(out)
}

/// The content of an address.
fn asked(call: &Call<'_>, request: Request) -> Result<Vec<u8>, Error> {
    let url = request.url.as_str();
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https" | "file")) {
        return Err(
            call.wrong(format!("Failed lookup url for {url} : unknown url type: http, https and file are known"))
        );
    }
    let ran = call.local.run_hidden(&request.script(None));
    let (_, out, err) = ran.map_err(|error| call.wrong(format!("Failed lookup url for {url} : {error}")))?;
    let Some(response) = parse(&request, &out, &err) else {
        let err = String::from_utf8_lossy(&err);
        let reason = err.trim();
        return Err(call.wrong(match reason.to_ascii_lowercase().contains("certificate") {
            true => format!("Error validating the server's certificate for {url}: {reason}"),
            false => format!("Failed lookup url for {url} : {reason}"),
        }));
    };
    if !(200..300).contains(&response.status) {
        let (status, reason) = (response.status, response.reason);
        return Err(call.wrong(format!("Received HTTP error for {url} : HTTP Error {status}: {reason}")));
    }
    Ok(response.body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_they_do_with_python() {
        assert_eq!(lines("a\r\nb\rc\n\nd"), ["a", "b", "c", "", "d"]);
        assert_eq!(lines("a\n"), ["a"]);
        assert_eq!(lines(""), Vec::<&str>::new());
    }
}
