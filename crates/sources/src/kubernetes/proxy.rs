//! The proxy on the way to the API server, by client-go's rules.
//!
//! The `proxy-url` of the kubeconfig is used always. The proxy of the environment (`HTTPS_PROXY`, or `HTTP_PROXY` for
//! a server without TLS, either in lower case too) is used unless the server is this machine or `NO_PROXY` covers it;
//! Go's `golang.org/x/net/http/httpproxy` says what that means.

use std::net::IpAddr;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _};

use super::Error;

/// What makes connections, be it through a proxy.
pub(super) type Connector = BoxCloneSyncService<Uri, TokioIo<TcpStream>, BoxError>;

/// A proxy and how it is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Proxy(Intercept);

/// What the environment says of proxies; an empty text says nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    http: String,
    https: String,
    no_proxy: String,
}

// === impl Proxy ===

impl Proxy {
    /// The proxy to `server`, if there is one. `given` is the `proxy-url` of the kubeconfig.
    pub(super) fn choose(
        given: Option<&str>,
        environment: &Environment,
        server: &Uri,
    ) -> Result<Option<Self>, Error> {
        let (named_by, url) = match (given, environment.proxy_to(server)) {
            (Some(url), _) => ("proxy-url in the kubeconfig", url),
            (None, Some(url)) => ("HTTPS_PROXY or HTTP_PROXY in the environment", url),
            (None, None) => return Ok(None),
        };
        // It reads the URL only; NO_PROXY it would understand in another way than Go does.
        let proxy = Matcher::builder().all(url).build().intercept(server);
        let usable =
            |proxy: &Intercept| matches!(proxy.uri().scheme_str(), Some("http" | "socks5" | "socks5h"));
        match proxy.filter(usable) {
            Some(proxy) => Ok(Some(Proxy(proxy))),
            None => Err(Error::Proxy { named_by }),
        }
    }

    /// Where it is, without the password.
    pub(super) fn url(&self) -> &Uri {
        self.0.uri()
    }

    fn connector(self, tcp: HttpConnector) -> Connector {
        let Proxy(proxy) = self;
        let url = proxy.uri().clone();
        if url.scheme_str() == Some("http") {
            let tunnel = Tunnel::new(url, tcp);
            let tunnel = match proxy.basic_auth() {
                Some(auth) => tunnel.with_auth(auth.clone()),
                None => tunnel,
            };
            return Connector::new(tunnel.map_err(BoxError::from));
        }
        let socks = SocksV5::new(url, tcp);
        let socks = match proxy.raw_auth() {
            Some((user, password)) => socks.with_auth(user.to_owned(), password.to_owned()),
            None => socks,
        };
        Connector::new(socks.map_err(BoxError::from))
    }
}

/// What connects through the proxy, or directly without one.
pub(super) fn connector(proxy: Option<Proxy>, tcp: HttpConnector) -> Connector {
    match proxy {
        Some(proxy) => proxy.connector(tcp),
        None => Connector::new(tcp.map_err(BoxError::from)),
    }
}

// === impl Environment ===

impl Environment {
    pub(super) fn of_process() -> Self {
        let first = |names: [&str; 2]| {
            let values = names.into_iter().filter_map(|name| std::env::var(name).ok());
            values.into_iter().find(|value| !value.is_empty()).unwrap_or_default()
        };
        Environment {
            http: first(["HTTP_PROXY", "http_proxy"]),
            https: first(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: first(["NO_PROXY", "no_proxy"]),
        }
    }

    /// The URL of the proxy to `server`.
    fn proxy_to(&self, server: &Uri) -> Option<&str> {
        let (url, default_port) = match server.scheme_str() {
            Some("https") => (&self.https, 443),
            _ => (&self.http, 80),
        };
        let host = server.host()?.to_ascii_lowercase();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = server.port_u16().unwrap_or(default_port);
        let address: Option<IpAddr> = host.parse().ok();
        let is_here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let is_covered = || self.no_proxy.split(',').any(|entry| covers(entry.trim(), host, address, port));
        (!url.is_empty() && !is_here && !is_covered()).then_some(url)
    }
}

/// Whether an entry of `NO_PROXY` stands for a server: `*`, `10.0.0.0/8`, and with or without a port `10.0.0.1`,
/// `example.com` for itself and what is under it, `.example.com` and `*.example.com` for what is under it.
fn covers(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(net) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| net.contains(&address));
    }
    let (name, wanted) = split_port(entry);
    if wanted.is_some_and(|wanted| wanted != port.to_string()) {
        return false;
    }
    if let Ok(listed) = name.parse::<IpAddr>() {
        return address == Some(listed);
    }
    let name = name.to_ascii_lowercase();
    match name.strip_prefix('*').unwrap_or(&name) {
        "" => false,
        parent if parent.starts_with('.') => host.ends_with(parent),
        name => host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
    }
}

