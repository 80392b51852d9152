//! The scenarios of upstream's proxier tests (`pkg/proxy/ipvs/proxier_test.go` of Kubernetes 1.36) that consist
//! of several steps, each with the name of the test and the case. `docs/upstream-scenarios.md` has the list.

mod update_endpoints_map;

use super::*;
use crate::SetName;

/// Tells a planner one text after the other, and compares what is served after each.
fn check_steps<const N: usize>(steps: [(&str, Expect); N]) {
    let mut cluster = cluster("");
    let mut planner = Planner::new(Options::default());
    for (lines, expected) in steps {
        let lines = lines.lines().filter(|line| !line.trim().is_empty());
        step(&mut planner, &mut cluster, lines.map(change).collect());
        expected.assert_eq(&served(&planner));
    }
}

/// The virtual servers of a planner, each with its real servers, and its health-check ports.
fn served(planner: &Planner) -> String {
    let mut lines = String::new();
    for (key, server) in &planner.desired().state().virtual_servers {
        let reals: String = server.real_servers.iter().map(|real| format!(" {real}")).collect();
        lines.push_str(&format!("{key}{reals}\n"));
    }
    let hairpins = planner.desired().state().members.iter();
    let hairpins = hairpins.filter(|member| member.set.name == SetName::LoopBack).count();
    lines.push_str(&format!("hairpin entries: {hairpins}\n"));
    let mut services: Vec<&ObjectKey> = planner.desired().services().collect();
    services.sort();
    for check in services.into_iter().filter_map(|key| planner.desired().contribution(key)?.health_check) {
        lines.push_str(&format!("health check {}\n", check.port));
    }
    lines
}

