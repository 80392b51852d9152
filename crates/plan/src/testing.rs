//! What the tests share: clusters written as lines of text, states as text, and a kernel that carries out
//! operations and refuses those that a real one would refuse.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{
    Change, Cluster, Endpoint, EndpointSlice, Family, Node, ObjectKey, PerFamily, Protocol, SchedulingHints,
    Service, ServiceKind, ServicePort, SlicePort, Topology, TrafficPolicy,
};

use crate::{
    Entry, LocalDetector, LocalPolicy, Member, NodePortAddresses, Operation, Options, Planner, RealServer,
    SetId, SetName, State, VirtualServer, print,
};

/// The node from which the tests look, in zone `z1`.
pub(crate) const HERE: &str = "n1";

/// A key of the namespace `shop`, or of another one that is written before a slash.
pub(crate) fn key(text: &str) -> ObjectKey {
    let (namespace, name) = text.split_once('/').unwrap_or(("shop", text));
    ObjectKey::new(namespace, name)
}

/// A Service: its name, then in any order cluster IPs, ports as `http:80/TCP` or `80/TCP`, and settings as
/// `affinity=600`, `created=5`, `drain=60` (seconds), `external=Local`, `external-ip=192.0.2.1`,
/// `flags=sh-port`, `health-check=32000`, `internal=Local`, `lb-ip=203.0.113.9`, `node-port=30080` (of the port
/// before it), `range=198.51.100.0/24`, `scheduler=sh`, `type=NodePort`, `weights=zone=z1:3`.
pub(crate) fn service(text: &str) -> Service {
    let mut words = text.split_whitespace();
    let mut service = Service {
        key: key(words.next().unwrap()),
        uid: None,
        created: None,
        kind: ServiceKind::ClusterIp,
        cluster_ips: PerFamily::default(),
        ports: Vec::new(),
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        external_policy: TrafficPolicy::Cluster,
        internal_policy: TrafficPolicy::Cluster,
        affinity_seconds: None,
        health_check_node_port: None,
        scheduling: SchedulingHints::default(),
        drain_timeout: None,
    };
    for word in words {
        if let Some((name, value)) = word.split_once('=') {
            set(&mut service, name, value);
        } else if let Some((name, protocol, port)) = port(word) {
            service.ports.push(ServicePort { name, protocol, port, node_port: None });
        } else {
            let ip = address(word);
            *service.cluster_ips.get_mut(Family::of(&ip)) = Some(ip);
        }
    }
    service
}

fn set(service: &mut Service, name: &str, value: &str) {
    match name {
        "affinity" => service.affinity_seconds = Some(value.parse().unwrap()),
        "created" => service.created = Some(value.parse().unwrap()),
        "drain" => service.drain_timeout = Some(Duration::from_secs(value.parse().unwrap())),
        "external" if value == "Local" => service.external_policy = TrafficPolicy::Local,
        "external-ip" => service.external_ips.push(address(value)),
        "flags" => service.scheduling.flags = Some(value.into()),
        "health-check" => service.health_check_node_port = Some(value.parse().unwrap()),
        "internal" if value == "Local" => service.internal_policy = TrafficPolicy::Local,
        "lb-ip" => service.load_balancer_ips.push(address(value)),
        "node-port" => service.ports.last_mut().unwrap().node_port = Some(value.parse().unwrap()),
        "range" => service.source_ranges.push(value.parse().unwrap()),
        "scheduler" => service.scheduling.scheduler = Some(value.into()),
        "type" => service.kind = kind(value),
        "weights" => service.scheduling.weights = Some(value.into()),
        _ => panic!("{name}={value} is nothing that a Service has here"),
    }
}

fn kind(name: &str) -> ServiceKind {
    match name {
        "ClusterIP" => ServiceKind::ClusterIp,
        "NodePort" => ServiceKind::NodePort,
        "LoadBalancer" => ServiceKind::LoadBalancer,
        "ExternalName" => ServiceKind::ExternalName,
        _ => panic!("{name:?} is no type of a Service"),
    }
}

/// An EndpointSlice: its name, the name of its Service, then in any order ports as of a Service, `weight=5`,
/// and endpoints as `10.244.1.5@n1`, with the zone as `10.244.1.5@n1,z1` and a state other than ready as
/// `10.244.1.5@n1!unready`, `!terminating` (and still serving) or `!stopped` (terminating, not serving).
pub(crate) fn slice(text: &str) -> EndpointSlice {
    let mut words = text.split_whitespace();
    let mut slice = EndpointSlice {
        key: key(words.next().unwrap()),
        service: words.next().unwrap().into(),
        family: Family::V4,
        ports: Vec::new(),
        endpoints: Vec::new(),
        weight: None,
        triggered: None,
    };
    for word in words {
        if let Some(weight) = word.strip_prefix("weight=") {
            slice.weight = Some(weight.into());
        } else if let Some((name, protocol, port)) = port(word) {
            slice.ports.push(SlicePort { name, protocol, port });
        } else {
            slice.endpoints.push(endpoint(word));
        }
    }
    if let Some(first) = slice.endpoints.first() {
        slice.family = Family::of(&first.address);
    }
    slice
}

