//! What `get_url` and `uri` take of a request besides where it goes.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::Request;
use crate::{
    fact::{Missing, State},
    module::{Context, Flag, List, ParameterError, Text, Whole, path},
};

/// The parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Options {
    /// Headers by name.
    #[serde(default)]
    headers: Map<String, Json>,
    /// Whether the server's certificate is checked.
    #[serde(default = "Flag::yes")]
    validate_certs: Flag,
    /// A file or directory of authorities to trust, on the host.
    ca_path: Option<Text>,
    /// A client certificate, on the host.
    client_cert: Option<Text>,
    /// Its key, unless it is in the same file.
    client_key: Option<Text>,
    /// The password for `url_username`.
    #[serde(alias = "password")]
    #[schemars(extend("x-aliases" = ["password"]))]
    url_password: Option<Text>,
    /// Send name and password with the first request. They always are.
    #[serde(default)]
    #[allow(dead_code)] // accepted for Ansible's sake, see above
    force_basic_auth: Flag,
    /// Whether proxies of the environment are used.
    #[serde(default = "Flag::yes")]
    use_proxy: Flag,
    /// Who asks, as servers write it down.
    #[serde(default = "agent")]
    http_agent: Text,
    /// The ciphers of TLS to offer, as OpenSSL writes them.
    #[serde(default)]
    ciphers: List<Text>,
    /// Whether content that comes packed by gzip is unpacked; where the host has curl.
    #[serde(default = "Flag::yes")]
    decompress: Flag,
    /// Log in by Kerberos; it needs a curl that can.
    #[serde(default)]
    use_gssapi: Flag,
    /// Whether name and password may come from the user's `~/.netrc`, where none are given; where the host has curl.
    #[serde(default = "Flag::yes")]
    use_netrc: Flag,
    /// Headers that are not sent on when the server names another address. None that are sent may be among them.
    #[serde(default)]
    unredirected_headers: List<Text>,
}

fn agent() -> Text {
    Text("ansible-httpget".to_owned())
}

impl Options {
    /// Refuses headers that are not to be sent on where a server names another address: the tools of the hosts cannot keep them back.
    ///
    /// # Errors
    /// Which of them would be sent.
    pub fn check_redirects(&self, login: bool) -> Result<(), ParameterError> {
        let sent = self.headers.keys().map(|name| name.to_lowercase());
        let sent: Vec<String> = sent.chain(login.then(|| "authorization".to_owned())).collect();
        match self.unredirected_headers.0.iter().find(|name| sent.contains(&name.0.to_lowercase())) {
            Some(name) => {
                let message = format!("`{}` would be sent on: curl and wget keep no header back", name.0);
                let help = "only to another server they send neither name and password nor `Authorization`; ask the last address at once";
                Err(ParameterError::new("unredirected_headers", message).help(help))
            }
            None => Ok(()),
        }
    }

    /// A request that follows where it is sent to.
    ///
    /// # Errors
    /// What must be read first to know where files of the host are.
    pub fn request(
        &self,
        context: &Context<'_>,
        state: &State,
        (method, url): (&str, &str),
        login: Option<&Text>,
        timeout: Whole,
    ) -> Result<Request, Missing> {
        let on_host = |t: &Option<Text>| t.as_ref().map(|t| path::absolute(context, state, &t.0)).transpose();
        let password = || self.url_password.as_ref().map(|p| p.0.clone()).unwrap_or_default();
        let ciphers: Vec<&str> = self.ciphers.0.iter().map(|cipher| cipher.0.as_str()).collect();
        Ok(Request {
            url: url.to_owned(),
            method: method.to_owned(),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
            user: login.map(|user| (user.0.clone(), password())),
            timeout: Duration::from_secs(timeout.0.clamp(1, 86_400).unsigned_abs()),
            validate_certs: self.validate_certs.0,
            ca_path: on_host(&self.ca_path)?,
            client_cert: match on_host(&self.client_cert)? {
                Some(cert) => Some((cert, on_host(&self.client_key)?)),
                None => None,
            },
            follow: true,
            use_proxy: self.use_proxy.0,
            agent: self.http_agent.0.clone(),
            ciphers: (!ciphers.is_empty()).then(|| ciphers.join(":")),
            decompress: self.decompress.0,
            negotiate: self.use_gssapi.0,
            netrc: self.use_netrc.0,
            ..Request::default()
        })
    }
}

/// A header or field as text.
pub fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
