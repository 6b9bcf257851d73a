//! `ansible.builtin.get_url`: a file from a web server.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/get_url_module.html>

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::copy::{parent_of, unread};
use crate::{
    fact::{Algorithm, Answer, FileKind, FileStat, Missing, Probe, State},
    module::{
        Change, Content, Context, Described, Failure, FileWrite, Flag, Mode, Module, Ownership, ParameterError, Place,
        Plan, PlanError, Return, Returns, Step, StepOutput, Text, Whole,
        http::{self, Request, Response},
        ownership::{self, Attributes},
        path, put, returns,
    },
    playbook::About,
};

/// Parameters of `get_url`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetUrl {
    /// Where from, beginning with `http://`, `https://` or `ftp://`: the host downloads, with curl or wget. `file://` is a file of the host.
    url: Text,
    /// Where to; in a directory the file gets the name that the server gives it (`Content-Disposition`), or else the one at the end of the URL.
    dest: Text,
    /// What the file must be: `sha256:` and the checksum, or `sha256:` and the URL of a list of checksums.
    checksum: Option<Text>,
    /// Download even where the file is there.
    #[serde(default)]
    force: Flag,
    /// Keep the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: Flag,
    /// Seconds to wait for the server.
    #[serde(default = "ten")]
    timeout: Whole,
    /// A name for basic authentication.
    #[serde(alias = "username")]
    #[schemars(extend("x-aliases" = ["username"]))]
    url_username: Option<Text>,
    #[serde(flatten)]
    options: http::Options,
    /// Accepted for Ansible's sake: it is made in a folder of its own beside `dest`.
    #[allow(dead_code)]
    tmp_dest: Option<Text>,
    /// Owner, by name or number.
    owner: Option<Text>,
    /// Group, by name or number.
    group: Option<Text>,
    /// Permissions, such as `'0644'` or `u=rw,g=r,o=`.
    mode: Option<Mode>,
}

fn ten() -> Whole {
    Whole(10)
}

impl Described for GetUrl {
    const NAME: &'static str = "ansible.builtin.get_url";
    const ABOUT: About = About { writes_at: &["dest"], ..About::PLAIN };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Downloads a file to the host";
    const EXAMPLES: &'static str = "\
- name: the release
  ansible.builtin.get_url:
    url: https://example.org/releases/example-1.2.tar.gz
    dest: /var/cache/example/
    checksum: sha256:https://example.org/releases/SHA256SUMS
    mode: '0644'
";
    const RETURNS: Returns = &[
        returns::FILE,
        returns::BACKUP,
        &[
            Return::text("url", "always", "Where it was fetched from"),
            Return::text("dest", "always", "The file on the host"),
            Return::text("checksum_dest", "when it was fetched", "The SHA-1 checksum of the file"),
            Return::text("checksum_src", "when it was fetched", "The SHA-1 checksum of what came"),
            Return::text("md5sum", "when it was fetched", "Its MD5 checksum"),
            Return::whole("status_code", "when it was fetched", "The answer's status"),
            Return::whole("elapsed", "when it was fetched", "How many seconds that took"),
            Return::text("msg", "always", "What the server said, or why it was not asked"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        web(&self.url.0).map_err(|why| ParameterError::new("url", why))?;
        if let Some(checksum) = self.checksum.as_ref().filter(|c| !c.0.is_empty()) {
            expected(&checksum.0).map_err(|why| ParameterError::new("checksum", why))?;
        }
        self.options.check_redirects(self.url_username.is_some())?;
        if self.mode == Some(Mode::Preserve) {
            return Err(ParameterError::new("mode", "there is no source whose mode could be preserved"));
        }
        Ok(())
    }
}

fn web(url: &str) -> Result<(), String> {
    match url.split_once("://") {
        Some((scheme, rest))
            if matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "ftp" | "file")
                && !rest.is_empty() =>
        {
            Ok(())
        }
        _ => Err(format!("`{url}` begins with neither http://, https://, ftp:// nor file://")),
    }
}

/// What the checksum parameter asks for.
enum Expected<'a> {
    Sum(Algorithm, String),
    List(Algorithm, &'a str),
}

fn expected(text: &str) -> Result<Expected<'_>, String> {
    let help = "write it as `sha256:` and the checksum, or `sha256:` and a URL";
    let (name, rest) = text.split_once(':').ok_or_else(|| format!("`{text}` has no algorithm: {help}"))?;
    let algorithm = Algorithm::parse(name).ok_or_else(|| format!("`{name}` is no algorithm: {help}"))?;
    if rest.contains("://") {
        return web(rest).map(|()| Expected::List(algorithm, rest));
    }
    let sum = rest.trim().to_ascii_lowercase();
    match !sum.is_empty() && sum.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(Expected::Sum(algorithm, sum)),
        false => Err(format!("`{rest}` is no checksum in hexadecimal: {help}")),
    }
}

