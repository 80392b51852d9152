//! Changes of one Service: from one kind to another, of its ports and its scheduling.

mod outside;

use super::*;

const HOST: &str = "detector host=172.18.0.2";
const ENDPOINTS: &str = "slice web-1 web http:8080/TCP 10.244.1.5@n1 10.244.2.7@n2";

fn check(first: &str, lines: &str, expected: Expect) {
    check_story(HOST, &format!("{first}\n{ENDPOINTS}"), lines, expected);
}

#[test]
fn from_cluster_ip_to_node_port_to_load_balancer_and_back() {
    check(
        "service web 10.96.0.20 http:80/TCP",
        "service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080
         service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080
         service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 lb-ip=203.0.113.9
         service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080
         service web 10.96.0.20 http:80/TCP",
        expect![[r#"
            # service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080
            + ipset add KUBE-NODE-PORT-TCP 30080
            + ipvsadm -A -t 172.18.0.2:30080 -s rr
            + ipvsadm -a -t 172.18.0.2:30080 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 172.18.0.2:30080 -r 10.244.2.7:8080 -m -w 1
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 lb-ip=203.0.113.9
            + ipset add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            + ipset add KUBE-IPVS-IPS 203.0.113.9
            + ipvsadm -A -t 203.0.113.9:80 -s rr
            + ipvsadm -a -t 203.0.113.9:80 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 203.0.113.9:80 -r 10.244.2.7:8080 -m -w 1
            + ip addr add 203.0.113.9/32 dev kube-ipvs0
            # service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080
            - ip addr del 203.0.113.9/32 dev kube-ipvs0
            - ipvsadm -D -t 203.0.113.9:80
            - ipset del KUBE-IPVS-IPS 203.0.113.9
            - ipset del KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            # service web 10.96.0.20 http:80/TCP
            - ipvsadm -D -t 172.18.0.2:30080
            - ipset del KUBE-NODE-PORT-TCP 30080
        "#]],
    );
}

#[test]
fn from_load_balancer_to_cluster_ip_at_once() {
    check(
        "service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 lb-ip=203.0.113.9 external=Local \
         health-check=32000 range=198.51.100.0/24",
        "service web 10.96.0.20 http:80/TCP",
        expect![[r#"
            # service web 10.96.0.20 http:80/TCP
            - ipset del KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80
            - ipset del KUBE-NODE-PORT-LOCAL-TCP 30080
            - ip addr del 203.0.113.9/32 dev kube-ipvs0
            - ipvsadm -D -t 172.18.0.2:30080
            - ipvsadm -D -t 203.0.113.9:80
            - ipset del KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:80
            - ipset del KUBE-IPVS-IPS 203.0.113.9
            - ipset del KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            - ipset del KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,198.51.100.0/24
            - ipset del KUBE-NODE-PORT-TCP 30080
            - ipset del KUBE-HEALTH-CHECK-NODE-PORT 32000
            health check of web: none
        "#]],
    );
}

#[test]
fn to_a_name_or_headless_and_back() {
    check(
        "service web 10.96.0.20 http:80/TCP external-ip=192.0.2.1",
        "service web 10.96.0.20 type=ExternalName http:80/TCP external-ip=192.0.2.1
         service web 10.96.0.20 http:80/TCP
         service web http:80/TCP
         service web 10.96.0.21 http:80/TCP",
        expect![[r#"
            # service web 10.96.0.20 type=ExternalName http:80/TCP external-ip=192.0.2.1
            - ip addr del 10.96.0.20/32 dev kube-ipvs0
            - ip addr del 192.0.2.1/32 dev kube-ipvs0
            - ipvsadm -D -t 10.96.0.20:80
            - ipvsadm -D -t 192.0.2.1:80
            - ipset del KUBE-IPVS-IPS 10.96.0.20
            - ipset del KUBE-IPVS-IPS 192.0.2.1
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            - ipset del KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            - ipset del KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            # service web 10.96.0.20 http:80/TCP
            + ipset add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            + ipset add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.20
            + ipvsadm -A -t 10.96.0.20:80 -s rr
            + ipvsadm -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            + ip addr add 10.96.0.20/32 dev kube-ipvs0
            # service web http:80/TCP
            - ip addr del 10.96.0.20/32 dev kube-ipvs0
            - ipvsadm -D -t 10.96.0.20:80
            - ipset del KUBE-IPVS-IPS 10.96.0.20
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            - ipset del KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            # service web 10.96.0.21 http:80/TCP
            + ipset add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            + ipset add KUBE-CLUSTER-IP 10.96.0.21,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.21
            + ipvsadm -A -t 10.96.0.21:80 -s rr
            + ipvsadm -a -t 10.96.0.21:80 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 10.96.0.21:80 -r 10.244.2.7:8080 -m -w 1
            + ip addr add 10.96.0.21/32 dev kube-ipvs0
        "#]],
    );
}

#[test]
fn the_second_family_comes_and_goes() {
    check(
        "service web 10.96.0.20 http:80/TCP external-ip=2001:db8::1",
        "service web 10.96.0.20 fd00:96::20 http:80/TCP external-ip=2001:db8::1
         service web fd00:96::20 http:80/TCP external-ip=2001:db8::1",
        expect![[r#"
            # service web 10.96.0.20 fd00:96::20 http:80/TCP external-ip=2001:db8::1
            + ipset add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            + ipset add KUBE-6-EXTERNAL-IP 2001:db8::1,tcp:80
            + ipset add KUBE-6-NO-ENDPOINT 2001:db8::1,tcp:80
            + ipset add KUBE-6-NO-ENDPOINT fd00:96::20,tcp:80
            + ipset add KUBE-6-IPVS-IPS 2001:db8::1
            + ipset add KUBE-6-IPVS-IPS fd00:96::20
            + ipvsadm -A -t [2001:db8::1]:80 -s rr
            + ipvsadm -A -t [fd00:96::20]:80 -s rr
            + ip addr add 2001:db8::1/128 dev kube-ipvs0
            + ip addr add fd00:96::20/128 dev kube-ipvs0
            # service web fd00:96::20 http:80/TCP external-ip=2001:db8::1
            - ip addr del 10.96.0.20/32 dev kube-ipvs0
            - ipvsadm -D -t 10.96.0.20:80
            - ipset del KUBE-IPVS-IPS 10.96.0.20
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            - ipset del KUBE-CLUSTER-IP 10.96.0.20,tcp:80
        "#]],
    );
}

#[test]
fn ports_are_added_removed_renumbered_and_renamed() {
    check(
        "service web 10.96.0.20 http:80/TCP",
        "service web 10.96.0.20 http:80/TCP admin:81/TCP
         service web 10.96.0.20 http:8000/TCP admin:81/TCP
         service web 10.96.0.20 admin:8000/TCP http:81/TCP
         service web 10.96.0.20 web:81/TCP
         slice web-1 web web:8080/TCP 10.244.1.5@n1 10.244.2.7@n2",
        expect![[r#"
            # service web 10.96.0.20 http:80/TCP admin:81/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.20,tcp:81
            + ipset add KUBE-NO-ENDPOINT 10.96.0.20,tcp:81
            + ipvsadm -A -t 10.96.0.20:81 -s rr
            # service web 10.96.0.20 http:8000/TCP admin:81/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.20,tcp:8000
            + ipvsadm -A -t 10.96.0.20:8000 -s rr
            + ipvsadm -a -t 10.96.0.20:8000 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 10.96.0.20:8000 -r 10.244.2.7:8080 -m -w 1
            - ipvsadm -D -t 10.96.0.20:80
            - ipset del KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            # service web 10.96.0.20 admin:8000/TCP http:81/TCP
            + ipset add KUBE-NO-ENDPOINT 10.96.0.20,tcp:8000
            + ipvsadm -a -t 10.96.0.20:81 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 10.96.0.20:81 -r 10.244.2.7:8080 -m -w 1
            - ipset del KUBE-NO-ENDPOINT 10.96.0.20,tcp:81
            - ipvsadm -d -t 10.96.0.20:8000 -r 10.244.1.5:8080
            - ipvsadm -d -t 10.96.0.20:8000 -r 10.244.2.7:8080
            # service web 10.96.0.20 web:81/TCP
            + ipset add KUBE-NO-ENDPOINT 10.96.0.20,tcp:81
            - ipset del KUBE-NO-ENDPOINT 10.96.0.20,tcp:8000
            - ipvsadm -d -t 10.96.0.20:81 -r 10.244.1.5:8080
            - ipvsadm -d -t 10.96.0.20:81 -r 10.244.2.7:8080
            - ipvsadm -D -t 10.96.0.20:8000
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            - ipset del KUBE-CLUSTER-IP 10.96.0.20,tcp:8000
            # slice web-1 web web:8080/TCP 10.244.1.5@n1 10.244.2.7@n2
            + ipset add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            + ipvsadm -a -t 10.96.0.20:81 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 10.96.0.20:81 -r 10.244.2.7:8080 -m -w 1
            - ipset del KUBE-NO-ENDPOINT 10.96.0.20,tcp:81
        "#]],
    );
}

#[test]
fn a_port_changes_its_protocol() {
    check(
        "service web 10.96.0.20 http:80/TCP",
        "service web 10.96.0.20 http:80/UDP",
        expect![[r#"
            # service web 10.96.0.20 http:80/UDP
            + ipset add KUBE-CLUSTER-IP 10.96.0.20,udp:80
            + ipvsadm -A -u 10.96.0.20:80 -s rr
            - ipvsadm -D -t 10.96.0.20:80
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            - ipset del KUBE-CLUSTER-IP 10.96.0.20,tcp:80
        "#]],
    );
}

#[test]
fn target_ports_change() {
    check(
        "service web 10.96.0.20 http:80/TCP",
        "slice web-1 web http:9090/TCP 10.244.1.5@n1 10.244.2.7@n2",
        expect![[r#"
            # slice web-1 web http:9090/TCP 10.244.1.5@n1 10.244.2.7@n2
            + ipset add KUBE-LOOP-BACK 10.244.1.5,tcp:9090,10.244.1.5
            + ipvsadm -a -t 10.96.0.20:80 -r 10.244.1.5:9090 -m -w 1
            + ipvsadm -a -t 10.96.0.20:80 -r 10.244.2.7:9090 -m -w 1
            - ipvsadm -d -t 10.96.0.20:80 -r 10.244.1.5:8080
            - ipvsadm -d -t 10.96.0.20:80 -r 10.244.2.7:8080
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
        "#]],
    );
}

#[test]
fn affinity_and_scheduler_change_in_place_on_every_address() {
    check(
        "service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080 external-ip=192.0.2.1",
        "service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080 external-ip=192.0.2.1 affinity=600
         service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080 external-ip=192.0.2.1 scheduler=lc",
        expect![[r#"
            # service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080 external-ip=192.0.2.1 affinity=600
            ~ ipvsadm -E -t 10.96.0.20:80 -s rr -p 600
            ~ ipvsadm -E -t 172.18.0.2:30080 -s rr -p 600
            ~ ipvsadm -E -t 192.0.2.1:80 -s rr -p 600
            # service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080 external-ip=192.0.2.1 scheduler=lc
            ~ ipvsadm -E -t 10.96.0.20:80 -s lc
            ~ ipvsadm -E -t 172.18.0.2:30080 -s lc
            ~ ipvsadm -E -t 192.0.2.1:80 -s lc
        "#]],
    );
}