#[test]
fn build_service_map_add_remove() {
    check_steps([
        (
            "service cluster-ip 172.16.55.4 p1:1234/UDP p2:1235/UDP p3:7777/SCTP
             service node-port 172.16.55.10 type=NodePort p1:345/UDP node-port=30345 p2:344/TCP node-port=30344 \
             p3:543/SCTP node-port=30543
             service load-balancer 172.16.55.11 type=LoadBalancer p1:8675/UDP node-port=30061 p2:8676/UDP \
             node-port=30062 p3:8677/SCTP node-port=30063 lb-ip=10.1.2.4
             service only-local 172.16.55.12 type=LoadBalancer p1:8677/UDP node-port=30064 p2:8678/UDP \
             node-port=30065 p3:8679/SCTP node-port=30066 lb-ip=10.1.2.3 external=Local health-check=345",
            expect![[r#"
                10.1.2.3:8677/UDP
                10.1.2.3:8678/UDP
                10.1.2.3:8679/SCTP
                10.1.2.4:8675/UDP
                10.1.2.4:8676/UDP
                10.1.2.4:8677/SCTP
                172.16.55.4:1234/UDP
                172.16.55.4:1235/UDP
                172.16.55.4:7777/SCTP
                172.16.55.10:344/TCP
                172.16.55.10:345/UDP
                172.16.55.10:543/SCTP
                172.16.55.11:8675/UDP
                172.16.55.11:8676/UDP
                172.16.55.11:8677/SCTP
                172.16.55.12:8677/UDP
                172.16.55.12:8678/UDP
                172.16.55.12:8679/SCTP
                hairpin entries: 0
                health check 345
            "#]],
        ),
        (
            "service cluster-ip 172.16.55.4 p2:1235/UDP
             no-service node-port
             no-service load-balancer
             no-service only-local",
            expect![[r#"
                172.16.55.4:1235/UDP
                hairpin entries: 0
            "#]],
        ),
    ]);
}

#[test]
fn build_service_map_service_headless() {
    check_steps([(
        "service headless type=ClusterIP rpc:1234/UDP
         service headless-without-port type=ClusterIP
         service headless-sctp type=ClusterIP sctp:1235/SCTP",
        expect![[r#"
            hairpin entries: 0
        "#]],
    )]);
}

#[test]
fn build_service_map_service_type_external_name() {
    check_steps([(
        "service name 172.16.55.4 type=ExternalName blah:1234/UDP",
        expect![[r#"
            hairpin entries: 0
        "#]],
    )]);
}

#[test]
fn build_service_map_service_update() {
    let plain = "service web 172.16.55.4 p1:1234/UDP p2:1235/TCP";
    let balanced = "service web 172.16.55.4 type=LoadBalancer p1:1234/UDP node-port=30345 p2:1235/TCP \
                    node-port=30344 external=Local health-check=345";
    check_steps([
        (
            plain,
            expect![[r#"
                172.16.55.4:1234/UDP
                172.16.55.4:1235/TCP
                hairpin entries: 0
            "#]],
        ),
        (
            balanced,
            expect![[r#"
                172.16.55.4:1234/UDP
                172.16.55.4:1235/TCP
                hairpin entries: 0
                health check 345
            "#]],
        ),
        (
            balanced,
            expect![[r#"
                172.16.55.4:1234/UDP
                172.16.55.4:1235/TCP
                hairpin entries: 0
                health check 345
            "#]],
        ),
        (
            plain,
            expect![[r#"
                172.16.55.4:1234/UDP
                172.16.55.4:1235/TCP
                hairpin entries: 0
            "#]],
        ),
    ]);
}

#[test]
fn multi_port_service_bind_address() {
    check_story(
        "",
        "service svc1 172.16.55.4 p1:1234/TCP p2:1235/TCP",
        "service svc1 172.16.55.4 p1:1234/TCP
         service svc1 172.16.55.4 p1:1234/TCP p2:1235/TCP p3:1236/UDP
         no-service svc1",
        expect![[r#"
            # service svc1 172.16.55.4 p1:1234/TCP
            - ipset del KUBE-NO-ENDPOINT 172.16.55.4,tcp:1235
            - ipvsadm -D -t 172.16.55.4:1235
            - ipset del KUBE-CLUSTER-IP 172.16.55.4,tcp:1235
            # service svc1 172.16.55.4 p1:1234/TCP p2:1235/TCP p3:1236/UDP
            + ipset add KUBE-CLUSTER-IP 172.16.55.4,tcp:1235
            + ipset add KUBE-CLUSTER-IP 172.16.55.4,udp:1236
            + ipset add KUBE-NO-ENDPOINT 172.16.55.4,tcp:1235
            + ipvsadm -A -t 172.16.55.4:1235 -s rr
            + ipvsadm -A -u 172.16.55.4:1236 -s rr
            # no-service svc1
            - ipset del KUBE-NO-ENDPOINT 172.16.55.4,tcp:1234
            - ipset del KUBE-NO-ENDPOINT 172.16.55.4,tcp:1235
            - ip addr del 172.16.55.4/32 dev kube-ipvs0
            - ipvsadm -D -t 172.16.55.4:1234
            - ipvsadm -D -t 172.16.55.4:1235
            - ipvsadm -D -u 172.16.55.4:1236
            - ipset del KUBE-IPVS-IPS 172.16.55.4
            - ipset del KUBE-CLUSTER-IP 172.16.55.4,tcp:1234
            - ipset del KUBE-CLUSTER-IP 172.16.55.4,tcp:1235
            - ipset del KUBE-CLUSTER-IP 172.16.55.4,udp:1236
        "#]],
    );
}

#[test]
fn endpoint_slice_end_to_end() {
    check_steps([
        (
            "service svc1 172.20.1.1 80/TCP
             slice svc1-1 svc1 80/TCP 10.0.1.1@n1 10.0.1.2@n2 10.0.1.3@n3 10.0.1.4@n4!unready",
            expect![[r#"
                172.20.1.1:80/TCP 10.0.1.1:80 10.0.1.2:80 10.0.1.3:80
                hairpin entries: 1
            "#]],
        ),
        (
            "no-slice svc1-1",
            expect![[r#"
                172.20.1.1:80/TCP
                hairpin entries: 0
            "#]],
        ),
    ]);
}

#[test]
fn health_check_node_port_end_to_end() {
    let service = "service svc1 172.20.1.1 type=LoadBalancer 80/TCP node-port=3001 external=Local";
    check_steps([
        (
            &format!("{service} health-check=30000"),
            expect![[r#"
                172.20.1.1:80/TCP
                hairpin entries: 0
                health check 30000
            "#]],
        ),
        (
            &format!("{service} health-check=30001"),
            expect![[r#"
                172.20.1.1:80/TCP
                hairpin entries: 0
                health check 30001
            "#]],
        ),
        (
            "no-service svc1",
            expect![[r#"
                hairpin entries: 0
            "#]],
        ),
    ]);
}

#[test]
fn health_check_node_port_when_terminating() {
    let ready = |update: Update| -> Vec<Option<usize>> {
        let checks = update.health_checks.into_iter();
        checks.map(|(_, check)| check.and_then(|check| check.local_endpoints.v4)).collect()
    };
    let mut cluster = cluster(
        "service svc1 172.20.1.1 type=LoadBalancer 80/TCP node-port=3001 external=Local health-check=30000
         slice svc1-1 svc1 80/TCP 10.0.1.1@n1 10.0.1.2@n1 10.0.1.3@n1 10.0.1.4@n2",
    );
    let mut planner = Planner::new(Options::default());
    assert_eq!(ready(planner.rebuild(&cluster)), [Some(3)]);
    let ending = change(
        "slice svc1-1 svc1 80/TCP 10.0.1.1@n1!terminating 10.0.1.2@n1!terminating 10.0.1.3@n1!stopped 10.0.1.4@n2",
    );
    assert_eq!(ready(step(&mut planner, &mut cluster, vec![ending])), [Some(0)]);
}
