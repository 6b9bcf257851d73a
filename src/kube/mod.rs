//! Kubernetes objects through the API server, tunnelled over SSH.
//!
//! The workstation speaks to the API server itself, through the host's SSH connection, with the host's kubeconfig:
//! nothing needs to be installed on the host, and one HTTP/2 connection carries all requests of a run.

mod access;
mod client;
mod compare;
mod kubeconfig;
mod merge;
mod request;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

pub use client::Connections;
pub use compare::{differs, plain};
pub use kubeconfig::Kubeconfig;
pub use merge::{Entries, remove};
pub use request::{Reference, Request, WaitFor};

/// A byte stream to an API server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// How a host's files and network are reached; the runner's machines implement it.
pub trait Transport: Send + Sync {
    /// Reads a whole file of the host. `~/` is the user's home.
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>>;

    /// Connects from the host to an address.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, String>>;

    /// Whether its files are those of the person who runs this, on this very machine: no other's word is acted on here.
    fn is_own(&self) -> bool;

    /// Who reads its files. A client that one user's kubeconfig made is no other user's.
    fn actor(&self) -> String;
}
