//! All modules by name.

use std::{collections::HashMap, sync::OnceLock};

use schemars::Schema;
use serde_json::{Map, Value as Json};

use super::{Described, Module, ParameterError, bringup, builtin, crypto, general, kubernetes, posix};

/// Reads a module's rendered parameters.
type Parse = fn(Map<String, Json>) -> Result<Box<dyn Module>, ParameterError>;

/// One module: what the loader, the runner and `bringup doc` need of it.
pub struct Entry {
    /// The full name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// One line on what it does.
    pub summary: &'static str,
    /// Examples in YAML.
    pub examples: &'static str,
    /// The parameter that takes free-form text.
    pub free_form: Option<&'static str>,
    /// Whether it takes any parameter, as `set_fact` does.
    pub open: bool,
    /// The parameters' schema, descriptions included.
    pub schema: fn() -> Schema,
    parse: Parse,
}

fn entry<M: Described>() -> Entry {
    Entry {
        name: M::NAME,
        aliases: M::ALIASES,
        summary: M::SUMMARY,
        examples: M::EXAMPLES,
        free_form: M::FREE_FORM,
        open: M::OPEN,
        schema: || schemars::schema_for!(M),
        parse: |parameters| {
            let module: M = serde_path_to_error::deserialize(Json::Object(parameters)).map_err(explain)?;
            module.check()?;
            Ok(Box::new(module))
        },
    }
}

fn explain(error: serde_path_to_error::Error<serde_json::Error>) -> ParameterError {
    let path = error.path().to_string();
    let message = error.into_inner().to_string();
    ParameterError { parameter: (path != ".").then_some(path), message, help: None }
}

impl Entry {
    /// Reads rendered parameters.
    ///
    /// # Errors
    /// The first parameter that is unknown, missing, of a wrong type, or at odds with another.
    pub fn parse(&self, parameters: Map<String, Json>) -> Result<Box<dyn Module>, ParameterError> {
        let known = self.parameters();
        if let Some(name) = parameters.keys().find(|n| !self.open && !known.contains(n)) {
            return Err(self.unknown_parameter(name));
        }
        (self.parse)(parameters)
    }

    /// The error for a parameter that there is not.
    pub fn unknown_parameter(&self, name: &str) -> ParameterError {
        let known = self.parameters();
        let near = known.iter().min_by_key(|k| strsim::damerau_levenshtein(k, name));
        let near = near.filter(|k| strsim::damerau_levenshtein(k, name) <= 1 + name.len() / 4);
        let error = ParameterError::new(name, format!("`{}` has no parameter `{name}`", self.name));
        match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("it has {}", known.join(", "))),
        }
    }

    /// All parameters' names, aliases included.
    pub fn parameters(&self) -> Vec<String> {
        let schema = (self.schema)();
        let mut names = Vec::new();
        if let Some(Json::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                names.push(name.clone());
                // `#[schemars(extend("x-aliases" = ["dest", "name"]))]` beside each serde alias.
                if let Some(Json::Array(aliases)) = property.get("x-aliases") {
                    names.extend(aliases.iter().filter_map(|a| a.as_str().map(str::to_owned)));
                }
            }
        }
        names
    }
}

/// The table of modules.
pub struct Registry {
    entries: Vec<Entry>,
    by_name: HashMap<&'static str, usize>,
}

impl Registry {
    /// The one table of this program.
    pub fn get() -> &'static Registry {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| {
            let entries = all();
            let mut by_name = HashMap::new();
            for (index, entry) in entries.iter().enumerate() {
                let last = entry.name.rsplit('.').next().unwrap_or(entry.name);
                for name in entry.aliases.iter().copied().chain([entry.name, last]) {
                    by_name.insert(name, index);
                }
            }
            Registry { entries, by_name }
        })
    }

    /// A module by its full name, an alias, or the last part of its name; `ansible.legacy.` is `ansible.builtin.`.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let short = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy."));
        let index = self.by_name.get(name).or_else(|| {
            let entry = self.by_name.get(short?)?;
            self.entries[*entry].name.starts_with("ansible.builtin.").then_some(entry)
        });
        index.map(|i| &self.entries[*i])
    }

    /// All modules in alphabetical order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The module name nearest to a mistyped one.
    pub fn near(&self, name: &str) -> Option<&'static str> {
        let distance = |known: &str| strsim::damerau_levenshtein(known, name);
        self.by_name
            .keys()
            .copied()
            .min_by_key(|k| (distance(k), k.len()))
            .filter(|k| distance(k) <= 1 + name.len() / 4)
    }
}

