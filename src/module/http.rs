//! HTTP requests made by the host, with whatever it has: curl, wget, or bash alone for plain http.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::sh::{print, quote};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// `GET` and its like, in capitals.
    pub method: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent along.
    pub body: Option<Vec<u8>>,
    /// Name and password.
    pub user: Option<(String, String)>,
    /// How long to wait.
    pub timeout: Duration,
    /// Whether the server's certificate is checked.
    pub validate_certs: bool,
    /// A file or directory of authorities to trust, on the host.
    pub ca_path: Option<String>,
    /// A client certificate and, unless it is in the same file, its key; both on the host.
    pub client_cert: Option<(String, Option<String>)>,
    /// Whether redirects are followed.
    pub follow: bool,
    /// Whether proxies of the environment are used.
    pub use_proxy: bool,
    /// A socket of the host to connect to.
    pub unix_socket: Option<String>,
}

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

/// Headers that hold no secret. All others may: `X-Auth-Token`, `PRIVATE-TOKEN` and what else there is.
const HARMLESS: [&str; 9] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-type",
    "if-modified-since",
    "if-none-match",
    "range",
    "user-agent",
];

impl Request {
    /// What keeps `wget` from doing it: where it is sent on to, another server would get these too.
    fn bound(&self) -> bool {
        let sensitive = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "authorization" | "cookie");
        self.user.is_some() || self.headers.iter().any(|(n, _)| sensitive(n))
    }

    /// Whether something of it must not stand in a command line, which everybody on the host can read: a body, most headers,
    /// a password or a query in the URL.
    fn hidden(&self) -> bool {
        let authority =
            self.url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
        self.body.is_some()
            || self.url.contains('?')
            || authority.contains('@')
            || self.headers.iter().any(|(n, _)| !HARMLESS.contains(&n.to_ascii_lowercase().as_str()))
    }

    /// Whether a line end in it would become another line of a tool's configuration.
    fn broken(&self) -> bool {
        let breaks = |text: &str| text.contains(['\r', '\n', '\0']);
        breaks(&self.url) || self.headers.iter().any(|(n, v)| breaks(n) || breaks(v))
    }

    /// A script that prints which tool it used, the headers and the content. With `into`, a shell word, the content
    /// goes into that file.
    ///
    /// It fails with a sentence on standard error where the request did not come about.
    pub fn script(&self, into: Option<&str>) -> String {
        if self.broken() {
            return "echo 'a line end cannot be part of a URL or of a header' >&2; exit 90\n".to_owned();
        }
        let mut script = String::from("export LC_ALL=C\n");
        script.push_str(&format!("if command -v curl >/dev/null; then\necho curl\n{}", self.curl(into)));
        if !self.bound() && self.unix_socket.is_none() {
            script.push_str(&format!("elif command -v wget >/dev/null; then\necho wget\n{}", self.wget(into)));
        }
        if let (Some(plain), None) = (self.plain(), into) {
            script.push_str(&format!("elif command -v bash >/dev/null; then\necho bash\n{plain}"));
        }
        script.push_str(
            "else echo 'the host has no curl to make the request with: install the package `curl`' >&2; exit 90\nfi\n",
        );
        script
    }

    fn curl(&self, into: Option<&str>) -> String {
        // What may be secret goes in a configuration through a descriptor, so that no list of processes shows it.
        let mut config = String::new();
        let mut set = |name: &str, value: &str| config.push_str(&format!("{name} = \"{}\"\n", escape(value)));
        set("url", &self.url);
        set("user-agent", "ansible-httpget");
        for (name, value) in &self.headers {
            let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
            set("header", &header);
        }
        set("header", "Expect:");
        if let Some((user, password)) = &self.user {
            set("user", &format!("{user}:{password}"));
        }
        if let Some((cert, key)) = &self.client_cert {
            set("cert", cert);
            if let Some(key) = key {
                set("key", key);
            }
        }
        if let Some(socket) = &self.unix_socket {
            set("unix-socket", socket);
        }
        if !self.use_proxy {
            set("noproxy", "*");
        }
        match self.method.as_str() {
            "HEAD" => config.push_str("head\n"),
            method => config.push_str(&format!("request = \"{}\"\n", escape(method))),
        }
        config.push_str(if self.follow { "location\n" } else { "" });
        config.push_str(if self.validate_certs { "" } else { "insecure\n" });
        let seconds = self.timeout.as_secs().max(1);
        let limit = if into.is_some() { "--speed-limit 1 --speed-time" } else { "--max-time" };
        let mut script = String::from("set --\n");
        if let Some(ca) = self.ca_path.as_ref().filter(|_| self.validate_certs) {
            let ca = quote(ca);
            script.push_str(&format!("if [ -d {ca} ]; then set -- --capath {ca}; else set -- --cacert {ca}; fi\n"));
        }
        let out = into.map_or_else(|| "-i".to_owned(), |file| format!("-D - -o {file}"));
        let (feed, data) = match &self.body {
            Some(body) => (format!("{} | ", print(body)), " --data-binary @-"),
            None => (String::new(), ""),
        };
        script.push_str(&format!(
            "{feed}curl -q -sS {out} --connect-timeout {seconds} {limit} {seconds} -w '\\n%{{url_effective}}'{data} \
             -K /dev/fd/3 \"$@\" 3<<'BRINGUP-CONFIGURATION'\n{config}BRINGUP-CONFIGURATION\n"
        ));
        script
    }

    fn wget(&self, into: Option<&str>) -> String {
        let seconds = self.timeout.as_secs().max(1);
        let mut script = format!("set -- -q -S -O {}\n", into.unwrap_or("-"));
        let mut add = |word: &str| script.push_str(&format!("set -- \"$@\" {}\n", quote(word)));
        if !self.validate_certs {
            add("--no-check-certificate");
        } else if let Some(ca) = &self.ca_path {
            add(&format!("--ca-certificate={ca}"));
        }
        if let Some((cert, key)) = &self.client_cert {
            add(&format!("--certificate={cert}"));
            add(&format!("--private-key={}", key.as_ref().unwrap_or(cert)));
        }
        if !self.use_proxy {
            add("--no-proxy");
        }
        // GNU's prints the content of an error only when asked to; busybox's knows neither that nor a limit of time.
        let redirects = if self.follow { "" } else { " --max-redirect=0" };
        let limit = if into.is_some() { String::new() } else { format!("timeout {seconds} ") };
        let gnu = format!("set -- --content-on-error --tries=1 -T {seconds}{redirects} \"$@\"");
        let (gnu, others) = if self.hidden() { self.wget_hidden(&gnu) } else { self.wget_shown(&gnu) };
        script.push_str(&format!(
            "if wget --help 2>&1 | grep -q content-on-error; then\n{gnu}else\n{others}fi\n\
             {limit}wget \"$@\"\nr=$?; [ -z \"$w\" ] || rm -rf -- \"$w\"\n[ $r = 0 ] || [ $r = 8 ]\n"
        ));
        script
    }

    /// How wget is told of a request that everybody may see: for GNU's, and for all others.
    fn wget_shown(&self, gnu: &str) -> (String, String) {
        let mut words = String::from("w=\n");
        let mut add = |word: &str| words.push_str(&format!("set -- \"$@\" {}\n", quote(word)));
        for (name, value) in &self.headers {
            add(&format!("--header={name}: {value}"));
        }
        if self.method != "GET" {
            add(&format!("--method={}", self.method));
        }
        words.push_str(&format!("set -- \"$@\" -- {}\n", quote(&self.url)));
        (format!("{gnu}\n{words}"), words)
    }

    /// How wget is told of a request that nobody else may see: by files that are this user's alone. Only GNU's reads all of it from files.
    fn wget_hidden(&self, gnu: &str) -> (String, String) {
        let mut settings = format!("method = {}\n", self.method);
        for (name, value) in &self.headers {
            settings.push_str(&format!("header = {name}: {value}\n"));
        }
        let mut files = format!(
            "w=$(umask 077; mktemp -d) || exit 90\ntrap '[ -z \"$w\" ] || rm -rf -- \"$w\"; exit 129' HUP INT TERM\n\
             {} >\"$w/settings\"\n{} >\"$w/url\"\n{gnu}\nset -- --config=\"$w/settings\" -i \"$w/url\" \"$@\"\n",
            print(settings.as_bytes()),
            print(format!("{}\n", self.url).as_bytes()),
        );
        if let Some(body) = &self.body {
            files.push_str(&format!("{} >\"$w/body\"\nset -- --body-file=\"$w/body\" \"$@\"\n", print(body)));
        }
        let refusal = "echo 'this `wget` takes headers, a body and queries on its command line alone, where everybody could read them: \
                       install the package `curl`' >&2; exit 90\n";
        (files, refusal.to_owned())
    }

    /// Plain http by bash itself.
    fn plain(&self) -> Option<String> {
        let rest = self.url.strip_prefix("http://").filter(|_| self.unix_socket.is_none())?;
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        if authority.contains('@') {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, "80"),
        };
        let body = self.body.clone().unwrap_or_default();
        let mut head = format!("{} {path} HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n", self.method);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some((user, password)) = &self.user {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            head.push_str(&format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}"))));
        }
        if self.body.is_some() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let bytes = [head.as_bytes(), &body].concat();
        Some(format!(
            "{} | timeout {} bash -c 'exec 3<>\"/dev/tcp/$0/$1\" && cat >&3 && cat <&3' {} {} || {{ echo 'no connection' >&2; exit 91; }}\n",
            print(&bytes),
            self.timeout.as_secs().max(1),
            quote(host.trim_matches(['[', ']'])),
            quote(port),
        ))
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => escaped.extend(['\\', character]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Reads what [`Request::script`] printed. `None`: there was no answer.
pub fn parse(request: &Request, stdout: &[u8], stderr: &[u8]) -> Option<Response> {
    let end = stdout.iter().position(|b| *b == b'\n')?;
    let (tool, rest) = (&stdout[..end], &stdout[end + 1..]);
    match tool {
        b"curl" => {
            let at = rest.iter().rposition(|b| *b == b'\n')?;
            let url = String::from_utf8_lossy(&rest[at + 1..]).into_owned();
            let mut response = heads(&rest[..at])?;
            response.url = url;
            Some(response)
        }
        b"wget" => {
            // Where the content went into a file, the headers are on standard output.
            let saved = find(stderr, b"  HTTP/").is_none();
            let text = String::from_utf8_lossy(if saved { rest } else { stderr });
            let head: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("  ")).collect();
            let mut response = heads(format!("{}\n\n", head.join("\n")).as_bytes())?;
            response.body = if saved { Vec::new() } else { rest.to_vec() };
            response.url.clone_from(&request.url);
            Some(response)
        }
        b"bash" => {
            let mut response = heads(rest)?;
            response.url.clone_from(&request.url);
            Some(response)
        }
        _ => None,
    }
}

