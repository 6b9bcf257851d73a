//! A web server on the loopback for the modules that ask one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::OnceLock,
    thread,
};

/// A small archive.
const DOT: &str = "H4sIAAAAAAACA+3UMQ7CMBBE0a05hU8Qm2TXPg8FkCISEgGJ4xNI5yJSiiwS+a9Zy+1opomyuTQpZt87qe/8Lp1mU5v/8zGpBBMHz/FxuocgO9XEi0v+WXUh/1zn31qSkMh/c/15GG4HwW77P0aP/peyav+7T//Zf5/8rz/f/7bO31Jh/z282H4AAAAAAAAAAAAA+AtvjoPh1AAoAAA=";

/// The line `hello`, packed by gzip.
const PACKED: &str = "H4sIAAAAAAAAA8tIzcnJ5wIAIDA6NgYAAAA=";

/// Starts the server once; its `host:port`.
pub fn address() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    // A client that goes away in the middle is no fault of the test.
                    let _ = answer(stream);
                });
            }
        });
        address
    })
}

fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        headers.push(line.trim().to_owned());
    }
    let length = headers.iter().find_map(|h| h.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
    let mut body = vec![0; length.and_then(|l| l.trim().parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, extra, content) = content(method, path, &headers, &body);
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n", content.len())?;
    if method != "HEAD" {
        stream.write_all(&content)?;
    }
    stream.flush()
}

fn content(method: &str, path: &str, headers: &[String], body: &[u8]) -> (&'static str, &'static str, Vec<u8>) {
    let text = |t: &str| t.as_bytes().to_vec();
    match path.split('?').next().unwrap_or_default() {
        "/hello" => {
            ("200 OK", "Content-Type: text/plain\r\nX-Test: yes\r\nSet-Cookie: a=b; Path=/\r\n", text("hello\n"))
        }
        // `./`, `./f`, `./s/` and `./s/g`.
        "/dot.tgz" => ("200 OK", "", STANDARD.decode(DOT).unwrap()),
        "/json" => ("200 OK", "Content-Type: application/json\r\n", text(r#"{"a": [1, 2]}"#)),
        "/named" => ("200 OK", "Content-Disposition: attachment; filename=\"../the name\"\r\n", text("named\n")),
        "/page" => ("200 OK", "Content-Type: text/html\r\n", text("<!DOCTYPE html>\n<html>sign in</html>\n")),
        "/moved" => ("302 Found", "Location: /hello\r\n", Vec::new()),
        "/empty" => ("204 No Content", "", Vec::new()),
        "/file.bin" => ("200 OK", "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\n", (0..=255).collect()),
        "/SUMS" => (
            "200 OK",
            "",
            text(
                "00  other\n$(id)  json\n40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880  file.bin\n",
            ),
        ),
        "/echo" => {
            let mut told = format!("{method} {path}\n");
            let mut shown: Vec<_> =
                headers.iter().filter(|h| !h.to_lowercase().starts_with("host:")).cloned().collect();
            shown.sort();
            told.push_str(&shown.join("\n"));
            told.push_str("\n\n");
            ("200 OK", "Content-Type: text/plain\r\n", [told.as_bytes(), body].concat())
        }
        "/packed" => ("200 OK", "Content-Encoding: gzip\r\n", STANDARD.decode(PACKED).unwrap()),
        _ => ("404 Not Found", "Content-Type: text/plain\r\n", text("nothing here\n")),
    }
}
