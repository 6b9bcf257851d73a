//! The servers of `[galaxy] server_list`: nobody here asks them, but `ansible-config` shows them.

use std::{collections::HashMap, path::Path};

use super::{
    Configuration,
    ini::Ini,
    value::{self, Kind, Place, Value},
};

/// What is known of a server, and of which kind.
const KEYS: &[(&str, Kind)] = &[
    ("url", Kind::Text),
    ("username", Kind::Text),
    ("password", Kind::Text),
    ("token", Kind::Text),
    ("auth_url", Kind::Text),
    ("api_version", Kind::Int),
    ("validate_certs", Kind::Bool),
    ("client_id", Kind::Text),
    ("timeout", Kind::Int),
];

/// One setting of a server.
#[derive(Debug, PartialEq)]
pub struct ServerSetting {
    /// Its name.
    pub name: &'static str,
    /// Its value, where there is one.
    pub value: Option<Value>,
    /// Where it was given, in Ansible's words.
    pub origin: String,
}

/// A server by its name, with all its settings.
pub type Server = (String, Vec<ServerSetting>);

/// Reads the servers that a configuration lists.
pub(super) fn servers(
    configuration: &Configuration,
    ini: Option<&Ini>,
    variables: &HashMap<String, String>,
) -> Vec<Server> {
    let names = configuration.list("GALAXY_SERVER_LIST").unwrap_or_default();
    let file = configuration.file().map(|file| file.display().to_string()).unwrap_or_default();
    let read = |server: &String, name: &'static str, kind: Kind| {
        let variable = format!("ANSIBLE_GALAXY_SERVER_{}_{}", server.to_uppercase(), name.to_uppercase());
        let section = format!("galaxy_server.{server}");
        let entry = || ini.and_then(|ini| ini.get(&section, name)).map(|entry| (&entry.value, file.clone()));
        let given = variables.get(&variable).map(|text| (text, format!("env: {variable}"))).or_else(entry);
        let of = |text: &str| value::read(kind, text, &Place { folder: Path::new("/"), file: true });
        match given {
            Some((text, origin)) => ServerSetting { name, value: of(text), origin },
            None if name == "url" => ServerSetting { name, value: None, origin: "REQUIRED".to_owned() },
            None => {
                let value = (name == "timeout").then_some(Value::Int(60));
                ServerSetting { name, value, origin: "default".to_owned() }
            }
        }
    };
    let named = names.iter().filter(|name| !name.is_empty());
    named.map(|server| (server.clone(), KEYS.iter().map(|(name, kind)| read(server, name, *kind)).collect())).collect()
}
