//! How packages are written: `name`, `name:arch`, `name=version`, `name/release`, `name-`.

/// What makes a name a pattern.
const PATTERN: [char; 5] = ['*', '?', '[', ']', '!'];

/// One package as the task names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// As written.
    pub written: String,
    /// The name, with the architecture where one is given.
    pub name: String,
    /// A version, `*`, `?` and `[…]` standing for anything.
    pub version: Option<String>,
    /// The release to take it from.
    pub release: Option<String>,
    /// A `-` behind the name: to be removed.
    pub remove: bool,
}

impl Wish {
    /// Reads a written package.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(written: &str) -> Result<Wish, String> {
        let written = written.trim();
        let (rest, version) = match written.split_once('=') {
            Some((name, version)) => (name, Some(version.trim_start_matches('='))),
            None => (written, None),
        };
        let (rest, release) = rest.split_once('/').map_or((rest, None), |(name, release)| (name, Some(release)));
        let (name, remove) = rest.strip_suffix('-').map_or((rest, false), |name| (name, true));
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.:".contains(c) || PATTERN.contains(&c);
        let starts = |c: char| c.is_ascii_alphanumeric() || PATTERN.contains(&c);
        if name.is_empty() || !name.starts_with(starts) || !name.chars().all(plain) {
            return Err(format!("`{written}` is no name of a Debian package"));
        }
        let fine =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !"'\"\\;&|<>$`".contains(c));
        if version.is_some_and(|v| !fine(v)) || release.is_some_and(|r| !fine(r)) {
            return Err(format!("`{written}` has no version or release behind its mark"));
        }
        Ok(Wish {
            written: written.to_owned(),
            name: name.to_owned(),
            version: version.map(str::to_owned),
            release: release.map(str::to_owned),
            remove,
        })
    }

    /// Whether the name stands for all packages that it fits.
    pub(super) fn is_pattern(&self) -> bool {
        self.name.contains(PATTERN)
    }

    /// The same for one of them: as in Ansible nothing else is taken over.
    pub(super) fn named(name: &str) -> Wish {
        let (written, name) = (name.to_owned(), name.to_owned());
        Wish { written, name, version: None, release: None, remove: false }
    }

    /// Whether an installed version is the wanted one.
    pub(super) fn accepts(&self, installed: &str) -> bool {
        self.version.as_ref().is_none_or(|wanted| crate::python::fnmatch::fnmatch(wanted, installed))
    }

    /// How apt-get is told.
    pub(super) fn argument(&self) -> String {
        let mut argument = self.name.clone();
        if let Some(version) = &self.version {
            argument.push_str(&format!("={version}"));
        } else if let Some(release) = &self.release {
            argument.push_str(&format!("/{release}"));
        }
        if self.remove {
            argument.push('-');
        }
        argument
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_as_apt_writes_them() {
        let wish = Wish::parse("docker.io=20.10*").unwrap();
        assert_eq!((wish.name.as_str(), wish.version.as_deref()), ("docker.io", Some("20.10*")));
        assert!(wish.accepts("20.10.24+dfsg1-1") && !wish.accepts("26.1.5"));
        assert_eq!(wish.argument(), "docker.io=20.10*");
        assert_eq!(Wish::parse("libc6:arm64").unwrap().name, "libc6:arm64");
        assert_eq!(Wish::parse("git/bookworm-backports").unwrap().argument(), "git/bookworm-backports");
        assert!(Wish::parse("ufw-").unwrap().remove);
        assert_eq!(Wish::parse("g++").unwrap().name, "g++");
        assert!(Wish::parse("hel?o").unwrap().is_pattern() && !Wish::parse("x=1.*").unwrap().is_pattern());
        for bad in ["", "-f", "a b", "x=", "$(id)*", "Docker"] {
            assert!(Wish::parse(bad).is_err(), "{bad}");
        }
    }
}
