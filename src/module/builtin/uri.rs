//! `ansible.builtin.uri`: a request to a web server.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/uri_module.html>

mod multipart;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{FileKind, Probe, Resource, State},
    module::{
        Change, CheckMode, Content, Context, Described, Failure, FileWrite, Flag, Folder, List, Mode, Module,
        Ownership, ParameterError, Place, Plan, PlanError, Return, Returns, Step, StepOutput, Text, Whole,
        http::{self, Request, Response},
        local,
        ownership::{self, Attributes},
        path,
        process::Guard,
    },
};

/// Parameters of `uri`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uri {
    /// Where to, beginning with `http://` or `https://`. The request is made by the host, with curl or wget.
    url: Text,
    /// The method, in capitals.
    #[serde(default = "get")]
    method: Text,
    /// What is sent along: a text, or with `body_format` a mapping or list.
    body: Option<Json>,
    /// How `body` is written: `raw`, `json`, `form-urlencoded` or `form-multipart`.
    #[serde(default)]
    body_format: BodyFormat,
    /// A file of the workstation, or with `remote_src` of the host, whose content is sent along.
    src: Option<Text>,
    /// Whether `src` is on the host.
    #[serde(default)]
    remote_src: Flag,
    /// Which answers are a success.
    #[serde(default = "success")]
    status_code: List<Whole>,
    /// Return the answer's content as `content`, whatever it is.
    #[serde(default)]
    return_content: Flag,
    /// A file of the host to put the answer's content into; in a directory it gets the name that the server gives it or the URL ends in.
    dest: Option<Text>,
    /// Which redirects are followed: `safe` (of GET and HEAD), `all` or `none`.
    #[serde(default = "safe")]
    follow_redirects: Text,
    /// Seconds to wait for the answer.
    #[serde(default = "half_minute")]
    timeout: Whole,
    /// A name for basic authentication.
    #[serde(alias = "user")]
    #[schemars(extend("x-aliases" = ["user"]))]
    url_username: Option<Text>,
    #[serde(flatten)]
    options: http::Options,
    /// Ask for no copy that something on the way may have kept, and for the content even if `dest` is not older.
    #[serde(default)]
    force: Flag,
    /// A socket of the host to connect to.
    unix_socket: Option<Text>,
    /// A file whose presence means that nothing is requested.
    creates: Option<Text>,
    /// A file whose absence means that nothing is requested.
    removes: Option<Text>,
    /// Owner of `dest`, by name or number.
    owner: Option<Text>,
    /// Group of `dest`, by name or number.
    group: Option<Text>,
    /// Permissions of `dest`.
    mode: Option<Mode>,
}

/// How the body is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum BodyFormat {
    /// As it is.
    #[default]
    Raw,
    /// As JSON.
    Json,
    /// As a form's fields.
    FormUrlencoded,
    /// As a form of several parts: texts, and mappings with `filename`, `content` or `mime_type` for files.
    FormMultipart,
}

fn get() -> Text {
    Text("GET".to_owned())
}

fn safe() -> Text {
    Text("safe".to_owned())
}

fn half_minute() -> Whole {
    Whole(30)
}

fn success() -> List<Whole> {
    List(vec![Whole(200)])
}

impl Described for Uri {
    const NAME: &'static str = "ansible.builtin.uri";
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Makes a request to a web server, from the host";
    const EXAMPLES: &'static str = "\
- name: it serves
  ansible.builtin.uri:
    url: https://127.0.0.1:6443/readyz
    ca_path: /etc/kubernetes/pki/ca.crt
  register: ready
  until: ready.status | default(0) == 200
  retries: 60
  delay: 1

- name: tell the tracker
  ansible.builtin.uri:
    url: https://tracker.example/api/notes
    method: POST
    body_format: json
    body: {text: deployed}
    status_code: [200, 201]
";
    const RETURNS: Returns = &[&[
        Return::whole("status", "always", "The answer's status; -1 where there was none"),
        Return::text("url", "always", "Where the answer came from, behind redirections"),
        Return::flag("redirected", "when there was an answer", "Whether there were redirections"),
        Return::text("msg", "always", "What the server said: `OK (12 bytes)`"),
        Return::map("cookies", "when there was an answer", "The cookies by name"),
        Return::text("cookies_string", "when there was an answer", "The cookies as a header's value"),
        Return::whole("elapsed", "always", "How many seconds it took"),
        Return::any("json", "when the answer is JSON", "The answer, read"),
        Return::text(
            "content",
            "with `return_content`, or when the status is not the one wanted",
            "The answer as text",
        ),
        Return::text("path", "with `dest`", "Where the answer was written"),
        Return::text(
            "{header}",
            "when there was an answer",
            "A header of the answer, in small letters, with `_` for `-`: `content_type`",
        ),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let scheme = self.url.0.split("://").next().unwrap_or_default().to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(ParameterError::new(
                "url",
                format!("`{}` begins with neither http:// nor https://", self.url.0),
            ));
        }
        if self.method.0.is_empty() || !self.method.0.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(ParameterError::new("method", "a single word is needed, like GET or POST"));
        }
        if self.body.is_some() && self.src.is_some() {
            return Err(ParameterError::task("body and src are mutually exclusive"));
        }
        // `yes` and `no` without quotes arrive as truth values.
        if !matches!(
            self.follow_redirects.0.as_str(),
            "safe" | "all" | "none" | "yes" | "no" | "True" | "False" | "urllib2"
        ) {
            return Err(ParameterError::new("follow_redirects", "it may be safe, all or none"));
        }
        if self.follow_redirects.0 != "none" {
            self.options.check_redirects(self.url_username.is_some())?;
        }
        if self.body_format == BodyFormat::FormMultipart && !matches!(self.body, Some(Json::Object(_))) {
            return Err(ParameterError::new("body", "a mapping is needed for a form of several parts"));
        }
        if self.body_format == BodyFormat::FormUrlencoded && matches!(self.body, Some(Json::Array(_))) {
            return Err(ParameterError::new("body", "a mapping is needed for a form"));
        }
        Ok(())
    }
}

