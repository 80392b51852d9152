use expect_test::expect;
use netlink::Errno;
use proptest::prelude::*;

use super::super::tests::{
    any_state, beside_others, check_log, connect, damaged, dataplane, key, options, real, settled, state,
};
use super::*;
use crate::fake::FakeKernel;
use plan::difference;

/// Audits until the end.
fn audit(dataplane: &mut Dataplane<FakeKernel>, desired: &State) -> Report {
    dataplane.begin_audit(&options());
    finish(dataplane, desired)
}

fn finish(dataplane: &mut Dataplane<FakeKernel>, desired: &State) -> Report {
    loop {
        if let Progress::Done(report) = step(dataplane, desired) {
            return *report;
        }
    }
}

fn step(dataplane: &mut Dataplane<FakeKernel>, desired: &State) -> Progress {
    let urgent = State::default();
    dataplane.audit(Target { desired, urgent: &urgent, options: &options() }, Instant::now())
}

/// Takes looks up to the first at real servers.
fn look_at_structure(dataplane: &mut Dataplane<FakeKernel>, desired: &State) {
    let is_next = |look: &Look| matches!(look, Look::RealServers(_));
    while !dataplane.audit.as_ref().unwrap().looks.front().is_some_and(is_next) {
        step(dataplane, desired);
    }
}

