mod draining;
mod failing;
mod lasting;
mod preparation;
mod rules;

use std::sync::Arc;

use expect_test::{Expect, expect};
use model::Protocol;
use plan::{Entry, Member, RealServer, Scheduler, SetName, VirtualServer, VirtualServerConfig, difference};
use proptest::prelude::*;

use super::*;
use crate::Errno;
use crate::fake::FakeKernel;

/// One virtual server a line: `10.96.0.1:80/TCP rr 10.0.0.1:8080*1 10.0.0.2:8080*0`. Its address is bound
/// and stands in the sets, as for a cluster IP.
pub(super) fn state(lines: &[&str]) -> State {
    let mut state = State::default();
    for line in lines {
        let mut words = line.split(' ');
        let key = key(words.next().unwrap());
        let scheduler: Scheduler = words.next().unwrap().parse().unwrap();
        let real_servers = words.map(real).collect();
        let server = VirtualServer { config: config(scheduler), real_servers, drain_timeout: None };
        state.virtual_servers.insert(key, Arc::new(server));
        state.addresses.insert(key.address);
        let pair = Entry::IpPort(key.address, key.protocol, key.port);
        let family = Family::of(&key.address);
        state.members.insert(Member::new(SetName::ClusterIp, family, pair));
        state.members.insert(Member::new(SetName::IpvsIps, family, Entry::Ip(key.address)));
    }
    state
}

pub(super) fn key(text: &str) -> VirtualServerKey {
    let (socket, protocol) = text.split_once('/').unwrap();
    let socket: std::net::SocketAddr = socket.parse().unwrap();
    let protocol = match protocol {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        _ => Protocol::Sctp,
    };
    VirtualServerKey { address: socket.ip(), port: socket.port(), protocol }
}

pub(super) fn real(text: &str) -> RealServer {
    let (socket, weight) = text.split_once('*').unwrap();
    let socket: std::net::SocketAddr = socket.parse().unwrap();
    RealServer {
        address: socket.ip(),
        port: socket.port(),
        weight: weight.parse().unwrap(),
        masqueraded: true,
    }
}

fn config(scheduler: Scheduler) -> VirtualServerConfig {
    VirtualServerConfig { scheduler: Some(scheduler), scheduler_flags: 0, persistence: None, unusual: false }
}

pub(super) fn dataplane() -> Dataplane<FakeKernel> {
    let settings = Settings {
        sysctls: Vec::new(),
        timeouts: Timeouts::default(),
        drain_limit: Duration::from_secs(900),
    };
    Dataplane::new(FakeKernel::new(), settings)
}

/// IPv4 only, to keep what is expected short.
pub(super) fn options() -> Options {
    Options { families: [Family::V4].into(), ..Options::default() }
}

fn reconcile(dataplane: &mut Dataplane<FakeKernel>, desired: &State) -> Report {
    let urgent = State::default();
    dataplane.reconcile(Target { desired, urgent: &urgent, options: &options() }, Instant::now())
}

/// Audits until the end.
fn audit(dataplane: &mut Dataplane<FakeKernel>, desired: &State, options: &Options) -> Report {
    let urgent = State::default();
    dataplane.begin_audit(options);
    loop {
        let target = Target { desired, urgent: &urgent, options };
        if let Progress::Done(report) = dataplane.audit(target, Instant::now()) {
            return *report;
        }
    }
}

fn repaired(report: &Report, text: &str) -> bool {
    report.repaired.iter().any(|repair| repair.text == text)
}

/// Lets a real server have so many connections.
pub(super) fn connect(dataplane: &mut Dataplane<FakeKernel>, server: &str, real_server: &str, count: u64) {
    let connection = (key(server), real(real_server).key());
    dataplane.kernel_mut().connections.insert(connection, count);
}

/// A data plane that holds `desired`, with an empty log.
pub(super) fn settled(desired: &State) -> Dataplane<FakeKernel> {
    let mut dataplane = dataplane();
    assert!(reconcile(&mut dataplane, desired).is_complete());
    assert_eq!(dataplane.kernel().state, *desired);
    dataplane.kernel_mut().take_log();
    dataplane
}

/// A data plane that held `left` before what `damage` names was taken away.
pub(super) fn damaged(left: &State, damage: &State) -> Dataplane<FakeKernel> {
    let mut dataplane = settled(left);
    let kernel = dataplane.kernel_mut();
    for key in damage.virtual_servers.keys() {
        kernel.state.virtual_servers.remove(key);
    }
    for address in &damage.addresses {
        kernel.state.addresses.remove(address);
    }
    dataplane
}