impl Uri {
    fn reading(&self) -> bool {
        matches!(self.method(), m if m == "GET" || m == "HEAD")
            && self.dest.is_none()
            && self.body.is_none()
            && self.src.is_none()
    }

    fn method(&self) -> String {
        self.method.0.to_ascii_uppercase()
    }

    fn guard(&self) -> Guard<'_> {
        Guard {
            creates: self.creates.as_ref().map(|t| t.0.as_str()),
            removes: self.removes.as_ref().map(|t| t.0.as_str()),
            chdir: None,
        }
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref())
    }

    fn request(&self, context: &Context<'_>, state: &State) -> Result<Request, PlanError> {
        let method = self.method();
        let login = self.url_username.as_ref();
        let plain = self.options.request(context, state, (&method, &self.url.0), login, self.timeout)?;
        let mut headers = plain.headers.clone();
        let typed = headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"));
        let (kind, body) = self.body(context, state)?;
        if let (Some(kind), false) = (kind, typed) {
            headers.push(("Content-Type".to_owned(), kind));
        }
        if self.force.0 {
            headers.push(("Cache-Control".to_owned(), "no-cache".to_owned()));
        } else if let Some(since) = self.since(context, state)? {
            headers.push(("If-Modified-Since".to_owned(), since));
        }
        let follow = match self.follow_redirects.0.as_str() {
            "all" | "yes" | "True" | "urllib2" => true,
            "safe" => matches!(method.as_str(), "GET" | "HEAD"),
            _ => false,
        };
        let unix_socket = self.unix_socket.as_ref().map(|t| path::absolute(context, state, &t.0)).transpose()?;
        Ok(Request { headers, body, follow, unix_socket, ..plain })
    }

    /// What is sent along, and its type where that goes with it.
    fn body(&self, context: &Context<'_>, state: &State) -> Result<(Option<String>, Option<Vec<u8>>), PlanError> {
        let mut form = None;
        let body = match (&self.body, &self.src) {
            (Some(Json::Object(fields)), _) if self.body_format == BodyFormat::FormMultipart => {
                let (kind, body) = multipart::form(context, state, fields, self.remote_src.0)?;
                form = Some(kind);
                Some(body)
            }
            (Some(body), _) => Some(self.encode(body)),
            (None, Some(src)) if self.remote_src.0 => {
                let src = path::absolute(context, state, &src.0)?;
                let bytes = state.content(&src)?.map(<[u8]>::to_vec);
                Some(bytes.ok_or_else(|| Failure::new(format!("`{src}` cannot be read on the host")))?)
            }
            (None, Some(src)) => {
                let found = context.controller.find(Folder::Files, &src.0)?;
                Some(context.controller.read(&found)?.to_vec())
            }
            (None, None) => None,
        };
        let kind = match self.body_format {
            BodyFormat::FormMultipart => form.as_deref(),
            BodyFormat::Json => Some("application/json"),
            BodyFormat::FormUrlencoded => Some("application/x-www-form-urlencoded"),
            BodyFormat::Raw => None,
        };
        Ok((kind.map(str::to_owned), body))
    }

    /// Where the answer's content goes: in a directory it has the name that the server gives it, or the one in the URL.
    fn target(&self, context: &Context<'_>, state: &State, dest: &Text) -> Result<String, PlanError> {
        let (path, stat) = path::follow(state, &path::absolute(context, state, &dest.0)?)?;
        if stat.is_none_or(|stat| stat.kind != FileKind::Directory) {
            return Ok(path);
        }
        // What another method would be told only that method finds out.
        let head = match self.method() == "GET" && self.body.is_none() && self.src.is_none() {
            true => {
                let request = Request { method: "HEAD".to_owned(), ..self.request(context, state)? };
                let answer = state.script(&self.question(context, &request))?;
                http::parse(&request, &answer.stdout, &answer.stderr).filter(|r| answer.status == 0 && r.status == 200)
            }
            false => None,
        };
        let url = head.as_ref().map_or(&self.url.0, |response| &response.url);
        let name = match (head.as_ref().and_then(Response::attachment), http::name(url)) {
            (Some(named), _) => named,
            (None, "") => "index.html".to_owned(),
            (None, last) => last.to_owned(),
        };
        Ok(path::follow(state, &path::join(&path, &name))?.0)
    }

    /// When the file that the content goes into was written.
    fn since(&self, context: &Context<'_>, state: &State) -> Result<Option<String>, PlanError> {
        let Some(dest) = &self.dest else { return Ok(None) };
        let (_, stat) = path::follow(state, &path::absolute(context, state, &dest.0)?)?;
        let written = stat.filter(|s| s.kind == FileKind::File).map(|s| s.mtime);
        let time = written.and_then(|mtime| jiff::Timestamp::from_second(mtime).ok());
        Ok(time.map(|time| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()))
    }

    fn encode(&self, body: &Json) -> Vec<u8> {
        match (self.body_format, body) {
            (_, Json::String(text)) => text.clone().into_bytes(),
            (BodyFormat::FormUrlencoded, Json::Object(fields)) => {
                let one = |name: &str, value: &Json| format!("{}={}", form(name), form(&http::plain(value)));
                let pairs = fields.iter().flat_map(|(name, value)| match value {
                    Json::Array(values) => values.iter().map(|v| one(name, v)).collect::<Vec<_>>(),
                    value => vec![one(name, value)],
                });
                pairs.collect::<Vec<_>>().join("&").into_bytes()
            }
            (_, other) => other.to_string().into_bytes(),
        }
    }

    /// The result of an answer, or of none.
    fn judge(
        &self,
        request: &Request,
        response: Option<Response>,
        stderr: &[u8],
    ) -> Result<Map<String, Json>, Failure> {
        let Some(response) = response else {
            let told = String::from_utf8_lossy(stderr).trim().to_owned();
            let message = format!("Status code was -1 and not {}: Request failed: {told}", self.wanted());
            return Err(Failure::new(message).with("status", -1).with("url", request.url.as_str()).with("elapsed", 0));
        };
        let mut fields = response.fields(request);
        let kind = response.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        let subtype = kind.rsplit(['/', '+']).next().unwrap_or_default().trim().to_ascii_lowercase();
        if matches!(subtype.as_str(), "json" | "x-json" | "javascript" | "x-javascript" | "ld+json") {
            if let Ok(json) = serde_json::from_slice(&response.body) {
                fields.insert("json".into(), json);
            }
        }
        if self.return_content.0 {
            fields.insert("content".into(), json!(String::from_utf8_lossy(&response.body)));
        }
        fields.insert("elapsed".into(), json!(0));
        if self.status_code.0.iter().any(|s| s.0 == response.status) {
            return Ok(fields);
        }
        let said = fields.get("msg").and_then(Json::as_str).unwrap_or_default();
        let message = format!("Status code was {} and not {}: {said}", response.status, self.wanted());
        Err(Failure::new(message).fields(fields))
    }

    fn wanted(&self) -> String {
        let codes: Vec<String> = self.status_code.0.iter().map(|s| s.0.to_string()).collect();
        format!("[{}]", codes.join(", "))
    }

    fn question(&self, context: &Context<'_>, request: &Request) -> Probe {
        // A proxy that the task names is one for its questions too.
        let script = format!("{}{}", context.environment, request.script(None));
        Probe::Script { script, reads: vec![Resource::Anything] }
    }

    /// The script that puts the answer into `dest`; prints `changed` behind the headers when the file did change.
    fn save(&self, context: &Context<'_>, state: &State, request: &Request, dest: &Text) -> Result<Change, PlanError> {
        let path = self.target(context, state, dest)?;
        let stat = state.stat(&path, false)?;
        if stat.is_some_and(|s| s.kind != FileKind::File) {
            return Err(Failure::new(format!("`{path}` is no regular file, it is not replaced")).into());
        }
        let wanted = self.attributes();
        wanted.check(state)?;
        let after = match stat {
            Some(stat) => wanted.applied(state, stat),
            None => wanted.created(context, state, FileKind::File, 0o644, None),
        };
        let place = Place::of(context, state, &path);
        let differing = stat.map(|before| ownership::script(&place, before, &after)).unwrap_or_default();
        let write = FileWrite {
            // Set-id bits go with the owner.
            ownership: Ownership { mode: Some(after.permissions()), ..wanted.ownership(after.permissions()) },
            ids: wanted.ids(state),
            replaces: stat.cloned(),
            place,
            ..FileWrite::new(&path, Content::Bytes(Arc::from(Vec::new())))
        };
        let codes = self.status_code.0.iter().map(|s| s.0.to_string()).collect::<Vec<_>>().join("|");
        let commands = format!(
            "trap fail HUP INT TERM\nh=$( {} ) || fail\ntrap - HUP INT TERM\nprintf '%s' \"$h\"\n\
             c=$(printf '%s\\n' \"$h\" | sed -n 's/^ *HTTP[^ ]* \\([0-9]*\\).*/\\1/p' | tail -n 1)\n\
             case $c in 304) rm -f -- \"$t\"; leave; exit 0 ;; {codes}) ;; *) rm -f -- \"$t\"; leave; exit 0 ;; esac\n[ -e \"$t\" ] || : >\"$t\"\n\
             if {}; then rm -f -- \"$t\"; leave\n{differing}exit 0; fi\n",
            // wget tells the headers on standard error.
            request.script(Some("\"$t\"")).replace("wget \"$@\"", "wget \"$@\" 2>&1"),
            write.same()
        );
        let script = format!("{}exit {WRITTEN}\n", write.made_by(&commands, None));
        let mut change = Change::open(format!("write {path}"), Step::Script(script));
        change.writes.extend(ownership::written(&path, stat));
        Ok(change)
    }
}

