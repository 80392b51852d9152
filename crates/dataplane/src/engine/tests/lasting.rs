//! What outlives a change: draining connections with a time of their own, and flows of UDP.

use plan::RealServerKey;

use super::*;

fn with_drain_timeout(mut state: State, seconds: u64) -> State {
    for server in state.virtual_servers.values_mut() {
        Arc::make_mut(server).drain_timeout = Some(Duration::from_secs(seconds));
    }
    state
}

/// A data plane whose only real server has one connection, and the states before and after its removal.
fn with_one_connection(drain_timeout: u64) -> (Dataplane<FakeKernel>, State, State) {
    let before = with_drain_timeout(state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]), drain_timeout);
    let after = with_drain_timeout(state(&["10.96.0.1:80/TCP rr"]), drain_timeout);
    let mut dataplane = dataplane();
    assert!(reconcile(&mut dataplane, &before).is_complete());
    connect(&mut dataplane, "10.96.0.1:80/TCP", "10.0.0.1:8080*1", 1);
    dataplane.kernel_mut().take_log();
    (dataplane, before, after)
}

#[test]
fn a_service_may_bound_the_time_of_draining() {
    let (mut dataplane, before, after) = with_one_connection(30);
    let began = Instant::now();
    dataplane.apply(difference(&before, &after), began);
    assert_eq!(dataplane.draining(), 1);
    dataplane.sweep(began + Duration::from_secs(29));
    assert_eq!(dataplane.draining(), 1);
    dataplane.sweep(began + Duration::from_secs(30));
    assert_eq!(dataplane.draining(), 0);
    check_log(
        &mut dataplane,
        expect![[r#"
            set weight 0 of real server 10.0.0.1:8080 of 10.96.0.1:80/TCP
            remove real server 10.0.0.1:8080 from 10.96.0.1:80/TCP
        "#]],
    );
}

#[test]
fn a_drain_timeout_of_zero_removes_at_once() {
    let (mut dataplane, before, after) = with_one_connection(0);
    dataplane.apply(difference(&before, &after), Instant::now());
    assert_eq!(dataplane.draining(), 0);
    check_log(
        &mut dataplane,
        expect![[r#"
            remove real server 10.0.0.1:8080 from 10.96.0.1:80/TCP
        "#]],
    );
}

const DNS: &str = "10.96.0.10:53/UDP";

fn flow(place: &str) -> (VirtualServerKey, RealServerKey) {
    (key(DNS), real(&format!("{place}*1")).key())
}

/// The flows to the virtual server for DNS that are left of those to `places`.
fn left(dataplane: &Dataplane<FakeKernel>) -> Vec<String> {
    dataplane.kernel().flows.iter().map(|(_, place)| format!("{}:{}", place.address, place.port)).collect()
}

#[test]
fn flows_to_a_removed_endpoint_are_forgotten_and_others_live() {
    let before = state(&["10.96.0.10:53/UDP rr 10.0.0.1:53*1 10.0.0.2:53*1"]);
    let after = state(&["10.96.0.10:53/UDP rr 10.0.0.2:53*1"]);
    let mut dataplane = settled(&before);
    dataplane.kernel_mut().flows = [flow("10.0.0.1:53"), flow("10.0.0.2:53"), flow("10.0.0.3:53")].into();
    let report = dataplane.apply(difference(&before, &after), Instant::now());
    assert_eq!(report.forgotten_flows(), 1);
    assert_eq!(left(&dataplane), ["10.0.0.2:53", "10.0.0.3:53"]);
}

#[test]
fn flows_that_passed_by_a_new_virtual_server_are_forgotten() {
    let after = state(&["10.96.0.10:53/UDP rr 10.0.0.1:53*1"]);
    let mut dataplane = settled(&State::default());
    dataplane.kernel_mut().flows = [flow("10.96.0.10:53"), flow("10.0.0.1:53")].into();
    dataplane.apply(difference(&State::default(), &after), Instant::now());
    assert_eq!(left(&dataplane), ["10.0.0.1:53"]);
}

#[test]
fn all_flows_to_a_removed_virtual_server_are_forgotten() {
    let before = state(&["10.96.0.10:53/UDP rr 10.0.0.1:53*1"]);
    let mut dataplane = settled(&before);
    dataplane.kernel_mut().flows = [flow("10.0.0.1:53")].into();
    dataplane.apply(difference(&before, &State::default()), Instant::now());
    assert_eq!(left(&dataplane), [""; 0]);
}

/// A UDP virtual server that stands, and a flow past its real server.
fn standing() -> (State, FakeKernel) {
    let desired = state(&["10.96.0.10:53/UDP rr 10.0.0.1:53*1"]);
    let mut kernel = settled(&desired).into_kernel();
    kernel.flows = [flow("10.0.0.1:53"), flow("10.0.0.9:53")].into();
    (desired, kernel)
}

fn over(kernel: FakeKernel) -> Dataplane<FakeKernel> {
    Dataplane::new(
        kernel,
        Settings {
            sysctls: Vec::new(),
            timeouts: Timeouts::default(),
            drain_limit: Duration::from_secs(900),
        },
    )
}

#[test]
fn the_first_reconciliation_forgets_what_became_stale_before_the_start_and_audits_do_not_look() {
    let (_, kernel) = standing();
    let mut dataplane = over(kernel);
    // Something else differs as well.
    let desired = state(&["10.96.0.10:53/UDP rr 10.0.0.1:53*1", "10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    assert_eq!(reconcile(&mut dataplane, &desired).forgotten_flows(), 1);
    assert_eq!(left(&dataplane), ["10.0.0.1:53"]);

    dataplane.kernel_mut().flows.insert(flow("10.0.0.9:53"));
    assert_eq!(reconcile(&mut dataplane, &desired).forgotten_flows(), 0);
}

#[test]
fn after_a_lost_reply_all_flows_are_looked_at_again() {
    let (desired, kernel) = standing();
    let changed = state(&["10.96.0.10:53/UDP rr 10.0.0.1:53*1", "10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let mut dataplane = over(kernel);
    reconcile(&mut dataplane, &desired);
    dataplane.kernel_mut().lost_replies = 1;
    dataplane.apply(difference(&desired, &changed), Instant::now());
    dataplane.kernel_mut().flows.insert(flow("10.0.0.9:53"));
    dataplane.kernel_mut().state.virtual_servers.remove(&key("10.96.0.1:80/TCP"));
    assert_eq!(reconcile(&mut dataplane, &changed).forgotten_flows(), 1);
}

/// Rules have no say in where a flow leads.
#[test]
fn rules_that_cannot_be_written_do_not_keep_flows_from_being_looked_at() {
    let (desired, mut kernel) = standing();
    kernel.set_rules(Family::V4, "");
    kernel.refused_rules.push((Family::V4, "mangle"));
    let mut dataplane = over(kernel);
    let report = reconcile(&mut dataplane, &desired);
    assert_eq!((report.errors.len(), report.forgotten_flows()), (1, 1));
}

#[test]
fn flows_that_could_not_be_forgotten_are_by_the_next_reconciliation_whatever_came_between() {
    let (desired, kernel) = standing();
    let without = state(&["10.96.0.10:53/UDP rr"]);
    let other = state(&["10.96.0.10:53/UDP rr", "10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let mut dataplane = over(kernel);
    reconcile(&mut dataplane, &desired);
    let source = netlink::Error::LostReplies { what: "listing", reason: "asked for by a test" };
    dataplane.kernel_mut().flow_errors = vec![Error::Netlink { what: "listing tracked UDP flows", source }];
    assert!(!dataplane.apply(difference(&desired, &without), Instant::now()).is_complete());
    assert!(dataplane.apply(difference(&without, &other), Instant::now()).is_complete());
    assert_eq!(left(&dataplane), ["10.0.0.1:53"]);
    assert_eq!(reconcile(&mut dataplane, &other).forgotten_flows(), 1);
    assert_eq!(left(&dataplane), [""; 0]);
}

#[test]
fn a_kernel_that_does_not_tell_of_flows_is_complained_of_once_and_not_asked_again() {
    let (desired, mut kernel) = standing();
    let source = netlink::Error::LostReplies { what: "listing", reason: "asked for by a test" };
    kernel.flow_errors = vec![Error::NoConntrack { source }];
    let mut dataplane = over(kernel);
    let report = reconcile(&mut dataplane, &desired);
    assert_eq!((report.is_complete(), report.limitations.len()), (true, 1));
    let report = dataplane.apply(difference(&desired, &State::default()), Instant::now());
    assert_eq!((report.is_complete(), report.limitations.len(), report.forgotten_flows()), (true, 0, 0));
}
