//! `ansible.builtin.add_host`: a host for the rest of the run.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/add_host_module.html>

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    inventory::name,
    module::{Context, Described, Effect, Module, ParameterError, Plan, PlanError, Return, Returns},
    playbook::{About, Sets},
};

/// Parameters of `add_host`: a name, groups, and variables of any names.
#[derive(Debug)]
pub struct AddHost {
    parameters: Map<String, Json>,
}

impl<'de> Deserialize<'de> for AddHost {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(AddHost { parameters: Map::deserialize(from)? })
    }
}

impl JsonSchema for AddHost {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AddHost".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Parameters of `add_host`: a name, groups, and variables of any names.",
            "properties": {
                "name": {
                    "type": "string",
                    "description": "The host's name, a port behind it allowed. Any other name is a variable of the host.",
                    "x-aliases": ["host", "hostname"]
                },
                "groups": {
                    "type": ["array", "string"],
                    "description": "The groups it is put into.",
                    "x-aliases": ["group", "groupname"]
                }
            },
            "required": ["name"],
            "additionalProperties": true
        })
    }
}

impl Described for AddHost {
    const NAME: &'static str = "ansible.builtin.add_host";
    const ABOUT: About = About {
        background: false,
        sets: Sets::Host(&["groups", "group", "groupname"]),
        by_first: true,
        ..About::TELLS
    };
    const SUMMARY: &'static str = "Adds a host for the rest of the run";
    const EXAMPLES: &'static str = "\
- name: the new machine
  ansible.builtin.add_host:
    name: \"{{ created.address }}\"
    groups: [fresh, web]
    ansible_user: root
";
    const RETURNS: Returns = &[&[
        Return::map("add_host", "always", "The host that there is now"),
        Return::text("add_host.host_name", "always", "Its name"),
        Return::list("add_host.groups", "always", "The groups that it is put into"),
        Return::map("add_host.host_vars", "always", "Its variables"),
    ]];
    const OPEN: bool = true;

    fn check(&self) -> Result<(), ParameterError> {
        if self.name().is_none() {
            return Err(ParameterError::task("name, host or hostname needs to be provided"));
        }
        let wrong = |parameter: &str, fault: name::Fault| ParameterError::new(parameter, fault.to_string());
        let given =
            ["name", "hostname", "host"].into_iter().find(|n| self.parameters.contains_key(*n)).unwrap_or("name");
        name::host(&self.address().0).map_err(|fault| wrong(given, fault))?;
        for group in self.groups()? {
            name::group(&group).map_err(|fault| wrong("groups", fault))?;
        }
        for (parameter, value) in &self.parameters {
            let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match parameter.as_str() {
                "ansible_host" | "ansible_ssh_host" => {
                    name::address(&text()).map_err(|fault| wrong(parameter, fault))?
                }
                "ansible_user" | "ansible_ssh_user" | "ansible_become_user" => {
                    name::login(&text()).map_err(|fault| wrong(parameter, fault))?;
                }
                "ansible_port" | "ansible_ssh_port" if text().parse::<u16>().unwrap_or(0) == 0 => {
                    return Err(ParameterError::new(parameter, format!("`{}` is no port", text().escape_debug())));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl AddHost {
    fn first(&self, names: [&str; 3]) -> Option<&Json> {
        names.iter().find_map(|n| self.parameters.get(*n)).filter(|v| !v.is_null())
    }

    fn name(&self) -> Option<String> {
        match self.first(["name", "hostname", "host"])? {
            Json::String(name) if !name.is_empty() => Some(name.clone()),
            Json::Number(name) => Some(name.to_string()),
            _ => None,
        }
    }

    /// The name, and the port that may stand behind it.
    fn address(&self) -> (String, Option<u16>) {
        let written = self.name().unwrap_or_default();
        // `host:port` and `[address]:port`; a bare IPv6 address has more than one colon and no port.
        match written.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') || (name.starts_with('[') && name.ends_with(']')) => {
                match port.parse::<u16>() {
                    Ok(port) => (name.trim_matches(['[', ']']).to_owned(), Some(port)),
                    Err(_) => (written, None),
                }
            }
            _ => (written, None),
        }
    }

    fn groups(&self) -> Result<Vec<String>, ParameterError> {
        let wrong = || ParameterError::new("groups", "a list of group names is needed");
        let mut groups: Vec<String> = Vec::new();
        let all = match self.first(["groupname", "groups", "group"]) {
            None => Vec::new(),
            Some(Json::String(text)) => text.split(',').map(str::to_owned).collect(),
            Some(Json::Array(items)) => {
                items.iter().map(|i| i.as_str().map(str::to_owned).ok_or_else(wrong)).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(wrong()),
        };
        for group in all.iter().map(|g| g.trim()).filter(|g| !g.is_empty()) {
            if !groups.iter().any(|g| g == group) {
                groups.push(group.to_owned());
            }
        }
        Ok(groups)
    }
}

impl Module for AddHost {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let own = ["name", "hostname", "groupname", "groups"];
        let mut vars = self.parameters.clone();
        vars.retain(|name, _| !own.contains(&name.as_str()));
        let (name, port) = self.address();
        if let Some(port) = port {
            vars.insert("ansible_ssh_port".into(), json!(port));
        }
        let host = Effect::Host { name, groups: self.groups().unwrap_or_default(), vars };
        Ok(Plan { effects: vec![host.into()], ..Plan::default() })
    }
}
