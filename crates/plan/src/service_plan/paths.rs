//! The ways by which traffic reaches a Service port: cluster IP, external IPs, load-balancer addresses and
//! node ports, each with its policy and its sets.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use model::{AddressOwner, Candidate, Cluster, Family, Protocol, Selection, Service, ServicePort};

use super::warning::{Reason, Warning};
use crate::node_ports::{self, is_link_local_v6};
use crate::{Entry, LocalPolicy, Options, SetName};

/// One address and port, with what goes with it.
pub(super) struct Path<'a> {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// The endpoints that the policy of this path leaves.
    pub(super) endpoints: &'a [Candidate<'a>],
    /// What classifies traffic to it.
    pub(super) entries: Vec<(SetName, Entry)>,
    /// Whether the address has to be bound to `kube-ipvs0`.
    pub(super) bound: bool,
}

/// What the paths of a Service depend on besides its ports, in one family.
pub(super) struct Surroundings<'a> {
    options: &'a Options,
    external_ips: Vec<IpAddr>,
    load_balancer_ips: Vec<IpAddr>,
    /// Where API servers of this machine listen, among the Service's own addresses and ports.
    api_servers: BTreeSet<(IpAddr, u16)>,
    /// The addresses that serve node ports.
    node_addresses: Vec<IpAddr>,
    /// Who may use the load-balancer addresses; everybody if empty.
    source_ranges: Vec<IpNet>,
    /// Whether this node itself is among them.
    node_is_allowed: bool,
    external_policy_is_local: bool,
}

// === impl Surroundings ===

impl<'a> Surroundings<'a> {
    /// Collects them. An address that belongs to another machine is left out, with a warning: bound here, it
    /// would cut this node off from that machine (kubernetes#75290).
    pub(super) fn of(
        service: &Service,
        family: Family,
        cluster: &Cluster,
        options: &'a Options,
        warnings: &mut Vec<Warning>,
    ) -> Self {
        let mut served = |addresses: &[IpAddr], what: &str| -> Vec<IpAddr> {
            let addresses = addresses.iter().copied().filter(|ip| Family::of(ip) == family);
            addresses.filter(|ip| !is_guarded(*ip, what, cluster, options, warnings)).collect()
        };
        // Such a Service counts as reachable from outside all the same, as for kube-proxy.
        let external_ips = match options.external_ips {
            true => served(&service.external_ips, "external IP"),
            false => Vec::new(),
        };
        let load_balancer_ips = served(&service.load_balancer_ips, "load-balancer address");
        let has_node_port = service.ports.iter().any(|port| port.node_port.is_some());
        let source_ranges = source_ranges(service, family);
        let node = cluster.node().and_then(|node| node.primary_address(family));
        Surroundings {
            options,
            api_servers: api_servers(service, &[&external_ips, &load_balancer_ips], cluster, warnings),
            external_ips,
            load_balancer_ips,
            node_addresses: if has_node_port {
                node_ports::addresses(family, options, cluster.node())
            } else {
                Vec::new()
            },
            node_is_allowed: source_ranges.iter().any(|range| node.is_some_and(|ip| range.contains(&ip))),
            source_ranges,
            external_policy_is_local: service.external_policy_is_local(),
        }
    }