fn many(count: u8) -> State {
    let lines: Vec<String> =
        (0..count).map(|number| format!("10.96.0.{number}:80/TCP rr 10.0.0.{number}:80*1")).collect();
    state(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn an_audit_of_what_is_as_planned_sends_nothing() {
    let desired = many(200);
    let mut dataplane = settled(&desired);
    dataplane.begin_audit(&options());
    look_at_structure(&mut dataplane, &desired);
    for _ in 0..200_usize.div_ceil(MOST_VIRTUAL_SERVERS) {
        assert!(matches!(step(&mut dataplane, &desired), Progress::GoesOn));
    }
    let report = finish(&mut dataplane, &desired);
    assert!(report.is_complete() && report.repaired.is_empty() && report.differences.count() == 0);
    check_log(&mut dataplane, expect![""]);
}

#[test]
fn what_differs_is_put_right_and_counted_once() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1", "10.96.0.2:80/TCP rr 10.0.0.2:80*1"]);
    let mut dataplane = settled(&desired);
    let kernel = dataplane.kernel_mut();
    kernel.state.virtual_servers.remove(&key("10.96.0.1:80/TCP"));
    kernel.state.addresses.clear();
    let behind = kernel.state.virtual_servers.get_mut(&key("10.96.0.2:80/TCP")).unwrap();
    Arc::make_mut(behind).real_servers = vec![real("10.0.0.3:80*1")];
    let report = audit(&mut dataplane, &desired);
    assert_eq!(report.differences.count(), 6);
    check_log(
        &mut dataplane,
        expect![[r#"
            add virtual server 10.96.0.1:80/TCP
            add real server 10.0.0.1:80 to 10.96.0.1:80/TCP
            bind 10.96.0.1 to kube-ipvs0
            bind 10.96.0.2 to kube-ipvs0
            add real server 10.0.0.2:80 to 10.96.0.2:80/TCP
            set weight 0 of real server 10.0.0.3:80 of 10.96.0.2:80/TCP
            remove real server 10.0.0.3:80 from 10.96.0.2:80/TCP
        "#]],
    );
    assert_eq!(dataplane.kernel().state, desired);
}

#[test]
fn changes_between_two_looks_are_not_taken_for_mistakes() {
    let before = many(100);
    let mut after = before.clone();
    after.virtual_servers.remove(&key("10.96.0.99:80/TCP"));
    after.virtual_servers.insert(
        key("10.96.0.1:80/TCP"),
        Arc::clone(&state(&["10.96.0.1:80/TCP rr 10.0.0.7:80*1"]).virtual_servers[&key("10.96.0.1:80/TCP")]),
    );
    let mut dataplane = settled(&before);
    dataplane.begin_audit(&options());
    look_at_structure(&mut dataplane, &before);
    assert!(dataplane.apply(difference(&before, &after), Instant::now()).is_complete());
    assert_eq!(finish(&mut dataplane, &after).differences.count(), 0);
    assert_eq!(dataplane.kernel().state, after);
}

#[test]
fn an_audit_that_begins_again_looks_at_the_structure_again() {
    let desired = many(100);
    let mut dataplane = settled(&desired);
    dataplane.begin_audit(&options());
    look_at_structure(&mut dataplane, &desired);
    step(&mut dataplane, &desired);
    dataplane.kernel_mut().state.addresses.clear();
    dataplane.begin_audit(&options());
    look_at_structure(&mut dataplane, &desired);
    assert_eq!(dataplane.kernel().state, desired);
    let looks = &dataplane.audit.as_ref().unwrap().looks;
    assert!(!looks.contains(&Look::RealServers(Bound::Unbounded)), "real servers are not looked at again");
    assert_eq!(finish(&mut dataplane, &desired).differences.count(), 100);
}

#[test]
fn what_somebody_else_made_is_counted_and_left_alone() {
    let desired = state(&["10.96.0.1:80/TCP rr"]);
    let mut dataplane = beside_others(&desired);
    let report = audit(&mut dataplane, &desired);
    check_log(&mut dataplane, expect![""]);
    assert_eq!(report.foreign.unwrap().count(), 2);
}

#[test]
fn what_could_not_be_listed_leaves_the_count_of_others_as_it_was() {
    let desired = state(&["10.96.0.1:80/TCP rr"]);
    let mut dataplane = beside_others(&desired);
    dataplane.begin_audit(&options());
    while dataplane.audit.as_ref().unwrap().looks.front() != Some(&Look::VirtualServers) {
        step(&mut dataplane, &desired);
    }
    dataplane.kernel_mut().failing_reads = 1;
    let report = finish(&mut dataplane, &desired);
    assert_eq!((report.errors.len(), report.foreign), (1, None));
}

#[test]
fn real_servers_behind_a_refused_virtual_server_are_no_failures_of_their_own() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1 10.0.0.2:80*1"]);
    let mut dataplane = settled(&State::default());
    dataplane.kernel_mut().refusals.push(("add virtual server 10.96.0.1:80/TCP".into(), Errno::EPERM));
    let report = audit(&mut dataplane, &desired);
    let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
}

#[test]
fn what_drains_is_not_taken_for_a_mistake() {
    let before = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1 10.0.0.2:8080*1"]);
    let after = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let mut dataplane = settled(&before);
    connect(&mut dataplane, "10.96.0.1:80/TCP", "10.0.0.2:8080*1", 1);
    dataplane.apply(difference(&before, &after), Instant::now());
    assert_eq!(audit(&mut dataplane, &after).differences.count(), 0);
    assert_eq!(dataplane.draining(), 1);
}

#[test]
fn rules_that_somebody_changed_are_written_again() {
    let mut dataplane = settled(&State::default());
    assert_eq!(dataplane.kernel().restores, 1);
    dataplane.kernel_mut().set_rules(Family::V4, "");
    let report = audit(&mut dataplane, &State::default());
    assert!(!report.repaired.is_empty());
    assert_eq!(dataplane.kernel().restores, 2);
}

/// What was prepared is first read by an audit, which learns how the rules are worded there.
#[test]
fn rules_in_other_words_are_no_difference() {
    let mut dataplane = dataplane();
    dataplane.kernel_mut().other_word = Some(("-j RETURN", "--jump RETURN"));
    dataplane.prepare(&options(), Instant::now());
    let desired = State::default();
    let urgent = State::default();
    let target = Target { desired: &desired, urgent: &urgent, options: &options() };
    assert!(dataplane.reconcile(target, Instant::now()).is_complete());
    assert_eq!(dataplane.kernel().restores, 1);
    for _ in 0..2 {
        assert!(audit(&mut dataplane, &desired).repaired.is_empty());
        assert_eq!(dataplane.kernel().restores, 2);
    }
}

proptest! {
    /// From whatever a predecessor left and whatever was broken by hand, one audit leads to the plan.
    #[test]
    fn an_audit_leads_to_the_plan_from_anywhere(left in any_state(), damage in any_state(), desired in any_state()) {
        let mut dataplane = damaged(&left, &damage);
        prop_assert!(audit(&mut dataplane, &desired).is_complete());
        prop_assert_eq!(&dataplane.kernel().state, &desired);
        dataplane.kernel_mut().take_log();
        audit(&mut dataplane, &desired);
        prop_assert_eq!(dataplane.kernel_mut().take_log(), "");
    }
}
