//! The pages over a real socket of the loopback interface.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use dataplane::Meter;
use expect_test::expect;
use model::Family;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::health_checks::ProxyHealth;
use crate::http::PersistentServer;
use crate::http::client::{get, split};
use crate::metrics::Metrics;

use super::*;

/// Longer than anything here takes; it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(600);

fn pages() -> Pages {
    let health = Arc::new(ProxyHealth::new(Duration::from_secs(60), Family::ALL.into(), false));
    let no_kernel = || -> Result<Box<dyn Meter>, dataplane::Error> {
        Err(dataplane::Error::ForeignInterface { name: "kube-ipvs0", found: "bridge".to_owned() })
    };
    let scraper = Scraper::new(Metrics::new().unwrap(), health, None, no_kernel, mpsc::channel(1).0, 0);
    Pages::new(scraper, Arc::new(|| json!({ "mode": "ipvs" })))
}

/// The status, the content type and the last line of the answer.
async fn shown(address: SocketAddr, path: &str) -> String {
    let answer = get(address, path).await.unwrap();
    let (head, body) = split(&answer);
    let status = head.lines().next().unwrap();
    let kind = head.lines().find(|line| line.starts_with("Content-Type: ")).unwrap();
    assert!(head.contains("X-Content-Type-Options: nosniff"), "{head}");
    format!("{status}\n{kind}\n{}", body.lines().next_back().unwrap_or_default())
}

/// The port is taken at first. The clock runs ahead while everybody waits.
#[tokio::test(start_paused = true)]
async fn paths_are_served_when_the_port_is_free() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let _server = PersistentServer::start(&Handle::current(), "metrics", address, pages().handler());
    sleep(Duration::from_secs(1)).await;
    drop(taken);
    let served = async {
        while get(address, "/healthz").await.is_err() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    timeout(PATIENCE, served).await.unwrap();
    expect![[r#"
        HTTP/1.1 200 OK
        Content-Type: text/plain; version=0.0.4; charset=utf-8; escaping=underscores
        process_virtual_memory_max_bytes 18446744073709552000"#]]
    .assert_eq(&shown(address, "/metrics").await);
    expect![[r#"
        HTTP/1.1 200 OK
        Content-Type: text/plain; charset=utf-8
        ok"#]]
    .assert_eq(&shown(address, "/healthz?verbose").await);
    expect![[r#"
        HTTP/1.1 200 OK
        Content-Type: text/plain; charset=utf-8
        ipvs"#]]
    .assert_eq(&shown(address, "/proxyMode").await);
    expect![[r#"
        HTTP/1.1 200 OK
        Content-Type: application/json
        {"kubeproxy.config.k8s.io":{"mode":"ipvs"}}"#]]
    .assert_eq(&shown(address, "/configz").await);
    expect![[r#"
        HTTP/1.1 404 Not Found
        Content-Type: text/plain; charset=utf-8
        404 page not found"#]]
    .assert_eq(&shown(address, "/").await);
    expect![[r#"
        HTTP/1.1 404 Not Found
        Content-Type: text/plain; charset=utf-8
        404 page not found"#]]
    .assert_eq(&shown(address, "/debug/pprof/").await);
    let slis = get(address, "/metrics/slis").await.unwrap();
    let samples: Vec<&str> = split(&slis).1.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(matches!(samples[..], [sample] if sample.starts_with("process_start_time_seconds ")), "{slis}");
}

#[test]
fn the_status_is_for_people() {
    let pages = Pages { started: "2026-11-03T14:12:46Z".parse().unwrap(), ..pages() };
    let text = pages.status("2026-11-04T15:13:35.5Z".parse().unwrap());
    expect![[r#"

        kube-proxy statusz
        Warning: This page is for people; its form may change.

        Started:  Tue Nov  3 14:12:46 UTC 2026
        Up:  25 hr 00 min 49 sec
        Binary version:  kube-ipvs VERSION
        Paths:  /configz /healthz /metrics /metrics/slis /proxyMode /statusz
    "#]]
    .assert_eq(&text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}
