//! A small HTTP client of ours, in bash, for hosts that have neither curl nor wget. For https it takes openssl, which every host has that has
//! authorities to trust.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::request::Request;
use crate::sh::{self, print, quote};

/// Headers that another server, to which the first one sends on, must not get.
const KEPT: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

impl Request {
    /// What a host has to have for it, as words of `command -v`; none where it cannot be done so.
    pub(super) fn own_needs(&self) -> Option<&'static str> {
        if self.unix_socket.is_some() || self.negotiate {
            return None;
        }
        match self.url.split_once("://")?.0.to_ascii_lowercase().as_str() {
            "http" => Some("bash"),
            "https" => Some("openssl"),
            _ => None,
        }
    }

    /// The script that makes the request; the content goes into `into`, a shell word, or behind the headers.
    ///
    /// All of the request goes through a pipe: command lines are everybody's to read.
    pub(super) fn own(&self, into: Option<&str>) -> String {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let (cert, key) = match &self.client_cert {
            Some((cert, key)) => (cert.as_str(), key.as_deref()),
            None => ("", None),
        };
        let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
        let mut lines = vec![
            self.method.clone(),
            self.url.clone(),
            yes(self.follow),
            yes(self.validate_certs),
            text(self.ca_path.as_deref()),
            cert.to_owned(),
            text(key),
            text(self.ciphers.as_deref()),
            self.timeout.as_secs().max(1).to_string(),
            yes(self.use_proxy),
        ];
        let agent = if self.agent.is_empty() { "ansible-httpget" } else { &self.agent };
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
            lines.push(format!("User-Agent: {agent}"));
        }
        for (name, value) in &self.headers {
            let kept = if KEPT.contains(&name.to_ascii_lowercase().as_str()) { "!" } else { "" };
            lines.push(format!("{kept}{name}: {value}"));
        }
        if let Some((user, password)) = &self.user {
            lines.push(format!("!Authorization: Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        }
        if let Some(body) = &self.body {
            lines.push(format!("Content-Length: {}", body.len()));
        }
        let mut bytes = format!("{}\n\n", lines.join("\n")).into_bytes();
        bytes.extend(self.body.iter().flatten());
        let into = into.unwrap_or("&1");
        format!("{} | bash -c {} 4>{into} || exit 91\n", print(&bytes), quote(sh::file!("own.bash")))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        path::Path,
        process::{Command, Output},
        sync::Arc,
        time::Duration,
    };

    use super::*;
    use crate::http::{Response, parse};

    /// Runs a request on a host that has bash and openssl alone. What it printed, and what came into the file.
    fn run(request: &Request, into: bool) -> (Output, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        for tool in ["sh", "bash", "cat", "dd", "grep", "head", "base64", "openssl"] {
            let found = ["/usr/bin", "/bin"].map(|d| format!("{d}/{tool}"));
            let found = found.into_iter().find(|p| Path::new(p).exists()).unwrap();
            std::os::unix::fs::symlink(found, folder.path().join(tool)).unwrap();
        }
        let file = folder.path().join("file");
        // As in a frame, where standard output is a file that others write to.
        let script =
            format!("( {} ) >\"$F.out\"; s=$?; cat <\"$F.out\"; exit $s", request.script(into.then_some("\"$F\"")));
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script).env_clear().env("PATH", folder.path()).env("F", &file);
        (shell.output().unwrap(), fs::read(file).unwrap_or_default())
    }

    fn response(request: &Request) -> Response {
        let (output, _) = run(request, false);
        parse(request, &output.stdout, &output.stderr)
            .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn get(url: String) -> Request {
        Request { url, method: "GET".into(), timeout: Duration::from_secs(10), follow: true, ..Request::default() }
    }

    /// Reads a request as far as its body goes.
    fn heard(stream: &mut impl Read) -> Vec<u8> {
        let mut all = Vec::new();
        let mut byte = [0];
        while !all.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            all.push(byte[0]);
        }
        let text = String::from_utf8_lossy(&all).into_owned();
        let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        all.extend(body);
        all
    }

    /// A server that gives one answer after the other, each to a connection of its own.
    fn server(answers: Vec<Vec<u8>>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serve = move || {
            let one = |answer: &Vec<u8>| {
                let (mut stream, _) = listener.accept().unwrap();
                let request = heard(&mut stream);
                stream.write_all(answer).unwrap();
                String::from_utf8_lossy(&request).into_owned()
            };
            answers.iter().map(one).collect()
        };
        (address, std::thread::spawn(serve))
    }

    #[test]
    fn content_of_any_bytes_comes_whole() {
        let body: Vec<u8> = (0..=255u8).cycle().take(300_000).collect();
        let head = format!("HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = [head.as_bytes(), &body].concat();
        let (address, server) = server(vec![answer.clone(), answer]);
        let request = get(format!("http://{address}/a?b=c"));
        let (output, file) = run(&request, true);
        assert!(output.status.success() && file == body, "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(response(&request).body, body);
        assert!(server.join().unwrap()[0].starts_with("GET /a?b=c HTTP/1.0\r\nHost: 127.0.0.1:"));
    }

    #[test]
    fn half_an_answer_is_none() {
        for (answer, why) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "ended after 4 of 10 bytes"),
            ("HTTP/1.1 200 OK\r\nX: y\r\n", "ended within its headers"),
            ("SSH-2.0-x\r\n", "does not speak HTTP"),
            ("", "did not answer"),
        ] {
            let (address, server) = server(vec![answer.into()]);
            let (output, _) = run(&get(format!("http://{address}/")), true);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(91) && told.contains(why), "{why}: {told}");
            server.join().unwrap();
        }
    }

    #[test]
    fn another_server_gets_no_password() {
        let (second, other) = server(vec![b"HTTP/1.1 200 OK\r\n\r\nend".to_vec()]);
        let moved = format!("HTTP/1.1 302 Found\r\nLocation: http://{second}/there\r\nContent-Length: 3\r\n\r\nno!");
        let within = b"HTTP/1.1 301 Moved\r\nlocation: next\r\n\r\n".to_vec();
        let (first, server) = server(vec![within, moved.into_bytes()]);
        let user = Some(("ada".to_owned(), "s3cret".to_owned()));
        let headers = vec![("X-Shown".to_owned(), "a b".to_owned())];
        let request = Request { user, headers, ..get(format!("http://{first}/dir/page")) };
        let found = response(&request);
        assert_eq!((found.status, found.body.as_slice()), (200, &b"end"[..]));
        assert_eq!(found.url, format!("http://{second}/there"));
        let asked = server.join().unwrap();
        assert!(asked[1].starts_with("GET /dir/next "), "{}", asked[1]);
        assert!(asked.iter().all(|request| request.contains("Authorization: Basic YWRhOnMzY3JldA==\r\n")), "{asked:?}");
        let behind = other.join().unwrap();
        assert!(!behind[0].contains("Authorization") && behind[0].contains("X-Shown: a b\r\n"), "{behind:?}");
    }

    #[test]
    fn a_proxy_is_not_passed_by() {
        let request = Request { use_proxy: true, ..get("http://127.0.0.1:9/".into()) };
        let script = format!("export http_proxy=http://127.0.0.1:1; {}", request.own(None));
        let output = Command::new("bash").arg("-c").arg(script).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("a proxy (http_proxy) takes curl or wget"));
    }

    #[test]
    fn a_body_is_sent_as_it_is() {
        let (address, server) = server(vec![b"HTTP/1.1 201 Made\r\n\r\n".to_vec()]);
        let body = Some(b"a\0b\n\nc".to_vec());
        let request = Request { method: "POST".into(), body, ..get(format!("http://{address}/")) };
        assert_eq!(response(&request).status, 201);
        assert!(server.join().unwrap()[0].ends_with("\r\n\r\na\0b\n\nc"));
    }

    /// Serves one answer by TLS; cut off without a word at its end where `cut`.
    fn secure(
        config: Arc<rustls::ServerConfig>,
        answer: &'static str,
        cut: bool,
    ) -> (String, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serve = move || {
            let (stream, _) = listener.accept().unwrap();
            let connection = rustls::ServerConnection::new(config).unwrap();
            let mut stream: rustls::StreamOwned<_, TcpStream> = rustls::StreamOwned::new(connection, stream);
            heard(&mut stream);
            let _ = stream.write_all(answer.as_bytes());
            if !cut {
                stream.conn.send_close_notify();
            }
            let _ = stream.flush();
        };
        (address, std::thread::spawn(serve))
    }

    #[test]
    fn servers_are_checked_by_their_certificates() {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let rcgen::CertifiedKey { cert, signing_key } = made.unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
        let config = Arc::new(config.unwrap());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, cert.pem()).unwrap();
        let known = Some(file.display().to_string());
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        for (ca_path, validate_certs, host, fine) in [
            (known.clone(), true, "127.0.0.1", true),
            (None, true, "127.0.0.1", false),
            (known.clone(), true, "localhost", false),
            (None, false, "localhost", true),
        ] {
            let (address, server) = secure(config.clone(), answer, false);
            let url = format!("https://{}/", address.replace("127.0.0.1", host));
            let request = Request { ca_path, validate_certs, ..get(url) };
            let (output, file) = run(&request, true);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.success(), file == b"hi"), (fine, fine), "{host} {validate_certs}: {told}");
            assert!(fine || told.contains("verify error"), "{told}");
            server.join().unwrap();
        }
        // A file that cannot be read is named, for the server never hears of it.
        let client_cert = Some(("/nowhere/client.crt".to_owned(), None));
        let request = Request { client_cert, ..get("https://127.0.0.1:9/".into()) };
        let told = String::from_utf8_lossy(&run(&request, true).0.stderr).into_owned();
        assert!(told.contains("/nowhere/client.crt"), "{told}");
        // Without a length nothing but TLS itself tells an end from a cut.
        for cut in [false, true] {
            let (address, server) = secure(config.clone(), "HTTP/1.1 200 OK\r\n\r\nhalf", cut);
            let request =
                Request { ca_path: known.clone(), validate_certs: true, ..get(format!("https://{address}/")) };
            let (output, _) = run(&request, true);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.success(), !cut, "{told}");
            server.join().unwrap();
        }
    }
}