fn endpoint(word: &str) -> Endpoint {
    let (place, state) = word.split_once('!').unwrap_or((word, "ready"));
    let (ip, place) = place.split_once('@').unwrap();
    let (node, zone) = place.split_once(',').unwrap_or((place, ""));
    let (ready, serving, terminating) = match state {
        "ready" => (true, true, false),
        "unready" => (false, false, false),
        "terminating" => (false, true, true),
        "stopped" => (false, false, true),
        _ => panic!("{state:?} is no state of an endpoint"),
    };
    Endpoint {
        address: address(ip),
        ready,
        serving,
        terminating,
        topology: Arc::new(Topology {
            node: Some(node.into()),
            zone: (!zone.is_empty()).then(|| zone.into()),
            ..Topology::default()
        }),
    }
}

/// Name, protocol and number of a word like `http:80/TCP`.
fn port(word: &str) -> Option<(Arc<str>, Protocol, u16)> {
    let (port, protocol) = word.split_once('/')?;
    let (name, number) = port.split_once(':').unwrap_or(("", port));
    let protocol = match protocol {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        _ => panic!("{protocol:?} is no protocol"),
    };
    Some((name.into(), protocol, number.parse().unwrap()))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no address"))
}

/// The change that a line `service …`, `slice …`, `node NAME ADDRESS …`, `no-service NAME`, `no-slice NAME` or
/// `no-node NAME` tells of. A node in its name's zone: `n1` is in `z1`.
pub(crate) fn change(line: &str) -> Change {
    match line.trim().split_once(' ').unwrap() {
        ("service", text) => Change::ServiceApplied(service(text)),
        ("slice", text) => Change::SliceApplied(slice(text)),
        ("node", text) => Change::NodeApplied(node(text)),
        ("no-node", name) => Change::NodeRemoved(name.into()),
        ("no-service", name) => Change::ServiceRemoved(key(name)),
        ("no-slice", name) => Change::SliceRemoved(key(name)),
        _ => panic!("{line:?} is no change"),
    }
}

fn node(text: &str) -> Node {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap();
    let addresses = words.map(address).collect();
    Node { zone: Some(name.replace('n', "z").into()), internal_addresses: addresses, ..Node::named(name) }
}

/// A cluster, seen from [`HERE`], from lines as [`change`] takes them.
pub(crate) fn cluster(lines: &str) -> Cluster {
    let mut cluster = Cluster::new(HERE);
    cluster.apply(change(&format!("node {HERE}")));
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        cluster.apply(change(line));
    }
    cluster
}

/// Options: `detector` for pods in 10.244.0.0/16 and fd00:244::/32, `host=192.0.2.1` for an address of this
/// machine, `node-ports=192.0.2.0/24` or `node-ports=primary` for those that serve node ports, and
/// `policy=KubeProxy`.
pub(crate) fn options(text: &str) -> Options {
    let mut options = Options::default();
    let mut networks = Vec::new();
    for word in text.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("detector", _) => {
                let cidr = |text: &str| Some(LocalDetector::Cidr(text.parse().unwrap()));
                options.local_detector = PerFamily { v4: cidr("10.244.0.0/16"), v6: cidr("fd00:244::/32") };
            }
            ("host", ip) => drop(options.host_addresses.insert(address(ip))),
            ("node-ports", "primary") => options.node_port_addresses = NodePortAddresses::Primary,
            ("node-ports", network) => networks.push(network.parse().unwrap()),
            ("policy", "KubeProxy") => options.local_policy = LocalPolicy::KubeProxy,
            _ => panic!("{word:?} is no option here"),
        }
    }
    if !networks.is_empty() {
        options.node_port_addresses = NodePortAddresses::Networks(networks);
    }
    options
}

/// What is planned for a whole cluster.
pub(crate) fn planned(cluster: &Cluster, options: &Options) -> State {
    let mut planner = Planner::new(options.clone());
    planner.rebuild(cluster);
    planner.desired().state().clone()
}

