//! HTTP requests as scripts for a machine, made with whatever it has: curl, wget, or a small client of ours in bash.

mod answer;
mod own;
mod request;

pub use answer::{Response, parse};
pub use request::Request;

/// The name that a URL ends in.
pub fn name(url: &str) -> &str {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest).split(['?', '#']).next().unwrap_or_default();
    path.split_once('/').map_or("", |(_, path)| path.rsplit('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn a_server_names_a_file_and_no_path() {
        let url = "http://a/b/last%20one?x=/y".to_owned();
        for (header, name) in [
            ("attachment; filename=\"a b.tgz\"", Some("a b.tgz")),
            ("attachment;filename=a.tgz; size=3", Some("a.tgz")),
            ("attachment; FileName = \"a\\\"b\"", Some("a\"b")),
            ("attachment; x=\"filename=y\"; filename=z", Some("z")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"..\"", None),
            ("attachment; filename=\"a/\"", None),
            ("attachment; filename=", None),
            ("attachment; filename=\"a\nb\"", None),
            ("inline", None),
        ] {
            let headers = vec![("content-disposition".to_owned(), header.to_owned())];
            let response = Response { url: url.clone(), headers, ..Response::default() };
            assert_eq!(response.attachment().as_deref(), name, "{header}");
        }
    }

    #[test]
    fn wget_is_understood() {
        let request = Request { url: "http://a/".into(), ..Request::default() };
        let stderr = b"  HTTP/1.1 301 Moved\n  Location: /b\n  HTTP/1.1 404 Not Found\n  X-A: 1\n";
        let response = parse(&request, b"wget\nbody", stderr).unwrap();
        assert_eq!((response.status, response.header("x-a"), response.body.as_slice()), (404, Some("1"), &b"body"[..]));
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
