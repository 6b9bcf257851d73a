//! `ansible.builtin.deb822_repository`: package repositories in the format of deb822.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/deb822_repository_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::group::Presence;
use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Flag, List, Mode, Module, ParameterError, Plan, PlanError, Step, Text, Whole,
        edit::Edit, ownership::Attributes, path, put,
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
    /// Its key: a path on the host, a fingerprint, or the key itself in ASCII armor.
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

    fn check(&self) -> Result<(), ParameterError> {
        if self.name.0.trim().is_empty() || self.name.0.contains(['/', '\n']) {
            return Err(ParameterError::new("name", "it is missing, or no file's name"));
        }
        if self.state == Presence::Present && (self.uris.is_none() || self.suites.is_none()) {
            return Err(ParameterError::task("a repository needs `uris` and `suites`"));
        }
        let key = self.signed_by.as_ref().map_or("", |k| &k.0);
        if key.starts_with("http://") || key.starts_with("https://") {
            let error = ParameterError::new("signed_by", "a key is not fetched from an address");
            return Err(error.help("fetch it with `ansible.builtin.get_url` into /etc/apt/keyrings and name that path"));
        }
        if self.types.iter().flat_map(|t| &t.0).any(|t| !matches!(t.0.as_str(), "deb" | "deb-src")) {
            return Err(ParameterError::new("types", "it is `deb`, `deb-src` or both"));
        }
        Ok(())
    }
}

impl Deb822Repository {
    /// The name as a file name: what is no letter, digit, dot or dash becomes a dash.
    fn slug(&self) -> String {
        let mut slug = String::new();
        for c in self.name.0.trim().to_lowercase().chars() {
            let c = if c.is_ascii_alphanumeric() || c == '.' || c == '_' { c } else { '-' };
            if c != '-' || !slug.ends_with('-') {
                slug.push(c);
            }
        }
        slug.trim_matches('-').to_owned()
    }

    fn file(&self) -> String {
        format!("/etc/apt/sources.list.d/{}.sources", self.slug())
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut field = |name: &str, value: String| {
            // Lines of a value that goes on begin with a blank, and empty ones with a dot behind it.
            let lines: Vec<_> = value.trim_end().lines().map(|l| if l.trim().is_empty() { "." } else { l }).collect();
            let value = lines.join("\n ");
            text.push_str(&format!("{name}: {value}\n"));
        };
        let joined = |list: &List<Text>| list.0.iter().map(|t| t.0.as_str()).collect::<Vec<_>>().join(" ");
        let flag = |f: Flag| if f.0 { "yes" } else { "no" }.to_owned();
        field("X-Repolib-Name", self.name.0.clone());
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
        fields.extend(self.signed_by.as_ref().map(|k| {
            let key = if k.0.contains("-----BEGIN") { format!("\n{}", k.0) } else { k.0.clone() };
            ("Signed-By", key)
        }));
        fields.sort_by_key(|(name, _)| name.to_lowercase());
        for (name, value) in fields {
            field(name, value);
        }
        text
    }
}

impl Module for Deb822Repository {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let default = Mode::Bits(0o644);
        let attributes = Attributes { mode: Some(self.mode.as_ref().unwrap_or(&default)), ..Attributes::default() };
        Edit { path: &self.file(), attributes, backup: false, validate: None }.probe(context, state)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let (file, default) = (self.file(), Mode::Bits(0o644));
        let attributes = Attributes { mode: Some(self.mode.as_ref().unwrap_or(&default)), ..Attributes::default() };
        let edit = Edit { path: &file, attributes, backup: false, validate: None };
        let present = edit.present(context, state)?;
        let mut plan = match (self.state, present.bytes) {
            (Presence::Absent, None) => Plan::default(),
            (Presence::Absent, Some(bytes)) => {
                let script = format!("rm -f -- {}\n", quote(&present.path));
                let writes = vec![Resource::Path(present.path.clone()), Resource::Path(path::parent(&file).to_owned())];
                let change = Change::closed(format!("remove {file}"), Step::Script(script), writes);
                let diff = put::text_diff(&file, &file, Some(bytes), None);
                Plan {
                    changes: vec![change],
                    diff: vec![diff],
                    predictions: put::absent_predictions(&present.path),
                    ..Plan::default()
                }
            }
            (Presence::Present, _) => edit.plan(context, state, &present, self.text().as_bytes(), "")?,
        };
        plan.result.clear();
        let repo = if self.state == Presence::Present { json!(self.text()) } else { json!(null) };
        plan.result.insert("dest".into(), json!(file));
        plan.result.insert("repo".into(), repo);
        plan.result.insert("key_filename".into(), json!(null));
        Ok(plan)
    }
}
