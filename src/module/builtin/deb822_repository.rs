//! `ansible.builtin.deb822_repository`: package repositories in the format of deb822.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/deb822_repository_module.html>

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::group::Presence;
use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Failure, Flag, List, Mode, Module, ParameterError, Plan, PlanError, Return,
        Returns, Step, Text, Whole,
        edit::{Edit, Present},
        http::{self, Request},
        ownership::Attributes,
        path, put,
    },
    sh::quote,
};

/// Parameters of `deb822_repository`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deb822Repository {
    /// The repository's name, which its file gets.
    name: Text,
    /// Whether it is to be there.
    state: Presence,
    /// `deb`, `deb-src` or both.
    types: Option<List<Text>>,
    /// Its addresses.
    uris: Option<List<Text>>,
    /// Its suites, such as `bookworm`.
    suites: Option<List<Text>>,
    /// Its components, such as `main`.
    components: Option<List<Text>>,
    /// Architectures to take from it.
    architectures: Option<List<Text>>,
    /// Languages of package descriptions.
    languages: Option<List<Text>>,
    /// Which of its files to fetch.
    targets: Option<List<Text>>,
    /// Its key: a path on the host, a fingerprint, the key itself in ASCII armor, or the URL that the host fetches it from.
    signed_by: Option<Text>,
    /// False: apt leaves it alone.
    enabled: Option<Flag>,
    /// Trust it without a signature.
    trusted: Option<Flag>,
    /// Let it go from signed to unsigned.
    allow_downgrade_to_insecure: Option<Flag>,
    /// Accept it without a signature.
    allow_insecure: Option<Flag>,
    /// Accept weak signatures.
    allow_weak: Option<Flag>,
    /// Fetch by hash.
    by_hash: Option<Flag>,
    /// Refuse files from the future.
    check_date: Option<Flag>,
    /// Refuse files past their time.
    check_valid_until: Option<Flag>,
    /// How many seconds in the future are accepted.
    date_max_future: Option<Whole>,
    /// Where its `InRelease` file is.
    inrelease_path: Option<Text>,
    /// Fetch differences of lists.
    pdiffs: Option<Flag>,
    /// Permissions of the file.
    mode: Option<Mode>,
}

