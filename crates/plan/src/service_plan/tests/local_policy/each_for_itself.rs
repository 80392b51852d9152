//! Families, ports, protocols and node addresses fall back each for itself.

use super::*;

#[test]
fn a_detector_for_one_family_keeps_the_policy_in_that_family() {
    let mut options = options("detector");
    options.local_detector.v6 = None;
    check_with(
        "service web 10.96.0.20 fd00:96::20 type=NodePort 80/TCP external=Local external-ip=192.0.2.1 \
         external-ip=2001:db8::1
         slice web-4 web 8080/TCP 10.244.2.7@n2
         slice web-6 web 8080/TCP fd00:244:2::7@n2",
        &options,
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -t 192.0.2.1:80 -s rr
            -a -t 192.0.2.1:80 -r 10.244.2.7:8080 -m -w 1
            -A -t [2001:db8::1]:80 -s rr
            -a -t [2001:db8::1]:80 -r [fd00:244:2::7]:8080 -m -w 1
            -A -t [fd00:96::20]:80 -s rr
            -a -t [fd00:96::20]:80 -r [fd00:244:2::7]:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP-LOCAL 192.0.2.1,tcp:80
            add KUBE-NO-LOCAL-ENDPOINT 192.0.2.1,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.1
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-EXTERNAL-IP-LOCAL 2001:db8::1,tcp:80
            add KUBE-6-IPVS-IPS 2001:db8::1
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 192.0.2.1 2001:db8::1 fd00:96::20
            missing: IPv4 External
            missing: IPv6 External
        "#]],
    );
}

/// One family has an endpoint here, the other has not.
#[test]
fn each_family_falls_back_for_itself() {
    check_with(
        "service web 10.96.0.20 fd00:96::20 type=NodePort 80/TCP external=Local external-ip=192.0.2.1 \
         external-ip=2001:db8::1
         slice web-4 web 8080/TCP 10.244.1.5@n1
         slice web-6 web 8080/TCP fd00:244:2::7@n2",
        &options("detector"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -A -t 192.0.2.1:80 -s rr
            -a -t 192.0.2.1:80 -r 10.244.1.5:8080 -m -w 1
            -A -t [2001:db8::1]:80 -s rr
            -a -t [2001:db8::1]:80 -r [fd00:244:2::7]:8080 -m -w 1
            -A -t [fd00:96::20]:80 -s rr
            -a -t [fd00:96::20]:80 -r [fd00:244:2::7]:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP-LOCAL 192.0.2.1,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.1
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-EXTERNAL-IP-LOCAL 2001:db8::1,tcp:80
            add KUBE-6-NO-LOCAL-ENDPOINT 2001:db8::1,tcp:80
            add KUBE-6-IPVS-IPS 2001:db8::1
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 192.0.2.1 2001:db8::1 fd00:96::20
            missing: IPv6 External
        "#]],
    );
}

#[test]
fn each_port_falls_back_for_itself() {
    check_with(
        "service web 10.96.0.20 type=NodePort external=Local external-ip=192.0.2.1 \
         http:80/TCP node-port=30080 dns:53/UDP node-port=30053
         slice web-1 web http:8080/TCP 10.244.1.5@n1
         slice web-2 web dns:53/UDP 10.244.2.7@n2",
        &options("detector host=172.18.0.2"),
        expect![[r#"
            -A -u 10.96.0.20:53 -s rr
            -a -u 10.96.0.20:53 -r 10.244.2.7:53 -m -w 1
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -A -u 172.18.0.2:30053 -s rr
            -a -u 172.18.0.2:30053 -r 10.244.2.7:53 -m -w 1
            -A -t 172.18.0.2:30080 -s rr
            -a -t 172.18.0.2:30080 -r 10.244.1.5:8080 -m -w 1
            -A -u 192.0.2.1:53 -s rr
            -a -u 192.0.2.1:53 -r 10.244.2.7:53 -m -w 1
            -A -t 192.0.2.1:80 -s rr
            -a -t 192.0.2.1:80 -r 10.244.1.5:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,udp:53
            add KUBE-EXTERNAL-IP-LOCAL 192.0.2.1,tcp:80
            add KUBE-EXTERNAL-IP-LOCAL 192.0.2.1,udp:53
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NODE-PORT-LOCAL-TCP 30080
            add KUBE-NODE-PORT-UDP 30053
            add KUBE-NODE-PORT-LOCAL-UDP 30053
            add KUBE-NO-LOCAL-ENDPOINT 172.18.0.2,udp:30053
            add KUBE-NO-LOCAL-ENDPOINT 192.0.2.1,udp:53
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.1
            bound: 10.96.0.20 192.0.2.1
            missing: IPv4 External
        "#]],
    );
}

#[test]
fn every_protocol_and_node_address_falls_back() {
    check_with(
        "service web 10.96.0.20 type=NodePort external=Local t:80/TCP node-port=30080 u:80/UDP node-port=30080 \
         s:80/SCTP node-port=30080
         slice web-1 web t:8080/TCP u:8080/UDP s:8080/SCTP 10.244.2.7@n2",
        &options("detector host=172.18.0.2 host=192.168.7.1"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -u 10.96.0.20:80 -s rr
            -a -u 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A --sctp-service 10.96.0.20:80 -s rr
            -a --sctp-service 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -t 172.18.0.2:30080 -s rr
            -a -t 172.18.0.2:30080 -r 10.244.2.7:8080 -m -w 1
            -A -u 172.18.0.2:30080 -s rr
            -a -u 172.18.0.2:30080 -r 10.244.2.7:8080 -m -w 1
            -A --sctp-service 172.18.0.2:30080 -s rr
            -a --sctp-service 172.18.0.2:30080 -r 10.244.2.7:8080 -m -w 1
            -A -t 192.168.7.1:30080 -s rr
            -a -t 192.168.7.1:30080 -r 10.244.2.7:8080 -m -w 1
            -A -u 192.168.7.1:30080 -s rr
            -a -u 192.168.7.1:30080 -r 10.244.2.7:8080 -m -w 1
            -A --sctp-service 192.168.7.1:30080 -s rr
            -a --sctp-service 192.168.7.1:30080 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,udp:80
            add KUBE-CLUSTER-IP 10.96.0.20,sctp:80
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NODE-PORT-LOCAL-TCP 30080
            add KUBE-NODE-PORT-UDP 30080
            add KUBE-NODE-PORT-LOCAL-UDP 30080
            add KUBE-NODE-PORT-SCTP-HASH 172.18.0.2,sctp:30080
            add KUBE-NODE-PORT-SCTP-HASH 192.168.7.1,sctp:30080
            add KUBE-NODE-PORT-LOCAL-SCTP-HASH 172.18.0.2,sctp:30080
            add KUBE-NODE-PORT-LOCAL-SCTP-HASH 192.168.7.1,sctp:30080
            add KUBE-NO-LOCAL-ENDPOINT 172.18.0.2,tcp:30080
            add KUBE-NO-LOCAL-ENDPOINT 172.18.0.2,udp:30080
            add KUBE-NO-LOCAL-ENDPOINT 172.18.0.2,sctp:30080
            add KUBE-NO-LOCAL-ENDPOINT 192.168.7.1,tcp:30080
            add KUBE-NO-LOCAL-ENDPOINT 192.168.7.1,udp:30080
            add KUBE-NO-LOCAL-ENDPOINT 192.168.7.1,sctp:30080
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            missing: IPv4 External
        "#]],
    );
}