/// What came in a file's place may say so itself.
const PAGE: &str = "case $(head -c 300 \"$t\" | tr -d '\\000' | tr A-Z a-z) in '<!doctype html'*|*'<html'*) \
    echo 'What came is a page of HTML: a proxy, or a network that wants a login, may have answered in place of the server.' >&2 ;; esac";

/// Finds a file's checksum in a list as `sha256sum` writes it. What the server sends is no checksum unless it looks like one.
fn in_list(list: &str, name: &str) -> Option<String> {
    let sum = |text: &str| {
        let hexadecimal = text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        hexadecimal.then(|| text.to_ascii_lowercase())
    };
    let lines: Vec<&str> = list.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    if let [only] = lines.as_slice() {
        if only.split_whitespace().count() == 1 {
            return sum(only);
        }
    }
    lines.iter().find_map(|line| {
        let (first, file) = line.split_once(char::is_whitespace)?;
        let file = file.trim_start().trim_start_matches('*');
        if file.trim_start_matches("./") == name || path::name(file) == name { sum(first) } else { None }
    })
}

impl GetUrl {
    fn attributes(&self) -> Attributes<'_> {
        Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref())
    }

    fn request(&self, context: &Context<'_>, state: &State, method: &str, url: &str) -> Result<Request, Missing> {
        self.options.request(context, state, (method, url), self.url_username.as_ref(), self.timeout)
    }

    /// The question for a list of checksums, or for the headers of the file.
    fn question(
        &self,
        context: &Context<'_>,
        state: &State,
        url: &str,
        method: &str,
    ) -> Result<(Request, Probe), Missing> {
        let request = self.request(context, state, method, url)?;
        // A proxy that the task names is one for its questions too.
        let script = format!("{}{}", context.environment, request.script(None));
        Ok((request, Probe::Script { script, reads: Vec::new() }))
    }

    /// The checksum the file must have.
    fn sum(&self, context: &Context<'_>, state: &State) -> Result<Option<(Algorithm, String)>, PlanError> {
        let Some(written) = self.checksum.as_ref().filter(|c| !c.0.is_empty()) else { return Ok(None) };
        match expected(&written.0).map_err(Failure::new)? {
            Expected::Sum(algorithm, sum) => Ok(Some((algorithm, sum))),
            Expected::List(algorithm, url) => {
                let (request, probe) = self.question(context, state, url, "GET")?;
                let answer = state.script(&probe)?;
                let response = http::parse(&request, &answer.stdout, &answer.stderr).filter(|r| r.status == 200);
                let Some(response) = response else {
                    let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
                    return Err(Failure::new(format!("Unable to read the checksums at {url}: {told}")).into());
                };
                let list = String::from_utf8_lossy(&response.body);
                let name = http::name(&self.url.0);
                match in_list(&list, name) {
                    Some(sum) => Ok(Some((algorithm, sum))),
                    None => Err(Failure::new(format!("Unable to find a checksum for file '{name}' in '{url}'")).into()),
                }
            }
        }
    }

    /// Where the file goes.
    fn target(&self, context: &Context<'_>, state: &State) -> Result<String, PlanError> {
        let dest = path::absolute(context, state, &self.dest.0)?;
        let (real, stat) = path::follow(state, &dest)?;
        if stat.is_some_and(|s| s.kind == FileKind::Directory) {
            let name = self.name(context, state)?;
            return Ok(path::follow(state, &path::join(&real, &name))?.0);
        }
        if self.dest.0.ends_with('/') {
            return Err(Failure::new(format!("Destination directory {dest} does not exist")).into());
        }
        Ok(real)
    }

    /// What the file is called in a directory: as the server says, else as the URL ends that it has been found at.
    fn name(&self, context: &Context<'_>, state: &State) -> Result<String, PlanError> {
        let head = match self.url.0.starts_with("file://") {
            true => None,
            false => self.head(context, state)?.filter(|response| response.status == 200),
        };
        let url = head.as_ref().map_or(&self.url.0, |response| &response.url);
        Ok(match (head.as_ref().and_then(Response::attachment), http::name(url)) {
            (Some(named), _) => named,
            (None, "") => "index.html".to_owned(),
            (None, last) => last.to_owned(),
        })
    }

    /// What the server says of the file, if it answers such a question.
    fn head(&self, context: &Context<'_>, state: &State) -> Result<Option<Response>, Missing> {
        let (request, probe) = self.question(context, state, &self.url.0, "HEAD")?;
        let answer = state.script(&probe)?;
        Ok(http::parse(&request, &answer.stdout, &answer.stderr).filter(|_| answer.status == 0))
    }

    /// Whether the file that is there is the server's, as far as its headers tell.
    fn current(&self, context: &Context<'_>, state: &State, stat: &FileStat) -> Result<bool, PlanError> {
        // Without its word the download tells: what it brings is compared with what is there.
        let Some(response) = self.head(context, state)? else { return Ok(false) };
        let length = response.header("content-length").and_then(|l| l.parse::<u64>().ok());
        let modified = response
            .header("last-modified")
            .and_then(|m| jiff::fmt::rfc2822::parse(m).ok())
            .map(|m| m.timestamp().as_second());
        Ok(response.status == 200
            && length.is_none_or(|l| l == stat.size)
            && modified.is_some_and(|m| m <= stat.mtime || (stat.mtime == 0 && context.check)))
    }

    /// Whether the server sends what is there already.
    fn sends_the_same(&self, context: &Context<'_>, state: &State, path: &str) -> Result<bool, PlanError> {
        let request = self.request(context, state, "GET", &self.url.0)?;
        let script = format!(
            "{}s=$(mktemp -d) || exit 1\ntrap 'rm -rf -- \"$s\"' EXIT\nh=$( {} ) || exit 1\n\
             case $h in *HTTP*' 200'*) ;; *) exit 1 ;; esac\n[ -e \"$s/f\" ] || : >\"$s/f\"\nsha1sum <\"$s/f\"\n",
            context.environment,
            request.script(Some("\"$s/f\"")).replace("wget \"$@\"", "wget \"$@\" 2>&1")
        );
        let answer = state.script(&Probe::Script { script, reads: Vec::new() })?;
        let sent = answer.text().split_whitespace().next().unwrap_or_default().to_owned();
        Ok(answer.status == 0 && state.checksum(path, Algorithm::Sha1)? == Some(sent.as_str()))
    }

    /// The script that downloads into a folder of our own, checks, and moves the file to its place.
    fn script(&self, request: &Request, write: &FileWrite, sum: Option<&(Algorithm, String)>, settle: &str) -> String {
        let mut commands = format!(
            "trap fail HUP INT TERM\nh=$( {} ) || fail\ntrap - HUP INT TERM\n\
             c=$(printf '%s\\n' \"$h\" | sed -n 's/^ *HTTP[^ ]* \\([0-9]*\\).*/\\1/p' | tail -n 1)\n\
             case ${{c:-200}} in 200) ;; *) echo \"the server answered with status $c\" >&2; fail ;; esac\n[ -e \"$t\" ] || : >\"$t\"\n",
            // wget tells the headers on standard error.
            request.script(Some("\"$t\"")).replace("wget \"$@\"", "wget \"$@\" 2>&1")
        );
        if let Some((algorithm, sum)) = sum {
            commands.push_str(&format!(
                "k=$({} <\"$t\"); k=${{k%% *}}\n[ \"$k\" = {sum} ] || {{ echo \"The checksum for the file did not match {sum}; it was $k.\" >&2; {PAGE}; fail; }}\n",
                algorithm.command()
            ));
        }
        commands.push_str("k=$(sha1sum <\"$t\"); m=$(md5sum <\"$t\"); n=$(wc -c <\"$t\")\n");
        let told = "$n \"${k%% *}\" \"${m%% *}\"";
        // Owner and mode are a change too.
        let same = if settle.is_empty() { "same" } else { "changed" };
        commands.push_str(&format!(
            "if {}; then rm -f -- \"$t\"; leave\n{settle}echo {same} {told}; exit 0; fi\n",
            write.same()
        ));
        format!("{}echo changed {told}\n", write.made_by(&commands, None))
    }

    /// Whether the file that is there stays.
    fn keeps(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        stat: Option<&FileStat>,
        sum: Option<&(Algorithm, String)>,
    ) -> Result<bool, PlanError> {
        Ok(match (stat, sum) {
            (Some(stat), _) if stat.kind != FileKind::File => {
                return Err(Failure::new(format!("`{path}` is no regular file, it is not replaced")).into());
            }
            (None, _) => false,
            // A run finds out by the download itself; check mode foretells it by one that is thrown away.
            (Some(_), Some((algorithm, sum))) if self.force.0 && context.check => {
                state.checksum(path, *algorithm)? == Some(sum.as_str())
            }
            (Some(stat), None) if context.check && (self.force.0 || !self.current(context, state, stat)?) => {
                self.sends_the_same(context, state, path)?
            }
            (Some(_), _) if self.force.0 => false,
            (Some(_), Some((algorithm, sum))) => state.checksum(path, *algorithm)? == Some(sum.as_str()),
            (Some(stat), None) => self.current(context, state, stat)?,
        })
    }
}

