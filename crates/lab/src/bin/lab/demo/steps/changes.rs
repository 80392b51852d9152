//! Endpoints come and go while traffic runs.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use lab::traffic::{Download, Spread};
use lab::{Error, wait};

use super::AT_ONCE;
use super::programmed::Counts;
use crate::demo::outcome::Outcome;
use crate::demo::stage::{FRONTEND, Stage};

const FILE: &str = "frontend-rr.yaml";

/// How long a change in the folder may take until it is in the kernel.
const LIMIT: Duration = Duration::from_secs(20);

/// The pod behind a running download is marked as terminating, as kubelet does when it is to be deleted.
pub(crate) fn pod_goes_away(stage: &mut Stage) -> Result<Outcome, Error> {
    let client = FRONTEND.client(&stage.pod("pod-2")?.namespace);
    let mut outcome = Outcome::default();
    let download = match Download::start(client, 80, Duration::from_millis(200))? {
        Ok(download) => download,
        Err(failure) => {
            outcome.equal("a download", "starts", failure);
            return Ok(outcome);
        }
    };
    let pod = download.answer.server.clone();
    let addresses = stage.pod(&pod)?.addresses.both();
    let before = download.received();
    stage.manifests.terminate(FILE, addresses)?;
    let begin = Instant::now();
    let drained = wait::until(LIMIT, || {
        addresses.iter().all(|address| takes_new_connections(stage, *address) == Some(false))
    });
    let seen =
        if drained { format!("after {} ms", begin.elapsed().as_millis()) } else { "not noticed".to_owned() };
    outcome.rule(format!("{pod} is terminating: takes no new connections"), "noticed", seen, drained);

    let mut spread = Spread::default();
    while download.is_running() && spread.answered() < 120 && spread.failures.is_empty() {
        spread.merge(client.ask_many(20, AT_ONCE)?);
    }
    let while_running = download.is_running();
    let avoids =
        spread.failures.is_empty() && spread.answers.len() == 5 && !spread.answers.contains_key(&pod);
    outcome.rule("requests meanwhile", format!("not by {pod}"), &spread, avoids);
    let between = download.received();
    outcome.rule(
        format!("the download from {pod} meanwhile"),
        "goes on",
        format!("line {before} before, line {between} now"),
        while_running && between > before,
    );
    let end = match download.finish() {
        Ok(()) => "complete".to_owned(),
        Err(failure) => failure.to_string(),
    };
    outcome.equal("the download in the end", "complete", end);
    Ok(outcome)
}

/// A pod is started and its endpoint is added.
pub(crate) fn scale_up(stage: &mut Stage) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let rules = rules(stage)?;
    let (pod, addresses) = stage.add_pod(1)?;
    let behind = stage.pod("pod-6")?.addresses.both();
    stage.manifests.add(FILE, behind, addresses, "node-2")?;
    let begin = Instant::now();
    let noticed = wait::until(LIMIT, || {
        addresses.iter().all(|address| takes_new_connections(stage, *address) == Some(true))
    });
    let seen =
        if noticed { format!("after {} ms", begin.elapsed().as_millis()) } else { "not noticed".to_owned() };
    outcome.rule(format!("{pod} is added"), "noticed on both nodes", seen, noticed);

    let spread = FRONTEND.client(&stage.pod("pod-2")?.namespace).ask_many(120, AT_ONCE)?;
    let share = spread.answers.get(&pod).copied().unwrap_or(0);
    outcome.rule(
        "120 requests",
        format!("20 of them by {pod}"),
        &spread,
        share == 20 && spread.answered() == 120,
    );
    outcome.equal("iptables rules on the nodes", rules, self::rules(stage)?);
    Ok(outcome)
}

/// Whether the frontend's virtual server gives new connections to a pod, if all nodes agree.
fn takes_new_connections(stage: &Stage, pod: IpAddr) -> Option<bool> {
    let service = if pod.is_ipv4() { FRONTEND.v4() } else { FRONTEND.v6() };
    let start = format!("-a -t {service} -r {} ", SocketAddr::new(pod, 8080));
    let answers: Option<Vec<bool>> = stage
        .cluster
        .nodes
        .iter()
        .map(|node| {
            let ipvs = node.ipvs().ok()?;
            let real_server = ipvs.lines().find(|line| line.starts_with(&start));
            Some(real_server.is_some_and(|line| !line.ends_with("-w 0")))
        })
        .collect();
    let answers = answers?;
    let first = *answers.first()?;
    answers.iter().all(|answer| *answer == first).then_some(first)
}

fn rules(stage: &Stage) -> Result<String, Error> {
    let counts: Result<Vec<_>, Error> =
        stage.cluster.nodes.iter().map(|node| Ok(Counts::of(node)?.rules.to_string())).collect();
    Ok(counts?.join(" and "))
}
