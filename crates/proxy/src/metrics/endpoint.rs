//! The server that `--metrics-bind-address` names.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | the metrics as OpenMetrics text |
//! | `/healthz` | `ok` |
//! | `/proxyMode` | `ipvs` |
//!
//! kube-proxy answers `/metrics` in the older text format, version 0.0.4, whatever it is asked for. Prometheus
//! reads both by their content type.

use std::net::SocketAddr;

use hyper::StatusCode;
use tokio::runtime::Handle;

use super::Metrics;
use crate::http::{self, Answer, PersistentServer};

const PLAIN: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves metrics on `address`, as soon as it can be listened on, for as long as the server is kept.
pub(crate) fn serve(runtime: &Handle, address: SocketAddr, metrics: Metrics) -> PersistentServer {
    PersistentServer::start(runtime, "metrics", address, move |request: hyper::Request<()>| {
        std::future::ready(answer(&metrics, request.uri().path()))
    })
}

fn answer(metrics: &Metrics, path: &str) -> Answer {
    match path {
        "/metrics" => match metrics.text() {
            Ok(text) => http::answer(StatusCode::OK, OPEN_METRICS, text),
            Err(error) => http::answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, error.to_string()),
        },
        "/healthz" => http::answer(StatusCode::OK, PLAIN, "ok"),
        "/proxyMode" => http::answer(StatusCode::OK, PLAIN, "ipvs"),
        _ => http::answer(StatusCode::NOT_FOUND, PLAIN, "404 page not found\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use expect_test::{Expect, expect};
    use tokio::time::{sleep, timeout};

    use crate::http::client::{get, split};

    use super::*;

    /// Longer than anything here takes; it only ends a test that hangs.
    const PATIENCE: Duration = Duration::from_secs(600);

    /// The status, the content type and the last line of the answer.
    fn summary(answer: &str) -> String {
        let (head, body) = split(answer);
        let status = head.lines().next().unwrap();
        let kind = head.lines().find(|line| line.starts_with("Content-Type: ")).unwrap();
        assert!(head.contains("X-Content-Type-Options: nosniff"), "{head}");
        format!("{status}\n{kind}\n{}", body.lines().next_back().unwrap_or_default())
    }

    fn check(answer: &str, expected: Expect) {
        expected.assert_eq(&summary(answer));
    }

    /// The port is taken at first. The clock runs ahead while everybody waits.
    #[tokio::test(start_paused = true)]
    async fn paths_are_served_when_the_port_is_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let _server = serve(&Handle::current(), address, Metrics::new());
        sleep(Duration::from_secs(1)).await;
        drop(taken);
        let metrics = async {
            loop {
                match get(address, "/metrics").await {
                    Ok(answer) => return answer,
                    Err(_) => sleep(Duration::from_secs(1)).await,
                }
            }
        };
        let metrics = timeout(PATIENCE, metrics).await.unwrap();
        check(
            &metrics,
            expect![[r#"
            HTTP/1.1 200 OK
            Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8
            # EOF"#]],
        );
        check(
            &get(address, "/healthz?verbose").await.unwrap(),
            expect![[r#"
            HTTP/1.1 200 OK
            Content-Type: text/plain; charset=utf-8
            ok"#]],
        );
        check(
            &get(address, "/proxyMode").await.unwrap(),
            expect![[r#"
            HTTP/1.1 200 OK
            Content-Type: text/plain; charset=utf-8
            ipvs"#]],
        );
        check(
            &get(address, "/").await.unwrap(),
            expect![[r#"
            HTTP/1.1 404 Not Found
            Content-Type: text/plain; charset=utf-8
            404 page not found"#]],
        );
    }
}