fn all() -> Vec<Entry> {
    let mut entries = vec![
        entry::<bringup::bridge::Bridge>(),
        entry::<bringup::container_image::ContainerImage>(),
        entry::<bringup::image_archive::ImageArchive>(),
        entry::<bringup::kubeconfig::Kubeconfig>(),
        entry::<bringup::kubeconfig_merge::KubeconfigMerge>(),
        entry::<bringup::routes::Routes>(),
        entry::<builtin::add_host::AddHost>(),
        entry::<builtin::apt::Apt>(),
        entry::<builtin::assemble::Assemble>(),
        entry::<builtin::assert::Assert>(),
        entry::<builtin::blockinfile::Blockinfile>(),
        entry::<builtin::command::Command>(),
        entry::<builtin::copy::Copy>(),
        entry::<builtin::cron::Cron>(),
        entry::<builtin::deb822_repository::Deb822Repository>(),
        entry::<builtin::debug::Debug>(),
        entry::<builtin::dpkg_selections::DpkgSelections>(),
        entry::<builtin::fail::Fail>(),
        entry::<builtin::fetch::Fetch>(),
        entry::<builtin::file::File>(),
        entry::<builtin::find::Find>(),
        entry::<builtin::get_url::GetUrl>(),
        entry::<builtin::getent::Getent>(),
        entry::<builtin::group::Group>(),
        entry::<builtin::group_by::GroupBy>(),
        entry::<builtin::hostname::Hostname>(),
        entry::<builtin::iptables::Iptables>(),
        entry::<builtin::lineinfile::Lineinfile>(),
        entry::<builtin::package::Package>(),
        entry::<builtin::package_facts::PackageFacts>(),
        entry::<builtin::pause::Pause>(),
        entry::<builtin::ping::Ping>(),
        entry::<builtin::raw::Raw>(),
        entry::<builtin::reboot::Reboot>(),
        entry::<builtin::replace::Replace>(),
        entry::<builtin::script::Script>(),
        entry::<builtin::service::Service>(),
        entry::<builtin::service_facts::ServiceFacts>(),
        entry::<builtin::set_fact::SetFact>(),
        entry::<builtin::setup::Setup>(),
        entry::<builtin::shell::Shell>(),
        entry::<builtin::slurp::Slurp>(),
        entry::<builtin::stat::Stat>(),
        entry::<builtin::systemd_service::SystemdService>(),
        entry::<builtin::tempfile::Tempfile>(),
        entry::<builtin::template::Template>(),
        entry::<builtin::unarchive::Unarchive>(),
        entry::<builtin::uri::Uri>(),
        entry::<builtin::user::User>(),
        entry::<builtin::wait_for::WaitFor>(),
        entry::<builtin::wait_for_connection::WaitForConnection>(),
        entry::<crypto::openssl_csr::OpensslCsr>(),
        entry::<crypto::openssl_privatekey::OpensslPrivatekey>(),
        entry::<crypto::openssl_publickey::OpensslPublickey>(),
        entry::<crypto::x509_certificate::X509Certificate>(),
        entry::<crypto::x509_certificate_info::X509CertificateInfo>(),
        entry::<general::ini_file::IniFile>(),
        entry::<general::modprobe::Modprobe>(),
        entry::<kubernetes::k8s::K8s>(),
        entry::<kubernetes::k8s_drain::K8sDrain>(),
        entry::<kubernetes::k8s_info::K8sInfo>(),
        entry::<posix::authorized_key::AuthorizedKey>(),
        entry::<posix::mount::Mount>(),
        entry::<posix::sysctl::Sysctl>(),
        // one line per module, in alphabetical order
    ];
    entries.sort_by_key(|e| e.name);
    entries
}