impl Module for GetUrl {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let dest = match path::absolute(context, state, &self.dest.0) {
            Ok(dest) => dest,
            Err(missing) => return unread(missing),
        };
        let mut probes = self.attributes().probes(context);
        probes.extend([path::stat(&dest), Probe::Stat { path: path::parent(&dest).to_owned(), follow: true }]);
        if let Some(Ok(wanted)) = self.checksum.as_ref().filter(|c| !c.0.is_empty()).map(|c| expected(&c.0)) {
            let algorithm = match wanted {
                Expected::Sum(algorithm, _) => algorithm,
                Expected::List(algorithm, url) => {
                    probes.extend(self.question(context, state, url, "GET").map(|(_, probe)| probe));
                    algorithm
                }
            };
            let path = self.target(context, state).unwrap_or(dest);
            probes.push(Probe::Checksum { path, algorithm });
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        self.attributes().check(state)?;
        let path = self.target(context, state)?;
        let stat = state.stat(&path, false)?;
        let parent = parent_of(state, &path)?;
        let sum = self.sum(context, state)?;
        let keep = self.keeps(context, state, &path, stat, sum.as_ref())?;
        let mut plan = Plan::default();
        plan.result.insert("url".into(), json!(self.url.0));
        plan.result.insert("dest".into(), json!(path));
        if let (true, Some(stat)) = (keep, stat) {
            let outcome = put::attributes(context, state, &path, stat, &self.attributes());
            plan.result.insert("msg".into(), json!("file already exists"));
            put::add_stat(&mut plan.result, outcome.stat.as_ref());
            plan.changes.extend(outcome.change);
            plan.diff.extend(outcome.diff);
            plan.predictions.extend(outcome.predictions);
            return Ok(plan);
        }
        let mut after = match stat {
            Some(stat) => self.attributes().applied(state, stat),
            None => self.attributes().created(context, state, FileKind::File, 0o644, parent),
        };
        // How long it will be only the server knows.
        after.size = 0;
        let backup = stat.filter(|_| self.backup.0).map(|_| put::backup_path(&path));
        let request = self.request(context, state, "GET", &self.url.0)?;
        let place = Place::of(context, state, &path);
        let settle = stat.map(|before| ownership::script(&place, before, &after)).unwrap_or_default();
        let wanted = self.attributes();
        let write = FileWrite {
            // Set-id bits go with the owner.
            ownership: Ownership { mode: Some(after.permissions()), ..wanted.ownership(after.permissions()) },
            ids: wanted.ids(state),
            replaces: stat.cloned(),
            backup: backup.clone(),
            place,
            ..FileWrite::new(&path, Content::Bytes(Arc::from(Vec::new())))
        };
        let script = self.script(&request, &write, sum.as_ref(), &settle);
        let mut change =
            Change::closed(format!("download {path}"), Step::Script(script), ownership::written(&path, stat));
        // What the server sends is known only afterwards, and it takes its time.
        change.closed = false;
        plan.changes.push(change);
        plan.predictions.extend(ownership::predictions(&path, Some(after.clone())));
        if let Some((algorithm, sum)) = sum {
            plan.predictions.push((Probe::Checksum { path: path.clone(), algorithm }, Answer::Checksum(Some(sum))));
        }
        put::add_stat(&mut plan.result, Some(&after));
        put::add_backup(&mut plan.result, backup.as_ref());
        Ok(plan)
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = plan.result.clone();
        let Some(output) = outputs.first() else { return Ok(result) };
        if output.status != 0 || output.error.is_some() {
            let told =
                output.error.clone().unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
            return Err(Failure::new(format!("Request failed: {told}"))
                .with("url", self.url.0.as_str())
                .with("dest", result.get("dest").cloned().unwrap_or_default()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let words: Vec<&str> = text.lines().last().unwrap_or_default().split_whitespace().collect();
        if let ["same" | "changed", size, sha1, md5] = words.as_slice() {
            result.insert("size".into(), json!(size.parse::<u64>().unwrap_or(0)));
            result.insert("checksum_dest".into(), json!(sha1));
            result.insert("checksum_src".into(), json!(sha1));
            result.insert("md5sum".into(), json!(md5));
            result.insert("msg".into(), json!(format!("OK ({size} bytes)")));
            result.insert("status_code".into(), json!(200));
            result.insert("elapsed".into(), json!(output.duration.as_secs()));
        }
        Ok(result)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        let told = outputs.first().map(|output| String::from_utf8_lossy(&output.stdout)).unwrap_or_default();
        match told.lines().last().unwrap_or_default().split_whitespace().next() {
            Some("same") => plan.changes.len() > 1,
            _ => plan.would_change(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_found_in_lists() {
        let sum = |digits: &str| digits.repeat(8);
        let list = format!("{}  other\n{} *./x.tgz\n$(id)  y\n", sum("AA11"), sum("bb22"));
        assert_eq!(in_list(&list, "x.tgz"), Some(sum("bb22")));
        assert_eq!(in_list(&format!("{}\n", sum("CC33")), "any"), Some(sum("cc33")));
        assert_eq!(in_list(&list, "z"), None);
        assert_eq!((in_list(&list, "y"), in_list("CC33\n", "any")), (None, None), "what is no checksum is none");
        assert_eq!(http::name("https://a/b/c.tgz?x=/y"), "c.tgz");
        assert_eq!(http::name("https://a"), "");
    }
}
