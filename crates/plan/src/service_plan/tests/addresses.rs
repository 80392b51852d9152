//! Which external and load-balancer addresses are served, and which of them are bound.

use super::*;
use crate::testing::options;

#[test]
fn external_ips_of_each_family_and_policy() {
    check(
        "service web 10.96.0.20 fd00:96::20 80/TCP external-ip=192.0.2.1 external-ip=2001:db8::1
         slice web-4 web 8080/TCP 10.244.1.5@n1 10.244.2.7@n2
         slice web-6 web 8080/TCP fd00:244:2::7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -t 192.0.2.1:80 -s rr
            -a -t 192.0.2.1:80 -r 10.244.1.5:8080 -m -w 1
            -a -t 192.0.2.1:80 -r 10.244.2.7:8080 -m -w 1
            -A -t [2001:db8::1]:80 -s rr
            -a -t [2001:db8::1]:80 -r [fd00:244:2::7]:8080 -m -w 1
            -A -t [fd00:96::20]:80 -s rr
            -a -t [fd00:96::20]:80 -r [fd00:244:2::7]:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.1
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-EXTERNAL-IP 2001:db8::1,tcp:80
            add KUBE-6-IPVS-IPS 2001:db8::1
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 192.0.2.1 2001:db8::1 fd00:96::20
        "#]],
    );
}

/// As for kube-proxy, the Service still counts as reachable from outside, which decides about fall-backs.
#[test]
fn external_ips_can_be_forbidden() {
    let options = Options { external_ips: false, ..Options::default() };
    check_with(
        "service web 10.96.0.20 type=LoadBalancer 80/TCP external-ip=192.0.2.1 external-ip=2001:db8::1 lb-ip=203.0.113.9
         slice web-4 web 8080/TCP 10.244.2.7@n2",
        &options,
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -t 203.0.113.9:80 -s rr
            -a -t 203.0.113.9:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 203.0.113.9
            bound: 10.96.0.20 203.0.113.9
        "#]],
    );
}

#[test]
fn several_load_balancer_addresses() {
    check(
        "service web 10.96.0.20 type=LoadBalancer 443/TCP lb-ip=203.0.113.9 lb-ip=203.0.113.10 lb-ip=2001:db8::9
         slice web-1 web 8443/TCP 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:443 -s rr
            -a -t 10.96.0.20:443 -r 10.244.2.7:8443 -m -w 1
            -A -t 203.0.113.9:443 -s rr
            -a -t 203.0.113.9:443 -r 10.244.2.7:8443 -m -w 1
            -A -t 203.0.113.10:443 -s rr
            -a -t 203.0.113.10:443 -r 10.244.2.7:8443 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:443
            add KUBE-LOAD-BALANCER 203.0.113.10,tcp:443
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 203.0.113.9
            add KUBE-IPVS-IPS 203.0.113.10
            bound: 10.96.0.20 203.0.113.9 203.0.113.10
        "#]],
    );
}

