//! The connection to an API server, and who asks.

use std::fmt::Display;
use std::future::pending;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use futures::io::AsyncBufRead;
use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Client;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tower::{BoxError, ServiceBuilder};

use super::failure::Failure;
use super::proxy::{self, Environment, Proxy};
use super::requests::Observed;
use super::{Config, Encoding, Error, status};

/// A client with the configuration that it was made from, so that it can be made anew.
#[derive(Clone)]
pub(super) struct Session {
    config: Arc<Config>,
    url: String,
    proxy: Option<http::Uri>,
    client: Client,
    token: Option<Token>,
}

/// Where the server is, and what is between.
struct Settings {
    kube: kube::Config,
    proxy: Option<Proxy>,
}

/// An answer whose body is still on its way.
pub(super) struct Answer<B> {
    pub(super) encoding: Encoding,
    pub(super) body: B,
}

/// A bearer token in a file, which somebody renews.
#[derive(Clone, Debug)]
struct Token {
    path: PathBuf,
    last: HeaderValue,
}

// === impl Session ===

impl Session {
    /// Reads the configuration. No connection is made before the first request.
    pub(super) async fn connect(config: Arc<Config>) -> Result<Self, Error> {
        let runtime = Handle::current();
        // A plugin for credentials takes as long as it likes, and kube waits for it without letting others work.
        let connecting = spawn_blocking(move || runtime.block_on(Session::open(config)));
        match connecting.await {
            Ok(session) => session,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends, and whoever waits here with it.
                Err(_cancelled) => pending().await,
            },
        }
    }

    async fn open(config: Arc<Config>) -> Result<Self, Error> {
        let Settings { kube: mut settings, proxy } = read_settings(&config).await?;
        let token = match token_file(&settings) {
            Some(path) => {
                // From here on kube has no part in it: it reads the file once a minute, which is too late for
                // a token that was revoked.
                settings.auth_info.token_file = None;
                settings.auth_info.token = None;
                Some(Token::read(path)?)
            }
            None => None,
        };
        let url = settings.cluster_url.to_string();
        let proxy_url = proxy.as_ref().map(|proxy| proxy.url().clone());
        let client = client(&settings, proxy, &config).map_err(|error| Error::Client(Box::new(error)))?;
        Ok(Session { config, url, proxy: proxy_url, client, token })
    }

    /// Reads the configuration again, with new certificates, keys and tokens, and forgets all connections. If
    /// that fails everything stays as it was.
    pub(super) async fn reconnect(&mut self) {
        match Session::connect(Arc::clone(&self.config)).await {
            Ok(session) => *self = session,
            Err(error) => tracing::debug!(%error, "the configuration cannot be read again"),
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The URL of the server.
    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// The URL of the proxy that it is asked through, if there is one.
    pub(super) fn proxy(&self) -> Option<&http::Uri> {
        self.proxy.as_ref()
    }

    /// Sends a request and waits for the answer, of which nothing counts but its success.
    pub(super) async fn write(&mut self, request: http::Request<Vec<u8>>) -> Result<(), Failure> {
        let request = self.authorize(request);
        let client = &self.client;
        self.limited(async move {
            let Answer { body, .. } = open(client, request).await?;
            // The connection can be used again only when all of it was read.
            body.collect().await?;
            Ok::<_, kube::Error>(())
        })
        .await
    }

    /// Asks for objects and waits for the answer to begin.
    pub(super) async fn stream(
        &mut self,
        request: http::Request<Vec<u8>>,
    ) -> Result<Answer<impl AsyncBufRead + Send + use<>>, Failure> {
        let request = self.ask(request);
        let Answer { encoding, body } = self.limited(open(&self.client, request)).await?;
        let body = body.into_data_stream().map_err(std::io::Error::other).into_async_read();
        Ok(Answer { encoding, body })
    }

    /// Waits for an answer, or for a part of it, as long as that may take.
    pub(super) async fn limited<T, E: Into<Failure>>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        let limit = self.config.timing.request;
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(E::into),
            Err(_elapsed) => Err(Failure::NoAnswer(limit)),
        }
    }

    /// Says in which form objects are wanted.
    fn ask(&mut self, mut request: http::Request<Vec<u8>>) -> http::Request<Vec<u8>> {
        request.headers_mut().insert(ACCEPT, self.config.encoding.accepted());
        self.authorize(request)
    }

    fn authorize(&mut self, mut request: http::Request<Vec<u8>>) -> http::Request<Vec<u8>> {
        if let Some(token) = &mut self.token {
            request.headers_mut().insert(AUTHORIZATION, token.renewed());
        }
        request
    }
}

/// Sends a request and waits for the answer to begin. kube's own `request_stream` does not tell its form.
async fn open(client: &Client, request: http::Request<Vec<u8>>) -> kube::Result<Answer<Body>> {
    let answer = client.send(request.map(Body::from)).await?;
    let (head, body) = answer.into_parts();
    if !head.status.is_success() {
        let body = body.collect().await?.to_bytes();
        return Err(kube::Error::Api(Box::new(status::of_answer(head.status, &head.headers, body))));
    }
    Ok(Answer { encoding: Encoding::of(&head.headers), body })
}