impl Described for Deb822Repository {
    const NAME: &'static str = "ansible.builtin.deb822_repository";
    const SUMMARY: &'static str = "Sets up package repositories of Debian";
    const EXAMPLES: &'static str = "\
- name: Take packages from the company's mirror
  ansible.builtin.deb822_repository:
    name: mirror
    uris: https://mirror.example.org/debian
    suites: bookworm
    components: main
    signed_by: /usr/share/keyrings/debian-archive-keyring.gpg
";
    const RETURNS: Returns = &[&[
        Return::text("dest", "always", "The file of the repository"),
        Return::text("repo", "always", "What stands in it"),
        Return::text("key_filename", "always", "The file of a key that was fetched"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.slug().is_empty() || self.name.0.contains(['/', '\n']) {
            return Err(ParameterError::new("name", "it is missing, or no file's name"));
        }
        if self.state == Presence::Present && (self.uris.is_none() || self.suites.is_none()) {
            return Err(ParameterError::task("a repository needs `uris` and `suites`"));
        }
        if let Some(url) = self.key_url() {
            if !["http://", "https://", "ftp://", "file://"].iter().any(|scheme| url.starts_with(scheme)) {
                return Err(ParameterError::new("signed_by", "a key is fetched by http, https or ftp"));
            }
        }
        if self.types.iter().flat_map(|t| &t.0).any(|t| !matches!(t.0.as_str(), "deb" | "deb-src")) {
            return Err(ParameterError::new("types", "it is `deb`, `deb-src` or both"));
        }
        Ok(())
    }
}

impl Deb822Repository {
    /// The name as a file name: small letters, digits and dashes.
    fn slug(&self) -> String {
        let mut slug = String::new();
        for c in self.name.0.to_lowercase().chars() {
            match c {
                'a'..='z' | '0'..='9' | '-' => slug.push(c),
                // Several of them in a row are one dash.
                c if (c == '_' || c.is_whitespace()) && !slug.ends_with('\0') => slug.push('\0'),
                _ => {}
            }
        }
        slug.replace('\0', "-")
    }

    fn file(&self) -> String {
        format!("/etc/apt/sources.list.d/{}.sources", self.slug())
    }

    /// The file of a key that was fetched.
    fn key_file(&self, kind: &str) -> String {
        format!("/etc/apt/keyrings/{}.{kind}", self.slug())
    }

    /// Where the key is fetched from.
    fn key_url(&self) -> Option<&str> {
        let url = self.signed_by.as_ref().map(|key| key.0.as_str());
        url.filter(|url| !url.trim().contains('\n') && url.contains("://"))
    }

    fn key_question(context: &Context<'_>, url: &str) -> (Request, Probe) {
        let request = Request {
            url: url.to_owned(),
            method: "GET".to_owned(),
            timeout: Duration::from_secs(10),
            validate_certs: true,
            follow: true,
            use_proxy: true,
            decompress: true,
            ..Request::default()
        };
        // A proxy that the task names is one for its questions too.
        let script = format!("{}{}", context.environment, request.script(None));
        let probe = Probe::Script { script, reads: vec![Resource::Anything] };
        (request, probe)
    }

    /// The key that was fetched, and the file it goes into.
    fn key(&self, context: &Context<'_>, state: &State, url: &str) -> Result<(String, Vec<u8>), PlanError> {
        let (request, probe) = Self::key_question(context, url);
        let answer = state.script(&probe)?;
        let response = http::parse(&request, &answer.stdout, &answer.stderr).filter(|_| answer.status == 0);
        let told = match &response {
            Some(response) if response.status == 200 => String::new(),
            Some(response) => format!("HTTP Error {}: {}", response.status, response.reason),
            None => String::from_utf8_lossy(&answer.stderr).trim().to_owned(),
        };
        match response.filter(|_| told.is_empty()) {
            Some(response) => {
                let armoured = response.body.windows(ARMOUR.len()).any(|part| part == ARMOUR);
                Ok((self.key_file(if armoured { "asc" } else { "gpg" }), response.body))
            }
            None => Err(Failure::new(format!("Could not fetch signed_by key: {told}")).into()),
        }
    }

    /// The text of the file, with the key's file in the place of its address.
    fn text(&self, key_file: Option<&str>) -> String {
        let mut text = String::new();
        let mut field = |name: &str, value: &str| {
            // A value of several lines begins below its name; its empty lines have a dot.
            if value.trim().contains('\n') {
                let lines = value.trim().lines().map(|line| if line.trim().is_empty() { "." } else { line.trim() });
                text.push_str(&lines.fold(format!("{name}:\n"), |text, line| format!("{text}    {line}\n")));
            } else {
                text.push_str(&format!("{name}: {value}\n"));
            }
        };
        let joined = |list: &List<Text>| list.0.iter().map(|t| t.0.as_str()).collect::<Vec<_>>().join(" ");
        let flag = |f: Flag| if f.0 { "yes" } else { "no" }.to_owned();
        let flags = [
            ("Allow-Downgrade-To-Insecure", self.allow_downgrade_to_insecure),
            ("Allow-Insecure", self.allow_insecure),
            ("Allow-Weak", self.allow_weak),
            ("By-Hash", self.by_hash),
            ("Check-Date", self.check_date),
            ("Check-Valid-Until", self.check_valid_until),
            ("Enabled", self.enabled),
            ("PDiffs", self.pdiffs),
            ("Trusted", self.trusted),
        ];
        let lists = [
            ("Architectures", &self.architectures),
            ("Components", &self.components),
            ("Languages", &self.languages),
            ("Suites", &self.suites),
            ("Targets", &self.targets),
            ("URIs", &self.uris),
        ];
        let mut fields: Vec<(&str, String)> = flags.into_iter().filter_map(|(n, f)| Some((n, flag(f?)))).collect();
        fields.extend(lists.into_iter().filter_map(|(n, l)| Some((n, joined(l.as_ref()?)))));
        fields.push(("Types", self.types.as_ref().map_or_else(|| "deb".to_owned(), joined)));
        fields.extend(self.date_max_future.map(|d| ("Date-Max-Future", d.0.to_string())));
        fields.extend(self.inrelease_path.as_ref().map(|p| ("InRelease-Path", p.0.clone())));
        fields.extend(self.signed_by.as_ref().map(|key| ("Signed-By", key_file.unwrap_or(&key.0).to_owned())));
        fields.push(("X-Repolib-Name", self.name.0.clone()));
        // In the order of the parameters' names.
        let parameter = |field: &str| {
            if field == "X-Repolib-Name" { "name".to_owned() } else { field.to_lowercase().replace('-', "_") }
        };
        fields.sort_by_key(|(name, _)| parameter(name));
        for (name, value) in fields {
            field(name, &value);
        }
        text
    }
}

/// What a key in ASCII armor has.
const ARMOUR: &[u8] = b"BEGIN PGP PUBLIC KEY BLOCK";

impl Deb822Repository {
    fn remove(file: &str, present: &Present<'_>, plan: &mut Plan) {
        let Some(bytes) = present.bytes else { return };
        let script = format!("rm -f -- {}\n", quote(&present.path));
        let writes = vec![Resource::Path(present.path.clone()), Resource::Path(path::parent(file).to_owned())];
        plan.changes.push(Change::closed(format!("remove {file}"), Step::Script(script), writes));
        plan.diff.push(put::text_diff(file, file, Some(bytes), None));
        plan.predictions.extend(put::absent_predictions(&present.path));
    }

    /// The files that this repository may have, the repository's own first.
    fn files(&self) -> [String; 3] {
        [self.file(), self.key_file("asc"), self.key_file("gpg")]
    }
}

impl Module for Deb822Repository {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let default = Mode::Bits(0o644);
        let mode = Some(self.mode.as_ref().unwrap_or(&default));
        let edit = |file: &String| {
            let attributes = Attributes { mode, ..Attributes::default() };
            Edit { path: file, attributes, backup: false, validate: None }.probe(context, state)
        };
        let keys = self.state == Presence::Absent || self.key_url().is_some();
        let files = self.files();
        let mut probes: Vec<Probe> = files[..if keys { 3 } else { 1 }].iter().flat_map(edit).collect();
        let key = self.key_url().filter(|_| self.state == Presence::Present);
        probes.extend(key.map(|url| Self::key_question(context, url).1));
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let (file, default) = (self.file(), Mode::Bits(0o644));
        let mode = |mode| Attributes { mode: Some(mode), ..Attributes::default() };
        let mut plan = Plan::default();
        let (mut repo, mut key_filename) = (json!(null), None);
        if self.state == Presence::Absent {
            for file in self.files() {
                Self::remove(&file, &Edit::of(&file).present(context, state)?, &mut plan);
            }
            key_filename = Some(self.key_file("gpg"));
        } else {
            if let Some(url) = self.key_url() {
                let (key, bytes) = self.key(context, state, url)?;
                let edit = Edit { attributes: mode(&default), ..Edit::of(&key) };
                plan = edit.plan(context, state, &edit.present(context, state)?, &bytes, "")?;
                key_filename = Some(key);
            }
            let attributes = mode(self.mode.as_ref().unwrap_or(&default));
            let edit = Edit { attributes, ..Edit::of(&file) };
            let text = self.text(key_filename.as_deref());
            let own = edit.plan(context, state, &edit.present(context, state)?, text.as_bytes(), "")?;
            plan.changes.extend(own.changes);
            plan.diff.extend(own.diff);
            plan.predictions.extend(own.predictions);
            repo = json!(text);
        }
        plan.result.clear();
        plan.result.insert("dest".into(), json!(file));
        plan.result.insert("repo".into(), repo);
        plan.result.insert("key_filename".into(), json!(key_filename));
        Ok(plan)
    }
}
