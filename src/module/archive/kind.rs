//! Kinds of archives, and what unpacks them.

/// A kind of archive, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything `tar` reads, with the option for its compression.
    Tar(&'static str),
    /// What `unzip` reads.
    Zip,
}

impl Kind {
    /// The kind of a file by its name.
    pub fn of(name: &str) -> Kind {
        let name = name.to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|e| name.ends_with(e));
        if ends(&[".zip", ".jar", ".war", ".whl"]) {
            Kind::Zip
        } else if ends(&[".tar.gz", ".tgz"]) {
            Kind::Tar("-z")
        } else if ends(&[".tar.bz2", ".tbz", ".tbz2"]) {
            Kind::Tar("-j")
        } else if ends(&[".tar.xz", ".txz"]) {
            Kind::Tar("-J")
        } else if ends(&[".tar.zst", ".tzst"]) {
            Kind::Tar("--zstd")
        } else {
            Kind::Tar("")
        }
    }

    /// Shell lines that fail with a sentence when the host lacks what unpacks it.
    pub fn needs(self) -> String {
        let need = |tool: &str, package: &str| {
            format!(
                "command -v {tool} >/dev/null || {{ echo 'the host has no {tool}: install the package `{package}`' >&2; exit 90; }}\n"
            )
        };
        match self {
            Kind::Zip => need("unzip", "unzip"),
            Kind::Tar("-j") => need("tar", "tar") + &need("bzip2", "bzip2"),
            Kind::Tar("-J") => need("tar", "tar") + &need("xz", "xz-utils"),
            Kind::Tar("--zstd") => need("tar", "tar") + &need("zstd", "zstd"),
            Kind::Tar(_) => need("tar", "tar"),
        }
    }
}
