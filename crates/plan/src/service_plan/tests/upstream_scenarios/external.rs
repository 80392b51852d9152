//! `TestIPv4Proxier`, `TestIPv6Proxier`, `TestExternalIPs`, `TestOnlyLocalExternalIPs` and `TestSessionAffinity`.

use super::*;

const BOTH_FAMILIES: &str = "service svc1 10.20.30.41 p80:80/TCP
                             service svc2 1002:ab8::2:1 p8080:8080/TCP
                             slice svc1-4 svc1 p80:80/TCP 10.180.0.1@n2
                             slice svc2-6 svc2 p8080:8080/TCP 1009:ab8::5:6@n2";
const WITHOUT_ENDPOINTS: &str = "service svc1 10.20.30.41 p80:80/TCP";

#[test]
fn ipv4_proxier_two_services() {
    check_v4(
        BOTH_FAMILIES,
        "",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr
            -a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 10.20.30.41
        "#]],
    );
}

#[test]
fn ipv4_proxier_no_endpoints() {
    check_v4(
        WITHOUT_ENDPOINTS,
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

#[test]
fn ipv6_proxier_two_services() {
    check_family(
        Family::V6,
        BOTH_FAMILIES,
        "",
        expect![[r#"
            -A -t [1002:ab8::2:1]:8080 -s rr
            -a -t [1002:ab8::2:1]:8080 -r [1009:ab8::5:6]:8080 -m -w 1
            add KUBE-6-CLUSTER-IP 1002:ab8::2:1,tcp:8080
            add KUBE-6-IPVS-IPS 1002:ab8::2:1
            bound: 1002:ab8::2:1
        "#]],
    );
}

#[test]
fn ipv6_proxier_no_endpoints() {
    check_family(
        Family::V6,
        "service svc1 2020::1 p80:80/TCP",
        "",
        expect![[r#"
            -A -t [2020::1]:80 -s rr
            add KUBE-6-CLUSTER-IP 2020::1,tcp:80
            add KUBE-6-NO-ENDPOINT 2020::1,tcp:80
            add KUBE-6-IPVS-IPS 2020::1
            bound: 2020::1
        "#]],
    );
}

#[test]
fn external_ips_no_endpoint() {
    check_v4(
        "service svc1 10.20.30.41 p80:80/TCP external-ip=50.60.70.81",
        "",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr
            -A -t 50.60.70.81:80 -s rr
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-EXTERNAL-IP 50.60.70.81,tcp:80
            add KUBE-NO-ENDPOINT 10.20.30.41,tcp:80
            add KUBE-NO-ENDPOINT 50.60.70.81,tcp:80
            add KUBE-IPVS-IPS 10.20.30.41
            add KUBE-IPVS-IPS 50.60.70.81
            bound: 10.20.30.41 50.60.70.81
        "#]],
    );
}

/// The loopback address is not bound, other than upstream.
#[test]
fn external_ips() {
    check_v4(
        "service svc1 10.20.30.41 p80:80/TCP external-ip=50.60.70.81 \
         external-ip=2012::51 external-ip=127.0.0.1
         slice svc1-4 svc1 p80:80/TCP 10.180.0.1@n2",
        "",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr
            -a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            -A -t 50.60.70.81:80 -s rr
            -a -t 50.60.70.81:80 -r 10.180.0.1:80 -m -w 1
            -A -t 127.0.0.1:80 -s rr
            -a -t 127.0.0.1:80 -r 10.180.0.1:80 -m -w 1
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-EXTERNAL-IP 50.60.70.81,tcp:80
            add KUBE-EXTERNAL-IP 127.0.0.1,tcp:80
            add KUBE-IPVS-IPS 10.20.30.41
            add KUBE-IPVS-IPS 50.60.70.81
            bound: 10.20.30.41 50.60.70.81
        "#]],
    );
}

#[test]
fn only_local_external_ips() {
    check_v4(
        "service svc1 10.20.30.41 type=NodePort p80:80/TCP external=Local external-ip=50.60.70.81 \
         external-ip=2012::51 external-ip=127.0.0.1
         slice svc1-4 svc1 p80:80/TCP 10.180.0.1@n1 10.180.1.1@n2",
        "",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr
            -a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            -a -t 10.20.30.41:80 -r 10.180.1.1:80 -m -w 1
            -A -t 50.60.70.81:80 -s rr
            -a -t 50.60.70.81:80 -r 10.180.0.1:80 -m -w 1
            -A -t 127.0.0.1:80 -s rr
            -a -t 127.0.0.1:80 -r 10.180.0.1:80 -m -w 1
            add KUBE-LOOP-BACK 10.180.0.1,tcp:80,10.180.0.1
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-EXTERNAL-IP-LOCAL 50.60.70.81,tcp:80
            add KUBE-EXTERNAL-IP-LOCAL 127.0.0.1,tcp:80
            add KUBE-IPVS-IPS 10.20.30.41
            add KUBE-IPVS-IPS 50.60.70.81
            bound: 10.20.30.41 50.60.70.81
        "#]],
    );
}

#[test]
fn session_affinity() {
    check_v4(
        "service svc1 10.20.30.41 type=NodePort p80:80/TCP node-port=3001 external-ip=50.60.70.81 affinity=10800",
        "host=100.101.102.103",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr -p 10800
            -A -t 50.60.70.81:80 -s rr -p 10800
            -A -t 100.101.102.103:3001 -s rr -p 10800
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-EXTERNAL-IP 50.60.70.81,tcp:80
            add KUBE-NODE-PORT-TCP 3001
            add KUBE-NO-ENDPOINT 10.20.30.41,tcp:80
            add KUBE-NO-ENDPOINT 50.60.70.81,tcp:80
            add KUBE-NO-ENDPOINT 100.101.102.103,tcp:3001
            add KUBE-IPVS-IPS 10.20.30.41
            add KUBE-IPVS-IPS 50.60.70.81
            bound: 10.20.30.41 50.60.70.81
        "#]],
    );
}
