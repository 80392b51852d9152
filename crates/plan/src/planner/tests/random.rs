//! Properties over random clusters. Names and addresses are few, so that Services collide, hand over and come
//! back, and ask for addresses that are another machine's or this one's.

use std::collections::HashMap;

use model::{Effect, Node};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::testing::{HERE, text};
use crate::{Counts, Entry, ServicePlan, SetName, plan_service};

const SERVICES: [&str; 3] = ["api", "web", "old"];
const CLUSTER_IPS: [&str; 5] = ["10.96.0.1", "10.96.0.2", "10.96.0.1 fd00::1", "fd00::1", ""];
const PORTS: [&str; 8] = [
    "80/TCP",
    "53/UDP",
    "http:80/TCP dns:53/UDP",
    "81/TCP",
    "80/SCTP",
    "80/TCP node-port=30080",
    "http:80/TCP node-port=30080 dns:53/UDP node-port=30053",
    "80/SCTP node-port=30080",
];
/// External and load-balancer addresses: of nobody, of the other node, of the control plane, of this machine
/// at times, a cluster IP, and loopback.
const OUTSIDE: [&str; 9] = [
    "external-ip=192.0.2.1",
    "external-ip=2001:db8::1",
    "external-ip=172.18.0.3",
    "external-ip=10.96.0.1",
    "external-ip=127.0.0.1",
    "lb-ip=192.0.2.1",
    "lb-ip=172.18.0.9",
    "lb-ip=203.0.113.9",
    "lb-ip=2001:db8::9",
];
const SETTINGS: [&str; 16] = [
    "affinity=600",
    "scheduler=sh flags=sh-port",
    "scheduler=nonsense",
    "internal=Local",
    "external=Local",
    "external=Local health-check=32000",
    "weights=node=n1:7,zone=z2:3",
    "created=1",
    "created=2",
    "range=172.18.0.0/16",
    "range=198.51.100.0/24 range=198.51.100.7/32",
    "range=0.0.0.0/0 range=2001:db8:5::/48",
    "type=NodePort",
    "type=LoadBalancer",
    "type=ExternalName",
    "drain=60",
];
const HOSTS: [&str; 6] =
    ["172.18.0.2", "192.0.2.1", "203.0.113.9", "172.18.0.3", "fd00:18::2", "2001:db8::9"];
const OPTIONS: [&str; 5] = [
    "",
    "detector",
    "detector policy=KubeProxy",
    "detector node-ports=172.18.0.0/16",
    "detector node-ports=primary",
];

/// What a planner is told together: changes, and the addresses that the machine has from now on, if that is news.
type Event = (Vec<Change>, Option<BTreeSet<IpAddr>>);

fn service_line() -> impl Strategy<Value = String> {
    let outside = subsequence(OUTSIDE.to_vec(), 0..4);
    let settings = subsequence(SETTINGS.to_vec(), 0..6);
    (select(&SERVICES), select(&CLUSTER_IPS), select(&PORTS), outside, settings).prop_map(
        |(name, ip, ports, outside, settings)| {
            format!("service {name} {ip} {ports} {} {}", outside.join(" "), settings.join(" "))
        },
    )
}

fn slice_line() -> impl Strategy<Value = String> {
    let slice = select(vec!["a", "b", "c"]);
    let ports = select(vec!["8080/TCP", "http:8080/TCP dns:53/UDP", "53/UDP", "8080/SCTP"]);
    let endpoints = select(vec![
        "",
        "10.1.0.1@n1",
        "10.2.0.3@n2",
        "10.1.0.1@n1 10.2.0.1@n2,z2",
        "10.1.0.1@n1!terminating 10.2.0.2@n2!terminating",
        "10.2.0.1@n2 10.1.0.9@n1!unready",
        "fd00:1::1@n1 fd00:2::1@n2",
        "fd00:2::2@n2",
    ]);
    let weight = select(vec!["", "weight=5", "weight=junk"]);
    (slice, select(&SERVICES), ports, endpoints, weight).prop_map(
        |(slice, service, ports, endpoints, weight)| {
            format!("slice {slice} {service} {ports} {endpoints} {weight}")
        },
    )
}

