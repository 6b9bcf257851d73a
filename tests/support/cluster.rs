//! An API server for one case: objects in memory behind TLS and HTTP/2, reached with a kubeconfig on the host.
//!
//! What it knows of Kubernetes is in [`super::objects`]. A cluster of real ones is what `tests/lab/cluster.sh` has.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use bringup::{
    fact::ApiQuery,
    kube::{Connections, Stream, Transport},
};
use futures::future::BoxFuture;
use serde_json::{Value as Json, json};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

use super::objects::{Answer, Objects, refusal};

/// What proves to the server who asks.
const TOKEN: &str = "the-administrators-token";

/// A running server and the clients of the host.
pub struct Cluster {
    runtime: Runtime,
    objects: Arc<Mutex<Objects>>,
    clients: Connections,
    host: Host,
}

/// The host's files, and the network, which is this machine's.
struct Host {
    root: PathBuf,
}

impl Cluster {
    /// Starts a server that has these objects, and leaves its kubeconfig at `.kube/config` of the host.
    ///
    /// The context `stranger` is that of somebody whom the server does not know.
    pub fn start(root: PathBuf, objects: &[Json]) -> Cluster {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let acceptor = acceptor(&made);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        fs::create_dir_all(root.join(".kube")).unwrap();
        let server = format!("https://{}", listener.local_addr().unwrap());
        fs::write(root.join(".kube/config"), kubeconfig(&server, &made.cert.pem())).unwrap();
        let objects = Arc::new(Mutex::new(Objects::new(objects)));
        runtime.spawn(listen(listener, acceptor, objects.clone()));
        Cluster { runtime, objects, clients: Connections::default(), host: Host { root } }
    }

    /// Makes a request as the runner would.
    pub fn request(&self, query: &ApiQuery) -> Result<Json, String> {
        self.runtime.block_on(self.clients.request(&self.host, query))
    }

    /// The object of this title, `Kind namespace/name` or `Kind name`.
    pub fn object(&self, title: &str) -> Option<Json> {
        self.objects.lock().unwrap().titled(title)
    }
}

impl Transport for Host {
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        let path = path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |rest| self.root.join(rest));
        Box::pin(async move { fs::read(path).map_err(|e| e.to_string()) })
    }

    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, String>> {
        Box::pin(async move {
            let stream = TcpStream::connect((host, port)).await.map_err(|e| e.to_string())?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn is_own(&self) -> bool {
        false
    }

    fn actor(&self) -> String {
        String::new()
    }
}

/// Two contexts for the same server: the administrator's and a stranger's.
fn kubeconfig(server: &str, certificate: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let cluster = json!({"server": server, "certificate-authority-data": STANDARD.encode(certificate)});
    let context = |user: &str| json!({"name": user, "context": {"cluster": "one", "user": user}});
    let user = |name: &str, token: &str| json!({"name": name, "user": {"token": token}});
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": cluster}],
        "contexts": [context("admin"), context("stranger")],
        "current-context": "admin",
        "users": [user("admin", TOKEN), user("stranger", "another")],
    })
    .to_string()
}

fn acceptor(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn listen(listener: TcpListener, acceptor: TlsAcceptor, objects: Arc<Mutex<Objects>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, objects) = (acceptor.clone(), objects.clone());
        tokio::spawn(async move {
            // A client that does not believe the server goes away, which is no fault of the server.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(serve(request, respond, objects.clone()));
            }
        });
    }
}

async fn serve(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<bytes::Bytes>,
    objects: Arc<Mutex<Objects>>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut content = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        content.extend_from_slice(&part);
    }
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let Answer(code, object) = if header("authorization") == format!("Bearer {TOKEN}") {
        let query = head.uri.query().unwrap_or_default();
        objects.lock().unwrap().answer(head.method.as_str(), head.uri.path(), query, header("content-type"), &content)
    } else {
        refusal(401, "Unauthorized")
    };
    let answer = http::Response::builder().status(code).header("content-type", "application/json").body(()).unwrap();
    respond.send_response(answer, false)?.send_data(object.to_string().into(), true)
}
