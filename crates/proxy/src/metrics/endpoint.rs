//! The server that `metricsBindAddress` names.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | the metrics in Prometheus' text format 0.0.4 |
//! | `/metrics/slis` | when the process started, which is all that kube-proxy tells there |
//! | `/healthz` | `ok` |
//! | `/proxyMode` | `ipvs` |
//! | `/configz` | the configuration in force |
//! | `/statusz` | version and age of the process, for people |

use std::sync::Arc;

use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use prometheus::proto::MetricFamily;
use serde_json::{Value, json};

use super::process;
use super::scrape::{self, Scraper};
use crate::http::{self, Answer, Handler, JSON, PLAIN};

/// As kube-proxy, which writes no other format whatever it is asked for.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Gives the configuration in force.
pub(crate) type Configuration = Arc<dyn Fn() -> Value + Send + Sync>;

/// Everything that the server tells.
pub(crate) struct Pages {
    scraper: Scraper,
    configuration: Configuration,
    started: Timestamp,
    /// What `/metrics/slis` shows, which never changes.
    slis: Option<MetricFamily>,
}

// === impl Pages ===

impl Pages {
    pub(crate) fn new(scraper: Scraper, configuration: Configuration) -> Self {
        Pages { scraper, configuration, started: Timestamp::now(), slis: process::start() }
    }

    /// Answers requests.
    pub(crate) fn handler(self) -> impl Handler {
        let pages = Arc::new(self);
        move |request: hyper::Request<()>| {
            let pages = Arc::clone(&pages);
            async move { pages.answer(request.uri().path()).await }
        }
    }

    async fn answer(&self, path: &str) -> Answer {
        match path {
            "/metrics" => metrics(self.scraper.text().await),
            "/metrics/slis" => metrics(scrape::text(self.slis.iter().cloned().collect())),
            "/healthz" => http::answer(StatusCode::OK, PLAIN, "ok"),
            "/proxyMode" => http::answer(StatusCode::OK, PLAIN, "ipvs"),
            "/configz" => {
                let configuration = json!({ "kubeproxy.config.k8s.io": (self.configuration)() });
                http::answer(StatusCode::OK, JSON, configuration.to_string())
            }
            "/statusz" => http::answer(StatusCode::OK, PLAIN, self.status(Timestamp::now())),
            _ => http::not_found(),
        }
    }

    fn status(&self, now: Timestamp) -> String {
        let up = now.duration_since(self.started).max(SignedDuration::ZERO).as_secs();
        format!(
            "\nkube-proxy statusz\nWarning: This page is for people; its form may change.\n\n\
             Started:  {}\nUp:  {} hr {:02} min {:02} sec\nBinary version:  kube-ipvs {}\n\
             Paths:  /configz /healthz /metrics /metrics/slis /proxyMode /statusz\n",
            self.started.strftime("%a %b %e %H:%M:%S UTC %Y"),
            up / 3600,
            up / 60 % 60,
            up % 60,
            env!("CARGO_PKG_VERSION"),
        )
    }
}

fn metrics(text: prometheus::Result<String>) -> Answer {
    match text {
        Ok(text) => http::answer(StatusCode::OK, METRICS, text),
        Err(error) => http::answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, error.to_string()),
    }
}

#[cfg(test)]
mod tests;
