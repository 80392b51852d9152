//! Which address a server sees its client at.

use lab::Error;
use lab::traffic::{Client, Failure};

use crate::demo::outcome::Outcome;
use crate::demo::stage::{FRONTEND, Stage};

/// More requests than there are pods: with rr each pod answers at least once.
const ATTEMPTS: usize = 10;

pub(crate) fn sources(stage: &mut Stage) -> Result<Outcome, Error> {
    let (node, host) = match (stage.cluster.nodes.first(), stage.cluster.hosts.first()) {
        (Some(node), Some(host)) => (node, host),
        _ => return Err(Error::missing("node-1 and host-1")),
    };
    host.route_services_via(node)?;
    let (pod, far) = (stage.pod("pod-1")?, "pod-5");
    let mut outcome = Outcome::default();
    for (index, family) in ["IPv4", "IPv6"].into_iter().enumerate() {
        let [pod_address, node_address] = [pod.addresses, node.addresses]
            .map(|addresses| if index == 0 { addresses.both()[0] } else { addresses.both()[1] });
        let cases = [
            ("pod-1 to another pod: it keeps its address", &pod.namespace, far, pod_address),
            ("pod-1 to itself (hairpin): it is masqueraded", &pod.namespace, "pod-1", node_address),
            ("node-1 to a pod: it is masqueraded", &node.namespace, far, node_address),
            ("host-1 through node-1: it is masqueraded", &host.namespace, far, node_address),
        ];
        for (what, namespace, server, expected) in cases {
            let client = if index == 0 { FRONTEND.client(namespace) } else { FRONTEND.client_v6(namespace) };
            outcome.equal(format!("{family}, {what}"), expected, seen_by(client, server)?);
        }
    }
    Ok(outcome)
}

/// The client's address as one of the servers sees it.
fn seen_by(client: Client<'_>, server: &str) -> Result<String, Error> {
    let mut last = Failure::NoAnswer;
    for _ in 0..ATTEMPTS {
        match client.ask()? {
            Ok(answer) if answer.server == server => return Ok(answer.seen_source.ip().to_string()),
            Ok(_) => {}
            Err(failure) => last = failure,
        }
    }
    Ok(format!("{server} did not answer; {last}"))
}
