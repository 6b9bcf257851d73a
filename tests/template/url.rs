//! The lookup `url`, against servers on this machine.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use bringup::template::{Context, Engine, System, Var};
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

/// Reads a request up to the end of its headers.
fn heard(stream: &mut impl std::io::Read) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        text.push(byte[0]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A server that answers by the path, and with what it heard where that is `/heard`.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = heard(&mut stream);
            let path = request.split(' ').nth(1).unwrap_or_default();
            let login = request.to_lowercase().contains("authorization: basic ");
            let (head, body) = match path {
                "/two" => ("200 OK", "one\r\ntwo\n".to_owned()),
                "/json" => ("200 OK", "{\"a\": [1,\n2]}".to_owned()),
                "/heard" => ("200 OK", request.clone()),
                "/moved" => ("302 Found\r\nLocation: /two", String::new()),
                "/closed" if !login => ("401 No\r\nWWW-Authenticate: Basic realm=\"r\"", "closed".to_owned()),
                "/closed" => ("200 OK", "open".to_owned()),
                _ => ("404 Nowhere", "none".to_owned()),
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// A server whose certificate nobody has signed.
fn unsigned() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream.unwrap());
            if !heard(&mut stream).is_empty() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsafe");
                stream.conn.send_close_notify();
                let _ = stream.flush();
                let _ = stream.sock.read(&mut [0]);
            }
        }
    });
    (address, made.cert.pem())
}

fn run(text: &str, vars: &[(&str, Var)]) -> Result<Json, String> {
    let engine = Engine::new();
    let vars: IndexMap<String, Var> = vars.iter().map(|(name, var)| ((*name).to_owned(), var.clone())).collect();
    let vars = Context::new(&engine, Arc::new(vars), Arc::new(System::new(vec![std::env::temp_dir()])));
    engine.render(text, &vars).map_err(|error| error.to_string())
}

#[test]
fn a_server_is_asked() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        crate::support::skip::skip!("curl is not installed");
    }
    let at = ("at", Var::json(&json!(server())));
    let run = |text: &str| run(text, std::slice::from_ref(&at));
    assert_eq!(run("{{ query('url', at ~ '/two') }}"), Ok(json!(["one", "two"])));
    assert_eq!(run("{{ lookup('url', at ~ '/two') }}"), Ok(json!("one,two")));
    assert_eq!(run("{{ lookup('url', at ~ '/two', split_lines=false) }}"), Ok(json!("one\r\ntwo\n")));
    assert_eq!(run("{{ (lookup('url', at ~ '/json', split_lines=false) | from_json).a }}"), Ok(json!([1, 2])));
    assert_eq!(run("{{ query('url', at ~ '/moved') }}"), Ok(json!(["one", "two"])));
    let error = run("{{ query('url', at ~ '/moved', follow_redirects='none') }}").unwrap_err();
    assert!(error.contains("HTTP Error 302: Found"), "{error}");
    let error = run("{{ lookup('url', at ~ '/nope') }}").unwrap_err();
    assert!(error.contains("Received HTTP error for http://") && error.contains("HTTP Error 404: Nowhere"), "{error}");
    assert_eq!(run("{{ lookup('url', at ~ '/closed', username='u', password='p') }}"), Ok(json!("open")));
    let error = run("{{ lookup('url', 'http://127.0.0.1:1/') }}").unwrap_err();
    assert!(error.contains("Failed lookup url for http://127.0.0.1:1/ : "), "{error}");
    let error = run("{{ lookup('url', 'gopher://x/') }}").unwrap_err();
    assert!(error.contains("unknown url type"), "{error}");

    let said = |text: &str| run(text).unwrap().as_str().unwrap().to_lowercase();
    let heard = said("{{ lookup('url', at ~ '/heard', headers={'X-A': 'b \"c'}, force=true, split_lines=false) }}");
    assert!(heard.contains("\r\nx-a: b \"c\r\n") && heard.contains("cache-control: no-cache"), "{heard}");
    assert!(heard.contains("user-agent: ansible-httpget\r\n"), "{heard}");
    // Name and password are for those who ask for them, unless they are to be sent at once.
    let heard = said("{{ lookup('url', at ~ '/heard', username='u', password='p', split_lines=false) }}");
    assert!(!heard.contains("authorization"), "{heard}");
    let login = "username='u', password='p', force_basic_auth=true, split_lines=false";
    assert!(said(&format!("{{{{ lookup('url', at ~ '/heard', {login}) }}}}")).contains("authorization: basic dtpw"));
}

#[test]
fn certificates_are_looked_at() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        crate::support::skip::skip!("curl is not installed");
    }
    let (address, certificate) = unsigned();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, certificate).unwrap();
    let vars = [("at", Var::json(&json!(address))), ("ca", Var::json(&json!(file.path().to_str().unwrap())))];
    let error = run("{{ lookup('url', at) }}", &vars).unwrap_err();
    assert!(error.contains("Error validating the server's certificate for https://127.0.0.1:"), "{error}");
    assert_eq!(run("{{ lookup('url', at, validate_certs=false) }}", &vars), Ok(json!("safe")));
    assert_eq!(run("{{ lookup('url', at, ca_path=ca) }}", &vars), Ok(json!("safe")));
}

#[test]
fn no_host_decides_how_a_server_is_asked() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        crate::support::skip::skip!("curl is not installed");
    }
    let at = ("at", Var::json(&json!(server())));
    let text = "{{ lookup('url', at ~ '/heard', split_lines=false) }}";
    let own = run(text, &[at.clone(), ("ansible_lookup_url_agent", Var::json(&json!("mine")))]).unwrap();
    assert!(own.as_str().unwrap().contains("mine"));
    for name in ["ansible_lookup_url_agent", "ansible_lookup_url_unix_socket", "ansible_lookup_url_ca_path"] {
        let error = run(text, &[at.clone(), (name, Var::data(&json!("/its/own")))]).unwrap_err();
        assert!(error.contains(&format!("`{name}` is not wholly your own words")), "{error}");
    }
}
