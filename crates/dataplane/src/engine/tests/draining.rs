//! Real servers that go while they have connections.

use super::*;

#[test]
fn a_removed_endpoint_keeps_its_connections_until_they_end() {
    let before = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1 10.0.0.2:8080*1"]);
    let after = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let mut dataplane = settled(&before);
    connect(&mut dataplane, "10.96.0.1:80/TCP", "10.0.0.2:8080*1", 1);

    dataplane.apply(difference(&before, &after), Instant::now());
    check_log(
        &mut dataplane,
        expect![[r#"
        set weight 0 of real server 10.0.0.2:8080 of 10.96.0.1:80/TCP
    "#]],
    );
    assert_eq!(dataplane.draining(), 1);

    // An audit does not take a draining real server for a mistake.
    assert!(reconcile(&mut dataplane, &after).differences.count() == 0);
    dataplane.sweep(Instant::now());
    check_log(&mut dataplane, expect![""]);

    dataplane.kernel_mut().connections.clear();
    dataplane.sweep(Instant::now());
    check_log(
        &mut dataplane,
        expect![[r#"
        remove real server 10.0.0.2:8080 from 10.96.0.1:80/TCP
    "#]],
    );
    assert_eq!(dataplane.draining(), 0);
    assert_eq!(dataplane.kernel().state, after);
}

#[test]
fn an_idle_endpoint_is_removed_with_the_change() {
    let before = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let after = state(&["10.96.0.1:80/TCP rr"]);
    let mut dataplane = settled(&before);
    let report = dataplane.apply(difference(&before, &after), Instant::now());
    assert_eq!((report.draining, report.drained), (1, 1));
    assert_eq!(dataplane.kernel().state, after);
}

#[test]
fn an_endpoint_that_returns_while_it_drains_keeps_its_connections() {
    let before = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let after = state(&["10.96.0.1:80/TCP rr"]);
    let mut dataplane = settled(&before);
    connect(&mut dataplane, "10.96.0.1:80/TCP", "10.0.0.1:8080*1", 7);
    dataplane.apply(difference(&before, &after), Instant::now());
    dataplane.apply(difference(&after, &before), Instant::now());
    check_log(
        &mut dataplane,
        expect![[r#"
        set weight 0 of real server 10.0.0.1:8080 of 10.96.0.1:80/TCP
        set weight 1 of real server 10.0.0.1:8080 of 10.96.0.1:80/TCP
    "#]],
    );
    assert_eq!(dataplane.draining(), 0);
}

#[test]
fn draining_has_an_end_and_udp_does_not_drain() {
    let before = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1", "10.96.0.1:53/UDP rr 10.0.0.1:53*1"]);
    let after = state(&["10.96.0.1:80/TCP rr", "10.96.0.1:53/UDP rr"]);
    let mut dataplane = settled(&before);
    for server in ["10.96.0.1:80/TCP", "10.96.0.1:53/UDP"] {
        let port = if server.ends_with("UDP") { 53 } else { 8080 };
        let real = real(&format!("10.0.0.1:{port}*1")).key();
        dataplane.kernel_mut().connections.insert((key(server), real), 1);
    }
    let began = Instant::now();
    dataplane.apply(difference(&before, &after), began);
    check_log(
        &mut dataplane,
        expect![[r#"
        remove real server 10.0.0.1:53 from 10.96.0.1:53/UDP
        set weight 0 of real server 10.0.0.1:8080 of 10.96.0.1:80/TCP
    "#]],
    );
    dataplane.sweep(began + Duration::from_secs(899));
    check_log(&mut dataplane, expect![""]);
    dataplane.sweep(began + Duration::from_secs(900));
    check_log(
        &mut dataplane,
        expect![[r#"
        remove real server 10.0.0.1:8080 from 10.96.0.1:80/TCP
    "#]],
    );
}

#[test]
fn a_restart_remembers_what_was_draining_without_sending_anything() {
    let desired = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let draining = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1 10.0.0.2:8080*0"]);
    let mut dataplane = settled(&desired);
    dataplane.kernel_mut().state = draining;
    connect(&mut dataplane, "10.96.0.1:80/TCP", "10.0.0.2:8080*0", 1);
    reconcile(&mut dataplane, &desired);
    check_log(&mut dataplane, expect![""]);
    assert_eq!(dataplane.draining(), 1);
}

/// Somebody else has deleted it, so that it has no connections either.
#[test]
fn a_removed_endpoint_that_is_gone_already_needs_no_draining() {
    let before = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1 10.0.0.2:8080*1"]);
    let after = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let mut dataplane = settled(&before);
    dataplane.kernel_mut().state = after.clone();
    assert!(dataplane.apply(difference(&before, &after), Instant::now()).is_complete());
    assert_eq!(dataplane.draining(), 0);
}

#[test]
fn an_endpoint_that_should_stay_and_is_gone_is_missed() {
    let before = state(&["10.96.0.1:80/TCP wrr 10.0.0.1:8080*1 10.0.0.2:8080*1"]);
    let after = state(&["10.96.0.1:80/TCP wrr 10.0.0.1:8080*1 10.0.0.2:8080*0"]);
    let mut dataplane = settled(&before);
    dataplane.kernel_mut().state = state(&["10.96.0.1:80/TCP wrr 10.0.0.1:8080*1"]);
    assert!(!dataplane.apply(difference(&before, &after), Instant::now()).is_complete());
}

#[test]
fn an_endpoint_that_returns_behind_a_virtual_server_that_was_made_again_is_added() {
    let both = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1 10.0.0.2:8080*1"]);
    let one = state(&["10.96.0.1:80/TCP rr 10.0.0.1:8080*1"]);
    let mut dataplane = settled(&both);
    connect(&mut dataplane, "10.96.0.1:80/TCP", "10.0.0.2:8080*1", 1);
    dataplane.apply(difference(&both, &one), Instant::now());
    dataplane.kernel_mut().state.virtual_servers.clear();
    reconcile(&mut dataplane, &one);
    assert_eq!(dataplane.draining(), 0);
    assert!(dataplane.apply(difference(&one, &both), Instant::now()).is_complete());
    assert_eq!(dataplane.kernel().state, both);
}
