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

#[test]
fn what_is_refused_for_good_does_not_keep_the_rules_of_another_mode() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1", "10.96.0.2:80/TCP rr 10.0.0.2:80*1"]);
    let mut dataplane = served_by_another_mode();
    let refusal = ("add virtual server 10.96.0.1:80/TCP".to_owned(), Errno::EPERM);
    dataplane.kernel_mut().refusals = vec![refusal; 4];
    assert!(!reconcile(&mut dataplane, &desired).serves && is_theirs(&mut dataplane));
    assert!(!audit(&mut dataplane, &desired, &options()).serves && is_theirs(&mut dataplane));
    let report = audit(&mut dataplane, &desired, &options());
    assert!(report.serves && !report.is_complete() && !is_theirs(&mut dataplane));
}

#[test]
fn rules_of_another_mode_stand_while_most_is_refused() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:80*1"]);
    let mut dataplane = served_by_another_mode();
    let refusal = ("add virtual server 10.96.0.1:80/TCP".to_owned(), Errno::EPERM);
    dataplane.kernel_mut().refusals = vec![refusal; 10];
    for _ in 0..10 {
        assert!(!reconcile(&mut dataplane, &desired).serves && is_theirs(&mut dataplane));
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