/// A state as text: `ipvsadm -Sn`, the entries of `ipset save`, and the addresses in one line.
pub(crate) fn text(state: &State) -> String {
    let sets = print::ipset_save(state, &Options::default());
    let entries = sets.lines().filter(|line| line.starts_with("add "));
    let entries: String = entries.flat_map(|line| [line, "\n"]).collect();
    let addresses: String = state.addresses.iter().map(|address| format!(" {address}")).collect();
    let bound = format!("bound:{addresses}\n");
    format!("{}{entries}{bound}", print::ipvsadm_save(state))
}

/// Carries out operations as a kernel does: what is added must not be there yet, what is changed or removed
/// must be, and a virtual server takes its real servers with it.
pub(crate) fn apply(state: &mut State, operations: &[Operation]) {
    for operation in operations {
        let done = apply_one(state, operation);
        assert!(done.is_some(), "the kernel refuses to {operation}");
    }
}

fn apply_one(state: &mut State, operation: &Operation) -> Option<()> {
    let done = |there: bool| there.then_some(());
    match operation {
        Operation::AddMember(member) => done(state.members.insert(*member)),
        Operation::RemoveMember(member) => done(state.members.remove(member)),
        Operation::BindAddress(address) => done(state.addresses.insert(*address)),
        Operation::UnbindAddress(address) => done(state.addresses.remove(address)),
        Operation::RemoveVirtualServer(key) => state.virtual_servers.remove(key).map(drop),
        Operation::AddVirtualServer(key, config) => {
            let server = VirtualServer { config: *config, real_servers: Vec::new(), drain_timeout: None };
            let replaced = state.virtual_servers.insert(*key, Arc::new(server));
            done(replaced.is_none())
        }
        Operation::SetVirtualServer(key, config) => {
            let server = state.virtual_servers.get_mut(key)?;
            Arc::make_mut(server).config = *config;
            Some(())
        }
        Operation::AddRealServer(key, real) => {
            let reals = &mut Arc::make_mut(state.virtual_servers.get_mut(key)?).real_servers;
            let place = reals.binary_search_by_key(&real.key(), RealServer::key).err()?;
            reals.insert(place, *real);
            Some(())
        }
        Operation::SetRealServer(key, real) => {
            let reals = &mut Arc::make_mut(state.virtual_servers.get_mut(key)?).real_servers;
            let place = reals.binary_search_by_key(&real.key(), RealServer::key).ok()?;
            reals[place] = *real;
            Some(())
        }
        Operation::RemoveRealServer(key, real, _) => {
            let reals = &mut Arc::make_mut(state.virtual_servers.get_mut(key)?).real_servers;
            let place = reals.binary_search_by_key(&real.key(), RealServer::key).ok()?;
            reals.remove(place);
            Some(())
        }
    }
}

/// Fails unless every bound address answers: a virtual server stands behind it, the sets know it, and no
/// packet to it is refused by the rule for unknown ports, or from everywhere by the rule for source ranges.
pub(crate) fn assert_served(state: &State) {
    let holds = |name, ip: &IpAddr, entry| state.members.contains(&Member::new(name, Family::of(ip), entry));
    for ip in &state.addresses {
        let served = state.virtual_servers.keys().any(|server| server.address == *ip);
        assert!(served, "{ip} is bound before anything serves it");
        assert!(holds(SetName::IpvsIps, ip, Entry::Ip(*ip)), "{ip} is bound but in no set");
    }
    for server in state.virtual_servers.keys() {
        let pair = Entry::IpPort(server.address, server.protocol, server.port);
        let by_pair = [
            SetName::ClusterIp,
            SetName::ExternalIp,
            SetName::ExternalIpLocal,
            SetName::LoadBalancer,
            SetName::NodePortSctp,
        ];
        let known = by_pair.into_iter().any(|name| holds(name, &server.address, pair))
            || [SetName::NodePortTcp, SetName::NodePortUdp]
                .into_iter()
                .any(|name| holds(name, &server.address, Entry::Port(server.port)));
        assert!(known, "{server} stands without its set entry");
    }
    for set in Family::ALL.map(|family| SetId::new(SetName::IpvsIps, family)) {
        for entry in state.entries(set) {
            let allowed = state.members.iter().any(|member| match (member.entry, entry) {
                (Entry::IpPort(ip, ..), Entry::Ip(bound)) => ip == *bound,
                _ => false,
            });
            assert!(allowed, "{entry} is refused before its ports are allowed");
        }
    }
    for member in state.members.iter().filter(|member| member.set.name == SetName::LoadBalancerFirewall) {
        let allowed = state.members.iter().any(|other| match (member.entry, other.entry) {
            (Entry::IpPort(ip, protocol, port), Entry::IpPortNet(other, p, number, _)) => {
                (ip, protocol, port) == (other, p, number)
            }
            _ => false,
        });
        assert!(allowed, "{member} closes the address before anybody is allowed");
    }
}
