//! Which names of hosts and users go out: the last look before they reach a shell, a path, `known_hosts` or the `ssh` command.
//!
//! OpenSSH's client refuses the same (`valid_hostname` and `valid_ruser` in its `ssh.c`) and a little less: what makes a path,
//! a pattern or a comment of a name is refused here too, for names stand in paths and in `known_hosts`.

use super::error::SshError;

/// What a shell gives a meaning to, wherever it stands.
const SHELL: &str = "'`\"$\\;&<>|(){}";
/// What makes a pattern, a list, a path or a comment of a name.
const ELSEWHERE: &str = "/*?!,#@[]";

/// Refuses what is no name of a host. `origin` says who has set it.
pub(crate) fn check_host(name: &str, origin: &str) -> Result<(), SshError> {
    let bad = |c: char| SHELL.contains(c) || ELSEWHERE.contains(c) || c.is_whitespace() || hidden(c);
    match fault(name, name.chars().find(|c| bad(*c))) {
        None => Ok(()),
        Some(why) => Err(refusal(origin, "the name or address of a host", name, &why)),
    }
}

/// Refuses what is no name of a user.
pub(crate) fn check_user(name: &str, origin: &str) -> Result<(), SshError> {
    // A user of a directory may have a backslash (`DOMAIN\user`) or a space in the middle.
    let in_shell = |c: char| "'`\";&<>|(){}/".contains(c);
    let bad = name.chars().find(|c| in_shell(*c) || hidden(*c));
    let why = fault(name, bad).or_else(|| {
        let words = name.split(char::is_whitespace);
        let option = words.skip(1).any(|word| word.starts_with('-'));
        (option || name.ends_with('\\')).then(|| "it would be read as an option".to_owned())
    });
    match why {
        None => Ok(()),
        Some(why) => Err(refusal(origin, "the name of a user", name, &why)),
    }
}

/// Control characters, and those that turn the direction of writing or have no width.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn fault(name: &str, bad: Option<char>) -> Option<String> {
    match bad {
        _ if name.is_empty() => Some("it is empty".into()),
        _ if name.starts_with('-') => Some("it begins with `-`, as options do".into()),
        Some(c) => Some(format!("`{}` cannot stand in it", c.escape_debug())),
        None => None,
    }
}

fn refusal(origin: &str, what: &str, name: &str, why: &str) -> SshError {
    SshError::Setting {
        origin: origin.to_owned(),
        what: format!("`{}` is not {what}: {why}", name.escape_debug()),
        help: Some(
            "where did the value come from? one that a host or somebody else chose may be meant to do harm".into(),
        ),
    }
}

/// Puts values into a `ProxyCommand`: `%h`, `%n`, `%p`, `%r`, `%k`, `%u`, `%d` and `%%`. Everything else is the shell's.
///
/// A shell reads the result, and nobody knows between which quotes a token stands: so only values without a meaning to any
/// shell are put in.
pub(crate) fn command(text: &str, token: impl Fn(char) -> Option<String>, origin: &str) -> Result<String, SshError> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let fail = |what: String| SshError::Setting { origin: origin.to_owned(), what, help: None };
        let name = chars.next().ok_or_else(|| fail("a `%` ends the ProxyCommand: write `%%`".into()))?;
        if name == '%' {
            out.push('%');
            continue;
        }
        let value = token(name).ok_or_else(|| fail(format!("`%{name}` is not supported in a ProxyCommand")))?;
        let plain = |c: char| c.is_alphanumeric() || "._:@%+,=/-".contains(c);
        if value.is_empty() || value.starts_with('-') || !value.chars().all(plain) {
            let what = format!("`%{name}` stands for `{}`, which may mean something to a shell", value.escape_debug());
            return Err(fail(what));
        }
        out.push_str(&value);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_openssh_refuses_are_refused() {
        let hosts = ["h1", "10.0.0.1", "fe80::1%eth0", "bücher.example", "a_b-c.d", "h1.", "xn--bcher-kva"];
        hosts.iter().for_each(|host| check_host(host, "h").unwrap());
        for host in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a\nb",
            "a\tb",
            "a;b",
            "$(x)",
            "a`x`",
            "a'b",
            "a\"b",
            "a\\b",
            "a&b",
            "a|b",
            "a<b",
            "a{b}",
            "a\0b",
            "a\x1b[0m",
            "../x",
            "*",
            "a,b",
            "!a",
            "#a",
            "@a",
            "root@h",
            "a\u{202e}b",
            "a\u{a0}b",
        ] {
            let error = check_host(host, "ansible_host").unwrap_err().to_string();
            assert!(error.starts_with("ansible_host: ") && !error.contains(['\n', '\x1b']), "{error}");
        }
        let users = ["root", "DOM\\me", "a b", "me@dom.example", "$x", "a-b", "a - b".trim_end_matches(" - b")];
        users.iter().for_each(|user| check_user(user, "u").unwrap());
        for user in ["", "-l", "a\nb", "a;b", "a`b", "a -oX", "a\\", "a|b", "a(b", "../a", "a\u{1b}b"] {
            assert!(
                check_user(user, "ansible_user").unwrap_err().to_string().starts_with("ansible_user: "),
                "{user:?}"
            );
        }
    }

    proptest! {
        /// Whatever is put in comes back as the one word it was, between any quotes.
        #[test]
        fn a_command_takes_in_words_only(value in "[a-z%$;' \\\\-]{1,8}") {
            for frame in ["nc %h", "nc '%h'", "nc \"%h\""] {
                if let Ok(command) = command(frame, |_| Some(value.clone()), "x") {
                    prop_assert_eq!(shell_words::split(&command).unwrap(), ["nc", value.as_str()]);
                }
            }
        }
    }

    #[test]
    fn unknown_tokens_are_named() {
        let token = |c: char| (c == 'h').then(|| "h1".to_owned());
        assert_eq!(command("nc %h ${HOME} 100%%", token, "x").unwrap(), "nc h1 ${HOME} 100%");
        assert!(command("nc %C", token, "x").unwrap_err().to_string().contains("`%C`"));
        assert!(command("nc %", token, "x").is_err());
    }
}