    /// The paths to `port`.
    pub(super) fn paths(
        &self,
        service: &Service,
        port: &ServicePort,
        cluster_ip: IpAddr,
        selection: &'a Selection<'a>,
    ) -> Vec<Path<'a>> {
        let mut paths = vec![self.cluster_ip(service, port, cluster_ip, selection)];
        let is_free = |ip: &&IpAddr| !self.api_servers.contains(&(**ip, port.port));
        let external = self.external_ips.iter().filter(is_free);
        paths.extend(external.map(|ip| self.external_ip(*ip, port, selection)));
        let balancers = self.load_balancer_ips.iter().filter(is_free);
        paths.extend(balancers.map(|ip| self.load_balancer(*ip, port, selection)));
        if let Some(node_port) = port.node_port {
            let addresses = self.node_addresses.iter();
            paths.extend(addresses.map(|ip| self.node_port(*ip, node_port, port.protocol, selection)));
        }
        paths
    }

    fn cluster_ip(
        &self,
        service: &Service,
        port: &ServicePort,
        address: IpAddr,
        selection: &'a Selection<'a>,
    ) -> Path<'a> {
        // kube-proxy's IPVS mode breaks the policy here if the Service is also reachable from outside; its
        // other modes keep it.
        let falls_back = self.options.local_policy == LocalPolicy::KubeProxy && selection.local.is_empty();
        let endpoints = if service.internal_policy_is_local() && !falls_back {
            &selection.local
        } else {
            &selection.cluster
        };
        let pair = Entry::IpPort(address, port.protocol, port.port);
        Path { address, port: port.port, endpoints, entries: vec![(SetName::ClusterIp, pair)], bound: true }
    }

    fn external_ip(&self, address: IpAddr, port: &ServicePort, selection: &'a Selection<'a>) -> Path<'a> {
        let set = if self.external_policy_is_local { SetName::ExternalIpLocal } else { SetName::ExternalIp };
        let pair = Entry::IpPort(address, port.protocol, port.port);
        self.outside_path(address, port.port, pair, vec![(set, pair)], selection)
    }

    fn load_balancer(&self, address: IpAddr, port: &ServicePort, selection: &'a Selection<'a>) -> Path<'a> {
        let pair = Entry::IpPort(address, port.protocol, port.port);
        let mut entries = vec![(SetName::LoadBalancer, pair)];
        if self.external_policy_is_local {
            entries.push((SetName::LoadBalancerLocal, pair));
        }
        if !self.source_ranges.is_empty() {
            entries.push((SetName::LoadBalancerFirewall, pair));
        }
        entries.extend(self.source_ranges.iter().map(|range| {
            let entry = Entry::IpPortNet(address, port.protocol, port.port, *range);
            (SetName::LoadBalancerSourceCidr, entry)
        }));
        if self.node_is_allowed {
            // What this node's processes send carries the address itself as source, since it is bound here.
            let entry = Entry::IpPortIp(address, port.protocol, port.port, address);
            entries.push((SetName::LoadBalancerSourceIp, entry));
        }
        self.outside_path(address, port.port, pair, entries, selection)
    }

    fn node_port(
        &self,
        address: IpAddr,
        node_port: u16,
        protocol: Protocol,
        selection: &'a Selection<'a>,
    ) -> Path<'a> {
        let pair = Entry::IpPort(address, protocol, node_port);
        let (all, local, entry) = match protocol {
            Protocol::Tcp => (SetName::NodePortTcp, SetName::NodePortLocalTcp, Entry::Port(node_port)),
            Protocol::Udp => (SetName::NodePortUdp, SetName::NodePortLocalUdp, Entry::Port(node_port)),
            Protocol::Sctp => (SetName::NodePortSctp, SetName::NodePortLocalSctp, pair),
        };
        let mut entries = vec![(all, entry)];
        if self.external_policy_is_local {
            entries.push((local, entry));
        }
        Path { bound: false, ..self.outside_path(address, node_port, pair, entries, selection) }
    }

    /// A path whose policy is the external one. With policy Local and no endpoint here, endpoints of other
    /// nodes serve the pods and processes of this node; a set makes the rules drop what comes from outside.
    fn outside_path(
        &self,
        address: IpAddr,
        port: u16,
        pair: Entry,
        mut entries: Vec<(SetName, Entry)>,
        selection: &'a Selection<'a>,
    ) -> Path<'a> {
        let keeps_policy = self.external_policy_is_local && !selection.local.is_empty();
        let endpoints = if keeps_policy { &selection.local } else { &selection.cluster };
        let falls_back = self.external_policy_is_local && !keeps_policy && !endpoints.is_empty();
        if falls_back && self.options.keeps_local_policy(Family::of(&address)) {
            entries.push((SetName::NoLocalEndpoint, pair));
        }
        Path { address, port, endpoints, entries, bound: self.has_to_be_bound(address) }
    }

    /// Addresses that this machine has on another interface are local already, and so is all of 127.0.0.0/8. A
    /// link-local one of IPv6 is asked for on the link on which a packet goes, where `kube-ipvs0` does not answer.
    fn has_to_be_bound(&self, address: IpAddr) -> bool {
        !address.is_loopback()
            && !is_link_local_v6(&address)
            && !self.options.host_addresses.contains(&address)
    }
}

/// The source ranges of `family`. One that contains every address makes the others pointless, and a set
/// cannot hold it.
fn source_ranges(service: &Service, family: Family) -> Vec<IpNet> {
    let ranges: Vec<IpNet> = service
        .source_ranges
        .iter()
        .filter(|range| Family::of(&range.addr()) == family)
        .map(IpNet::trunc)
        .collect();
    if ranges.iter().any(|range| range.prefix_len() == 0) { Vec::new() } else { ranges }
}

/// Where API servers listen on addresses of this machine, which the Service may have apart from that port.
fn api_servers(
    service: &Service,
    addresses: &[&Vec<IpAddr>],
    cluster: &Cluster,
    warnings: &mut Vec<Warning>,
) -> BTreeSet<(IpAddr, u16)> {
    let pairs = addresses
        .iter()
        .flat_map(|addresses| addresses.iter())
        .flat_map(|address| service.ports.iter().map(|port| (*address, port.port)));
    let taken: BTreeSet<_> = pairs.filter(|(address, port)| cluster.is_api_server(*address, *port)).collect();
    warnings.extend(taken.iter().map(|(address, port)| {
        let reason = Reason::NodeAddress(*address, AddressOwner::ControlPlane);
        Warning::new(
            reason,
            format!("an API server listens on port {port} of {address}; that port is not served there"),
        )
    }));
    taken
}

/// Whether `address` belongs to another machine.
fn is_guarded(
    address: IpAddr,
    what: &str,
    cluster: &Cluster,
    options: &Options,
    warnings: &mut Vec<Warning>,
) -> bool {
    if options.host_addresses.contains(&address) {
        return false;
    }
    let Some(owner) = cluster.address_owner(address) else {
        return false;
    };
    let message = format!(
        "{what} {address} is an address of {owner}; it is not served, so that {owner} stays reachable"
    );
    let warning = Warning::new(Reason::NodeAddress(address, owner), message);
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
    true
}
