//! Kubernetes objects through the API server, tunnelled over SSH.

use futures::future::BoxFuture;
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::fact::ApiQuery;

/// A byte stream to an API server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// How a host's files and network are reached; the runner's machines implement it.
pub trait Transport: Send + Sync {
    /// Reads a whole file of the host.
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>>;

    /// Connects from the host to an address.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, String>>;
}

/// Makes one request. The error is a text for the user.
///
/// # Errors
/// When the kubeconfig cannot be read, the API server cannot be reached, or it refuses.
pub async fn request(transport: &dyn Transport, query: &ApiQuery) -> Result<Json, String> {
    let kubeconfig = transport.read(&query.kubeconfig).await?;
    Err(format!("the API is not reached yet ({} bytes of kubeconfig)", kubeconfig.len()))
}
