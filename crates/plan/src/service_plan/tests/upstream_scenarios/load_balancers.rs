//! `TestLoadBalancer`, `TestHealthCheckNodePort`, `TestLoadBalancerSourceRanges`, `TestAcceptIPVSTraffic`,
//! `TestOnlyLocalLoadBalancing` and `TestLoadBalancerIngressRouteTypeProxy`. The chains that go with them are
//! constant here; `plan::rules` has their golden.

use super::*;

#[test]
fn load_balancer() {
    check_v4(
        "service svc1 10.20.30.41 type=LoadBalancer p80:80/TCP node-port=3001 lb-ip=1.2.3.4
         slice svc1-4 svc1 p80:80/TCP 10.180.0.1@n2",
        "",
        expect![[r#"
            -A -t 1.2.3.4:80 -s rr
            -a -t 1.2.3.4:80 -r 10.180.0.1:80 -m -w 1
            -A -t 10.20.30.41:80 -s rr
            -a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-LOAD-BALANCER 1.2.3.4,tcp:80
            add KUBE-IPVS-IPS 1.2.3.4
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 1.2.3.4 10.20.30.41
        "#]],
    );
}

/// The third Service has policy Cluster; for it the source gives no port (`sources::decode`).
#[test]
fn health_check_node_port() {
    check_v4(
        "service svc1 10.20.30.41 type=LoadBalancer p80:80/TCP external=Local health-check=30000
         service svc2 10.20.30.42 type=LoadBalancer p80:80/TCP external=Local health-check=30001
         service svc3 10.20.30.43 type=LoadBalancer p80:80/TCP",
        "",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr
            -A -t 10.20.30.42:80 -s rr
            -A -t 10.20.30.43:80 -s rr
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-CLUSTER-IP 10.20.30.42,tcp:80
            add KUBE-CLUSTER-IP 10.20.30.43,tcp:80
            add KUBE-HEALTH-CHECK-NODE-PORT 30000
            add KUBE-HEALTH-CHECK-NODE-PORT 30001
            add KUBE-NO-ENDPOINT 10.20.30.41,tcp:80
            add KUBE-NO-ENDPOINT 10.20.30.42,tcp:80
            add KUBE-NO-ENDPOINT 10.20.30.43,tcp:80
            add KUBE-IPVS-IPS 10.20.30.41
            add KUBE-IPVS-IPS 10.20.30.42
            add KUBE-IPVS-IPS 10.20.30.43
            bound: 10.20.30.41 10.20.30.42 10.20.30.43
        "#]],
    );
}

#[test]
fn load_balancer_source_ranges() {
    check_v4(
        "service svc1 10.20.30.41 type=LoadBalancer p80:80/TCP lb-ip=1.2.3.4 range=10.0.0.0/8
         slice svc1-4 svc1 p80:80/TCP 10.180.0.1@n2",
        "",
        expect![[r#"
            -A -t 1.2.3.4:80 -s rr
            -a -t 1.2.3.4:80 -r 10.180.0.1:80 -m -w 1
            -A -t 10.20.30.41:80 -s rr
            -a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-LOAD-BALANCER 1.2.3.4,tcp:80
            add KUBE-LOAD-BALANCER-FW 1.2.3.4,tcp:80
            add KUBE-LOAD-BALANCER-SOURCE-CIDR 1.2.3.4,tcp:80,10.0.0.0/8
            add KUBE-IPVS-IPS 1.2.3.4
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 1.2.3.4 10.20.30.41
        "#]],
    );
}

#[test]
fn accept_ipvs_traffic() {
    check_v4(
        "service svc1 10.20.30.41 p80:80/TCP external-ip=35.40.50.60
         service svc2 10.20.30.42 type=LoadBalancer p80:80/TCP node-port=30002 lb-ip=1.2.3.4
         service svc3 10.20.30.43 type=NodePort p80:80/TCP node-port=30003",
        "host=100.101.102.103",
        expect![[r#"
            -A -t 1.2.3.4:80 -s rr
            -A -t 10.20.30.41:80 -s rr
            -A -t 10.20.30.42:80 -s rr
            -A -t 10.20.30.43:80 -s rr
            -A -t 35.40.50.60:80 -s rr
            -A -t 100.101.102.103:30002 -s rr
            -A -t 100.101.102.103:30003 -s rr
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-CLUSTER-IP 10.20.30.42,tcp:80
            add KUBE-CLUSTER-IP 10.20.30.43,tcp:80
            add KUBE-EXTERNAL-IP 35.40.50.60,tcp:80
            add KUBE-LOAD-BALANCER 1.2.3.4,tcp:80
            add KUBE-NODE-PORT-TCP 30002
            add KUBE-NODE-PORT-TCP 30003
            add KUBE-NO-ENDPOINT 1.2.3.4,tcp:80
            add KUBE-NO-ENDPOINT 10.20.30.41,tcp:80
            add KUBE-NO-ENDPOINT 10.20.30.42,tcp:80
            add KUBE-NO-ENDPOINT 10.20.30.43,tcp:80
            add KUBE-NO-ENDPOINT 35.40.50.60,tcp:80
            add KUBE-NO-ENDPOINT 100.101.102.103,tcp:30002
            add KUBE-NO-ENDPOINT 100.101.102.103,tcp:30003
            add KUBE-IPVS-IPS 1.2.3.4
            add KUBE-IPVS-IPS 10.20.30.41
            add KUBE-IPVS-IPS 10.20.30.42
            add KUBE-IPVS-IPS 10.20.30.43
            add KUBE-IPVS-IPS 35.40.50.60
            bound: 1.2.3.4 10.20.30.41 10.20.30.42 10.20.30.43 35.40.50.60
        "#]],
    );
}

#[test]
fn only_local_load_balancing() {
    check_v4(
        "service svc1 10.20.30.41 type=LoadBalancer p80:80/TCP node-port=3001 lb-ip=1.2.3.4 external=Local
         slice svc1-4 svc1 p80:80/TCP 10.180.0.1@n1 10.180.1.1@n2",
        "",
        expect![[r#"
            -A -t 1.2.3.4:80 -s rr
            -a -t 1.2.3.4:80 -r 10.180.0.1:80 -m -w 1
            -A -t 10.20.30.41:80 -s rr
            -a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            -a -t 10.20.30.41:80 -r 10.180.1.1:80 -m -w 1
            add KUBE-LOOP-BACK 10.180.0.1,tcp:80,10.180.0.1
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-LOAD-BALANCER 1.2.3.4,tcp:80
            add KUBE-LOAD-BALANCER-LOCAL 1.2.3.4,tcp:80
            add KUBE-IPVS-IPS 1.2.3.4
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 1.2.3.4 10.20.30.41
        "#]],
    );
}

/// With `ipMode: Proxy` the source leaves the address out (`sources::decode`).
#[test]
fn load_balancer_ingress_route_type_proxy() {
    let service = "service svc1 10.20.30.41 type=LoadBalancer p80:80/TCP";
    check_v4(
        service,
        "",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-NO-ENDPOINT 10.20.30.41,tcp:80
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 10.20.30.41
        "#]],
    );
}

/// With `ipMode: VIP` or without one.
#[test]
fn load_balancer_ingress_route_type_vip() {
    let service = "service svc1 10.20.30.41 type=LoadBalancer p80:80/TCP lb-ip=1.2.3.4";
    check_v4(
        service,
        "",
        expect![[r#"
            -A -t 1.2.3.4:80 -s rr
            -A -t 10.20.30.41:80 -s rr
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-LOAD-BALANCER 1.2.3.4,tcp:80
            add KUBE-NO-ENDPOINT 1.2.3.4,tcp:80
            add KUBE-NO-ENDPOINT 10.20.30.41,tcp:80
            add KUBE-IPVS-IPS 1.2.3.4
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 1.2.3.4 10.20.30.41
        "#]],
    );
}