fn machine_line() -> impl Strategy<Value = &'static str> {
    select(vec![
        "node n2 172.18.0.3",
        "node n2 172.18.0.4 2001:db8::9",
        "no-node n2",
        "slice default/kubernetes kubernetes 6443/TCP 172.18.0.9@n9",
        "slice default/kubernetes kubernetes 6443/TCP 203.0.113.9@n9",
        "no-slice default/kubernetes",
        "node n1 172.18.0.2",
        "node n1 192.0.2.1 fd00:18::2",
    ])
}

fn any_change() -> impl Strategy<Value = Change> {
    let here =
        |zone: Option<&str>| Change::NodeApplied(Node { zone: zone.map(Into::into), ..Node::named(HERE) });
    prop_oneof![
        6 => service_line().prop_map(|line| change(&line)),
        6 => slice_line().prop_map(|line| change(&line)),
        3 => select(&SERVICES).prop_map(|name| Change::ServiceRemoved(key(name))),
        2 => select(vec!["a", "b", "c"]).prop_map(|name| Change::SliceRemoved(key(name))),
        2 => machine_line().prop_map(change),
        1 => select(vec![Some("z1"), Some("z2"), None]).prop_map(here),
    ]
}

fn hosts() -> impl Strategy<Value = BTreeSet<IpAddr>> {
    subsequence(HOSTS.to_vec(), 0..=HOSTS.len())
        .prop_map(|hosts| hosts.iter().map(|host| host.parse().unwrap()).collect())
}

fn any_event() -> impl Strategy<Value = Event> {
    let changes = || prop::collection::vec(any_change(), 1..5);
    prop_oneof![
        12 => changes().prop_map(|changes| (changes, None)),
        1 => hosts().prop_map(|hosts| (Vec::new(), Some(hosts))),
        1 => (changes(), hosts()).prop_map(|(changes, hosts)| (changes, Some(hosts))),
    ]
}

fn tell(planner: &mut Planner, cluster: &mut Cluster, (changes, hosts): Event) -> Update {
    step_with_hosts(planner, cluster, changes, hosts)
}

/// How many virtual servers several Services of the cluster plan.
fn contested(cluster: &Cluster, options: &Options) -> usize {
    let mut planned: HashMap<VirtualServerKey, usize> = HashMap::new();
    for service in cluster.services() {
        for key in plan_service(service, cluster, options).virtual_servers.into_keys() {
            *planned.entry(key).or_default() += 1;
        }
    }
    planned.into_values().filter(|count| *count > 1).count()
}

/// How many Services of the cluster lack a local endpoint for each policy.
fn missing(cluster: &Cluster, options: &Options) -> Vec<usize> {
    let plans: Vec<ServicePlan> =
        cluster.services().map(|service| plan_service(service, cluster, options)).collect();
    let count = |kind| plans.iter().filter(|plan| plan.without_local_endpoint.contains(&kind)).count();
    kinds().map(count).to_vec()
}

fn kinds() -> [(Family, Policy); 4] {
    let [v4, v6] = Family::ALL;
    [(v4, Policy::Internal), (v4, Policy::External), (v6, Policy::Internal), (v6, Policy::External)]
}

/// Counts what is planned by looking at all of it.
fn recount(state: &State, family: Family) -> Counts {
    let of_family = |(key, _): &(&VirtualServerKey, _)| Family::of(&key.address) == family;
    let servers = state.virtual_servers.iter().filter(of_family);
    let weights: Vec<Vec<u32>> =
        servers.map(|(_, server)| server.real_servers.iter().map(|real| real.weight).collect()).collect();
    let real_servers = |wanted: fn(&u32) -> bool| weights.iter().flatten().filter(|one| wanted(one)).count();
    Counts {
        with_real_servers: weights.iter().filter(|weights| !weights.is_empty()).count(),
        without_real_servers: weights.iter().filter(|weights| weights.is_empty()).count(),
        active: real_servers(|weight| *weight > 0),
        zero_weight: real_servers(|weight| *weight == 0),
    }
}

