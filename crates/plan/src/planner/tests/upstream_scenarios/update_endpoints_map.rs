//! What `Test_updateEndpointsMap` changes, each from the state before it.

use super::*;

fn check(services: &str, before: &str, after: &str, expected: Expect) {
    check_story("", &format!("{services}\n{before}"), after, expected);
}

const ONE: &str = "service svc1 172.16.55.1 p11:11/UDP p12:12/UDP";

#[test]
fn nothing() {
    check(
        ONE,
        "",
        "slice x other p11:11/UDP 1.1.1.1@n2",
        expect![[r#"
            # slice x other p11:11/UDP 1.1.1.1@n2
        "#]],
    );
}

#[test]
fn no_change() {
    let slices = ["slice a svc1 p11:11/UDP 1.1.1.1@n1", "slice b svc1 p12:12/UDP 1.1.1.2@n2"];
    check(
        ONE,
        &slices.join("\n"),
        slices[0],
        expect![[r#"
            # slice a svc1 p11:11/UDP 1.1.1.1@n1
        "#]],
    );
    check(
        ONE,
        &slices.join("\n"),
        slices[1],
        expect![[r#"
            # slice b svc1 p12:12/UDP 1.1.1.2@n2
        "#]],
    );
}

#[test]
fn add_and_remove_a_slice() {
    check(
        ONE,
        "",
        "slice a svc1 p11:11/UDP 1.1.1.1@n1\nno-slice a",
        expect![[r#"
            # slice a svc1 p11:11/UDP 1.1.1.1@n1
            + ipset add KUBE-LOOP-BACK 1.1.1.1,udp:11,1.1.1.1
            + ipvsadm -a -u 172.16.55.1:11 -r 1.1.1.1:11 -m -w 1
            # no-slice a
            - ipvsadm -d -u 172.16.55.1:11 -r 1.1.1.1:11
            - ipset del KUBE-LOOP-BACK 1.1.1.1,udp:11,1.1.1.1
        "#]],
    );
}

#[test]
fn add_and_remove_an_address_and_port() {
    check(
        ONE,
        "slice a svc1 p11:11/UDP 1.1.1.1@n2",
        "slice a svc1 p11:11/UDP p12:12/UDP 1.1.1.1@n2 1.1.1.2@n1
             slice a svc1 p11:11/UDP 1.1.1.1@n2",
        expect![[r#"
            # slice a svc1 p11:11/UDP p12:12/UDP 1.1.1.1@n2 1.1.1.2@n1
            + ipset add KUBE-LOOP-BACK 1.1.1.2,udp:11,1.1.1.2
            + ipset add KUBE-LOOP-BACK 1.1.1.2,udp:12,1.1.1.2
            + ipvsadm -a -u 172.16.55.1:11 -r 1.1.1.2:11 -m -w 1
            + ipvsadm -a -u 172.16.55.1:12 -r 1.1.1.1:12 -m -w 1
            + ipvsadm -a -u 172.16.55.1:12 -r 1.1.1.2:12 -m -w 1
            # slice a svc1 p11:11/UDP 1.1.1.1@n2
            - ipvsadm -d -u 172.16.55.1:11 -r 1.1.1.2:11
            - ipvsadm -d -u 172.16.55.1:12 -r 1.1.1.1:12
            - ipvsadm -d -u 172.16.55.1:12 -r 1.1.1.2:12
            - ipset del KUBE-LOOP-BACK 1.1.1.2,udp:11,1.1.1.2
            - ipset del KUBE-LOOP-BACK 1.1.1.2,udp:12,1.1.1.2
        "#]],
    );
}

#[test]
fn add_and_remove_a_second_slice() {
    check(
        ONE,
        "slice a svc1 p11:11/UDP 1.1.1.1@n2",
        "slice b svc1 p12:12/UDP 1.1.1.2@n2\nno-slice b",
        expect![[r#"
            # slice b svc1 p12:12/UDP 1.1.1.2@n2
            + ipvsadm -a -u 172.16.55.1:12 -r 1.1.1.2:12 -m -w 1
            # no-slice b
            - ipvsadm -d -u 172.16.55.1:12 -r 1.1.1.2:12
        "#]],
    );
}

#[test]
fn rename_a_port() {
    check(
        ONE,
        "slice a svc1 p11:11/UDP 1.1.1.1@n2",
        "slice a svc1 p11-2:11/UDP 1.1.1.1@n2",
        expect![[r#"
            # slice a svc1 p11-2:11/UDP 1.1.1.1@n2
            - ipvsadm -d -u 172.16.55.1:11 -r 1.1.1.1:11
        "#]],
    );
}

#[test]
fn renumber_a_port() {
    check(
        ONE,
        "slice a svc1 p11:11/UDP 1.1.1.1@n2",
        "slice a svc1 p11:22/UDP 1.1.1.1@n2",
        expect![[r#"
            # slice a svc1 p11:22/UDP 1.1.1.1@n2
            + ipvsadm -a -u 172.16.55.1:11 -r 1.1.1.1:22 -m -w 1
            - ipvsadm -d -u 172.16.55.1:11 -r 1.1.1.1:11
        "#]],
    );
}

#[test]
fn add_and_remove_over_four_services() {
    let services = "service svc1 172.16.55.1 p11:11/UDP p12:12/UDP
                        service svc2 172.16.55.2 p22:22/UDP p23:23/UDP
                        service svc3 172.16.55.3 p33:33/UDP
                        service svc4 172.16.55.4 p44:44/UDP p45:45/UDP";
    check(
        services,
        "slice a svc1 p11:11/UDP 1.1.1.1@n2
             slice b svc2 p22:22/UDP 2.2.2.2@n1 2.2.2.22@n1
             slice c svc2 p23:23/UDP 2.2.2.3@n1
             slice d svc4 p44:44/UDP 4.4.4.4@n1
             slice e svc4 p45:45/UDP 4.4.4.5@n1",
        "slice a svc1 p11:11/UDP 1.1.1.1@n2 1.1.1.11@n2
             slice f svc1 p12:12/UDP 1.1.1.2@n2
             no-slice b
             no-slice c
             slice g svc3 p33:33/UDP 3.3.3.3@n2
             slice d svc4 p44:44/UDP 4.4.4.4@n1
             no-slice e",
        expect![[r#"
            # slice a svc1 p11:11/UDP 1.1.1.1@n2 1.1.1.11@n2
            + ipvsadm -a -u 172.16.55.1:11 -r 1.1.1.11:11 -m -w 1
            # slice f svc1 p12:12/UDP 1.1.1.2@n2
            + ipvsadm -a -u 172.16.55.1:12 -r 1.1.1.2:12 -m -w 1
            # no-slice b
            - ipvsadm -d -u 172.16.55.2:22 -r 2.2.2.2:22
            - ipvsadm -d -u 172.16.55.2:22 -r 2.2.2.22:22
            - ipset del KUBE-LOOP-BACK 2.2.2.2,udp:22,2.2.2.2
            - ipset del KUBE-LOOP-BACK 2.2.2.22,udp:22,2.2.2.22
            # no-slice c
            - ipvsadm -d -u 172.16.55.2:23 -r 2.2.2.3:23
            - ipset del KUBE-LOOP-BACK 2.2.2.3,udp:23,2.2.2.3
            # slice g svc3 p33:33/UDP 3.3.3.3@n2
            + ipvsadm -a -u 172.16.55.3:33 -r 3.3.3.3:33 -m -w 1
            # slice d svc4 p44:44/UDP 4.4.4.4@n1
            # no-slice e
            - ipvsadm -d -u 172.16.55.4:45 -r 4.4.4.5:45
            - ipset del KUBE-LOOP-BACK 4.4.4.5,udp:45,4.4.4.5
        "#]],
    );
}

#[test]
fn a_slice_without_addresses_gets_one_port() {
    check(
        "service svc1 172.16.55.1 11/UDP",
        "slice a svc1 11/UDP",
        "slice a svc1 11/UDP 1.1.1.1@n2",
        expect![[r#"
            # slice a svc1 11/UDP 1.1.1.1@n2
            + ipvsadm -a -u 172.16.55.1:11 -r 1.1.1.1:11 -m -w 1
        "#]],
    );
}
