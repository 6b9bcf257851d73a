//! What a server answered, as the tools of the host tell it.

use serde_json::{Map, Value as Json, json};

use super::request::Request;

/// What the server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status of the last answer.
    pub status: i64,
    /// The reason behind it.
    pub reason: String,
    /// Names in lower case and values of the last answer's headers.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
    /// Where it came from in the end.
    pub url: String,
}

/// Reads what [`Request::script`] printed. `None`: there was no answer.
pub fn parse(request: &Request, stdout: &[u8], stderr: &[u8]) -> Option<Response> {
    let end = stdout.iter().position(|b| *b == b'\n')?;
    let (tool, rest) = (&stdout[..end], &stdout[end + 1..]);
    match tool {
        b"curl" => {
            let at = rest.iter().rposition(|b| *b == b'\n')?;
            let url = String::from_utf8_lossy(&rest[at + 1..]).into_owned();
            let mut response = heads(request, &rest[..at])?;
            response.url = url;
            Some(response)
        }
        b"wget" => {
            // Where the content went into a file, the headers are on standard output.
            let saved = find(stderr, b"  HTTP/").is_none();
            let text = String::from_utf8_lossy(if saved { rest } else { stderr });
            let head: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("  ")).collect();
            let mut response = heads(request, format!("{}\n\n", head.join("\n")).as_bytes())?;
            response.body = if saved { Vec::new() } else { rest.to_vec() };
            response.url.clone_from(&request.url);
            Some(response)
        }
        _ => None,
    }
}

/// Takes the headers off; of several answers in a row the last one counts.
fn heads(request: &Request, bytes: &[u8]) -> Option<Response> {
    let mut response = None;
    let mut rest = bytes;
    while rest.starts_with(b"HTTP/") {
        let (end, width) = match (find(rest, b"\r\n\r\n"), find(rest, b"\n\n")) {
            (Some(crlf), Some(lf)) if lf < crlf => (lf, 2),
            (Some(crlf), _) => (crlf, 4),
            (None, Some(lf)) => (lf, 2),
            (None, None) => (rest.len(), 0),
        };
        response = Some(head(&String::from_utf8_lossy(&rest[..end])));
        rest = &rest[end + width..];
        let on = |r: &Response| matches!(r.status, 100..=199 | 300..=399) || request.challenged && r.status == 401;
        let last = response.as_ref().is_some_and(|r: &Response| !on(r));
        // Behind the last answer's headers its content may begin like an answer of its own.
        if last && !proxied(response.as_ref()) {
            break;
        }
    }
    response.map(|r| Response { body: rest.to_vec(), ..r })
}

/// A proxy's word that the tunnel is open comes before the server's answer.
fn proxied(response: Option<&Response>) -> bool {
    response.is_some_and(|r| r.reason.eq_ignore_ascii_case("connection established"))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

fn head(text: &str) -> Response {
    // wget prints every answer's lines in a row: the last status line begins the one that counts.
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().rposition(|l| l.starts_with("HTTP/")).unwrap_or(0);
    let mut words = lines.get(start).copied().unwrap_or_default().splitn(3, ' ');
    words.next();
    let status = words.next().and_then(|s| s.parse().ok()).unwrap_or(-1);
    let reason = words.next().unwrap_or_default().trim().to_owned();
    let header = |line: &&str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines[(start + 1).min(lines.len())..].iter().filter_map(header).collect();
    Response { status, reason, headers, ..Response::default() }
}

/// A parameter's value, quoted or not, and what is behind it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return (value.trim().to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    (value, characters.as_str().trim_start().trim_start_matches(';'))
}

/// Fields by which a result says how its task ended, or what became of the run: a server's header of that name is no such word.
const RESERVED: &[&str] = &[
    "changed",
    "failed",
    "skipped",
    "unreachable",
    "depends_on",
    "would_run",
    "ansible_facts",
    "add_host",
    "add_group",
];

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The name that the server gives to what it sends (`Content-Disposition`): one part of a path, whatever it says.
    pub fn attachment(&self) -> Option<String> {
        let mut rest = self.header("content-disposition")?.split_once(';')?.1;
        while !rest.trim().is_empty() {
            let (name, behind) = rest.split_once('=')?;
            let (value, next) = parameter(behind.trim_start());
            if name.trim().eq_ignore_ascii_case("filename") {
                let last = value.rsplit('/').next().unwrap_or_default().trim();
                let sound = !matches!(last, "" | "." | "..") && !last.chars().any(char::is_control);
                return sound.then(|| last.to_owned());
            }
            rest = next;
        }
        None
    }

    /// The fields Ansible's modules return about an answer: headers too, with `_` for `-`.
    pub fn fields(&self, request: &Request) -> Map<String, Json> {
        let mut fields = Map::new();
        let (mut cookies, mut cookie_texts) = (Map::new(), Vec::new());
        for (name, value) in &self.headers {
            if name == "set-cookie" {
                let pair = value.split(';').next().unwrap_or_default();
                if let Some((name, value)) = pair.split_once('=') {
                    cookies.insert(name.to_owned(), json!(value));
                    cookie_texts.push(pair.to_owned());
                }
            }
            let key = name.replace('-', "_");
            if RESERVED.contains(&key.as_str()) || key.starts_with("_ansible") {
                continue;
            }
            let joined = match fields.get(&key).and_then(Json::as_str) {
                Some(before) => format!("{before}, {value}"),
                None => value.clone(),
            };
            fields.insert(key, json!(joined));
        }
        let length = self.header("content-length").unwrap_or("unknown");
        let message = if self.status == 200 {
            format!("OK ({length} bytes)")
        } else {
            format!("HTTP Error {}: {}", self.status, self.reason)
        };
        fields.insert("msg".into(), json!(message));
        fields.insert("status".into(), json!(self.status));
        fields.insert("url".into(), json!(self.url));
        fields.insert("redirected".into(), json!(self.url != request.url));
        fields.insert("cookies".into(), Json::Object(cookies));
        fields.insert("cookies_string".into(), json!(cookie_texts.join("; ")));
        fields
    }
}
