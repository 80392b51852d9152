//! What is done before it is known what to serve, and what the first reconciliation makes of it.

use super::*;
use plan::SetId;

#[test]
fn what_was_prepared_is_not_done_again_and_told_by_the_first_reconciliation() {
    let mut dataplane = dataplane();
    dataplane.prepare(&options(), Instant::now());
    assert_eq!(dataplane.kernel().restores, 1);
    assert!(dataplane.kernel_mut().take_log().contains("create interface kube-ipvs0"));
    let report = reconcile(&mut dataplane, &State::default());
    assert!(report.is_complete() && repaired(&report, "interface kube-ipvs0 created"));
    assert_eq!((dataplane.kernel().restores, dataplane.kernel_mut().take_log()), (1, String::new()));
    // Only once: later ones look at everything again.
    dataplane.kernel_mut().set_rules(Family::V4, "");
    assert!(!reconcile(&mut dataplane, &State::default()).repaired.is_empty());
}

/// What it could not do is no reason to forget what it did, and what it found.
#[test]
fn what_could_not_be_prepared_is_given_and_done_by_the_first_reconciliation() {
    let sysctls = vec![Sysctl { name: "net/wished", value: "1".to_owned(), needed: false, least: false }];
    let settings = Settings { sysctls, timeouts: Timeouts::default(), drain_limit: Duration::ZERO };
    let mut dataplane = Dataplane::new(FakeKernel::new(), settings);
    dataplane.kernel_mut().read_only_sysctls = true;
    dataplane.kernel_mut().refused_rules.push((Family::V4, "KUBE-SERVICES"));
    let errors = dataplane.prepare(&options(), Instant::now());
    assert!(matches!(errors[..], [Error::ProgramFailed { .. }]), "{errors:?}");
    let report = reconcile(&mut dataplane, &State::default());
    assert!(report.is_complete() && repaired(&report, "interface kube-ipvs0 created"));
    assert_eq!((report.limitations.len(), dataplane.kernel().restores), (1, 2));
}

/// A set of somebody else's by one of our names costs what needs that set.
#[test]
fn a_set_that_does_not_fit_does_not_keep_the_others_from_being_made() {
    let set = SetId::by_name("KUBE-CLUSTER-IP").unwrap();
    let mut dataplane = dataplane();
    dataplane.kernel_mut().foreign_sets.insert(set);
    let errors = dataplane.prepare(&options(), Instant::now());
    assert!(matches!(errors[..], [Error::SetMismatch { .. }]), "{errors:?}");
    let kernel = dataplane.kernel();
    assert!(kernel.interface && !kernel.sets.contains(&set));
    assert_eq!((kernel.sets.len(), kernel.restores), (SetId::all(Family::V4).count() - 1, 1));
    assert!(!reconcile(&mut dataplane, &State::default()).is_complete(), "it goes on to be told");
}

#[test]
fn rules_that_may_serve_traffic_stand_until_there_is_something_in_their_place() {
    let mut dataplane = dataplane();
    dataplane.kernel_mut().set_rules(
        Family::V4,
        "*nat\n:KUBE-SERVICES - [0:0]\n-A KUBE-SERVICES -d 10.96.0.1/32 -j ACCEPT\nCOMMIT\n",
    );
    dataplane.prepare(&options(), Instant::now());
    assert_eq!(dataplane.kernel().restores, 0);
    reconcile(&mut dataplane, &State::default());
    assert_eq!(dataplane.kernel().restores, 1);
}

#[test]
fn rules_are_written_again_if_others_are_wanted_than_were_prepared() {
    let mut dataplane = dataplane();
    dataplane.prepare(&Options { masquerade_all: true, ..options() }, Instant::now());
    reconcile(&mut dataplane, &State::default());
    assert_eq!(dataplane.kernel().restores, 2);
}

#[test]
fn an_observation_is_relied_upon_for_a_while() {
    let left = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*2"]);
    for (age, operations) in [(30, 1), (31, 2)] {
        let mut dataplane = settled(&left);
        let began = Instant::now();
        dataplane.prepare(&options(), began);
        // Somebody takes an address away meanwhile.
        dataplane.kernel_mut().state.addresses.clear();
        let target = Target { desired: &desired, urgent: &State::default(), options: &options() };
        let report = dataplane.reconcile(target, began + Duration::from_secs(age));
        assert_eq!(report.differences.count(), operations, "after {age} s");
        // What was missed is seen by the next one.
        reconcile(&mut dataplane, &desired);
        assert_eq!(dataplane.kernel().state, desired);
    }
}
