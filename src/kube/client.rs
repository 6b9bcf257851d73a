//! One HTTP/2 connection per kubeconfig, through the SSH connection of a host.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{Request as HttpRequest, Response, Uri, header};
use http_body_util::Limited;
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::{
    Client, Config, Error,
    client::{Body, ConfigExt},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tower::{Layer, Service};

use super::{Request, Transport};
use crate::{fact::ApiQuery, ssh::MOST_OUTPUT};

/// The API clients of one machine.
#[derive(Default)]
pub struct Connections {
    clients: Mutex<HashMap<(String, Option<String>), Client>>,
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
                self.forget(query).await;
                let (client, _) = self.client(transport, query).await?;
                request.send(&client).await.map_err(|e| text(&e))
            }
            Err(error) => {
                if !matches!(error, Error::Api(_) | Error::Discovery(_)) {
                    self.forget(query).await;
                }
                Err(text(&error))
            }
        }
    }

    /// Drops all connections: the host rebooted, or its kubeconfig was written.
    pub async fn clear(&self) {
        self.clients.lock().await.clear();
    }

    async fn forget(&self, query: &ApiQuery) {
        self.clients.lock().await.remove(&(query.kubeconfig.clone(), query.context.clone()));
    }

    async fn client(&self, transport: &dyn Transport, query: &ApiQuery) -> Result<(Client, bool), String> {
        let mut clients = self.clients.lock().await;
        let key = (query.kubeconfig.clone(), query.context.clone());
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
        return status.message.clone();
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
    if text.contains("length limit exceeded") {
        text.push_str(&format!(" (an answer holds {} MiB at most)", MOST_OUTPUT >> 20));
    }
    text
}

async fn config(transport: &dyn Transport, query: &ApiQuery) -> Result<Config, String> {
    let path = &query.kubeconfig;
    let read = transport.read(path).await.map_err(|e| format!("cannot read the kubeconfig {path}: {e}"))?;
    let wrong = |why: String| format!("the kubeconfig {path} is not understood: {why}");
    let text = String::from_utf8(read).map_err(|e| wrong(e.to_string()))?;
    let mut parsed = crate::yaml::load_str(path, &text).map_err(|e| wrong(e.to_string()))?.to_json();
    inline(transport, path, &mut parsed).await?;
    let parsed: Kubeconfig = serde_json::from_value(parsed).map_err(|e| wrong(e.to_string()))?;
    let options = KubeConfigOptions { context: query.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(parsed, &options).await.map_err(|e| wrong(e.to_string()))
}

/// Puts the contents of files that the kubeconfig names into it: they are on the host, not here.
async fn inline(transport: &dyn Transport, kubeconfig: &str, parsed: &mut Json) -> Result<(), String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let folder = kubeconfig.rsplit_once('/').map_or(".", |(folder, _)| folder);
    for (list, inner) in [("clusters", "cluster"), ("users", "user")] {
        for entry in parsed.get_mut(list).and_then(Json::as_array_mut).into_iter().flatten() {
            let Some(fields) = entry.get_mut(inner).and_then(Json::as_object_mut) else { continue };
            for name in ["certificate-authority", "client-certificate", "client-key"] {
                let Some(Json::String(file)) = fields.remove(name) else { continue };
                let file = if file.starts_with('/') { file } else { format!("{folder}/{file}") };
                let bytes = transport
                    .read(&file)
                    .await
                    .map_err(|e| format!("cannot read {file}, which {kubeconfig} names: {e}"))?;
                fields.insert(format!("{name}-data"), Json::String(STANDARD.encode(bytes)));
            }
        }
    }
    Ok(())
}

async fn connect(transport: &dyn Transport, query: &ApiQuery) -> Result<Client, String> {
    // Another provider may have been installed by now; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = config(transport, query).await?;
    let uri = config.cluster_url.clone();
    let host = uri.host().ok_or_else(|| format!("{}: the server has no host", query.kubeconfig))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let unreachable = |why: String| format!("cannot reach the API server at {host}:{port}: {why}");
    let stream = transport.connect(&host, port).await.map_err(unreachable)?;
    if !secure {
        return Err(unreachable("plain HTTP is not supported; use an https URL".to_owned()));
    }
    let mut tls = config.rustls_client_config().map_err(|e| unreachable(e.to_string()))?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let name = config.tls_server_name.clone().unwrap_or_else(|| host.clone());
    let name = rustls::pki_types::ServerName::try_from(name).map_err(|e| unreachable(e.to_string()))?;
    let stream =
        TlsConnector::from(Arc::new(tls)).connect(name, stream).await.map_err(|e| unreachable(e.to_string()))?;
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|e| unreachable(e.to_string()))?;
    // It ends when the last sender is dropped or the server closes it.
    tokio::spawn(connection);
    let service = H2 { sender, base: uri };
    let namespace = config.default_namespace.clone();
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
    type Response = Response<Limited<Incoming>>;
    type Error = tower::BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: HttpRequest<Body>) -> Self::Future {
        let mut parts = request.uri().clone().into_parts();
        parts.scheme = self.base.scheme().cloned();
        parts.authority = self.base.authority().cloned();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        request.headers_mut().remove(header::HOST);
        let mut sender = self.sender.clone();
        Box::pin(async move {
            let response = sender.send_request(request).await?;
            Ok(response.map(|body| Limited::new(body, MOST_OUTPUT)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    /// An HTTP/2 server that answers the first request with zeros for as long as it is let.
    async fn flood(mut stream: DuplexStream) -> std::io::Result<()> {
        const DATA: usize = 16 << 10;
        let frame = |length: usize, kind: u8, flags: u8, id: u8| {
            let [.., a, b, c] = length.to_be_bytes();
            [a, b, c, kind, flags, 0, 0, 0, id]
        };
        stream.read_exact(&mut [0; 24]).await?;
        stream.write_all(&frame(0, 4, 0, 0)).await?;
        let (mut asked, mut windows) = (false, [65_535u64; 2]);
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let mut body = vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
            stream.read_exact(&mut body).await?;
            match head[3] {
                1 => {
                    asked = true;
                    // `:status: 200` of the static table.
                    stream.write_all(&[&frame(1, 1, 4, 1)[..], &[0x88]].concat()).await?;
                }
                4 if head[4] & 1 == 0 => {
                    for setting in body.chunks_exact(6).filter(|setting| setting[1] == 4) {
                        windows[1] = u64::from(u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]));
                    }
                    stream.write_all(&frame(0, 4, 1, 0)).await?;
                }
                8 => {
                    windows[usize::from(head[8])] += u64::from(u32::from_be_bytes([body[0], body[1], body[2], body[3]]))
                }
                _ => {}
            }
            while asked && windows.iter().all(|window| *window >= DATA as u64) {
                windows = windows.map(|window| window - DATA as u64);
                stream.write_all(&[&frame(DATA, 0, 0, 1)[..], &[0; DATA]].concat()).await?;
            }
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_cut_at_the_limit() {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(flood(theirs));
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(ours)).await.unwrap();
        tokio::spawn(connection);
        let mut service = H2 { sender, base: Uri::from_static("https://server") };
        let response = service.call(HttpRequest::get("/api").body(Body::empty()).unwrap()).await.unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert!(text(&Error::Service(error)).contains("128 MiB at most"));
    }
}
