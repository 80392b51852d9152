//! The server that `healthzBindAddress` names: whether this proxy keeps up, and whether traffic should come here.
//!
//! | path | 200 if |
//! |---|---|
//! | `/livez` | no change waits longer than the limit |
//! | `/healthz` | the same, the first sync is done, and the node is not about to go |
//! | `/readyz` | the first sync is done |
//!
//! The first two and their answers are kube-proxy 1.36's, but for the first sync, which kube-proxy does not wait for;
//! the third is ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use super::ProxyHealth;
use crate::http::{self, Answer, Handler, JSON, PLAIN};
use crate::metrics::Metrics;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    last_updated: Timestamp,
    current_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_eligible: Option<bool>,
    healthy: bool,
    status: BTreeMap<String, FamilyStatus>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FamilyStatus {
    last_updated: Timestamp,
    healthy: bool,
}

/// Answers for `health`, and counts the answers.
pub(crate) fn handler(health: Arc<ProxyHealth>, metrics: Metrics) -> impl Handler {
    move |request: hyper::Request<()>| std::future::ready(answer(request.uri().path(), &health, &metrics))
}

fn answer(path: &str, health: &ProxyHealth, metrics: &Metrics) -> Answer {
    match path {
        "/healthz" => {
            let answer = healthz(health);
            metrics.answered_healthz(answer.status().as_u16());
            answer
        }
        "/livez" => {
            let answer = report(health, health.is_healthy(), None);
            metrics.answered_livez(answer.status().as_u16());
            answer
        }
        "/readyz" => readyz(health),
        _ => http::not_found(),
    }
}

fn healthz(health: &ProxyHealth) -> Answer {
    report(health, health.is_healthy() && health.is_synced(), Some(health.node_is_eligible()))
}

fn report(health: &ProxyHealth, healthy: bool, node_eligible: Option<bool>) -> Answer {
    let is_good = healthy && node_eligible != Some(false);
    let (now, last_updated) = (Timestamp::now(), health.last_updated());
    let status = |family: &model::Family| (family.to_string(), FamilyStatus { last_updated, healthy });
    let body = Body {
        // Who is healthy is up to date, whenever that was last something to do.
        last_updated: if is_good { now } else { last_updated },
        current_time: now,
        node_eligible,
        healthy,
        status: health.families().iter().map(status).collect(),
    };
    let status = if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_vec(&body) {
        Ok(text) => http::answer(status, JSON, text),
        Err(error) => http::answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, error.to_string()),
    }
}

fn readyz(health: &ProxyHealth) -> Answer {
    let (status, text) = match health.is_synced() {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the kernel has not been brought to the plan yet"),
    };
    http::answer(status, PLAIN, text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;
    use http_body_util::BodyExt as _;
    use model::{Family, Node};
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn health(awaits_node: bool) -> ProxyHealth {
        ProxyHealth::new(LIMIT, Family::ALL.into(), awaits_node)
    }

    /// The statuses of all three paths.
    fn statuses(health: &ProxyHealth) -> [u16; 3] {
        let metrics = Metrics::new().unwrap();
        ["/livez", "/healthz", "/readyz"].map(|path| answer(path, health, &metrics).status().as_u16())
    }

    /// The status, the content type and the body, in which times are words.
    async fn shown(path: &str, health: &ProxyHealth) -> String {
        let answer = answer(path, health, &Metrics::new().unwrap());
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let last = health.last_updated().to_string();
        let words = text.split('"').map(|word| match word.parse::<Timestamp>() {
            Ok(_) if word == last => "LAST",
            Ok(_) => "NOW",
            Err(_) => word,
        });
        let words: Vec<&str> = words.collect();
        format!("{status}, {kind}\n{}", words.join("\""))
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_those_of_kube_proxy() {
        let health = health(true);
        health.set_node(&Node::named("n1"));
        health.succeeded();
        std::thread::sleep(Duration::from_millis(1));
        expect![[r#"
            200 OK, application/json
            {"lastUpdated":"NOW","currentTime":"NOW","nodeEligible":true,"healthy":true,"status":{"IPv4":{"lastUpdated":"LAST","healthy":true},"IPv6":{"lastUpdated":"LAST","healthy":true}}}"#]].assert_eq(&shown("/healthz", &health).await);
        expect![[r#"
            200 OK, application/json
            {"lastUpdated":"NOW","currentTime":"NOW","healthy":true,"status":{"IPv4":{"lastUpdated":"LAST","healthy":true},"IPv6":{"lastUpdated":"LAST","healthy":true}}}"#]].assert_eq(&shown("/livez", &health).await);
        health.requested();
        advance(LIMIT).await;
        expect![[r#"
            503 Service Unavailable, application/json
            {"lastUpdated":"LAST","currentTime":"NOW","nodeEligible":true,"healthy":false,"status":{"IPv4":{"lastUpdated":"LAST","healthy":false},"IPv6":{"lastUpdated":"LAST","healthy":false}}}"#]].assert_eq(&shown("/healthz", &health).await);
        expect![[r#"
            200 OK, text/plain; charset=utf-8
            ok"#]]
        .assert_eq(&shown("/readyz", &health).await);
        expect![[r#"
            404 Not Found, text/plain; charset=utf-8
            404 page not found
        "#]]
        .assert_eq(&shown("/", &health).await);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_sent_here_before_the_first_sync() {
        let health = health(false);
        assert_eq!(statuses(&health), [200, 503, 503]);
        health.began();
        health.failed();
        assert_eq!(statuses(&health), [200, 503, 503]);
        health.succeeded();
        assert_eq!(statuses(&health), [200, 200, 200]);
        health.requested();
        advance(LIMIT).await;
        assert_eq!(statuses(&health), [503, 503, 200]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_leaves_or_is_not_known_gets_no_new_traffic() {
        let health = health(true);
        health.succeeded();
        assert_eq!(statuses(&health), [200, 503, 200]);
        health.set_node(&Node::named("n1"));
        assert_eq!(statuses(&health), [200, 200, 200]);
        health.set_node(&Node { leaving: true, ..Node::named("n1") });
        assert_eq!(statuses(&health), [200, 503, 200]);
    }
}