/// A data plane that holds `desired`, and a virtual server and an address that are somebody else's.
pub(super) fn beside_others(desired: &State) -> Dataplane<FakeKernel> {
    let mut dataplane = settled(desired);
    let foreign = state(&["192.0.2.9:80/TCP wlc 10.9.9.9:80*1"]);
    dataplane.kernel_mut().state.virtual_servers.extend(foreign.virtual_servers);
    dataplane.kernel_mut().state.addresses.extend(foreign.addresses);
    dataplane
}

#[track_caller]
pub(super) fn check_log(dataplane: &mut Dataplane<FakeKernel>, expected: Expect) {
    expected.assert_eq(&dataplane.kernel_mut().take_log());
}

#[test]
fn the_first_reconciliation_builds_from_the_ground_up_and_the_second_sends_nothing() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let mut dataplane = dataplane();
    let report = reconcile(&mut dataplane, &desired);
    assert!(report.is_complete());
    let log = dataplane.kernel_mut().take_log();
    let (preparations, changes): (Vec<&str>, Vec<&str>) =
        log.lines().partition(|line| line.starts_with("create"));
    assert_eq!(preparations.len(), 1 + SetName::ALL.len());
    expect![[r#"
        add set entry KUBE-CLUSTER-IP 10.96.0.1,tcp:80
        add set entry KUBE-IPVS-IPS 10.96.0.1
        add virtual server 10.96.0.1:80/TCP
        add real server 10.0.0.1:8080 to 10.96.0.1:80/TCP
        bind 10.96.0.1 to kube-ipvs0"#]]
    .assert_eq(&changes.join("\n"));
    assert_eq!(dataplane.kernel().restores, 1);

    let report = reconcile(&mut dataplane, &desired);
    assert!(report.is_complete() && report.repaired.is_empty() && report.differences.count() == 0);
    check_log(&mut dataplane, expect![""]);
    assert_eq!(dataplane.kernel().restores, 1);
}

#[test]
fn what_is_urgent_goes_first() {
    let desired = state(&["10.96.0.1:443/TCP rr 10.0.0.1:6443*1", "10.96.0.0:80/TCP rr"]);
    let urgent = state(&["10.96.0.1:443/TCP rr 10.0.0.1:6443*1"]);
    let mut dataplane = dataplane();
    dataplane.reconcile(Target { desired: &desired, urgent: &urgent, options: &options() }, Instant::now());
    let log = dataplane.kernel_mut().take_log();
    let bind = log.find("bind 10.96.0.1 ").unwrap();
    let other = log.find("10.96.0.0").unwrap();
    assert!(bind < other, "{log}");
}

#[test]
fn what_somebody_else_made_is_left_alone() {
    let desired = state(&["10.96.0.1:80/TCP rr"]);
    let mut dataplane = beside_others(&desired);
    let report = reconcile(&mut dataplane, &desired);
    check_log(&mut dataplane, expect![""]);
    assert_eq!(report.foreign.unwrap().count(), 2);
}

#[test]
fn what_a_predecessor_left_is_taken_over_or_removed() {
    let left = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1", "10.96.0.2:80/TCP rr 10.0.0.2:8080*1"]);
    let desired = state(&["10.96.0.1:80/TCP wrr 10.0.0.1:8080*3"]);
    let mut dataplane = settled(&left);
    reconcile(&mut dataplane, &desired);
    check_log(
        &mut dataplane,
        expect![[r#"
        change virtual server 10.96.0.1:80/TCP
        set weight 3 of real server 10.0.0.1:8080 of 10.96.0.1:80/TCP
        unbind 10.96.0.2 from kube-ipvs0
        remove virtual server 10.96.0.2:80/TCP
        remove set entry KUBE-IPVS-IPS 10.96.0.2
        remove set entry KUBE-CLUSTER-IP 10.96.0.2,tcp:80
    "#]],
    );
}

#[test]
fn flushed_rules_are_written_again_once() {
    let mut dataplane = settled(&State::default());
    dataplane.kernel_mut().set_rules(Family::V4, "*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n");
    let report = reconcile(&mut dataplane, &State::default());
    assert!(repaired(&report, "IPv4 rules: nat KUBE-SERVICES: other rules than ours"));
    assert_eq!(dataplane.kernel().restores, 2);
    assert!(reconcile(&mut dataplane, &State::default()).repaired.is_empty());
    assert_eq!(dataplane.kernel().restores, 2);
}

#[test]
fn a_sysctl_that_cannot_be_set_is_an_error_only_if_traffic_needs_it() {
    let sysctl = |name, needed| Sysctl { name, value: "1".to_owned(), needed, least: false };
    let sysctls = vec![sysctl("net/needed", true), sysctl("net/wished", false)];
    let settings = Settings { sysctls, timeouts: Timeouts::default(), drain_limit: Duration::ZERO };
    let mut dataplane = Dataplane::new(FakeKernel::new(), settings);
    dataplane.kernel_mut().read_only_sysctls = true;
    let report = reconcile(&mut dataplane, &State::default());
    assert_eq!((report.errors.len(), report.limitations.len()), (1, 1));
    let report = reconcile(&mut dataplane, &State::default());
    assert_eq!((report.errors.len(), report.limitations.len()), (1, 0));
}

fn tcp_timeout(tcp: u32) -> Timeouts {
    Timeouts { tcp, ..Timeouts::default() }
}

/// A full table of connections is made larger by hand, in the middle of the night.
#[test]
fn what_traffic_does_not_need_is_set_once_and_left_to_the_operator() {
    let sysctl = |name, needed| Sysctl { name, value: "1".to_owned(), needed, least: false };
    let sysctls = vec![sysctl("net/needed", true), sysctl("net/wished", false)];
    let settings = Settings { sysctls, timeouts: tcp_timeout(900), drain_limit: Duration::ZERO };
    let mut dataplane = Dataplane::new(FakeKernel::new(), settings.clone());
    reconcile(&mut dataplane, &State::default());
    let found = |dataplane: &mut Dataplane<FakeKernel>| {
        let kernel = dataplane.kernel_mut();
        let [needed, wished] = ["net/needed", "net/wished"].map(|name| kernel.sysctl(name));
        (needed.unwrap(), wished.unwrap(), kernel.timeouts().unwrap().tcp)
    };
    assert_eq!(found(&mut dataplane), ("1".to_owned(), "1".to_owned(), 900));
    for name in ["net/needed", "net/wished"] {
        dataplane.kernel_mut().set_sysctl(name, "7").unwrap();
    }
    dataplane.kernel_mut().set_timeouts(tcp_timeout(700)).unwrap();
    reconcile(&mut dataplane, &State::default());
    assert_eq!(found(&mut dataplane), ("1".to_owned(), "7".to_owned(), 700));
    dataplane.set_settings(settings);
    reconcile(&mut dataplane, &State::default());
    assert_eq!(found(&mut dataplane), ("1".to_owned(), "1".to_owned(), 900));
}

#[test]
fn comparing_changes_nothing_and_finds_what_a_reconciliation_would_do() {
    let desired = state(&["10.96.0.1:80/TCP rr"]);
    let mut dataplane = dataplane();
    let urgent = State::default();
    let target = Target { desired: &desired, urgent: &urgent, options: &options() };
    let comparison = dataplane.compare(target).unwrap();
    assert!(comparison.preparations.contains(&"create interface kube-ipvs0".to_owned()));
    assert_eq!(comparison.operations, difference(&State::default(), &desired));
    check_log(&mut dataplane, expect![""]);
    reconcile(&mut dataplane, &desired);
    assert!(dataplane.compare(target).unwrap().is_empty());
}

/// Up to four virtual servers with up to three real servers each.
pub(super) fn any_state() -> impl Strategy<Value = State> {
    let reals = proptest::collection::btree_map(1_u8..4, 0_u32..3, 0..3);
    let servers = proptest::collection::btree_map((1_u8..5, any::<bool>()), (any::<bool>(), reals), 0..5);
    servers.prop_map(|servers| {
        let lines: Vec<String> = servers
            .iter()
            .map(|((host, udp), (weighted, reals))| {
                let protocol = if *udp { "UDP" } else { "TCP" };
                let scheduler = if *weighted { "wrr" } else { "rr" };
                let reals: String =
                    reals.iter().map(|(host, weight)| format!(" 10.0.0.{host}:80*{weight}")).collect();
                format!("10.96.0.{host}:80/{protocol} {scheduler}{reals}")
            })
            .collect();
        state(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    })
}

proptest! {
    /// From whatever a predecessor left and whatever was broken by hand, one reconciliation leads to the plan.
    #[test]
    fn reconciling_leads_to_the_plan_from_anywhere(left in any_state(), damage in any_state(), desired in any_state()) {
        let mut dataplane = damaged(&left, &damage);
        prop_assert!(reconcile(&mut dataplane, &desired).is_complete());
        prop_assert_eq!(&dataplane.kernel().state, &desired);
        dataplane.kernel_mut().take_log();
        reconcile(&mut dataplane, &desired);
        prop_assert_eq!(dataplane.kernel_mut().take_log(), "");
    }

    /// A change ends where a reconciliation would.
    #[test]
    fn applying_a_difference_ends_in_the_plan(before in any_state(), after in any_state()) {
        let mut dataplane = settled(&before);
        prop_assert!(dataplane.apply(difference(&before, &after), Instant::now()).is_complete());
        prop_assert_eq!(&dataplane.kernel().state, &after);
    }
}
