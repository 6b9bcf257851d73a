//! How packages are written: `name`, `name:arch`, `name=version`, `name/release`, `name-`.

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
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.:".contains(c);
        if rest.contains(['*', '?', '[']) {
            return Err(format!("`{written}`: patterns of package names are not supported; name the packages"));
        }
        if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
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
        for bad in ["", "-f", "a b", "docker*", "x=", "$(id)", "Docker"] {
            assert!(Wish::parse(bad).is_err(), "{bad}");
        }
    }
}
