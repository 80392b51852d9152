//! What the kernel refuses, and what it does not tell.

use super::super::sending::MOST_AT_ONCE;
use super::*;
use crate::Part;

#[test]
fn an_address_that_cannot_be_served_is_not_bound_and_only_the_cause_is_named() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1", "10.96.0.2:80/TCP rr"]);
    let mut dataplane = settled(&State::default());
    let refusal = ("add virtual server 10.96.0.1:80/TCP".to_owned(), Errno::EPERM);
    dataplane.kernel_mut().refusals.push(refusal);
    let report = dataplane.apply(difference(&State::default(), &desired), Instant::now());
    let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    expect!["cannot add virtual server 10.96.0.1:80/TCP: EPERM (Operation not permitted)"]
        .assert_eq(&failures.join("\n"));
    assert_eq!(dataplane.kernel().state.addresses, ["10.96.0.2".parse().unwrap()].into());

    // The next reconciliation tries again what failed, and only that.
    dataplane.kernel_mut().take_log();
    assert!(reconcile(&mut dataplane, &desired).is_complete());
    check_log(
        &mut dataplane,
        expect![[r#"
        add virtual server 10.96.0.1:80/TCP
        add real server 10.0.0.1:8080 to 10.96.0.1:80/TCP
        bind 10.96.0.1 to kube-ipvs0
    "#]],
    );
}

/// More operations than are handed over at once: what was refused in an earlier part still counts in a later one.
#[test]
fn a_refusal_counts_across_parts() {
    let lines: Vec<String> = (0..u16::try_from(MOST_AT_ONCE).unwrap())
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            format!("10.96.{high}.{low}:80/TCP rr 10.0.{high}.{low}:8080*1")
        })
        .collect();
    let desired = state(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut dataplane = settled(&State::default());
    let refusal = ("add virtual server 10.96.0.0:80/TCP".to_owned(), Errno::EPERM);
    dataplane.kernel_mut().refusals.push(refusal);
    let report = reconcile(&mut dataplane, &desired);
    assert_eq!((report.failures.len(), report.refused.total()), (1, 2));
    assert_eq!((report.differences.count(), report.differences.first.len()), (5 * MOST_AT_ONCE, 100));
    assert_eq!(report.sent, report.differences.count() - 1);
    assert_eq!(report.put_right().total(), report.differences.count() - 3);
    let kernel = &dataplane.kernel().state;
    assert_eq!(kernel.addresses.len(), MOST_AT_ONCE - 1);
    assert!(!kernel.addresses.contains(&key("10.96.0.0:80/TCP").address));
    assert!(reconcile(&mut dataplane, &desired).is_complete());
    assert_eq!(dataplane.kernel().state, desired);
}

#[test]
fn a_scheduler_that_the_kernel_lacks_is_named() {
    let desired = state(&["10.96.0.1:80/TCP fo 10.0.0.1:8080*1"]);
    let mut dataplane = settled(&State::default());
    dataplane.kernel_mut().missing_schedulers.insert(Scheduler::Fo);
    let report = reconcile(&mut dataplane, &desired);
    assert_eq!(report.missing_schedulers, [Scheduler::Fo]);
    assert_eq!(report.failures.len(), 1);
}

#[test]
fn lost_replies_make_the_report_incomplete_and_observing_again_settles_it() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let mut dataplane = settled(&State::default());
    dataplane.kernel_mut().lost_replies = 1;
    let report = dataplane.apply(difference(&State::default(), &desired), Instant::now());
    assert!(!report.is_complete());
    dataplane.kernel_mut().take_log();
    assert!(reconcile(&mut dataplane, &desired).is_complete());
    check_log(&mut dataplane, expect![""]);
}

#[test]
fn an_address_is_bound_again_though_one_of_its_ports_is_refused() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1", "10.96.0.1:443/TCP rr 10.0.0.1:443*1"]);
    let mut dataplane = settled(&desired);
    let kernel = dataplane.kernel_mut();
    kernel.refusals.push(("add virtual server 10.96.0.1:443/TCP".to_owned(), Errno::EPERM));
    kernel.state.virtual_servers.remove(&key("10.96.0.1:443/TCP"));
    kernel.state.addresses.clear();
    assert!(!reconcile(&mut dataplane, &desired).is_complete());
    assert_eq!(dataplane.kernel().state.addresses, desired.addresses);
}

#[test]
fn an_address_is_not_bound_for_a_port_that_goes() {
    let before = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1"]);
    let after = state(&["10.96.0.1:443/TCP rr 10.0.0.1:443*1"]);
    let mut dataplane = settled(&before);
    let kernel = dataplane.kernel_mut();
    kernel.refusals.push(("add virtual server 10.96.0.1:443/TCP".to_owned(), Errno::EPERM));
    kernel.state.addresses.clear();
    assert!(!reconcile(&mut dataplane, &after).is_complete());
    assert!(dataplane.kernel().state.addresses.is_empty());
}

const ONE: &str = "10.96.0.1:80/TCP rr 10.0.0.1:80*1";
const ANOTHER: &str = "10.96.0.2:80/TCP rr 10.0.0.2:80*1";
const GOING: &str = "10.96.0.3:80/TCP rr 10.0.0.3:80*1";

/// Two Services go while `trouble` has one of them remain: the entries that tell whose it is stay with it, so that
/// the next audit, or another process, removes it.
#[track_caller]
fn check_removal(trouble: impl FnOnce(&mut FakeKernel), expected: Expect) {
    let before = state(&[ONE, ANOTHER, GOING]);
    let after = state(&[ONE]);
    let mut dataplane = settled(&before);
    trouble(dataplane.kernel_mut());
    let report = dataplane.apply(difference(&before, &after), Instant::now());
    assert!(!report.is_complete());
    let held_back: Vec<String> = report.held_back.iter().map(ToString::to_string).collect();
    expected.assert_eq(&held_back.join("\n"));
    assert_ne!(dataplane.kernel().state, after);
    let report = audit(&mut dataplane, &after, &options());
    assert!(report.is_complete());
    assert_eq!((report.foreign, dataplane.kernel().state.clone()), (Some(Foreign::default()), after));
}

fn refused(operation: &str) -> impl FnOnce(&mut FakeKernel) {
    let refusal = (operation.to_owned(), Errno::EPERM);
    move |kernel| kernel.refusals.push(refusal)
}

fn unreachable(part: Part) -> impl FnOnce(&mut FakeKernel) {
    move |kernel| kernel.unreachable.push(part)
}

#[test]
fn what_could_not_be_removed_stays_ours() {
    check_removal(
        refused("unbind 10.96.0.2 from kube-ipvs0"),
        expect!["remove set entry KUBE-IPVS-IPS 10.96.0.2"],
    );
    check_removal(
        refused("remove virtual server 10.96.0.2:80/TCP"),
        expect![[r#"
            remove set entry KUBE-IPVS-IPS 10.96.0.2
            remove set entry KUBE-CLUSTER-IP 10.96.0.2,tcp:80"#]],
    );
}

#[test]
fn what_may_not_have_been_removed_stays_ours() {
    for part in [Part::Addresses, Part::Ipvs] {
        check_removal(
            unreachable(part),
            expect![[r#"
                remove set entry KUBE-IPVS-IPS 10.96.0.2
                remove set entry KUBE-IPVS-IPS 10.96.0.3
                remove set entry KUBE-CLUSTER-IP 10.96.0.2,tcp:80
                remove set entry KUBE-CLUSTER-IP 10.96.0.3,tcp:80"#]],
        );
    }
}