impl Module for Uri {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = self.guard().probe(context, state).unwrap_or_else(super::copy::unread);
        if let Some(dest) = &self.dest {
            probes.extend(self.attributes().probes(context));
            match path::absolute(context, state, &dest.0) {
                Ok(path) => probes.push(path::stat(&path)),
                Err(missing) => probes.extend(super::copy::unread(missing)),
            }
        }
        // A guarded request is made only once the guard is known.
        if self.reading() && probes.is_empty() {
            if let Ok(request) = self.request(context, state) {
                probes.push(self.question(context, &request));
            }
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        if let Some(mut result) = self.guard().satisfied(context, state, &Json::Null)? {
            result.retain(|k, _| k == "stdout" || k == "msg");
            return Ok(Plan::ok(result));
        }
        let request = self.request(context, state)?;
        if self.reading() {
            let answer = state.script(&self.question(context, &request))?;
            let response =
                (answer.status == 0).then(|| http::parse(&request, &answer.stdout, &answer.stderr)).flatten();
            return Ok(Plan::ok(self.judge(&request, response, &answer.stderr)?));
        }
        let change = match &self.dest {
            Some(dest) => self.save(context, state, &request, dest)?,
            None => Change::open(format!("{} {}", request.method, request.url), Step::Script(request.script(None))),
        };
        let mut plan = Plan { changes: vec![change], check_mode: CheckMode::Skip, ..Plan::default() };
        plan.changed = Some(false);
        plan.result.insert("url".into(), json!(request.url));
        if let Some(dest) = &self.dest {
            plan.result.insert("path".into(), json!(self.target(context, state, dest)?));
        }
        Ok(plan)
    }

    fn finish(&self, context: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let Some(output) = outputs.first() else { return Ok(plan.result.clone()) };
        let _ = context;
        let request = Request { url: self.url.0.clone(), ..Request::default() };
        let failed = !matches!(output.status, 0 | WRITTEN) || output.error.is_some();
        let response = (!failed).then(|| http::parse(&request, &output.stdout, &output.stderr)).flatten();
        let told = output.error.clone().map_or_else(|| output.stderr.clone(), String::into_bytes);
        let mut fields = self.judge(&request, response, &told)?;
        fields.insert("elapsed".into(), json!(output.duration.as_secs()));
        if let (Some(_), Some(path)) = (&self.dest, plan.result.get("path")) {
            fields.insert("path".into(), path.clone());
        }
        Ok(fields)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        match (&self.dest, outputs.first()) {
            (Some(_), Some(output)) => output.status == WRITTEN,
            _ => plan.would_change(),
        }
    }
}

/// The exit status by which the script of `dest` says that it has written the file.
const WRITTEN: i32 = 93;

/// Writes a form's name or value.
fn form(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => encoded.push(char::from(b)),
            b => encoded.push_str(&format!("%{}", local::hexadecimal(&[b]).to_ascii_uppercase())),
        }
    }
    encoded
}
