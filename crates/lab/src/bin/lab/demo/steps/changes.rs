//! Endpoints come and go while traffic runs.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use lab::traffic::{Client, Download, Spread};
use lab::{Error, wait};

use super::AT_ONCE;
use super::programmed::rules;
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
    wait::until(LIMIT, || download.received() > 0 || !download.is_running());
    stage.manifests.terminate(FILE, addresses)?;
    let begin = Instant::now();
    let drained = wait::until(LIMIT, || all_nodes_give_connections(stage, addresses, false));
    let seen =
        if drained { format!("after {} ms", begin.elapsed().as_millis()) } else { "not noticed".to_owned() };
    outcome.rule(format!("{pod} is terminating: takes no new connections"), "noticed", seen, drained);

    requests_avoid(&pod, client, &download, &mut outcome)?;
    let end = match download.finish() {
        Ok(()) => "complete".to_owned(),
        Err(failure) => failure.to_string(),
    };
    outcome.equal("the download in the end", "complete", end);
    Ok(outcome)
}

/// New requests are not answered by the pod, whose download goes on.
fn requests_avoid(
    pod: &str,
    client: Client<'_>,
    download: &Download,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let before = download.received();
    let mut spread = Spread::default();
    while download.is_running() && spread.answered() < 120 && spread.failures.is_empty() {
        spread.merge(client.ask_many(20, AT_ONCE)?);
    }
    let while_running = download.is_running();
    let avoids = spread.failures.is_empty() && spread.answers.len() == 5 && !spread.answers.contains_key(pod);
    outcome.rule("requests meanwhile", format!("not by {pod}"), &spread, avoids);
    // Many requests take less time than one line of the download.
    wait::until(LIMIT, || download.received() > before || !download.is_running());
    let between = download.received();
    outcome.rule(
        format!("the download from {pod} meanwhile"),
        "goes on",
        format!("line {before} before, line {between} now"),
        while_running && between > before,
    );
    Ok(())
}

/// A pod is started and its endpoint is added.
pub(crate) fn scale_up(stage: &mut Stage) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let before = rules_of_all(stage)?;
    let (pod, addresses) = stage.add_pod(1)?;
    let behind = stage.pod("pod-6")?.addresses.both();
    stage.manifests.add(FILE, behind, addresses, "node-2")?;
    let begin = Instant::now();
    let noticed = wait::until(LIMIT, || all_nodes_give_connections(stage, addresses, true));
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
    outcome.equal("iptables rules on the nodes", before, rules_of_all(stage)?);
    Ok(outcome)
}

/// Whether every node gives new connections to the pod at these addresses, or whether none does.
fn all_nodes_give_connections(stage: &Stage, pod: [IpAddr; 2], expected: bool) -> bool {
    stage
        .cluster
        .nodes
        .iter()
        .all(|node| node.ipvs().is_ok_and(|ipvs| gives_connections(&ipvs, pod) == [expected; 2]))
}

/// Whether the frontend's virtual servers have the pod as a real server with a weight, by family.
fn gives_connections(ipvs: &str, pod: [IpAddr; 2]) -> [bool; 2] {
    pod.map(|address| {
        let service = if address.is_ipv4() { FRONTEND.v4() } else { FRONTEND.v6() };
        let start = format!("-a -t {service} -r {} ", SocketAddr::new(address, 8080));
        ipvs.lines().any(|line| line.starts_with(&start) && !line.ends_with("-w 0"))
    })
}

/// The number of iptables rules of each node, in words.
fn rules_of_all(stage: &Stage) -> Result<String, Error> {
    let counts: Result<Vec<_>, Error> =
        stage.cluster.nodes.iter().map(|node| Ok(rules(node)?.to_string())).collect();
    Ok(counts?.join(" and "))
}
