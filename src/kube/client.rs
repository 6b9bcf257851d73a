//! One HTTP/2 connection per kubeconfig, through the SSH connection of a host.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request as HttpRequest, Response, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::{
    Client, Error,
    client::{Body, ConfigExt},
};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tower::{Layer, Service};

use super::{Request, Transport, access};
use crate::fact::ApiQuery;

/// How long an API server may take to be connected to, and for an answer.
const CONNECT: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(90);
/// How large an answer may be. A list of some thousand pods has about half of it.
const LARGEST: usize = 32 << 20;
/// How much of an API server's words goes into an error.
const WORDS: usize = 4000;

/// Who reads which kubeconfig, and the context in it.
type Key = (String, String, Option<String>);

/// The API clients of one machine.
#[derive(Default)]
pub struct Connections {
    clients: Mutex<HashMap<Key, Client>>,
}

fn key(transport: &dyn Transport, query: &ApiQuery) -> Key {
    (transport.actor(), query.kubeconfig.clone(), query.context.clone())
}

impl Connections {
    /// Makes one request. The error is a text for the user.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read, the API server cannot be reached, or it refuses.
    pub async fn request(&self, transport: &dyn Transport, query: &ApiQuery) -> Result<Json, String> {
        let request: Request =
            serde_json::from_str(&query.request).map_err(|e| format!("the request is not understood: {e}"))?;
        let (client, fresh) = self.client(transport, query).await?;
        match request.send(&client).await {
            Ok(answer) => Ok(answer),
            // The connection may have gone away since the last request: reads may be asked again on a new one.
            Err(error) if !fresh && !matches!(error, Error::Api(_)) && request.reads() => {
                self.forget(transport, query).await;
                let (client, _) = self.client(transport, query).await?;
                request.send(&client).await.map_err(|e| text(&e))
            }
            Err(error) => {
                if !matches!(error, Error::Api(_) | Error::Discovery(_)) {
                    self.forget(transport, query).await;
                }
                Err(text(&error))
            }
        }
    }

    /// Drops all connections: the host rebooted, or its kubeconfig was written.
    pub async fn clear(&self) {
        self.clients.lock().await.clear();
    }

    async fn forget(&self, transport: &dyn Transport, query: &ApiQuery) {
        self.clients.lock().await.remove(&key(transport, query));
    }

    async fn client(&self, transport: &dyn Transport, query: &ApiQuery) -> Result<(Client, bool), String> {
        let mut clients = self.clients.lock().await;
        let key = key(transport, query);
        if let Some(client) = clients.get(&key) {
            return Ok((client.clone(), false));
        }
        let client = connect(transport, query).await?;
        clients.insert(key, client.clone());
        Ok((client, true))
    }
}

/// The error with its causes; nothing secret is in it.
fn text(error: &Error) -> String {
    if let Error::Api(status) = error {
        return status.message.chars().take(WORDS).collect();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text.chars().take(WORDS).collect()
}

async fn connect(transport: &dyn Transport, query: &ApiQuery) -> Result<Client, String> {
    // Another provider may have been installed by now; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = access::configuration(transport, &query.kubeconfig, query.context.as_deref()).await?;
    let uri = config.cluster_url.clone();
    let host = uri.host().ok_or_else(|| format!("{}: the server has no host", query.kubeconfig))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let unreachable = |why: String| format!("cannot reach the API server at {host}:{port}: {why}");
    // A plugin of the workstation's own kubeconfig may ask a person here; only the network is given a limit of time.
    let mut tls = config.rustls_client_config().map_err(|e| unreachable(e.to_string()))?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let name = config.tls_server_name.clone().unwrap_or_else(|| host.clone());
    let name = rustls::pki_types::ServerName::try_from(name).map_err(|e| unreachable(e.to_string()))?;
    let opening = async {
        let stream = transport.connect(&host, port).await?;
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.map_err(|e| e.to_string())?;
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())
    };
    let opened = tokio::time::timeout(CONNECT, opening).await;
    let opened = opened.unwrap_or_else(|_| Err(format!("there was no answer within {} s", CONNECT.as_secs())));
    let (sender, connection) = opened.map_err(unreachable)?;
    // It ends when the last sender is dropped or the server closes it.
    tokio::spawn(connection);
    let service = H2 { sender, base: uri };
    let namespace = config.default_namespace.clone();
    // In whose name it asks.
    let service = config.extra_headers_layer().map_err(|e| unreachable(e.to_string()))?.layer(service);
    match config.auth_layer().map_err(|e| unreachable(e.to_string()))? {
        Some(layer) => Ok(Client::new(layer.layer(service), namespace)),
        None => Ok(Client::new(service, namespace)),
    }
}

/// Sends requests over one HTTP/2 connection.
#[derive(Clone)]
struct H2 {
    sender: SendRequest<Body>,
    base: Uri,
}

impl Service<HttpRequest<Body>> for H2 {
    type Response = Response<Full<Bytes>>;
    type Error = tower::BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: HttpRequest<Body>) -> Self::Future {
        *request.uri_mut() = self.uri(request.uri());
        request.headers_mut().remove(header::HOST);
        let mut sender = self.sender.clone();
        Box::pin(async move {
            let answer = async { whole(sender.send_request(request).await?, LARGEST).await };
            match tokio::time::timeout(ANSWER, answer).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("the API server has not answered within {} s", ANSWER.as_secs()).into()),
            }
        })
    }
}

impl H2 {
    /// The address of a request: always at this server, below the path that it may have.
    fn uri(&self, of: &Uri) -> Uri {
        let mut parts = of.clone().into_parts();
        parts.scheme = self.base.scheme().cloned();
        parts.authority = self.base.authority().cloned();
        let prefix = self.base.path().trim_end_matches('/');
        if let (false, Some(path)) = (prefix.is_empty(), &parts.path_and_query) {
            parts.path_and_query = PathAndQuery::try_from(format!("{prefix}{path}")).ok();
        }
        Uri::from_parts(parts).unwrap_or_else(|_| self.base.clone())
    }
}

/// An answer with all of its content, which may not be larger than `limit`.
async fn whole<B>(answer: Response<B>, limit: usize) -> Result<Response<Full<Bytes>>, tower::BoxError>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<tower::BoxError>,
{
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            format!(
                "the API server's answer is larger than {} MiB: ask for less, with `namespace` or selectors",
                limit >> 20
            )
            .into()
        } else {
            error
        }
    })?;
    Ok(Response::from_parts(head, Full::new(body.to_bytes())))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_end_is_cut_off() {
        let block = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b' '; 1 << 16])));
        let flood = StreamBody::new(stream::iter(std::iter::repeat_with(block)));
        let error = whole(Response::new(flood), 2 << 20).await.unwrap_err();
        assert!(error.to_string().contains("larger than 2 MiB"), "{error}");
        let small = StreamBody::new(stream::iter(std::iter::repeat_with(block).take(3)));
        let body = whole(Response::new(small), 2 << 20).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), 3 << 16);
    }
}