proptest! {
    #[test]
    fn planning_step_by_step_ends_where_planning_from_nothing_ends(
        words in select(&OPTIONS),
        events in prop::collection::vec(any_event(), 1..20)
    ) {
        let mut planner = Planner::new(options(words));
        let mut cluster = Cluster::new(HERE);
        let mut kernel = State::default();
        for event in events {
            let update = tell(&mut planner, &mut cluster, event);
            carry_out(&mut kernel, &update.operations);
            prop_assert_eq!(planner.desired().state(), &planned(&cluster, planner.options()));
            // The kernel does not know how long real servers may drain.
            prop_assert_eq!(text(planner.desired().state()), text(&kernel));
        }
    }

    #[test]
    fn counts_are_those_of_a_recount(
        words in select(&OPTIONS),
        events in prop::collection::vec(any_event(), 1..20)
    ) {
        let mut planner = Planner::new(options(words));
        let mut cluster = Cluster::new(HERE);
        for event in events {
            tell(&mut planner, &mut cluster, event);
            let counted = kinds().map(|(family, policy)| planner.without_local_endpoint(family, policy));
            prop_assert_eq!(counted.to_vec(), missing(&cluster, planner.options()));
            prop_assert_eq!(planner.desired().contested(), contested(&cluster, planner.options()));
            for family in Family::ALL {
                prop_assert_eq!(planner.desired().counts(family), recount(planner.desired().state(), family));
            }
        }
    }

    /// Whoever asks for the address and port of an older Service has no say in what becomes of its traffic.
    #[test]
    fn entries_are_those_of_the_service_that_is_served(
        words in select(&OPTIONS),
        events in prop::collection::vec(any_event(), 1..20)
    ) {
        let mut planner = Planner::new(options(words));
        let mut cluster = Cluster::new(HERE);
        for event in events {
            tell(&mut planner, &mut cluster, event);
        }
        let desired = planner.desired();
        for (server, member) in desired.state().members.iter().filter_map(|m| Some((m.virtual_server()?, m))) {
            let winner = desired.contribution(desired.claimants(&server).first().unwrap()).unwrap();
            prop_assert!(winner.members.contains(member), "{}", member);
        }
    }

    /// Whoever listens to the updates alone knows of every warning, health check and conflict there is.
    #[test]
    fn what_updates_tell_adds_up(
        words in select(&OPTIONS),
        events in prop::collection::vec(any_event(), 1..20)
    ) {
        let mut planner = Planner::new(options(words));
        let mut cluster = Cluster::new(HERE);
        let mut told = Told::default();
        for event in events {
            told.hear(tell(&mut planner, &mut cluster, event));
        }
        let mut fresh = Told::default();
        fresh.hear(Planner::new(planner.options().clone()).rebuild(&cluster));
        prop_assert_eq!(told, fresh);
    }

    /// A start ends where planning from nothing ends, says the same of it, and leaves the kernel to be observed;
    /// whatever was planned ahead.
    #[test]
    fn a_start_plans_everything_without_operations(
        words in select(&OPTIONS),
        changes in prop::collection::vec((any_change(), any::<bool>()), 1..30),
        hosts in subsequence(HOSTS.to_vec(), 0..4),
        hosts_are_known in any::<bool>()
    ) {
        let hosts: BTreeSet<IpAddr> = hosts.iter().map(|host| host.parse().unwrap()).collect();
        let options = Options { host_addresses: hosts.clone(), ..options(words) };
        let known = if hosts_are_known { hosts.clone() } else { BTreeSet::new() };
        let mut started = Planner::new(Options { host_addresses: known, ..options.clone() });
        let mut cluster = Cluster::new(HERE);
        let mut touched = BTreeSet::new();
        for (change, ahead) in changes {
            match cluster.apply(change) {
                Effect::Services(keys) => touched.extend(keys),
                Effect::Everything => started.forget(),
                Effect::Nothing | Effect::Synced(_) | Effect::Problem(_) => {}
            }
            if ahead {
                started.plan_ahead(&cluster, &std::mem::take(&mut touched));
            }
        }
        let mut rebuilt = Planner::new(options);
        let expected = Update { operations: Vec::new(), ..rebuilt.rebuild(&cluster) };
        prop_assert_eq!(started.start(&cluster, &touched, hosts), expected);
        for (family, policy) in kinds() {
            prop_assert_eq!(
                started.without_local_endpoint(family, policy),
                rebuilt.without_local_endpoint(family, policy)
            );
        }
        prop_assert_eq!(started.desired().state(), rebuilt.desired().state());
        prop_assert_eq!(started.rebuild(&cluster), Update::default());
    }

    #[test]
    fn planning_again_changes_nothing(
        words in select(&OPTIONS),
        changes in prop::collection::vec(any_change(), 1..30)
    ) {
        let mut planner = Planner::new(options(words));
        let mut cluster = Cluster::new(HERE);
        step(&mut planner, &mut cluster, changes);
        prop_assert_eq!(planner.rebuild(&cluster), Update::default());
    }

    #[test]
    fn the_services_left_out_of_a_rebuild_are_those_that_are_gone(
        words in select(&OPTIONS),
        changes in prop::collection::vec(any_change(), 1..30)
    ) {
        let mut planner = Planner::new(options(words));
        let mut cluster = Cluster::new(HERE);
        step(&mut planner, &mut cluster, changes);
        planner.rebuild(&Cluster::new(HERE));
        prop_assert!(planner.desired().state().is_empty());
        prop_assert_eq!(planner.desired().services().count(), 0);
        prop_assert_eq!(planner.desired().contested(), 0);
        let counted = kinds().map(|(family, policy)| planner.without_local_endpoint(family, policy));
        prop_assert_eq!(counted, [0; 4]);
    }

    /// The rules drop from outside only what has endpoints, none of them here, and asks for it.
    #[test]
    fn what_is_dropped_from_outside_has_endpoints_elsewhere_only(
        words in select(&OPTIONS),
        changes in prop::collection::vec(any_change(), 1..30)
    ) {
        let options = options(words);
        let mut cluster = Cluster::new(HERE);
        step(&mut Planner::new(options.clone()), &mut cluster, changes);
        for service in cluster.services() {
            let plan = plan_service(service, &cluster, &options);
            for member in plan.members.iter().filter(|member| member.set.name == SetName::NoLocalEndpoint) {
                let Entry::IpPort(address, protocol, port) = member.entry else { unreachable!() };
                let server = &plan.virtual_servers[&VirtualServerKey { address, port, protocol }];
                prop_assert!(options.keeps_local_policy(member.set.family));
                prop_assert!(service.external_policy_is_local());
                prop_assert!(!server.real_servers.is_empty());
                let here = |ip: IpAddr| ip.to_string().starts_with("10.1.") || ip.to_string().starts_with("fd00:1:");
                prop_assert!(server.real_servers.iter().all(|real| !here(real.address)));
            }
        }
    }
}

/// What somebody knows who hears the updates.
#[derive(Debug, Default, PartialEq)]
struct Told {
    warnings: BTreeMap<ObjectKey, Vec<Warning>>,
    health_checks: BTreeMap<ObjectKey, HealthCheck>,
    conflicts: BTreeMap<VirtualServerKey, Conflict>,
}

impl Told {
    fn hear(&mut self, update: Update) {
        self.warnings.extend(update.warnings);
        self.warnings.retain(|_, warnings| !warnings.is_empty());
        for (service, check) in update.health_checks {
            match check {
                Some(check) => drop(self.health_checks.insert(service, check)),
                None => drop(self.health_checks.remove(&service)),
            }
        }
        for key in update.resolved {
            assert!(self.conflicts.remove(&key).is_some(), "{key} was not contested");
        }
        self.conflicts.extend(update.conflicts.into_iter().map(|conflict| (conflict.key, conflict)));
    }
}
