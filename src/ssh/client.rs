//! Our side of the protocol: whether the host's key is the right one, what the server says, and that it opens nothing here.

use super::{
    error::SshError,
    known_hosts::{Doubt, HostCheck},
    limit::short,
};
use russh::{
    Channel,
    client::{self, ChannelOpenHandle, DisconnectReason, Session as Wire},
    keys::PublicKeyOrCertificate,
};
use std::sync::{Arc, Mutex, PoisonError};

/// What the server has said besides the protocol.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    said: Mutex<String>,
    doubt: Mutex<Option<Doubt>>,
}

impl Notes {
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, text: String) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Why it may be another host than the one meant, where its key was not to be checked.
    pub(crate) fn doubt(&self) -> Option<String> {
        self.doubt.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|doubt| doubt.0.clone())
    }
}

/// Our side of the protocol's callbacks.
pub(crate) struct Client {
    pub(super) check: HostCheck,
    pub(super) notes: Arc<Notes>,
}

/// What a callback can fail with.
#[derive(Debug)]
pub(crate) enum ClientError {
    Ours(Box<SshError>),
    Wire(russh::Error),
}

impl From<russh::Error> for ClientError {
    fn from(error: russh::Error) -> Self {
        ClientError::Wire(error)
    }
}

impl client::Handler for Client {
    type Error = ClientError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, ClientError> {
        let doubt = self.check.verify(shown).map_err(|error| ClientError::Ours(Box::new(error)))?;
        *self.notes.doubt.lock().unwrap_or_else(PoisonError::into_inner) = doubt;
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<ClientError>) -> Result<(), ClientError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.notes.set(short(&info.message));
                Ok(())
            }
            DisconnectReason::Error(error) => {
                if let ClientError::Wire(wire) = &error {
                    self.notes.set(match wire {
                        russh::Error::KeepaliveTimeout => "the host has stopped answering".into(),
                        russh::Error::Disconnect | russh::Error::HUP => String::new(),
                        other => other.to_string(),
                    });
                }
                Err(error)
            }
        }
    }

    async fn auth_banner(&mut self, _banner: &str, _session: &mut Wire) -> Result<(), ClientError> {
        Ok(())
    }

    // A server opens nothing here: nothing is forwarded to it, no agent, no display, no port. Left to themselves these would be
    // accepted. Dropping the reply refuses.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<client::Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<client::Msg>,
        _socket_path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<client::Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<client::Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<client::Msg>,
        _host_to_connect: &str,
        _port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<client::Msg>,
        _socket_path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<client::Msg>,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }
}
