//! The recorder against the lab's API server.

use std::time::Duration;

use lab::apiserver::{ApiServer, Fault};
use serde_json::Value;

use super::*;
use crate::kubernetes::Timing;

/// Longer than anything here takes; it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Short pauses.
fn config(server: &ApiServer) -> Config {
    let timing = Timing {
        shortest_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        ..Timing::default()
    };
    Config { master: Some(server.url()), timing, ..Config::in_cluster("n1") }
}

async fn start() -> (ApiServer, Recorder) {
    let server = ApiServer::start().unwrap();
    let recorder = Recorder::start(config(&server)).await.unwrap();
    (server, recorder)
}

fn event(note: &str) -> Event {
    Event {
        regarding: Reference::service(&ObjectKey::new("shop", "web"), Some(Arc::from("u1"))),
        kind: EventKind::Warning,
        reason: "FailedToStartServiceHealthcheck",
        action: "Listen",
        shared: false,
        note: note.to_owned(),
    }
}

/// Waits until the server has had requests with which the condition is true.
async fn until(server: &ApiServer, condition: impl Fn(&[String]) -> bool) {
    let waiting = async {
        while !condition(&server.requests()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

fn notes(server: &ApiServer) -> Vec<String> {
    server.events().iter().map(|event| event["note"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_told_is_recorded_once() {
    let (server, recorder) = start().await;
    recorder.record(event("a"));
    recorder.record(event("a"));
    recorder.clone().record(event("b"));
    drop(recorder);
    until(&server, |requests| requests.len() >= 2).await;
    assert_eq!(notes(&server), ["a", "b"]);
    let first = server.events().swap_remove(0);
    assert_eq!(first["type"], "Warning");
    assert_eq!(first["reportingInstance"], "n1");
    assert_eq!(first["regarding"]["uid"], "u1");
}

#[tokio::test]
async fn requests_that_may_pass_are_sent_again() {
    for fault in [Fault::InternalError, Fault::TooManyRequests] {
        let (server, recorder) = start().await;
        server.fault(fault);
        recorder.record(event("a"));
        until(&server, |requests| requests.len() >= 2).await;
        server.heal();
        until(&server, |requests| requests.contains(&"create events".to_owned())).await;
        assert_eq!(notes(&server), ["a"]);
    }
}

/// The second request finds the Event of the first, whose answer was an error.
#[tokio::test]
async fn a_lost_answer_makes_no_second_event() {
    let (server, recorder) = start().await;
    server.fault(Fault::LateEventErrors);
    recorder.record(event("a"));
    recorder.record(event("a"));
    recorder.record(event("b"));
    until(&server, |requests| requests.len() >= 4).await;
    let expected = ["create events 500", "create events 409", "create events 500", "create events 409"];
    assert_eq!(server.requests(), expected);
    assert_eq!(notes(&server), ["a", "b"]);
}

/// What was dropped is new when it is told again.
#[tokio::test]
async fn a_server_that_stays_away_costs_the_event_only() {
    let (server, recorder) = start().await;
    server.fault(Fault::InternalError);
    recorder.record(event("a"));
    until(&server, |requests| requests.len() >= 5).await;
    server.heal();
    recorder.record(event("b"));
    recorder.record(event("a"));
    until(&server, |requests| requests.len() >= 7).await;
    assert_eq!(notes(&server), ["b", "a"]);
}

#[tokio::test]
async fn a_refusal_is_final() {
    let (server, recorder) = start().await;
    server.fault(Fault::ForbiddenEvents);
    recorder.record(event("a"));
    recorder.record(event("b"));
    until(&server, |requests| requests.len() >= 2).await;
    server.heal();
    recorder.record(event("c"));
    until(&server, |requests| requests.len() >= 3).await;
    assert_eq!(server.requests(), ["create events 403", "create events 403", "create events"]);
    assert_eq!(notes(&server), ["c"]);
}

/// A token that was revoked and written anew is read again.
#[tokio::test]
async fn a_new_token_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (token, kubeconfig) = (folder.path().join("token"), folder.path().join("kubeconfig"));
    std::fs::write(&token, "old").unwrap();
    let server = ApiServer::start().unwrap();
    let user = format!("{{name: u, user: {{tokenFile: {token:?}}}}}");
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{server: {:?}}}}}], \
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}], users: [{user}]}}",
        server.url()
    );
    std::fs::write(&kubeconfig, text).unwrap();
    let config = Config { master: None, kubeconfig: Some(kubeconfig), ..config(&server) };
    let recorder = Recorder::start(config).await.unwrap();
    server.require_token("new");
    recorder.record(event("a"));
    until(&server, |requests| !requests.is_empty()).await;
    std::fs::write(&token, "new").unwrap();
    until(&server, |requests| requests.contains(&"create events".to_owned())).await;
    assert_eq!(notes(&server), ["a"]);
}

/// Clocks run ahead while everybody waits.
#[tokio::test(start_paused = true)]
async fn repetitions_renew_the_series() {
    let (server, recorder) = start().await;
    for _ in 0..3 {
        recorder.record(event("a"));
        until(&server, |requests| !requests.is_empty()).await;
    }
    tokio::time::sleep(Duration::from_secs(10 * 60)).await;
    recorder.record(event("a"));
    until(&server, |requests| requests.len() >= 2).await;
    assert_eq!(server.requests(), ["create events", "patch events"]);
    let events = server.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["series"]["count"], 4);
    assert!(events[0]["series"]["lastObservedTime"].is_string(), "{events:?}");
    server.delete_events();
    tokio::time::sleep(Duration::from_secs(10 * 60)).await;
    recorder.record(event("a"));
    until(&server, |requests| requests.len() >= 4).await;
    assert_eq!(server.requests()[2..], ["patch events 404", "create events"]);
    assert_eq!(server.events()[0]["series"], Value::Null);
}

/// On this runtime of one thread nothing is sent before the test waits.
#[tokio::test]
async fn what_does_not_fit_is_dropped() {
    let (_server, recorder) = start().await;
    for number in 0..QUEUE_LENGTH + 3 {
        recorder.record(event(&number.to_string()));
    }
    assert_eq!(recorder.dropped(), 3);
}

#[tokio::test]
async fn a_configuration_that_makes_no_sense_is_an_error() {
    let config = Config { master: Some("ftp://x".to_owned()), ..Config::in_cluster("n1") };
    let error = Recorder::start(config).await.unwrap_err().to_string();
    assert!(error.contains("the scheme has to be http or https"), "{error}");
}

#[tokio::test]
async fn what_was_told_before_a_flush_is_sent_after_it() {
    let (server, recorder) = start().await;
    recorder.record(event("a"));
    recorder.record(event("b"));
    recorder.flush().await;
    assert_eq!(notes(&server), ["a", "b"]);
}
