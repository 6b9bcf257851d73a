//! `ansible.builtin.yum_repository`: package repositories of Fedora, Red Hat and their kin.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/yum_repository_module.html>

mod file;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::group::Presence;
use crate::{
    fact::{FileKind, Probe, Resource, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, List, Mode, Module, ParameterError, Plan, PlanError, Return,
        Returns, Step, Text, edit::Edit, ownership::Attributes, path, put,
    },
    sh::quote,
};
use file::File;

/// Parameters of `yum_repository`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct YumRepository {
    /// The repository's name, in brackets in its file.
    name: Text,
    /// Whether it is to be there.
    state: Presence,
    /// The folder of such files; `/etc/yum.repos.d` by default.
    reposdir: Option<Text>,
    /// The file's owner, by name or number.
    owner: Option<Text>,
    /// The file's group, by name or number.
    group: Option<Text>,
    /// The file's permissions.
    mode: Option<Mode>,
    /// Nothing: no system that Ansible supports reads it any more.
    #[serde(rename = "async")]
    async_: Option<Flag>,
    /// The bandwidth that `throttle` is a part of.
    bandwidth: Option<Text>,
    /// Where it is: addresses of its folder.
    baseurl: Option<List<Text>>,
    /// How dear it is, beside other repositories: 1000 is the middle.
    cost: Option<Text>,
    /// Whether the host lets itself be counted.
    countme: Option<Flag>,
    /// When differences are taken, by the size of what describes them.
    deltarpm_metadata_percentage: Option<Text>,
    /// When differences are taken, by their size.
    deltarpm_percentage: Option<Text>,
    /// What it is, in words for people.
    description: Option<Text>,
    /// Whether dnf takes packages from it.
    enabled: Option<Flag>,
    /// Whether groups of packages are taken from it.
    enablegroups: Option<Flag>,
    /// Packages that are never taken from it.
    #[serde(alias = "excludepkgs")]
    #[schemars(extend("x-aliases" = ["excludepkgs"]))]
    exclude: Option<List<Text>>,
    /// How the next address is chosen: `roundrobin` or `priority`.
    failovermethod: Option<Text>,
    /// The file's name, without `.repo`; that of the repository by default.
    file: Option<Text>,
    /// The key that vouches for `gpgkey`.
    gpgcakey: Option<Text>,
    /// Whether packages must bear a good signature.
    gpgcheck: Option<Flag>,
    /// Its keys' addresses.
    gpgkey: Option<List<Text>>,
    /// What caches on the way may keep: `all`, `packages` or `none`.
    http_caching: Option<Text>,
    /// A file of more configuration.
    include: Option<Text>,
    /// Packages that alone are taken from it.
    includepkgs: Option<List<Text>>,
    /// Which addresses are used: `4`, `6`, `IPv4`, `IPv6` or `whatever`.
    ip_resolve: Option<Text>,
    /// Whether connections are kept.
    keepalive: Option<Flag>,
    /// Whether downloaded packages are kept: `0` or `1`.
    keepcache: Option<Text>,
    /// How long what is known of it stays good.
    metadata_expire: Option<Text>,
    /// For which commands that counts.
    metadata_expire_filter: Option<Text>,
    /// The address of its metalink.
    metalink: Option<Text>,
    /// The address of a list of its mirrors.
    mirrorlist: Option<Text>,
    /// How long that list stays good.
    mirrorlist_expire: Option<Text>,
    /// Whether modules hide none of its packages.
    module_hotfixes: Option<Flag>,
    /// The password for `username`. Never shown.
    password: Option<Text>,
    /// How good it is, beside other repositories: 1 is the best.
    priority: Option<Text>,
    /// Whether other repositories may replace its packages.
    protect: Option<Flag>,
    /// The proxy to use; `_none_` for none.
    proxy: Option<Text>,
    /// The proxy's password. Never shown.
    proxy_password: Option<Text>,
    /// The proxy's user.
    proxy_username: Option<Text>,
    /// Whether what describes it must bear a good signature.
    repo_gpgcheck: Option<Flag>,
    /// How often a download is tried.
    retries: Option<Text>,
    /// Whether it is in S3.
    s3_enabled: Option<Flag>,
    /// Whether dnf goes on without it where it cannot be reached.
    skip_if_unavailable: Option<Flag>,
    /// Whether files of certificates must be readable.
    ssl_check_cert_permissions: Option<Flag>,
    /// The file of the authorities to trust.
    #[serde(alias = "ca_cert")]
    #[schemars(extend("x-aliases" = ["ca_cert"]))]
    sslcacert: Option<Text>,
    /// The file of the client's certificate.
    #[serde(alias = "client_cert")]
    #[schemars(extend("x-aliases" = ["client_cert"]))]
    sslclientcert: Option<Text>,
    /// The file of its key.
    #[serde(alias = "client_key")]
    #[schemars(extend("x-aliases" = ["client_key"]))]
    sslclientkey: Option<Text>,
    /// Whether the server's certificate is checked.
    #[serde(alias = "validate_certs")]
    #[schemars(extend("x-aliases" = ["validate_certs"]))]
    sslverify: Option<Flag>,
    /// How much of the bandwidth may be used.
    throttle: Option<Text>,
    /// How many seconds a connection may take.
    timeout: Option<Text>,
    /// Which variables are shown behind its name.
    ui_repoid_vars: Option<Text>,
    /// A user's name.
    username: Option<Text>,
}

