//! A Service that is reached from outside, with policy Local: `examples/edge-loadbalancer.yaml`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use lab::Error;
use lab::cluster::Node;
use lab::namespace::Namespace;
use lab::traffic::{Client, Failure, Protocol, get};

use crate::demo::outcome::Outcome;
use crate::demo::stage::Stage;

/// The load balancer's addresses.
const BALANCER: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 70)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x70)),
];
const PORT: u16 = 80;
const NODE_PORT: u16 = 30070;
const HEALTH_CHECK_PORT: u16 = 32070;

/// How long a client waits that is to get no answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn outside(stage: &mut Stage) -> Result<Outcome, Error> {
    let [near, far] = stage.cluster.nodes.as_slice() else { return Err(Error::missing("two nodes")) };
    let host = stage.cluster.hosts.first().ok_or_else(|| Error::missing("host-1"))?;
    let pod = stage.pod("pod-5")?;
    let mut outcome = Outcome::default();
    for (family, balancer) in BALANCER.into_iter().enumerate() {
        let name = if balancer.is_ipv4() { "IPv4" } else { "IPv6" };
        let of = |addresses: lab::cluster::addresses::Addresses| {
            let [v4, v6] = addresses.both();
            if family == 0 { v4 } else { v6 }
        };
        let served = |client: IpAddr| format!("pod-1 sees {client}");
        let to_balancer = SocketAddr::new(balancer, PORT);
        let port_of = |node: &Node| SocketAddr::new(of(node.addresses), NODE_PORT);

        host.route_via(&[balancer.to_string()], near)?;
        let seen = ask(&host.namespace, to_balancer)?;
        outcome.equal(
            format!("{name}, host-1 by the load balancer to node-1"),
            served(of(host.addresses)),
            seen,
        );
        let seen = ask(&host.namespace, port_of(near))?;
        outcome.equal(format!("{name}, host-1 to the port of node-1"), served(of(host.addresses)), seen);
        host.route_via(&[balancer.to_string()], far)?;
        let seen = ask(&host.namespace, to_balancer)?;
        outcome.equal(
            format!("{name}, host-1 by the load balancer to node-2, without an endpoint"),
            "timed out",
            seen,
        );
        let seen = ask(&pod.namespace, to_balancer)?;
        outcome.equal(format!("{name}, pod-5 on node-2"), served(of(pod.addresses)), seen);
        let seen = ask(&far.namespace, to_balancer)?;
        outcome.equal(format!("{name}, a process of node-2"), served(of(far.addresses)), seen);
        for (node, expected) in [(near, "200"), (far, "503")] {
            let address = SocketAddr::new(of(node.addresses), HEALTH_CHECK_PORT);
            outcome.equal(
                format!("{name}, health of {}", node.name),
                expected,
                health(&host.namespace, address)?,
            );
        }
    }
    Ok(outcome)
}

/// Who answers, and whom it sees.
fn ask(namespace: &Namespace, address: SocketAddr) -> Result<String, Error> {
    let client = Client::new(namespace, Protocol::Tcp, address).patience(PATIENCE);
    Ok(match client.ask()? {
        Ok(answer) => format!("{} sees {}", answer.server, answer.seen_source.ip()),
        Err(failure) => failure.to_string(),
    })
}

fn health(namespace: &Namespace, address: SocketAddr) -> Result<String, Error> {
    let answer: Result<_, Failure> = get(namespace, address, "/")?;
    Ok(answer.map_or_else(|failure| failure.to_string(), |answer| answer.status.to_string()))
}