/// Where the server is, by the rules of client-go: a URL alone is enough, and wins over the kubeconfig's.
async fn read_settings(config: &Config) -> Result<Settings, Error> {
    let master = config.master.as_deref().filter(|master| !master.is_empty());
    let (mut settings, proxy) = match (&config.kubeconfig, master) {
        (Some(path), _) => read_kubeconfig(path).await?,
        (None, Some(master)) => (kube::Config::new(parse_url(master, false)?), None),
        (None, None) => (kube::Config::incluster_env().map_err(Error::NotInCluster)?, None),
    };
    if let Some(master) = master {
        settings.cluster_url = parse_url(master, settings.root_cert.is_some())?;
    }
    check_url(&settings.cluster_url)?;
    if settings.cluster_url.scheme_str() == Some("http") && settings.root_cert.is_none() {
        // Else every certificate authority that this machine trusts is read, in vain.
        settings.root_cert = Some(Vec::new());
    }
    let proxy = Proxy::choose(proxy.as_deref(), &Environment::of_process(), &settings.cluster_url)?;
    Ok(Settings { kube: settings, proxy })
}

/// Reads a kubeconfig, and the `proxy-url` in it. The proxy that kube finds does not count: where the kubeconfig has
/// none it is the environment's, whatever `NO_PROXY` says.
async fn read_kubeconfig(path: &Path) -> Result<(kube::Config, Option<String>), Error> {
    let error = |source| Error::Kubeconfig { path: path.to_owned(), source };
    let kubeconfig = Kubeconfig::read_from(path).map_err(error)?;
    let proxy = proxy_url(&kubeconfig);
    let settings = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Ok((settings.map_err(error)?, proxy))
}

fn proxy_url(kubeconfig: &Kubeconfig) -> Option<String> {
    let name = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == *name)?.context.as_ref()?;
    let named = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster)?;
    named.cluster.as_ref()?.proxy_url.clone().filter(|url| !url.is_empty())
}

fn parse_url(text: &str, tls: bool) -> Result<http::Uri, Error> {
    let full = match (text.contains("://"), tls) {
        (true, _) => text.to_owned(),
        (false, true) => format!("https://{text}"),
        (false, false) => format!("http://{text}"),
    };
    full.parse().map_err(|reason: http::uri::InvalidUri| server_error(text, reason))
}

fn check_url(url: &http::Uri) -> Result<(), Error> {
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(()),
        (Some("http" | "https"), _) => Err(server_error(url, "it names no host")),
        _ => Err(server_error(url, "the scheme has to be http or https")),
    }
}

fn server_error(url: impl Display, reason: impl Display) -> Error {
    Error::Server { url: url.to_string(), reason: reason.to_string() }
}

/// The token file that decides who asks, if it is a token file.
fn token_file(settings: &kube::Config) -> Option<PathBuf> {
    let auth = &settings.auth_info;
    let other = auth.auth_provider.is_some() || (auth.username.is_some() && auth.password.is_some());
    auth.token_file.as_ref().filter(|_| !other).map(PathBuf::from)
}

/// kube's client, built from its parts: its own builder leaves no way to keep connections alive, and logs every
/// failed request as an error.
fn client(settings: &kube::Config, proxy: Option<Proxy>, config: &Config) -> kube::Result<Client> {
    let timing = &config.timing;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timing.connect));
    tcp.set_keepalive(Some(timing.keepalive));
    tcp.set_keepalive_interval(Some((timing.keepalive / 3).max(Duration::from_secs(1))));
    tcp.set_keepalive_retries(Some(3));
    let https = settings.rustls_https_connector_with_connector(proxy::connector(proxy, tcp))?;
    let http = HttpClient::builder(TokioExecutor::new()).build::<_, Body>(https);
    let service = ServiceBuilder::new()
        .layer(settings.base_uri_layer())
        .option_layer(settings.auth_layer()?)
        .layer(settings.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Observed::new(http, config.observer.clone()));
    Ok(Client::new(service, settings.default_namespace.clone()))
}

// === impl Token ===

impl Token {
    fn read(path: PathBuf) -> Result<Self, Error> {
        match read_token(&path) {
            Ok(last) => Ok(Token { path, last }),
            Err(source) => Err(Error::Token { path, source }),
        }
    }

    /// The token as it is now; the last good one if the file is missing for the moment.
    fn renewed(&mut self) -> HeaderValue {
        match read_token(&self.path) {
            Ok(token) => self.last = token,
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "the token file cannot be read");
            }
        }
        self.last.clone()
    }
}

fn read_token(path: &Path) -> std::io::Result<HeaderValue> {
    let text = std::fs::read_to_string(path)?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
        .map_err(|_| std::io::Error::other("not a token"))?;
    value.set_sensitive(true);
    Ok(value)
}
