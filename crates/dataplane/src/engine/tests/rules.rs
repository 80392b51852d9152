//! When rules are written, and when they wait.

use super::*;

fn saved(dataplane: &mut Dataplane<FakeKernel>) -> String {
    dataplane.kernel_mut().saved_rules(Family::V4).unwrap()
}

#[test]
fn changed_rules_are_written_where_ours_are_put_in_other_words() {
    let desired = State::default();
    let mut dataplane = dataplane();
    dataplane.kernel_mut().other_word = Some(("-j RETURN", "--jump RETURN"));
    reconcile(&mut dataplane, &desired);
    audit(&mut dataplane, &desired, &options());
    let changed = Options { masquerade_mark: 1 << 5, ..options() };
    assert!(!audit(&mut dataplane, &desired, &changed).repaired.is_empty());
    assert!(saved(&mut dataplane).contains("0x20/0x20"));
    // Their words are known by now as well.
    let restores = dataplane.kernel().restores;
    assert!(audit(&mut dataplane, &desired, &changed).repaired.is_empty());
    assert_eq!(dataplane.kernel().restores, restores);
}

/// A data plane without anything of ours, on a node that kube-proxy's mode iptables serves.
fn served_by_another_mode() -> Dataplane<FakeKernel> {
    let mut dataplane = dataplane();
    dataplane.kernel_mut().set_rules(
        Family::V4,
        "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]\n\
         -A KUBE-SERVICES -j KUBE-SVC-NPX46M4PTMTKRN6Y\nCOMMIT\n",
    );
    dataplane
}

fn is_theirs(dataplane: &mut Dataplane<FakeKernel>) -> bool {
    saved(dataplane).contains("-j KUBE-SVC")
}

#[test]
fn rules_of_another_mode_stand_until_everything_is_served() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1"]);
    let mut dataplane = served_by_another_mode();
    let refusal = ("add virtual server 10.96.0.1:80/TCP".to_owned(), Errno::EPERM);
    dataplane.kernel_mut().refusals = vec![refusal.clone(), refusal];
    assert!(!reconcile(&mut dataplane, &desired).is_complete());
    assert!(is_theirs(&mut dataplane), "after a reconciliation in which something was refused");
    assert!(!audit(&mut dataplane, &desired, &options()).is_complete());
    assert!(is_theirs(&mut dataplane), "after such an audit");
    assert!(audit(&mut dataplane, &desired, &options()).is_complete());
    assert!(!is_theirs(&mut dataplane));

    // From then on ours are put right whatever else fails.
    dataplane.kernel_mut().set_rules(Family::V4, "");
    dataplane.kernel_mut().failing_reads = 1;
    assert!(!audit(&mut dataplane, &desired, &options()).is_complete());
    assert!(saved(&mut dataplane).contains("KUBE-POSTROUTING"));
}

#[track_caller]
fn check_takeover(refused: &[&str], attempts: usize) {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1", "10.96.0.2:80/TCP rr 10.0.0.2:80*1"]);
    let mut dataplane = served_by_another_mode();
    let refusals = refused.iter().map(|operation| ((*operation).to_owned(), Errno::EPERM));
    dataplane.kernel_mut().refusals = refusals.cycle().take(100).collect();
    for _ in 1..attempts {
        assert!(reconcile(&mut dataplane, &desired).serves.is_empty());
        assert!(is_theirs(&mut dataplane));
    }
    let report = audit(&mut dataplane, &desired, &options());
    assert!(!report.is_complete() && !report.serves.is_empty() && !is_theirs(&mut dataplane));
}

#[test]
fn what_is_refused_for_good_does_not_keep_the_rules_of_another_mode() {
    check_takeover(&["add virtual server 10.96.0.1:80/TCP"], 3);
    check_takeover(&["bind 10.96.0.2 to kube-ipvs0"], 3);
}

/// As where IPVS has no IPv6.
#[test]
fn a_family_that_is_refused_altogether_goes_on_without_the_other() {
    let both = Options { families: Family::ALL.into(), ..options() };
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1", "[fd00:96::1]:80/TCP rr [fd00::1]:80*1"]);
    let mut dataplane = served_by_another_mode();
    let theirs = saved(&mut dataplane);
    dataplane.kernel_mut().set_rules(Family::V6, &theirs);
    let refusal = ("add virtual server [fd00:96::1]:80/TCP".to_owned(), Errno::EPERM);
    dataplane.kernel_mut().refusals = vec![refusal; 10];
    for _ in 0..5 {
        assert_eq!(audit(&mut dataplane, &desired, &both).serves, [Family::V4].into());
        let saved = Family::ALL.map(|family| dataplane.kernel_mut().saved_rules(family).unwrap());
        assert_eq!(saved.map(|saved| saved.contains("-j KUBE-SVC")), [false, true]);
    }
}

#[test]
fn rules_of_another_mode_stand_while_most_is_refused() {
    for refused in ["add virtual server 10.96.0.1:80/TCP", "bind 10.96.0.1 to kube-ipvs0"] {
        let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1"]);
        let mut dataplane = served_by_another_mode();
        dataplane.kernel_mut().refusals = vec![(refused.to_owned(), Errno::EPERM); 10];
        for _ in 0..10 {
            assert!(reconcile(&mut dataplane, &desired).serves.is_empty() && is_theirs(&mut dataplane));
        }
    }
}

#[test]
fn rules_of_another_mode_stand_where_the_kernel_could_not_be_read() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1"]);
    let mut dataplane = served_by_another_mode();
    dataplane.kernel_mut().failing_reads = 2;
    for _ in 0..2 {
        assert!(!reconcile(&mut dataplane, &desired).is_complete());
        assert!(is_theirs(&mut dataplane));
    }
    assert!(reconcile(&mut dataplane, &desired).is_complete());
    assert!(!is_theirs(&mut dataplane));
}