impl Described for YumRepository {
    const NAME: &'static str = "ansible.builtin.yum_repository";
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Sets up package repositories of Fedora, Red Hat and their kin";
    const EXAMPLES: &'static str = "\
- name: Take packages from the company's mirror
  ansible.builtin.yum_repository:
    name: mirror
    description: The company's mirror
    baseurl: https://mirror.example.org/el/$releasever/$basearch/
    gpgkey: https://mirror.example.org/key.asc
";
    const RETURNS: Returns = &[&[
        Return::text("repo", "always", "The repository"),
        Return::text("state", "always", "`present` or `absent`"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let broken = |text: &str| text.contains(['\n', '/', ']', '\0']);
        if self.name.0.trim().is_empty() || broken(&self.name.0) {
            return Err(ParameterError::new("name", "it is missing, or no name of a repository"));
        }
        if self.file.as_ref().is_some_and(|file| file.0.is_empty() || broken(&file.0)) {
            return Err(ParameterError::new("file", "it is a file's name, without its folder"));
        }
        if self.state == Presence::Present {
            if self.baseurl.is_none() && self.mirrorlist.is_none() && self.metalink.is_none() {
                let why = "state is present but any of the following are missing: baseurl, mirrorlist, metalink";
                return Err(ParameterError::task(why));
            }
            if self.description.is_none() {
                return Err(ParameterError::task("state is present but all of the following are missing: description"));
            }
        }
        let choices: [(&str, &Option<Text>, &[&str]); 5] = [
            ("failovermethod", &self.failovermethod, &["roundrobin", "priority"]),
            ("http_caching", &self.http_caching, &["all", "packages", "none"]),
            ("ip_resolve", &self.ip_resolve, &["4", "6", "IPv4", "IPv6", "whatever"]),
            ("keepcache", &self.keepcache, &["0", "1"]),
            (
                "metadata_expire_filter",
                &self.metadata_expire_filter,
                &["never", "read-only:past", "read-only:present", "read-only:future"],
            ),
        ];
        for (name, value, known) in choices {
            if value.as_ref().is_some_and(|value| !known.contains(&value.0.as_str())) {
                return Err(ParameterError::new(name, format!("it is one of {}", known.join(", "))));
            }
        }
        match self.options().iter().find(|(_, value)| value.contains('\0')) {
            Some((name, _)) => Err(ParameterError::new(name, "it is no text")),
            None => Ok(()),
        }
    }
}

fn text(value: &Option<Text>) -> Option<String> {
    value.as_ref().map(|value| value.0.clone())
}

fn flag(value: &Option<Flag>) -> Option<String> {
    value.map(|value| if value.0 { "1" } else { "0" }.to_owned())
}

fn lines(value: &Option<List<Text>>) -> Option<String> {
    joined(value, "\n")
}

fn words(value: &Option<List<Text>>) -> Option<String> {
    joined(value, " ")
}

fn joined(value: &Option<List<Text>>, between: &str) -> Option<String> {
    let items = value.as_ref()?.0.iter().map(|item| item.0.as_str());
    Some(items.collect::<Vec<_>>().join(between))
}

impl YumRepository {
    /// What stands below its name, in the order of the options' names.
    fn options(&self) -> Vec<(String, String)> {
        let options = [
            ("async", flag(&self.async_)),
            ("bandwidth", text(&self.bandwidth)),
            ("baseurl", lines(&self.baseurl)),
            ("cost", text(&self.cost)),
            ("countme", flag(&self.countme)),
            ("deltarpm_metadata_percentage", text(&self.deltarpm_metadata_percentage)),
            ("deltarpm_percentage", text(&self.deltarpm_percentage)),
            ("name", text(&self.description)),
            ("enabled", flag(&self.enabled)),
            ("enablegroups", flag(&self.enablegroups)),
            ("exclude", words(&self.exclude)),
            ("failovermethod", text(&self.failovermethod)),
            ("gpgcakey", text(&self.gpgcakey)),
            ("gpgcheck", flag(&self.gpgcheck)),
            ("gpgkey", lines(&self.gpgkey)),
            ("http_caching", text(&self.http_caching)),
            ("include", text(&self.include)),
            ("includepkgs", words(&self.includepkgs)),
            ("ip_resolve", text(&self.ip_resolve)),
            ("keepalive", flag(&self.keepalive)),
            ("keepcache", text(&self.keepcache)),
            ("metadata_expire", text(&self.metadata_expire)),
            ("metadata_expire_filter", text(&self.metadata_expire_filter)),
            ("metalink", text(&self.metalink)),
            ("mirrorlist", text(&self.mirrorlist)),
            ("mirrorlist_expire", text(&self.mirrorlist_expire)),
            ("module_hotfixes", flag(&self.module_hotfixes)),
            ("password", text(&self.password)),
            ("priority", text(&self.priority)),
            ("protect", flag(&self.protect)),
            ("proxy", text(&self.proxy)),
            ("proxy_password", text(&self.proxy_password)),
            ("proxy_username", text(&self.proxy_username)),
            ("repo_gpgcheck", flag(&self.repo_gpgcheck)),
            ("retries", text(&self.retries)),
            ("s3_enabled", flag(&self.s3_enabled)),
            ("skip_if_unavailable", flag(&self.skip_if_unavailable)),
            ("ssl_check_cert_permissions", flag(&self.ssl_check_cert_permissions)),
            ("sslcacert", text(&self.sslcacert)),
            ("sslclientcert", text(&self.sslclientcert)),
            ("sslclientkey", text(&self.sslclientkey)),
            ("sslverify", flag(&self.sslverify)),
            ("throttle", text(&self.throttle)),
            ("timeout", text(&self.timeout)),
            ("ui_repoid_vars", text(&self.ui_repoid_vars)),
            ("username", text(&self.username)),
        ];
        let mut options: Vec<(String, String)> =
            options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        options.sort();
        options
    }

    fn folder(&self) -> &str {
        self.reposdir.as_ref().map_or("/etc/yum.repos.d", |folder| &folder.0)
    }

    fn path(&self) -> String {
        let name = self.file.as_ref().unwrap_or(&self.name);
        path::join(self.folder(), &format!("{}.repo", name.0))
    }

    fn edit<'a>(&'a self, path: &'a str) -> Edit<'a> {
        let attributes = Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref());
        Edit { attributes, ..Edit::of(path) }
    }
}

impl Module for YumRepository {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let path = self.path();
        let mut probes = self.edit(&path).probe(context, state);
        if let Ok(folder) = path::absolute(context, state, self.folder()) {
            probes.push(Probe::Stat { path: folder, follow: true });
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let folder = path::absolute(context, state, self.folder())?;
        if state.stat(&folder, true)?.is_none_or(|stat| stat.kind != FileKind::Directory) {
            return Err(Failure::new(format!("Repo directory '{}' does not exist.", self.folder())).into());
        }
        let path = self.path();
        let edit = self.edit(&path);
        let present = edit.present(context, state)?;
        let before = File::read(present.text()?.unwrap_or_default());
        let mut after = before.clone();
        match self.state {
            Presence::Present => after.put(&self.name.0, self.options()),
            Presence::Absent => after.remove(&self.name.0),
        }
        let same = after.same(&before);
        let mut plan = match (present.bytes, after.is_empty()) {
            (None, true) => Plan::default(),
            (Some(_), true) if !same => {
                let script = format!("rm -f -- {}\n", quote(&present.path));
                let writes = [&present.path, &folder].map(|path| Resource::Path(path.clone())).to_vec();
                Plan {
                    changes: vec![Change::closed(format!("remove {path}"), Step::Script(script), writes)],
                    predictions: put::absent_predictions(&present.path),
                    ..Plan::default()
                }
            }
            // What says the same is not written anew.
            (Some(bytes), _) if same => edit.plan(context, state, &present, bytes, "")?,
            _ => edit.plan(context, state, &present, after.text(false).as_bytes(), "")?,
        };
        if !same {
            // No password is ever part of a difference.
            let (before, after) = (before.text(true), after.text(true));
            plan.diff = vec![Diff { before, after, before_header: path.clone(), after_header: path.clone() }];
        }
        plan.result =
            Map::from_iter([("repo".to_owned(), json!(self.name.0)), ("state".to_owned(), json!(self.state.word()))]);
        Ok(plan)
    }
}
