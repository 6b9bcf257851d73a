//! What `apt` asks a host, read-only.

use crate::{
    fact::{Probe, Resource, State},
    module::{Context, Failure, PlanError, Text, http::Request},
    python::fnmatch::fnmatch,
    sh::quote,
};

/// The question for all packages whose names begin as a pattern does, and which can be installed or are.
pub(super) fn names_question(pattern: &str) -> Probe {
    let bare = pattern.split(':').next().unwrap_or(pattern);
    let front = bare.find(['*', '?', '[', ']', '!']).map_or(bare, |at| &bare[..at]);
    question(format!(
        "LC_ALL=C apt-cache pkgnames {} | xargs apt-cache policy | awk '/^[^ ]/ {{ name = $1; sub(/:$/, \"\", name) }} \
         /^  (Installed|Candidate):/ && $2 != \"(none)\" && !seen[name]++ {{ print name }}'\n",
        quote(front)
    ))
}

/// The packages that a pattern stands for, in the order of their names.
pub(super) fn names(state: &State, pattern: &str) -> Result<Vec<String>, PlanError> {
    let text = state.script(&names_question(pattern))?.text();
    let (bare, architecture) = pattern.split_once(':').map_or((pattern, None), |(bare, a)| (bare, Some(a)));
    let mut names: Vec<&str> = text.lines().filter(|name| fnmatch(bare, name)).collect();
    names.sort_unstable();
    if names.is_empty() {
        return Err(Failure::new(format!("No package(s) matching '{pattern}' available")).into());
    }
    let named = |name: &str| architecture.map_or_else(|| name.to_owned(), |a| format!("{name}:{a}"));
    Ok(names.into_iter().map(named).collect())
}

/// How fresh the package lists are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cache {
    /// When they were read, in seconds since 1970 by the host's clock.
    pub read_at: i64,
    /// The host's clock.
    pub now: i64,
}

fn question(script: String) -> Probe {
    // Which packages there are and what the lists hold: every change of a package may alter it.
    Probe::Script {
        script,
        reads: vec![
            Resource::Path("/var/lib/dpkg".into()),
            Resource::Path("/var/lib/apt".into()),
            Resource::Path("/etc/apt".into()),
        ],
    }
}

pub(super) fn cache_question() -> Probe {
    let script = "date +%s\nfor f in /var/lib/apt/periodic/update-success-stamp /var/lib/apt/lists; do \
                  [ -e \"$f\" ] && { stat -c %Y \"$f\"; break; }; done\n:\n";
    question(script.to_owned())
}

pub(super) fn cache(state: &State) -> Result<Cache, PlanError> {
    let text = state.script(&cache_question())?.text();
    let mut numbers = text.lines().map(|l| l.trim().parse::<i64>().unwrap_or(0));
    Ok(Cache { now: numbers.next().unwrap_or(0), read_at: numbers.next().unwrap_or(0) })
}

/// All names that installed packages provide: the same question whatever is looked for.
pub(super) fn provides_question() -> Probe {
    question(
        "dpkg-query -W -f '${db:Status-Status}\\t${Provides}\\n' | grep '^installed\t.' | cut -f2 | sort -u\n:\n"
            .to_owned(),
    )
}

/// Whether an installed package provides a name that is not itself installed.
pub(super) fn provided(state: &State, name: &str) -> Result<bool, PlanError> {
    let text = state.script(&provides_question())?.text();
    let bare = name.split(':').next().unwrap_or(name);
    Ok(text.lines().flat_map(|l| l.split(',')).any(|p| p.trim().split([' ', ':']).next() == Some(bare)))
}

/// Whether a removed package left configuration files.
pub(super) fn has_leftovers(state: &State, name: &str) -> Result<bool, PlanError> {
    let script = format!("dpkg-query -W -f '${{db:Status-Status}}\\n' -- {} 2>/dev/null\n:\n", quote(name));
    Ok(state.script(&question(script))?.text().lines().any(|l| l == "config-files"))
}

/// The version that apt would install.
pub(super) fn candidate(state: &State, name: &str, release: Option<&Text>) -> Result<Option<String>, PlanError> {
    let release = release.map(|r| format!("-t {} ", quote(&r.0))).unwrap_or_default();
    let script = format!("LC_ALL=C apt-cache {release}policy -- {}\n", quote(name));
    let text = state.script(&question(script))?.text();
    let found = text.lines().find_map(|l| l.trim().strip_prefix("Candidate:")).map(str::trim);
    Ok(found.filter(|v| *v != "(none)").map(str::to_owned))
}

/// Whether a simulated apt-get would install, upgrade or remove anything.
pub(super) fn would_change(state: &State, simulation: &str) -> Result<bool, PlanError> {
    let answer = state.script(&question(simulation.to_owned()))?;
    if answer.status != 0 {
        let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        return Err(Failure::new(format!("apt-get cannot tell what it would do: {told}")).into());
    }
    Ok(answer.text().lines().any(|l| l.starts_with("Inst ") || l.starts_with("Remv ") || l.starts_with("Conf ")))
}

/// Whether there are fetched archives that `clean` or `autoclean` would drop.
pub(super) fn has_archives(state: &State, verb: &str) -> Result<bool, PlanError> {
    let script = match verb {
        "autoclean" => "LC_ALL=C apt-get -s -o Debug::NoLocking=1 autoclean | grep '^Del '\n:\n",
        _ => "for f in /var/cache/apt/archives/*.deb; do [ -e \"$f\" ] && { echo \"$f\"; break; }; done\n:\n",
    };
    Ok(!state
        .script(&Probe::Script {
            script: script.to_owned(),
            reads: vec![Resource::Path("/var/cache/apt/archives".into())],
        })?
        .stdout
        .is_empty())
}

/// Fetches a package file into a folder that goes with the script, as `$s/package.deb`.
pub(super) fn fetched(url: &str) -> String {
    let request = Request {
        url: url.to_owned(),
        method: "GET".to_owned(),
        timeout: std::time::Duration::from_secs(10),
        validate_certs: true,
        follow: true,
        use_proxy: true,
        ..Request::default()
    };
    format!(
        "s=$(mktemp -d) || exit 1\ntrap 'rm -rf -- \"$s\"' EXIT\ntrap 'exit 1' HUP INT TERM\n\
         said=$( {} ) || {{ echo {} >&2; exit 1; }}\n",
        request.fetch("\"$s/package.deb\""),
        quote(&format!("Failure downloading {url}"))
    )
}

pub(super) fn archive_question(context: &Context<'_>, path: &str) -> Probe {
    if path.contains("://") {
        // A proxy that the task names is one for its questions too.
        let fetched = fetched(path);
        let script = format!("{}{fetched}dpkg-deb -f \"$s/package.deb\" Package Version\n", context.environment);
        return Probe::Script { script, reads: vec![Resource::Anything] };
    }
    let script = format!("dpkg-deb -f {} Package Version\n", quote(path));
    Probe::Script { script, reads: vec![Resource::Path(path.to_owned())] }
}

/// Name and version of a package file.
pub(super) fn archive(context: &Context<'_>, state: &State, path: &str) -> Result<(String, String), PlanError> {
    let answer = state.script(&archive_question(context, path))?;
    let text = answer.text();
    let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned);
    match (field("Package"), field("Version")) {
        (Some(name), Some(version)) => Ok((name, version)),
        _ => {
            let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            Err(Failure::new(format!("`{path}` is no package file that dpkg can read: {told}")).into())
        }
    }
}