/// The host of an entry, and the port if it has one. The colons of a bare IPv6 address belong to the address.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = entry.strip_prefix('[').and_then(|entry| entry.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(no_proxy: &str, server: &'static str, is_used: bool) {
        let environment = Environment {
            http: "plain.example:3128".to_owned(),
            https: "http://secure.example:3128".to_owned(),
            no_proxy: no_proxy.to_owned(),
        };
        let proxy = Proxy::choose(None, &environment, &Uri::from_static(server)).unwrap();
        assert_eq!(proxy.is_some(), is_used, "{no_proxy:?}, {server}: {proxy:?}");
    }

    #[test]
    fn a_server_that_no_proxy_covers_is_asked_directly() {
        for (no_proxy, server) in [
            ("*", "https://10.0.0.1:6443"),
            ("a, 10.0.0.1", "https://10.0.0.1:6443"),
            ("10.0.0.1:6443", "https://10.0.0.1:6443"),
            ("10.0.0.1:443", "https://10.0.0.1"),
            ("10.0.0.0/8", "https://10.96.0.1"),
            ("fd00::/8", "https://[fd00::1]:6443"),
            ("fd00::1", "https://[fd00::1]:6443"),
            ("[fd00::1]:6443", "https://[fd00::1]:6443"),
            ("example.com", "https://example.com:6443"),
            ("example.com", "https://api.example.com:6443"),
            (".Example.com", "https://API.example.com:6443"),
            ("*.example.com:6443", "https://api.example.com:6443"),
            ("", "https://localhost:6443"),
            ("", "https://127.0.0.1:6443"),
            ("", "https://[::1]:6443"),
        ] {
            check(no_proxy, server, false);
        }
    }

    #[test]
    fn any_other_server_is_asked_through_the_proxy() {
        for (no_proxy, server) in [
            ("", "https://10.0.0.1:6443"),
            ("", "http://10.0.0.1:8080"),
            (",", "https://10.0.0.1:6443"),
            ("10.0.0.1:443", "https://10.0.0.1:6443"),
            ("10.0.0.2,192.168.0.0/16", "https://10.0.0.1:6443"),
            (".example.com", "https://example.com:6443"),
            ("ample.com", "https://example.com:6443"),
            ("*.", "https://example.com:6443"),
        ] {
            check(no_proxy, server, true);
        }
    }

    #[track_caller]
    fn proxy_of(given: &str) -> Result<Option<Proxy>, Error> {
        Proxy::choose(Some(given), &Environment::default(), &Uri::from_static("https://127.0.0.1:6443"))
    }

    #[test]
    fn the_proxy_of_the_kubeconfig_is_used_always() {
        let proxy = proxy_of("http://name:p%40ss@10.0.0.9:3128").unwrap().unwrap();
        assert_eq!(proxy.url(), "http://10.0.0.9:3128/");
        assert_eq!(proxy.0.basic_auth().unwrap(), "Basic bmFtZTpwQHNz");
        assert_eq!(proxy_of("socks5://10.0.0.9:1080").unwrap().unwrap().url(), "socks5://10.0.0.9:1080/");
        for unusable in ["https://10.0.0.9:3128", "ftp://10.0.0.9", "http://"] {
            assert!(matches!(proxy_of(unusable), Err(Error::Proxy { .. })), "{unusable}");
        }
    }
}
