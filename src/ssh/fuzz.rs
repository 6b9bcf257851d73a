//! What a host or a file can feed to `ssh`, for the fuzzers.

use std::path::Path;

use bytes::Bytes;

use super::{
    Target,
    answer::Parser,
    known_hosts::{HostCheck, Rules},
    ssh_config,
};

/// What a shell sends back, in pieces whose length is the first byte.
pub(crate) fn frames(data: &[u8]) {
    let Some((length, stream)) = data.split_first() else { return };
    let mut parser = Parser::new("tok");
    for piece in stream.chunks(usize::from(*length).max(1)) {
        parser.push(&Bytes::copy_from_slice(piece));
        loop {
            match parser.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    let _ = (parser.greeted(), parser.noise().len());
}

/// A file of known hosts.
pub(crate) fn known_hosts(file: &Path) {
    let rules = Rules { files: vec![file.to_owned()], ..Rules::default() };
    if let Ok(check) = HostCheck::read("h1", "h1.example", 2222, &rules) {
        let _ = (check.algorithms(), check.certificate_algorithms());
    }
}

/// A file of OpenSSH's settings; one that only OpenSSH itself could judge, or that names other files, is left alone.
pub(crate) fn ssh_config(file: &Path, text: &str) {
    let lower = text.to_lowercase();
    if ["match", "canonicalizehostname", "include"].iter().any(|word| lower.contains(word)) {
        return;
    }
    let mut target = Target::new("h1");
    target.options.insert("f".to_owned(), file.display().to_string());
    if let Ok(found) = ssh_config::look_up("h1", &target, Path::new("/nonexistent")) {
        let _ = (found.all("identityfile"), found.left_out(), found.yes("batchmode", false));
        let _ = found.number::<u16>("port", 22);
        let _ = found.get("connecttimeout").map(|time| found.seconds("connecttimeout", time));
    }
}