/// The address is local already; a second one would only confuse source address selection.
#[test]
fn an_address_of_this_machine_is_served_and_not_bound() {
    check_with(
        "service web 10.96.0.20 type=LoadBalancer 443/TCP external-ip=192.0.2.1 lb-ip=203.0.113.9 \
         external-ip=192.0.2.2",
        &options("host=192.0.2.1 host=203.0.113.9"),
        expect![[r#"
            -A -t 10.96.0.20:443 -s rr
            -A -t 192.0.2.1:443 -s rr
            -A -t 192.0.2.2:443 -s rr
            -A -t 203.0.113.9:443 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-EXTERNAL-IP 192.0.2.1,tcp:443
            add KUBE-EXTERNAL-IP 192.0.2.2,tcp:443
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:443
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:443
            add KUBE-NO-ENDPOINT 192.0.2.1,tcp:443
            add KUBE-NO-ENDPOINT 192.0.2.2,tcp:443
            add KUBE-NO-ENDPOINT 203.0.113.9,tcp:443
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.2
            bound: 10.96.0.20 192.0.2.2
        "#]],
    );
}

#[test]
fn a_cluster_ip_is_bound_even_if_this_machine_has_it() {
    check_with(
        "service web 10.96.0.20 80/TCP",
        &options("host=10.96.0.20"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

/// Link-local ones of IPv4 are routed like others.
#[test]
fn a_link_local_address_of_ipv6_is_served_and_not_bound() {
    check(
        "service web 10.96.0.20 fd00:96::20 type=LoadBalancer 80/TCP lb-ip=fe80::9 lb-ip=169.254.0.9",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -A -t 169.254.0.9:80 -s rr
            -A -t [fd00:96::20]:80 -s rr
            -A -t [fe80::9]:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-LOAD-BALANCER 169.254.0.9,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 169.254.0.9,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 169.254.0.9
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-LOAD-BALANCER fe80::9,tcp:80
            add KUBE-6-NO-ENDPOINT fd00:96::20,tcp:80
            add KUBE-6-NO-ENDPOINT fe80::9,tcp:80
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 169.254.0.9 fd00:96::20
        "#]],
    );
}

#[test]
fn a_loopback_address_is_served_and_not_bound() {
    check(
        "service web 10.96.0.20 fd00:96::20 80/TCP external-ip=127.0.0.1 external-ip=127.4.5.6 external-ip=::1",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -A -t 127.0.0.1:80 -s rr
            -A -t 127.4.5.6:80 -s rr
            -A -t [::1]:80 -s rr
            -A -t [fd00:96::20]:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP 127.0.0.1,tcp:80
            add KUBE-EXTERNAL-IP 127.4.5.6,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 127.0.0.1,tcp:80
            add KUBE-NO-ENDPOINT 127.4.5.6,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-EXTERNAL-IP ::1,tcp:80
            add KUBE-6-NO-ENDPOINT ::1,tcp:80
            add KUBE-6-NO-ENDPOINT fd00:96::20,tcp:80
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 fd00:96::20
        "#]],
    );
}

#[test]
fn one_address_as_external_ip_and_of_the_load_balancer() {
    check(
        "service web 10.96.0.20 type=LoadBalancer 443/TCP external-ip=203.0.113.9 lb-ip=203.0.113.9 \
         range=198.51.100.0/24
         slice web-1 web 8443/TCP 10.244.1.5@n1 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:443 -s rr
            -a -t 10.96.0.20:443 -r 10.244.1.5:8443 -m -w 1
            -a -t 10.96.0.20:443 -r 10.244.2.7:8443 -m -w 1
            -A -t 203.0.113.9:443 -s rr
            -a -t 203.0.113.9:443 -r 10.244.1.5:8443 -m -w 1
            -a -t 203.0.113.9:443 -r 10.244.2.7:8443 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8443,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-EXTERNAL-IP 203.0.113.9,tcp:443
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:443
            add KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:443
            add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,198.51.100.0/24
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 203.0.113.9
            bound: 10.96.0.20 203.0.113.9
        "#]],
    );
    check(
        "service web 10.96.0.20 type=LoadBalancer 443/TCP external-ip=203.0.113.9 lb-ip=203.0.113.9 external=Local
         slice web-1 web 8443/TCP 10.244.1.5@n1 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:443 -s rr
            -a -t 10.96.0.20:443 -r 10.244.1.5:8443 -m -w 1
            -a -t 10.96.0.20:443 -r 10.244.2.7:8443 -m -w 1
            -A -t 203.0.113.9:443 -s rr
            -a -t 203.0.113.9:443 -r 10.244.1.5:8443 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8443,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-EXTERNAL-IP-LOCAL 203.0.113.9,tcp:443
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:443
            add KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:443
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 203.0.113.9
            bound: 10.96.0.20 203.0.113.9
        "#]],
    );
}

#[test]
fn an_address_that_is_named_twice_counts_once() {
    check(
        "service web 10.96.0.20 80/TCP external-ip=192.0.2.1 external-ip=192.0.2.1",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -A -t 192.0.2.1:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 192.0.2.1,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.1
            bound: 10.96.0.20 192.0.2.1
        "#]],
    );
}

#[test]
fn the_cluster_ip_as_external_ip_stays_the_cluster_ip() {
    check(
        "service web 10.96.0.20 80/TCP external-ip=10.96.0.20 internal=Local
         slice web-1 web 8080/TCP 10.244.1.5@n1 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            warning: port "": 10.96.0.20:80/TCP is already taken by another port or address of this Service, which keeps it
        "#]],
    );
}

/// The IP of a node port is the node's; an external IP may be that too, and even have the port.
#[test]
fn a_node_port_and_an_external_ip_that_come_to_the_same() {
    check_with(
        "service web 10.96.0.20 type=NodePort 30080/TCP node-port=30080 external-ip=172.18.0.2
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        &options("host=172.18.0.2"),
        expect![[r#"
            -A -t 10.96.0.20:30080 -s rr
            -a -t 10.96.0.20:30080 -r 10.244.2.7:8080 -m -w 1
            -A -t 172.18.0.2:30080 -s rr
            -a -t 172.18.0.2:30080 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:30080
            add KUBE-EXTERNAL-IP 172.18.0.2,tcp:30080
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

const NEIGHBOURS: &str = "node n1 172.18.0.2
                          node n2 172.18.0.3 2001:db8:18::3
                          slice default/kubernetes kubernetes https:6443/TCP 172.18.0.9@n9";

#[test]
fn addresses_of_other_machines_are_left_alone_and_the_others_served() {
    check(
        &format!(
            "{NEIGHBOURS}
             service web 10.96.0.20 fd00:96::20 type=LoadBalancer 443/TCP external-ip=172.18.0.3 \
             external-ip=172.18.0.9 external-ip=192.0.2.1 lb-ip=172.18.0.9 lb-ip=203.0.113.9 lb-ip=2001:db8:18::3"
        ),
        expect![[r#"
            -A -t 10.96.0.20:443 -s rr
            -A -t 192.0.2.1:443 -s rr
            -A -t 203.0.113.9:443 -s rr
            -A -t [fd00:96::20]:443 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-EXTERNAL-IP 192.0.2.1,tcp:443
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:443
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:443
            add KUBE-NO-ENDPOINT 192.0.2.1,tcp:443
            add KUBE-NO-ENDPOINT 203.0.113.9,tcp:443
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.1
            add KUBE-IPVS-IPS 203.0.113.9
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:443
            add KUBE-6-NO-ENDPOINT fd00:96::20,tcp:443
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 192.0.2.1 203.0.113.9 fd00:96::20
            warning: external IP 172.18.0.3 is an address of node n2; it is not served, so that node n2 stays reachable
            warning: external IP 172.18.0.9 is an address of the control plane; it is not served, so that the control plane stays reachable
            warning: load-balancer address 172.18.0.9 is an address of the control plane; it is not served, so that the control plane stays reachable
            warning: load-balancer address 2001:db8:18::3 is an address of node n2; it is not served, so that node n2 stays reachable
        "#]],
    );
}

#[test]
fn addresses_of_this_node_are_its_own_to_serve() {
    check_with(
        &format!("{NEIGHBOURS}\nservice web 10.96.0.20 80/TCP external-ip=172.18.0.2"),
        &options("host=172.18.0.2"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -A -t 172.18.0.2:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP 172.18.0.2,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 172.18.0.2,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

/// Where an API server runs on this very node, its address is no other machine's.
#[test]
fn the_control_planes_address_on_this_machine_is_its_own() {
    check_with(
        "slice default/kubernetes kubernetes https:6443/TCP 172.18.0.2@n1
         service web 10.96.0.20 80/TCP external-ip=172.18.0.2",
        &options("host=172.18.0.2"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -A -t 172.18.0.2:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP 172.18.0.2,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 172.18.0.2,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn a_service_of_which_every_outside_address_is_guarded_keeps_its_cluster_ip() {
    check_with(
        &format!(
            "{NEIGHBOURS}
             service web 10.96.0.20 80/TCP external-ip=172.18.0.3 external=Local
             slice web-1 web 8080/TCP 10.244.2.7@n2"
        ),
        &options("detector"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            missing: IPv4 External
            warning: external IP 172.18.0.3 is an address of node n2; it is not served, so that node n2 stays reachable
        "#]],
    );
}

#[test]
fn a_path_that_is_left_out_refuses_nothing() {
    check_with(
        "service web 10.96.0.20 type=NodePort external-ip=192.168.50.2 a:80/TCP node-port=30080 b:30080/TCP
         slice web-1 web a:8080/TCP 10.244.1.5@n1",
        &options("host=192.168.50.2"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -A -t 10.96.0.20:30080 -s rr
            -A -t 192.168.50.2:80 -s rr
            -a -t 192.168.50.2:80 -r 10.244.1.5:8080 -m -w 1
            -A -t 192.168.50.2:30080 -s rr
            -a -t 192.168.50.2:30080 -r 10.244.1.5:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:30080
            add KUBE-EXTERNAL-IP 192.168.50.2,tcp:80
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:30080
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            warning: port "b": 192.168.50.2:30080/TCP is already taken by another port or address of this Service, which keeps it
        "#]],
    );
}

#[test]
fn the_api_servers_port_on_this_machine_is_not_taken_and_others_are() {
    check_with(
        "service web 10.96.0.20 external-ip=192.0.2.1 a:6443/TCP b:443/TCP
         slice default/kubernetes kubernetes https:6443/TCP 192.0.2.1@n1",
        &options("host=192.0.2.1"),
        expect![[r#"
            -A -t 10.96.0.20:443 -s rr
            -A -t 10.96.0.20:6443 -s rr
            -A -t 192.0.2.1:443 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:6443
            add KUBE-EXTERNAL-IP 192.0.2.1,tcp:443
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:443
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:6443
            add KUBE-NO-ENDPOINT 192.0.2.1,tcp:443
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            warning: an API server listens on port 6443 of 192.0.2.1; that port is not served there
        "#]],
    );
}
