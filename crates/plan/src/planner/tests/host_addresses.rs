//! What the addresses of this machine, of other nodes and of the control plane change.

use super::*;

#[test]
fn node_addresses_appear_and_vanish() {
    check_story(
        "host=172.18.0.2",
        "service web 10.96.0.20 fd00:96::20 type=NodePort 80/TCP node-port=30080 s:80/SCTP node-port=30081
         slice web-1 web 8080/TCP s:8080/SCTP 10.244.2.7@n2",
        "host 172.18.0.2 192.168.7.1
         host 172.18.0.2 192.168.7.1 fe80::1
         host 192.168.7.1 fd00:18::2
         host",
        expect![[r#"
            # host 172.18.0.2 192.168.7.1
            + ipset add KUBE-NODE-PORT-SCTP-HASH 192.168.7.1,sctp:30081
            + ipvsadm -A -t 192.168.7.1:30080 -s rr
            + ipvsadm -A --sctp-service 192.168.7.1:30081 -s rr
            + ipvsadm -a -t 192.168.7.1:30080 -r 10.244.2.7:8080 -m -w 1
            + ipvsadm -a --sctp-service 192.168.7.1:30081 -r 10.244.2.7:8080 -m -w 1
            # host 172.18.0.2 192.168.7.1 fe80::1
            # host 192.168.7.1 fd00:18::2
            + ipset add KUBE-6-NODE-PORT-TCP 30080
            + ipset add KUBE-6-NODE-PORT-SCTP-HASH fd00:18::2,sctp:30081
            + ipset add KUBE-6-NO-ENDPOINT fd00:18::2,tcp:30080
            + ipvsadm -A -t [fd00:18::2]:30080 -s rr
            + ipvsadm -A --sctp-service [fd00:18::2]:30081 -s rr
            - ipvsadm -D -t 172.18.0.2:30080
            - ipvsadm -D --sctp-service 172.18.0.2:30081
            - ipset del KUBE-NODE-PORT-SCTP-HASH 172.18.0.2,sctp:30081
            # host
            - ipset del KUBE-6-NO-ENDPOINT fd00:18::2,tcp:30080
            - ipvsadm -D -t 192.168.7.1:30080
            - ipvsadm -D --sctp-service 192.168.7.1:30081
            - ipvsadm -D -t [fd00:18::2]:30080
            - ipvsadm -D --sctp-service [fd00:18::2]:30081
            - ipset del KUBE-NODE-PORT-TCP 30080
            - ipset del KUBE-6-NODE-PORT-TCP 30080
            - ipset del KUBE-NODE-PORT-SCTP-HASH 192.168.7.1,sctp:30081
            - ipset del KUBE-6-NODE-PORT-SCTP-HASH fd00:18::2,sctp:30081
        "#]],
    );
}

#[test]
fn only_addresses_of_the_chosen_networks_matter() {
    check_story(
        "host=172.18.0.2 node-ports=172.18.0.0/16",
        "service web 10.96.0.20 type=NodePort 80/TCP node-port=30080",
        "host 172.18.0.2 192.168.7.1
         host 172.18.0.2 172.18.0.3",
        expect![[r#"
            # host 172.18.0.2 192.168.7.1
            # host 172.18.0.2 172.18.0.3
            + ipset add KUBE-NO-ENDPOINT 172.18.0.3,tcp:30080
            + ipvsadm -A -t 172.18.0.3:30080 -s rr
        "#]],
    );
}

/// An external IP that a real interface gets is served on, and one that it loses is bound.
#[test]
fn an_outside_address_moves_to_a_real_interface_and_back() {
    check_story(
        "",
        "service web 10.96.0.20 type=LoadBalancer 80/TCP external-ip=192.0.2.1 lb-ip=203.0.113.9
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        "host 192.0.2.1 203.0.113.9 10.96.0.20
         host 203.0.113.9
         host",
        expect![[r#"
            # host 192.0.2.1 203.0.113.9 10.96.0.20
            - ip addr del 192.0.2.1/32 dev kube-ipvs0
            - ip addr del 203.0.113.9/32 dev kube-ipvs0
            - ipset del KUBE-IPVS-IPS 192.0.2.1
            - ipset del KUBE-IPVS-IPS 203.0.113.9
            # host 203.0.113.9
            + ipset add KUBE-IPVS-IPS 192.0.2.1
            + ip addr add 192.0.2.1/32 dev kube-ipvs0
            # host
            + ipset add KUBE-IPVS-IPS 203.0.113.9
            + ip addr add 203.0.113.9/32 dev kube-ipvs0
        "#]],
    );
}

#[test]
fn node_ports_without_a_local_endpoint_fall_back_on_new_addresses_too() {
    check_story(
        "detector host=172.18.0.2",
        "service web 10.96.0.20 type=NodePort 80/TCP node-port=30080 external=Local
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        "host 172.18.0.2 192.168.7.1
         host 192.168.7.1",
        expect![[r#"
            # host 172.18.0.2 192.168.7.1
            + ipset add KUBE-NO-LOCAL-ENDPOINT 192.168.7.1,tcp:30080
            + ipvsadm -A -t 192.168.7.1:30080 -s rr
            + ipvsadm -a -t 192.168.7.1:30080 -r 10.244.2.7:8080 -m -w 1
            # host 192.168.7.1
            - ipvsadm -D -t 172.18.0.2:30080
            - ipset del KUBE-NO-LOCAL-ENDPOINT 172.18.0.2,tcp:30080
        "#]],
    );
}

#[test]
fn services_that_do_not_depend_on_them_are_left_alone() {
    let cluster = cluster("service web 10.96.0.20 80/TCP scheduler=fair");
    let mut planner = Planner::new(Options::default());
    planner.rebuild(&cluster);
    let hosts: BTreeSet<IpAddr> = ["172.18.0.2".parse().unwrap()].into();
    assert_eq!(planner.set_host_addresses(&cluster, hosts.clone()), BTreeSet::new());
    assert_eq!(planner.options().host_addresses, hosts);
}

#[test]
fn a_new_node_takes_its_address_back_and_leaves_it_behind() {
    check_story(
        "",
        "service web 10.96.0.20 80/TCP external-ip=172.18.0.3 external-ip=192.0.2.1",
        "node n2 172.18.0.3
         node n2 172.18.0.4
         node n3 172.18.0.3
         no-node n3",
        expect![[r#"
            # node n2 172.18.0.3
            - ipset del KUBE-NO-ENDPOINT 172.18.0.3,tcp:80
            - ip addr del 172.18.0.3/32 dev kube-ipvs0
            - ipvsadm -D -t 172.18.0.3:80
            - ipset del KUBE-IPVS-IPS 172.18.0.3
            - ipset del KUBE-EXTERNAL-IP 172.18.0.3,tcp:80
            # node n2 172.18.0.4
            + ipset add KUBE-EXTERNAL-IP 172.18.0.3,tcp:80
            + ipset add KUBE-NO-ENDPOINT 172.18.0.3,tcp:80
            + ipset add KUBE-IPVS-IPS 172.18.0.3
            + ipvsadm -A -t 172.18.0.3:80 -s rr
            + ip addr add 172.18.0.3/32 dev kube-ipvs0
            # node n3 172.18.0.3
            - ipset del KUBE-NO-ENDPOINT 172.18.0.3,tcp:80
            - ip addr del 172.18.0.3/32 dev kube-ipvs0
            - ipvsadm -D -t 172.18.0.3:80
            - ipset del KUBE-IPVS-IPS 172.18.0.3
            - ipset del KUBE-EXTERNAL-IP 172.18.0.3,tcp:80
            # no-node n3
            + ipset add KUBE-EXTERNAL-IP 172.18.0.3,tcp:80
            + ipset add KUBE-NO-ENDPOINT 172.18.0.3,tcp:80
            + ipset add KUBE-IPVS-IPS 172.18.0.3
            + ipvsadm -A -t 172.18.0.3:80 -s rr
            + ip addr add 172.18.0.3/32 dev kube-ipvs0
        "#]],
    );
}

#[test]
fn the_control_plane_takes_its_address_back() {
    check_story(
        "",
        "service web 10.96.0.20 type=LoadBalancer 80/TCP lb-ip=172.18.0.9",
        "slice default/kubernetes kubernetes https:6443/TCP 172.18.0.9@n9
         slice default/kubernetes kubernetes https:6443/TCP 172.18.0.8@n8",
        expect![[r#"
            # slice default/kubernetes kubernetes https:6443/TCP 172.18.0.9@n9
            - ipset del KUBE-NO-ENDPOINT 172.18.0.9,tcp:80
            - ip addr del 172.18.0.9/32 dev kube-ipvs0
            - ipvsadm -D -t 172.18.0.9:80
            - ipset del KUBE-IPVS-IPS 172.18.0.9
            - ipset del KUBE-LOAD-BALANCER 172.18.0.9,tcp:80
            # slice default/kubernetes kubernetes https:6443/TCP 172.18.0.8@n8
            + ipset add KUBE-LOAD-BALANCER 172.18.0.9,tcp:80
            + ipset add KUBE-NO-ENDPOINT 172.18.0.9,tcp:80
            + ipset add KUBE-IPVS-IPS 172.18.0.9
            + ipvsadm -A -t 172.18.0.9:80 -s rr
            + ip addr add 172.18.0.9/32 dev kube-ipvs0
        "#]],
    );
}

/// This machine has the address: it can be no other's.
#[test]
fn a_guarded_address_that_this_machine_gets_is_served() {
    check_story(
        "",
        "node n2 172.18.0.3
         service web 10.96.0.20 80/TCP external-ip=172.18.0.3",
        "host 172.18.0.3
         host",
        expect![[r#"
            # host 172.18.0.3
            + ipset add KUBE-EXTERNAL-IP 172.18.0.3,tcp:80
            + ipset add KUBE-NO-ENDPOINT 172.18.0.3,tcp:80
            + ipvsadm -A -t 172.18.0.3:80 -s rr
            # host
            - ipset del KUBE-NO-ENDPOINT 172.18.0.3,tcp:80
            - ipvsadm -D -t 172.18.0.3:80
            - ipset del KUBE-EXTERNAL-IP 172.18.0.3,tcp:80
        "#]],
    );
}

#[test]
fn the_node_moves_into_the_source_ranges_and_out_of_them() {
    check_story(
        "",
        "service web 10.96.0.20 type=LoadBalancer 80/TCP lb-ip=203.0.113.9 range=172.18.0.0/16",
        "node n1 172.18.0.2
         node n1 172.19.0.2",
        expect![[r#"
            # node n1 172.18.0.2
            + ipset add KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.9,tcp:80,203.0.113.9
            # node n1 172.19.0.2
            - ipset del KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.9,tcp:80,203.0.113.9
        "#]],
    );
}

#[test]
fn the_primary_address_follows_the_node_object() {
    check_story(
        "host=172.18.0.2 host=192.168.7.1 node-ports=primary",
        "node n1 172.18.0.2
         service web 10.96.0.20 type=NodePort 80/TCP node-port=30080",
        "node n1 192.168.7.1",
        expect![[r#"
            # node n1 192.168.7.1
            + ipset add KUBE-NO-ENDPOINT 192.168.7.1,tcp:30080
            + ipvsadm -A -t 192.168.7.1:30080 -s rr
            - ipset del KUBE-NO-ENDPOINT 172.18.0.2,tcp:30080
            - ipvsadm -D -t 172.18.0.2:30080
        "#]],
    );
}

/// A port that passes from one Service to another stays, and the phases of both causes go together.
#[test]
fn addresses_that_change_along_with_services_are_planned_in_one_step() {
    let mut cluster = cluster("service a 10.96.0.1 80/TCP external-ip=192.0.2.1 external-ip=192.0.2.2");
    let mut planner = Planner::new(Options::default());
    planner.rebuild(&cluster);
    let changes = [
        "service a 10.96.0.1 80/TCP external-ip=192.0.2.1",
        "service b 10.96.0.2 80/TCP external-ip=192.0.2.2",
    ];
    let hosts = ["192.0.2.1".parse().unwrap()].into();
    let update = step_with_hosts(&mut planner, &mut cluster, changes.map(change).to_vec(), Some(hosts));
    expect![[r#"
        + ipset add KUBE-CLUSTER-IP 10.96.0.2,tcp:80
        + ipset add KUBE-NO-ENDPOINT 10.96.0.2,tcp:80
        + ipset add KUBE-IPVS-IPS 10.96.0.2
        + ipvsadm -A -t 10.96.0.2:80 -s rr
        + ip addr add 10.96.0.2/32 dev kube-ipvs0
        - ip addr del 192.0.2.1/32 dev kube-ipvs0
        - ipset del KUBE-IPVS-IPS 192.0.2.1
    "#]]
    .assert_eq(&operations_text(&update.operations));
}
