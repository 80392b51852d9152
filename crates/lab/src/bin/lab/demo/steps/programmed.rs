//! What is in the kernel of each node.

use std::time::Duration;

use lab::cluster::Node;
use lab::{Error, wait};

use crate::demo::outcome::Outcome;
use crate::demo::stage::Stage;

/// Nine Service ports in `examples/`, each with a cluster IP of both families; one of them also has a load
/// balancer's addresses and a port of the node's.
const VIRTUAL_SERVERS: usize = 18 + 2 + 2;

/// Their endpoints: 6 + 2 + 6 + 6 + 6 of shop, 2 + 2 of kube-dns, 3 of signalling, 3 times 1 of edge, of both families.
const REAL_SERVERS: usize = 2 * (26 + 4 + 3 + 3);

/// Eight Services with an address of both families, and the load balancer's.
const ADDRESSES: usize = 16 + 2;

/// Nine Service ports.
const CLUSTER_IPS: usize = 9;

/// Endpoints on the node itself, each address, protocol and port once: three pods serve TCP 8080; pod-3 and pod-6 also
/// DNS over two protocols; pod-1, pod-3 and pod-5 SCTP.
const LOOP_BACKS: [usize; 2] = [3 + 2 + 2, 3 + 2 + 1];

/// What a node's kernel holds.
struct Counts {
    virtual_servers: usize,
    real_servers: usize,
    addresses: usize,
    sets: String,
    rules: usize,
}

/// Starts kube-ipvs and counts what it programs.
pub(crate) fn programmed(stage: &mut Stage) -> Result<Outcome, Error> {
    stage.start_proxies()?;
    // The address comes last, when all that it needs stands.
    wait::until(Duration::from_secs(60), || {
        let stands =
            stage.cluster.nodes.iter().all(|node| addresses(node).is_ok_and(|count| count >= ADDRESSES));
        stands || !stage.proxies_run()
    });
    let counts = stage.cluster.nodes.iter().map(Counts::of).collect::<Result<Vec<_>, _>>()?;

    let mut outcome = Outcome::default();
    for ((node, counts), loop_backs) in stage.cluster.nodes.iter().zip(&counts).zip(LOOP_BACKS) {
        let name = &node.name;
        outcome.equal(format!("{name}: virtual servers"), VIRTUAL_SERVERS, counts.virtual_servers);
        outcome.equal(format!("{name}: real servers"), REAL_SERVERS, counts.real_servers);
        outcome.equal(format!("{name}: addresses on kube-ipvs0"), ADDRESSES, counts.addresses);
        for (family, set) in [("IPv4", "KUBE-CLUSTER-IP"), ("IPv6", "KUBE-6-CLUSTER-IP")] {
            outcome.equal(
                format!("{name}: {family} service addresses in {set}"),
                CLUSTER_IPS,
                counts.entries(set),
            );
        }
        for (family, set) in [("IPv4", "KUBE-LOOP-BACK"), ("IPv6", "KUBE-6-LOOP-BACK")] {
            outcome.equal(
                format!("{name}: {family} local endpoints in {set}"),
                loop_backs,
                counts.entries(set),
            );
        }
        let rules = counts.rules;
        outcome.rule(
            format!("{name}: iptables rules of kube-ipvs, IPv4"),
            "fewer than 100",
            rules,
            (1..100).contains(&rules),
        );
    }
    Ok(outcome)
}

// === impl Counts ===

impl Counts {
    fn of(node: &Node) -> Result<Counts, Error> {
        let ipvs = node.ipvs()?;
        let starting_with = |start: &str| ipvs.lines().filter(|line| line.starts_with(start)).count();
        Ok(Counts {
            virtual_servers: starting_with("-A "),
            real_servers: starting_with("-a "),
            addresses: addresses(node)?,
            sets: node.ipsets()?,
            rules: rules(node)?,
        })
    }

    fn entries(&self, set: &str) -> usize {
        let start = format!("add {set} ");
        self.sets.lines().filter(|line| line.starts_with(&start)).count()
    }
}

/// How many service addresses the node has.
fn addresses(node: &Node) -> Result<usize, Error> {
    let interface = node.interface_addresses("kube-ipvs0")?;
    // The first two words are the interface's name and its state.
    Ok(interface.split_whitespace().skip(2).filter(|word| !word.starts_with("fe80:")).count())
}

/// How many IPv4 rules a node has in chains that Kubernetes' proxies use, or that jump there.
pub(super) fn rules(node: &Node) -> Result<usize, Error> {
    let saved = node.namespace.output("iptables-save", &[])?;
    Ok(saved.lines().filter(|line| line.starts_with("-A ") && line.contains("KUBE-")).count())
}
