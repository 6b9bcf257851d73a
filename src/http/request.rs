//! What is asked, as a script for the host.

use std::time::Duration;

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
    /// Whether these are sent only where the server asks for them, in the way it asks for.
    pub challenged: bool,
    /// How long to wait.
    pub timeout: Duration,
    /// Whether that is how long nothing may come, not how long all of it may take.
    pub patient: bool,
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
    /// Who asks; `ansible-httpget` where it is empty.
    pub agent: String,
    /// The ciphers of TLS to offer, as OpenSSL writes such a list.
    pub ciphers: Option<String>,
    /// Whether content that comes packed by gzip is unpacked.
    pub decompress: bool,
    /// Whether it logs in by Kerberos.
    pub negotiate: bool,
    /// Whether name and password may come from the acting user's `.netrc`.
    pub netrc: bool,
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
        self.negotiate || self.user.is_some() || self.headers.iter().any(|(n, _)| sensitive(n))
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
        breaks(&self.url)
            || breaks(&self.agent)
            || self.ciphers.as_deref().is_some_and(breaks)
            || self.ca_path.as_deref().is_some_and(breaks)
            || self.client_cert.as_ref().is_some_and(|(cert, key)| breaks(cert) || key.as_deref().is_some_and(breaks))
            || self.headers.iter().any(|(n, v)| breaks(n) || breaks(v))
    }

    /// A script that prints which tool it used, the headers and the content. With `into`, a shell word, the content
    /// goes into that file.
    ///
    /// It fails with a sentence on standard error where the request did not come about.
    pub fn script(&self, into: Option<&str>) -> String {
        if self.broken() {
            return "echo 'a line end cannot be part of a URL or of a header' >&2; exit 90\n".to_owned();
        }
        if let Some(path) = self.url.strip_prefix("file://") {
            return self.file(path, into);
        }
        let mut script = String::from("export LC_ALL=C\n");
        script.push_str(&format!("if command -v curl >/dev/null; then\necho curl\n{}", self.curl(into)));
        if !self.bound() && self.unix_socket.is_none() {
            script.push_str(&format!("elif command -v wget >/dev/null; then\necho wget\n{}", self.wget(into)));
        }
        if let Some(needs) = self.own_needs() {
            script.push_str(&format!(
                "elif command -v bash >/dev/null && command -v {needs} >/dev/null; then\necho curl\n{}",
                self.own(into)
            ));
        }
        script.push_str(
            "else echo 'the host has neither curl nor wget, nor bash and openssl, to make the request with: install the package `curl`' >&2; exit 90\nfi\n",
        );
        script
    }

    /// A script that puts the content into the file `into`, a shell word; any answer but a success fails it. What it prints is nobody's.
    pub fn fetch(&self, into: &str) -> String {
        format!(
            "h=$( {} ) || exit 1\nc=$(printf '%s\\n' \"$h\" | sed -n 's/^ *HTTP[^ ]* \\([0-9]*\\).*/\\1/p' | tail -n 1)\n\
             case ${{c:-200}} in 200) ;; *) echo \"the server answered with status $c\" >&2; exit 1 ;; esac\n",
            // wget tells the headers on standard error.
            self.script(Some(into)).replace("wget \"$@\"", "wget \"$@\" 2>&1")
        )
    }

    /// A file of the host itself, told as curl tells what a server answers.
    fn file(&self, path: &str, into: Option<&str>) -> String {
        let path = quote(&decoded(path)).into_owned();
        let content = match (self.method.as_str(), into) {
            ("HEAD", _) => String::new(),
            (_, Some(into)) => format!("cat -- {path} >{into} || exit 91\n"),
            (_, None) => format!("cat -- {path} || exit 91\n"),
        };
        format!(
            "[ -f {path} ] || {{ printf 'there is no file %s\\n' {path} >&2; exit 91; }}\necho curl\n\
             printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'\n{content}printf '\\n%s' {}\n",
            quote(&self.url)
        )
    }

    fn unpacks(&self) -> bool {
        self.decompress && self.method != "HEAD"
    }

    fn asks_netrc(&self) -> bool {
        self.netrc && self.user.is_none() && !self.negotiate
    }

    /// What curl reads from a descriptor.
    fn configuration(&self) -> String {
        // What may be secret goes in a configuration through a descriptor, so that no list of processes shows it.
        let mut config = String::new();
        let mut set = |name: &str, value: &str| config.push_str(&format!("{name} = \"{}\"\n", escape(value)));
        set("url", &self.url);
        set("user-agent", self.agent());
        for (name, value) in &self.headers {
            let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
            set("header", &header);
        }
        set("header", "Expect:");
        if let Some((user, password)) = &self.user {
            set("user", &format!("{user}:{password}"));
        } else if self.negotiate {
            // Whoever the ticket is for.
            set("user", ":");
        }
        if let Some(ciphers) = &self.ciphers {
            set("ciphers", ciphers);
        }
        let own = self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("accept-encoding"));
        if self.unpacks() && !own {
            // Unpacked is what comes packed; nothing is asked to be.
            set("header", "Accept-Encoding:");
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
        config.push_str(match () {
            () if self.negotiate => "negotiate\n",
            () if self.challenged && self.user.is_some() => "anyauth\n",
            () => "",
        });
        config.push_str(if self.asks_netrc() { "netrc-optional\n" } else { "" });
        config.push_str(if self.follow { "location\n" } else { "" });
        config.push_str(if self.validate_certs { "" } else { "insecure\n" });
        config
    }

    fn curl(&self, into: Option<&str>) -> String {
        let config = self.configuration();
        let (unpacks, netrc) = (self.unpacks(), self.asks_netrc());
        let seconds = self.timeout.as_secs().max(1);
        let patient = self.patient || into.is_some();
        let limit = if patient { "--speed-limit 1 --speed-time" } else { "--max-time" };
        let mut script = String::from("set --\n");
        if unpacks {
            script.push_str("case $(curl --version) in *libz*) set -- --compressed ;; esac\n");
        }
        if netrc {
            script.push_str("[ -z \"${NETRC:-}\" ] || set -- \"$@\" --netrc-file \"$NETRC\"\n");
        }
        if let Some(ca) = self.ca_path.as_ref().filter(|_| self.validate_certs) {
            let ca = quote(ca);
            script.push_str(&format!(
                "if [ -d {ca} ]; then set -- \"$@\" --capath {ca}; else set -- \"$@\" --cacert {ca}; fi\n"
            ));
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

    fn agent(&self) -> &str {
        if self.agent.is_empty() { "ansible-httpget" } else { &self.agent }
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
        if let Some(ciphers) = &self.ciphers {
            add(&format!("--ciphers={ciphers}"));
        }
        // GNU's prints the content of an error only when asked to; busybox's knows neither that nor a limit of time.
        let redirects = if self.follow { "" } else { " --max-redirect=0" };
        let patient = self.patient || into.is_some();
        let limit = if patient { String::new() } else { format!("timeout {seconds} ") };
        let netrc = if self.netrc { "" } else { " --no-netrc" };
        let agent = quote(self.agent());
        let gnu = format!("set -- --content-on-error --tries=1 -T {seconds}{redirects}{netrc} -U {agent} \"$@\"");
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
}

/// A path with what stands for a byte as `%2F` in its place.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &behind[2..]).1,
            None => (bytes.push(first), rest = behind).1,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
