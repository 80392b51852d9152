//! How requests are spread by the schedulers.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::Error;
use lab::traffic::{Download, Spread};

use super::{AT_ONCE, REQUESTS};
use crate::demo::outcome::Outcome;
use crate::demo::stage::{CACHE, CHECKOUT, DNS, FRONTEND, SEARCH, SESSIONS, SIGNALLING, Service, Stage};

const ALL_PODS: [&str; 6] = ["pod-1", "pod-2", "pod-3", "pod-4", "pod-5", "pod-6"];

pub(crate) fn round_robin(stage: &mut Stage) -> Result<Outcome, Error> {
    let client = &stage.pod("pod-2")?.namespace;
    let mut outcome = Outcome::default();
    let expected = evenly(&ALL_PODS);
    outcome.equal("300 requests, IPv4", &expected, FRONTEND.client(client).ask_many(REQUESTS, AT_ONCE)?);
    outcome.equal("300 requests, IPv6", &expected, FRONTEND.client_v6(client).ask_many(REQUESTS, AT_ONCE)?);
    Ok(outcome)
}

pub(crate) fn weighted(stage: &mut Stage) -> Result<Outcome, Error> {
    let client = &stage.pod("pod-2")?.namespace;
    let mut outcome = Outcome::default();
    outcome.equal(
        "300 requests",
        "pod-1 285, pod-4 15",
        CHECKOUT.client(client).ask_many(REQUESTS, AT_ONCE)?,
    );
    Ok(outcome)
}

pub(crate) fn least_connections(stage: &mut Stage) -> Result<Outcome, Error> {
    let client = SEARCH.client(&stage.pod("pod-2")?.namespace);
    let mut outcome = Outcome::default();
    let mut busy = Vec::new();
    for _ in 0..3 {
        match Download::start(client, u32::MAX, Duration::from_millis(200))? {
            Ok(download) => busy.push(download),
            Err(failure) => outcome.equal("a download", "starts", failure),
        }
    }
    // A connection counts 256 times as much as one that has ended, so 300 requests do not fill the idle pods up.
    let spread = client.ask_many(REQUESTS, 1)?;
    let mut busy: Vec<&str> = busy.iter().map(|download| download.answer.server.as_str()).collect();
    busy.sort_unstable();
    busy.dedup();
    outcome.rule("three long downloads", "on three pods", busy.join(", "), busy.len() == 3);
    let idle: Vec<&str> = ALL_PODS.into_iter().filter(|pod| !busy.contains(pod)).collect();
    let is_fair = spread.answered() == REQUESTS && spread.servers() == idle;
    outcome.rule("300 requests", format!("only {}", idle.join(", ")), &spread, is_fair);
    Ok(outcome)
}

pub(crate) fn source_hashing(stage: &mut Stage) -> Result<Outcome, Error> {
    one_pod_per_client(stage, SESSIONS)
}

pub(crate) fn maglev_hashing(stage: &mut Stage) -> Result<Outcome, Error> {
    one_pod_per_client(stage, CACHE)
}

pub(crate) fn other_protocols(stage: &mut Stage) -> Result<Outcome, Error> {
    let client = &stage.pod("pod-2")?.namespace;
    let mut outcome = Outcome::default();
    for (family, client) in [("IPv4", DNS.client(client)), ("IPv6", DNS.client_v6(client))] {
        // A datagram from a port that was used a moment ago belongs to a flow that IPVS knows, and follows it.
        let spread = client.ask_many(REQUESTS, AT_ONCE)?;
        let is_even = spread.answered() == REQUESTS
            && spread.servers() == ["pod-3", "pod-6"]
            && spread.answers.values().all(|count| count.abs_diff(REQUESTS / 2) <= 10);
        outcome.rule(format!("300 datagrams, UDP, {family}"), "about 150 by pod-3, pod-6", &spread, is_even);
    }
    let base_stations = evenly(&["pod-1", "pod-3", "pod-5"]);
    outcome.equal(
        "300 associations, SCTP, IPv4",
        &base_stations,
        SIGNALLING.client(client).ask_many(REQUESTS, AT_ONCE)?,
    );
    outcome.equal(
        "300 associations, SCTP, IPv6",
        &base_stations,
        SIGNALLING.client_v6(client).ask_many(REQUESTS, AT_ONCE)?,
    );
    Ok(outcome)
}

/// The requests come from all six pods, and each of them is always answered by the same pod. (The hash may lead two
/// clients to one pod.)
fn one_pod_per_client(stage: &Stage, service: Service) -> Result<Outcome, Error> {
    let share = REQUESTS / ALL_PODS.len();
    let mut outcome = Outcome::default();
    for client in ALL_PODS {
        let spread = service.client(&stage.pod(client)?.namespace).ask_many(share, AT_ONCE)?;
        let is_one = spread.answered() == share && spread.answers.len() == 1;
        outcome.rule(
            format!("{share} requests from {client}"),
            format!("{share} by one pod"),
            &spread,
            is_one,
        );
    }
    Ok(outcome)
}

/// Every pod answers as often as every other.
fn evenly(pods: &[&str]) -> Spread {
    let share = REQUESTS / pods.len();
    let answers: BTreeMap<_, _> = pods.iter().map(|pod| ((*pod).to_owned(), share)).collect();
    Spread { answers, ..Spread::default() }
}
