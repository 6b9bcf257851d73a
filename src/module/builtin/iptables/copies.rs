//! Finding a rule's copies among what `iptables -S` prints, which writes rules its own way.

use std::collections::BTreeSet;

use ipnet::IpNet;

/// The lines of a table that are this rule. More than one: it is there several times.
///
/// Only lines that are there more than once are looked at closely: a rule that `iptables -C` finds and that is not
/// among those is there once.
pub(super) fn of(chain: &str, rule: &[String], dump: &[String]) -> Vec<String> {
    let start = format!("-A {chain} ");
    let wanted = normal(rule.iter().map(String::as_str));
    let here = dump.iter().filter(|l| l.starts_with(&start));
    let same = |line: &&String| {
        crate::python::shlex::split(&line[start.len()..])
            .is_ok_and(|words| normal(words.iter().map(String::as_str)) == wanted)
    };
    here.filter(same).cloned().collect()
}

/// A rule as a set of options, each in one spelling, so that order and spelling do not matter.
fn normal<'a>(words: impl Iterator<Item = &'a str>) -> BTreeSet<(bool, String, String)> {
    let mut options: BTreeSet<(bool, String, String)> = BTreeSet::new();
    let mut words = words.peekable();
    let mut not = false;
    while let Some(word) = words.next() {
        if word == "!" {
            not = true;
            continue;
        }
        let flag = long(word);
        let mut values = Vec::new();
        while let Some(value) = words.next_if(|w| {
            *w != "!" && !(w.starts_with('-') && w.len() > 1 && !w[1..].starts_with(|c: char| c.is_ascii_digit()))
        }) {
            values.push(value);
        }
        let value = plain(flag, &values.join(" "));
        let negated = std::mem::take(&mut not);
        // Which extension an option comes from is told by the option; a new rule's counters are no part of it.
        let left_out = matches!(flag, "--match" | "--set-counters") || (matches!(flag, "--protocol") && value == "all");
        let everywhere = matches!(flag, "--source" | "--destination") && matches!(value.as_str(), "0.0.0.0/0" | "::/0");
        if !left_out && !everywhere {
            options.insert((negated, flag.to_owned(), value));
        }
    }
    // `--reject-with` has a default that is printed.
    options.retain(|(_, flag, value)| {
        !(flag == "--reject-with" && matches!(value.as_str(), "icmp-port-unreachable" | "icmp6-port-unreachable"))
    });
    options
}

fn long(flag: &str) -> &str {
    match flag {
        "-p" => "--protocol",
        "-s" | "--src" => "--source",
        "-d" | "--dst" => "--destination",
        "-m" => "--match",
        "-j" => "--jump",
        "-g" => "--goto",
        "-i" => "--in-interface",
        "-o" => "--out-interface",
        "-f" => "--fragment",
        "-c" => "--set-counters",
        "--source-port" => "--sport",
        "--destination-port" => "--dport",
        "--source-ports" => "--sports",
        "--destination-ports" => "--dports",
        "--state" => "--ctstate",
        other => other,
    }
}

fn plain(flag: &str, value: &str) -> String {
    match flag {
        "--source" | "--destination" => network(value),
        "--protocol" => value.to_ascii_lowercase(),
        "--ctstate" | "--dports" | "--sports" => {
            let mut parts: Vec<_> = value.split(',').map(str::trim).collect();
            parts.sort_unstable();
            parts.join(",")
        }
        "--syn" | "--tcp-flags" => value.to_ascii_uppercase(),
        _ => value.to_owned(),
    }
}

fn network(value: &str) -> String {
    let parsed = value.parse::<IpNet>().or_else(|_| value.parse::<std::net::IpAddr>().map(IpNet::from));
    parsed.map_or_else(|_| value.to_owned(), |net| net.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_found_however_iptables_writes_it() {
        let cases: &[(&[&str], &str)] = &[
            (
                &["-s", "10.10.0.0/16", "!", "-d", "10.10.0.0/16", "-j", "MASQUERADE"],
                "-A C -s 10.10.0.0/16 ! -d 10.10.0.0/16 -j MASQUERADE",
            ),
            (&["-p", "tcp", "-j", "ACCEPT", "--destination-port", "6443"], "-A C -p tcp -m tcp --dport 6443 -j ACCEPT"),
            (&["-s", "192.0.2.1", "-j", "DROP"], "-A C -s 192.0.2.1/32 -j DROP"),
            (
                &["-j", "ACCEPT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"],
                "-A C -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            ),
            (
                &["-j", "ACCEPT", "-m", "comment", "--comment", "let it in"],
                "-A C -m comment --comment \"let it in\" -j ACCEPT",
            ),
            (&["-j", "REJECT"], "-A C -j REJECT --reject-with icmp-port-unreachable"),
            (&["-s", "0.0.0.0/0", "-i", "eth0", "-j", "ACCEPT"], "-A C -i eth0 -j ACCEPT"),
        ];
        for (rule, line) in cases {
            let rule: Vec<_> = rule.iter().map(|s| (*s).to_owned()).collect();
            let dump: Vec<_> = [line, "-A C -j RETURN", line, &line.replace("-A C", "-A D")]
                .iter()
                .map(|s| (*s).to_string())
                .collect();
            assert_eq!(of("C", &rule, &dump).len(), 2, "{line}");
        }
        let other = ["-s".to_owned(), "10.10.0.0/16".to_owned(), "-j".to_owned(), "MASQUERADE".to_owned()];
        assert!(of("C", &other, &["-A C ! -s 10.10.0.0/16 -j MASQUERADE".to_owned()]).is_empty());
    }
}
