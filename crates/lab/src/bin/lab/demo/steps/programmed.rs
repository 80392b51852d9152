//! What is in the kernel of each node.

use std::time::Duration;

use lab::cluster::Node;
use lab::{Error, wait};

use crate::demo::outcome::Outcome;
use crate::demo::stage::Stage;

/// Eight Service ports in `examples/`, each with an address of both families.
const VIRTUAL_SERVERS: usize = 16;

/// Their endpoints: 6 + 2 + 6 + 6 + 6 of shop, 2 + 2 of kube-dns, 3 of signalling, of both families.
const REAL_SERVERS: usize = 66;

/// Seven Services with an address of both families.
const ADDRESSES: usize = 14;

/// Eight Service ports.
const CLUSTER_IPS: usize = 8;

/// Endpoints on the node itself, each address, protocol and port once: three pods serve TCP 8080; pod-3 and pod-6 also
/// DNS over two protocols; pod-1, pod-3 and pod-5 SCTP.
const LOOP_BACKS: [usize; 2] = [3 + 2 + 2, 3 + 2 + 1];

/// Starts kube-ipvs and counts what it programs.
pub(crate) fn programmed(stage: &mut Stage) -> Result<Outcome, Error> {
    stage.start_proxies()?;
    let mut counts = Vec::new();
    let mut failure = None;
    wait::until(Duration::from_secs(60), || {
        match stage.cluster.nodes.iter().map(Counts::of).collect::<Result<Vec<_>, _>>() {
            Ok(new) => counts = new,
            Err(error) => failure = Some(error),
        }
        let is_complete = counts.iter().all(|node| {
            node.virtual_servers >= VIRTUAL_SERVERS
                && node.real_servers >= REAL_SERVERS
                && node.addresses >= ADDRESSES
        });
        is_complete || failure.is_some() || !stage.proxies_run()
    });
    if let Some(error) = failure {
        return Err(error);
    }

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

/// What a node's kernel holds.
pub(super) struct Counts {
    virtual_servers: usize,
    real_servers: usize,
    addresses: usize,
    sets: String,
    /// IPv4 rules in chains that Kubernetes' proxies use, and jumps to them.
    pub(super) rules: usize,
}

// === impl Counts ===

impl Counts {
    pub(super) fn of(node: &Node) -> Result<Counts, Error> {
        let ipvs = node.ipvs()?;
        let starting_with = |start: &str| ipvs.lines().filter(|line| line.starts_with(start)).count();
        let interface = node.interface_addresses("kube-ipvs0")?;
        let rules = node.namespace.output("iptables-save", &[])?;
        Ok(Counts {
            virtual_servers: starting_with("-A "),
            real_servers: starting_with("-a "),
            // The first two words are the interface's name and its state.
            addresses: interface.split_whitespace().skip(2).filter(|word| !word.starts_with("fe80:")).count(),
            sets: node.ipsets()?,
            rules: rules.lines().filter(|line| line.starts_with("-A ") && line.contains("KUBE-")).count(),
        })
    }

    fn entries(&self, set: &str) -> usize {
        let start = format!("add {set} ");
        self.sets.lines().filter(|line| line.starts_with(&start)).count()
    }
}
