//! What dnf says of a transaction, in the words of its fourth and fifth generation.

/// What a transaction does, as Ansible's module tells it: `Installed: NAME-VERSION.ARCH`, `Removed: …`.
pub(super) fn results(text: &str, downloads: bool) -> Vec<String> {
    let (mut results, mut section) = (Vec::new(), None);
    for line in table(text) {
        if !line.starts_with(' ') {
            section = verb(line, downloads);
            continue;
        }
        // A row that goes on has more blanks in front.
        let row: Vec<&str> = line.split_whitespace().collect();
        if let (Some(verb), [name, arch, version, ..], false) = (section, &row[..], line.starts_with("  ")) {
            let version =
                version.split_once(':').map_or(*version, |(epoch, rest)| if epoch == "0" { rest } else { *version });
            results.push(format!("{verb}: {name}-{version}.{arch}"));
        }
    }
    results
}

/// The lines of the tables of packages.
fn table(text: &str) -> impl Iterator<Item = &str> {
    let heads = |line: &str| line.trim_start().starts_with("Package") && line.contains("Version");
    let mut within = false;
    text.lines().filter(move |line| {
        match within {
            true if line.starts_with("Transaction Summary") => within = false,
            false if heads(line) => {
                within = true;
                return false;
            }
            _ => {}
        }
        within
    })
}

fn verb(header: &str, downloads: bool) -> Option<&'static str> {
    let installs = ["Installing", "Upgrading", "Downgrading", "Reinstalling"];
    match header.trim_end() {
        header if !header.ends_with(':') => None,
        header if header.starts_with("Removing") => Some("Removed"),
        header if installs.iter().any(|word| header.starts_with(word)) => {
            Some(if downloads { "Downloaded" } else { "Installed" })
        }
        _ => None,
    }
}

/// Whether a simulated transaction would do anything; `None` where it could not be told.
pub(super) fn would_act(text: &str) -> Option<bool> {
    let says = |words: &str| text.lines().any(|line| line.trim_start().starts_with(words));
    match says("Transaction Summary") {
        true => Some(true),
        false if says("Nothing to do") => Some(false),
        false => None,
    }
}

/// Whether a transaction takes a package back to an older version.
pub(super) fn downgrades(text: &str) -> bool {
    table(text).any(|line| line.starts_with("Downgrading:"))
}

/// The packages that dnf does not know, in Ansible's words.
pub(super) fn failures(text: &str) -> Vec<String> {
    let mut unknown: Vec<&str> = Vec::new();
    for line in text.lines() {
        let words = ["No match for argument: ", "Error: Unable to find a match: "];
        if let Some(names) = words.iter().find_map(|words| line.trim_start().strip_prefix(words)) {
            unknown.extend(names.split_whitespace().filter(|name| !unknown.contains(name)).collect::<Vec<_>>());
        }
    }
    unknown.into_iter().map(|name| format!("No package {name} available.")).collect()
}

/// What dnf says went wrong: its own lines about errors, else all of it.
pub(super) fn why(text: &str) -> String {
    let at = text.lines().position(|line| line.starts_with("Error:") || line.starts_with("Failed to "));
    let lines: Vec<&str> = text.lines().skip(at.unwrap_or(0)).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOURTH: &str = "Dependencies resolved.
================================================================================
 Package        Architecture    Version             Repository             Size
================================================================================
Installing:
 lab-two        noarch          1.0-1               lab                   5.9 k
Installing dependencies:
 lab-one-with-a-name-that-is-longer-than-its-column
                noarch          2:1.2-1             lab                   5.9 k
Upgrading:
 lab-old        noarch          2.0-1               lab                   6.0 k
Removing dependent packages:
 lab-gone       noarch          1.0-1               @System               0

Transaction Summary
================================================================================
Install  2 Packages
";

    const FIFTH: &str = "Updating and loading repositories:
Repositories loaded.
Package  Arch   Version Repository      Size
Upgrading:
 lab-old noarch 0:2.0-1 lab          124.0 B
   replacing lab-old noarch 0:1.0-1 lab 124.0 B

Transaction Summary:
 Upgrading:         1 package
";

    #[test]
    fn what_a_transaction_does_is_read() {
        // A row that goes on begins with a name alone: its version is not known, so nothing is told of it.
        let told =
            ["Installed: lab-two-1.0-1.noarch", "Installed: lab-old-2.0-1.noarch", "Removed: lab-gone-1.0-1.noarch"];
        assert_eq!(results(FOURTH, false), told);
        assert_eq!(results(FIFTH, true), ["Downloaded: lab-old-2.0-1.noarch"]);
        assert_eq!((would_act(FOURTH), would_act(FIFTH)), (Some(true), Some(true)));
        assert_eq!(
            would_act("Package lab-two is already installed.\nDependencies resolved.\nNothing to do.\nComplete!\n"),
            Some(false)
        );
        assert_eq!(would_act("Error: Failed to download metadata for repo 'lab'\n"), None);
        assert!(!downgrades(FOURTH) && downgrades(&FOURTH.replace("Upgrading:", "Downgrading:")));
    }

    #[test]
    fn what_dnf_does_not_know_is_read() {
        let fourth = "No match for argument: lab-x\nError: Unable to find a match: lab-x lab-y\n";
        assert_eq!(failures(fourth), ["No package lab-x available.", "No package lab-y available."]);
        let fifth =
            "Failed to resolve the transaction:\nNo match for argument: lab-x\nYou can try to add to command line:\n";
        assert_eq!(failures(fifth), ["No package lab-x available."]);
        assert_eq!(
            why(&format!("Last metadata expiration check: now\n{fourth}")),
            "Error: Unable to find a match: lab-x lab-y"
        );
    }
}