/// Takes the headers off; of several answers in a row the last one counts.
fn heads(bytes: &[u8]) -> Option<Response> {
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
        let last = response.as_ref().is_some_and(|r: &Response| !matches!(r.status, 100..=199 | 300..=399));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_counts() {
        let request = Request { url: "http://a/".into(), ..Request::default() };
        let text = b"curl\nHTTP/1.1 302 Found\r\nLocation: /b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=b; Path=/\r\n\r\nHTTP/9 body\n\nhttp://a/b";
        let response = parse(&request, text, b"").unwrap();
        assert_eq!(
            (response.status, response.body.as_slice(), response.url.as_str()),
            (200, &b"HTTP/9 body\n"[..], "http://a/b")
        );
        let fields = response.fields(&request);
        assert_eq!(fields["content_type"], "text/plain");
        assert_eq!(fields["cookies"]["a"], "b");
        assert_eq!(fields["redirected"], true);
    }

    #[test]
    fn wget_and_bash_are_understood() {
        let request = Request { url: "http://a/".into(), ..Request::default() };
        let stderr = b"  HTTP/1.1 301 Moved\n  Location: /b\n  HTTP/1.1 404 Not Found\n  X-A: 1\n";
        let response = parse(&request, b"wget\nbody", stderr).unwrap();
        assert_eq!((response.status, response.header("x-a"), response.body.as_slice()), (404, Some("1"), &b"body"[..]));
        let response = parse(&request, b"bash\nHTTP/1.0 204 No Content\r\n\r\n", b"").unwrap();
        assert_eq!((response.status, response.reason.as_str()), (204, "No Content"));
        assert_eq!(parse(&request, b"curl\n", b"refused"), None);
    }

    /// Every request that holds a secret, wherever that may be.
    fn secrets() -> Vec<Request> {
        let plain = || Request { url: "https://a/".into(), method: "GET".into(), ..Request::default() };
        let header = |name: &str| Request { headers: vec![(name.to_owned(), "s3cret".into())], ..plain() };
        vec![
            Request { user: Some(("u".into(), "s3cret".into())), ..plain() },
            header("Authorization"),
            header("Cookie"),
            header("X-Auth-Token"),
            header("PRIVATE-TOKEN"),
            Request { url: "https://a/?token=s3cret".into(), ..plain() },
            Request { url: "https://u:s3cret@a/".into(), ..plain() },
            Request { method: "POST".into(), body: Some(b"s3cret".to_vec()), ..plain() },
            Request { method: "PUT".into(), body: Some(b"s3cret".to_vec()), ..plain() },
        ]
    }

    #[test]
    fn secrets_are_in_no_command_line() {
        // What the shell's own `printf` writes, and what is between `<<'…'` and its end, is in no command line.
        let hidden = regex::Regex::new(
            r"(?s)printf %s (?:'(?:[^']|'\\'')*'|\S+)|3<<'BRINGUP-CONFIGURATION'\n.*?\nBRINGUP-CONFIGURATION\n",
        );
        let hidden = hidden.unwrap();
        for request in secrets() {
            for into in [None, Some("\"$t\"")] {
                let script = request.script(into);
                assert!(script.contains("s3cret") || request.user.is_some(), "{script}");
                assert!(!hidden.replace_all(&script, "").contains("s3cret"), "{script}");
            }
        }
    }

    /// Runs a script with nothing but wget of the tools that make requests: what the server heard, and wget's command lines.
    fn by_wget(request: impl Fn(String) -> Request) -> Option<(String, String, Option<Response>)> {
        use std::{io::Read as _, net::TcpListener, os::unix::fs::PermissionsExt as _, process::Command};
        let wget = ["/usr/bin/wget", "/bin/wget"].into_iter().find(|p| std::path::Path::new(p).exists())?;
        let folder = tempfile::tempdir().unwrap();
        for tool in ["sh", "grep", "timeout", "mktemp", "rm", "base64"] {
            let found =
                ["/usr/bin", "/bin"].map(|d| format!("{d}/{tool}")).into_iter().find(|p| std::fs::exists(p).unwrap());
            std::os::unix::fs::symlink(found.unwrap(), folder.path().join(tool)).unwrap();
        }
        let lines = folder.path().join("lines");
        let spy = format!("#!/bin/sh\nprintf '%s ' \"$@\" >>'{}'\nexec {wget} \"$@\"\n", lines.display());
        std::fs::write(folder.path().join("wget"), spy).unwrap();
        std::fs::set_permissions(folder.path().join("wget"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            use std::io::Write as _;
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            let (mut heard, mut part) = (Vec::new(), [0; 4096]);
            while let Ok(n @ 1..) = stream.read(&mut part) {
                heard.extend_from_slice(&part[..n]);
            }
            stream.write_all(b"HTTP/1.1 201 Made\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody").unwrap();
            String::from_utf8_lossy(&heard).into_owned()
        });
        let request = request(address.to_string());
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(request.script(None)).env_clear().env("PATH", folder.path()).env("TMPDIR", folder.path());
        let output = shell.output().unwrap();
        let heard = server.join().unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|n| n.to_string_lossy().starts_with("tmp.")), "{left:?}");
        let response = parse(&request, &output.stdout, &output.stderr);
        Some((heard, std::fs::read_to_string(&lines).unwrap(), response))
    }

    #[test]
    fn wget_is_told_of_secrets_by_files() {
        let request = |address: String| Request {
            url: format!("http://{address}/?token=s3cret-q"),
            method: "PUT".into(),
            headers: vec![("X-Auth-Token".into(), "s3cret-h # ' \"".into())],
            body: Some(b"s3cret-b\0\xff\n".to_vec()),
            timeout: Duration::from_secs(20),
            ..Request::default()
        };
        let Some((heard, lines, response)) = by_wget(request) else { return };
        assert!(heard.starts_with("PUT /?token=s3cret-q HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("\r\nX-Auth-Token: s3cret-h # ' \"\r\n"), "{heard}");
        assert!(heard.contains("\r\n\r\ns3cret-b\0"), "{heard}");
        assert!(!lines.contains("s3cret") && lines.contains("--body-file="), "{lines}");
        let response = response.unwrap();
        assert_eq!((response.status, response.body.as_slice()), (201, &b"body"[..]));
    }

    #[test]
    fn a_line_end_is_no_way_into_a_configuration() {
        let header = ("X".to_owned(), "a\nuse_askpass=touch".to_owned());
        let request = Request { url: "http://a/".into(), headers: vec![header], ..Request::default() };
        assert!(request.script(None).starts_with("echo 'a line end"));
    }
}
