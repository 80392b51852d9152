//! Several Services that claim one address and port.

use super::*;

#[test]
fn the_older_service_wins() {
    check(
        "service young 10.96.0.1 80/TCP created=20 scheduler=lc
         service old 10.96.0.1 80/TCP created=10 scheduler=sh
         service undated 10.96.0.1 80/TCP",
        expect![[r#"
            # service young 10.96.0.1 80/TCP created=20 scheduler=lc
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipvsadm -A -t 10.96.0.1:80 -s lc
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            # service old 10.96.0.1 80/TCP created=10 scheduler=sh
            ~ ipvsadm -E -t 10.96.0.1:80 -s sh
            10.96.0.1:80/TCP goes to old, not to young
            # service undated 10.96.0.1 80/TCP
            10.96.0.1:80/TCP goes to old, not to young, undated
        "#]],
    );
}

#[test]
fn of_services_of_one_age_the_first_by_name_wins() {
    check(
        "service b/web 10.96.0.1 80/TCP created=10
         service b/api 10.96.0.1 80/TCP created=10
         service a/zoo 10.96.0.1 80/TCP created=10 scheduler=lc",
        expect![[r#"
            # service b/web 10.96.0.1 80/TCP created=10
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            # service b/api 10.96.0.1 80/TCP created=10
            10.96.0.1:80/TCP goes to api, not to web
            # service a/zoo 10.96.0.1 80/TCP created=10 scheduler=lc
            ~ ipvsadm -E -t 10.96.0.1:80 -s lc
            10.96.0.1:80/TCP goes to zoo, not to api, web
        "#]],
    );
}

#[test]
fn the_next_in_line_takes_over_in_place() {
    check(
        "service first 10.96.0.1 80/TCP created=1
         slice first-1 first 8080/TCP 10.244.2.1@n2
         service second 10.96.0.1 80/TCP created=2 affinity=60
         slice second-1 second 8080/TCP 10.244.2.2@n2
         service third 10.96.0.1 80/TCP created=3
         no-service first
         service second 10.96.0.9 80/TCP created=2
         no-service third",
        expect![[r#"
            # service first 10.96.0.1 80/TCP created=1
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            # slice first-1 first 8080/TCP 10.244.2.1@n2
            + ipvsadm -a -t 10.96.0.1:80 -r 10.244.2.1:8080 -m -w 1
            - ipset del KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            # service second 10.96.0.1 80/TCP created=2 affinity=60
            10.96.0.1:80/TCP goes to first, not to second
            # slice second-1 second 8080/TCP 10.244.2.2@n2
            # service third 10.96.0.1 80/TCP created=3
            10.96.0.1:80/TCP goes to first, not to second, third
            # no-service first
            ~ ipvsadm -E -t 10.96.0.1:80 -s rr -p 60
            + ipvsadm -a -t 10.96.0.1:80 -r 10.244.2.2:8080 -m -w 1
            - ipvsadm -d -t 10.96.0.1:80 -r 10.244.2.1:8080
            10.96.0.1:80/TCP goes to second, not to third
            # service second 10.96.0.9 80/TCP created=2
            + ipset add KUBE-CLUSTER-IP 10.96.0.9,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.9
            ~ ipvsadm -E -t 10.96.0.1:80 -s rr
            + ipvsadm -A -t 10.96.0.9:80 -s rr
            + ipvsadm -a -t 10.96.0.9:80 -r 10.244.2.2:8080 -m -w 1
            - ipvsadm -d -t 10.96.0.1:80 -r 10.244.2.2:8080
            + ip addr add 10.96.0.9/32 dev kube-ipvs0
            10.96.0.1:80/TCP is not contested any more
            # no-service third
            - ipset del KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            - ip addr del 10.96.0.1/32 dev kube-ipvs0
            - ipvsadm -D -t 10.96.0.1:80
            - ipset del KUBE-IPVS-IPS 10.96.0.1
            - ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:80
        "#]],
    );
}

#[test]
fn what_the_loser_does_changes_nothing() {
    check(
        "service winner 10.96.0.1 80/TCP created=1
         service loser 10.96.0.1 80/TCP created=2
         slice loser-1 loser 8080/TCP 10.244.2.2@n2
         service loser 10.96.0.1 80/TCP created=2 scheduler=mh
         no-service loser",
        expect![[r#"
            # service winner 10.96.0.1 80/TCP created=1
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            # service loser 10.96.0.1 80/TCP created=2
            10.96.0.1:80/TCP goes to winner, not to loser
            # slice loser-1 loser 8080/TCP 10.244.2.2@n2
            # service loser 10.96.0.1 80/TCP created=2 scheduler=mh
            # no-service loser
            10.96.0.1:80/TCP is not contested any more
        "#]],
    );
}

#[test]
fn a_service_that_was_made_anew_goes_to_the_end_of_the_line() {
    check(
        "service a 10.96.0.1 80/TCP created=1
         service b 10.96.0.1 80/TCP created=2 scheduler=lc
         service a 10.96.0.1 80/TCP created=3",
        expect![[r#"
            # service a 10.96.0.1 80/TCP created=1
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            # service b 10.96.0.1 80/TCP created=2 scheduler=lc
            10.96.0.1:80/TCP goes to a, not to b
            # service a 10.96.0.1 80/TCP created=3
            ~ ipvsadm -E -t 10.96.0.1:80 -s lc
            10.96.0.1:80/TCP goes to b, not to a
        "#]],
    );
}

#[test]
fn only_the_contested_port_is_withheld() {
    check(
        "service first 10.96.0.1 http:80/TCP created=1
         service second 10.96.0.1 http:80/TCP dns:80/UDP https:443/TCP created=2",
        expect![[r#"
            # service first 10.96.0.1 http:80/TCP created=1
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            # service second 10.96.0.1 http:80/TCP dns:80/UDP https:443/TCP created=2
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:443
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,udp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:443
            + ipvsadm -A -u 10.96.0.1:80 -s rr
            + ipvsadm -A -t 10.96.0.1:443 -s rr
            10.96.0.1:80/TCP goes to first, not to second
        "#]],
    );
}

/// Otherwise whoever asks for the address of another Service could close it, or change who is masqueraded.
#[test]
fn entries_about_what_a_service_does_not_get_do_not_count() {
    check(
        "service old 10.96.0.1 80/TCP external-ip=192.0.2.1 created=1
         service new 10.96.0.2 type=LoadBalancer 80/TCP lb-ip=192.0.2.1 external=Local range=198.51.100.0/24 created=2
         service third 10.96.0.3 80/TCP 81/TCP external-ip=192.0.2.1 created=3
         service old 10.96.0.1 80/TCP external-ip=192.0.2.1 created=4
         no-service new",
        expect![[r#"
            # service old 10.96.0.1 80/TCP external-ip=192.0.2.1 created=1
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 192.0.2.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipset add KUBE-IPVS-IPS 192.0.2.1
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ipvsadm -A -t 192.0.2.1:80 -s rr
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            + ip addr add 192.0.2.1/32 dev kube-ipvs0
            # service new 10.96.0.2 type=LoadBalancer 80/TCP lb-ip=192.0.2.1 external=Local range=198.51.100.0/24 created=2
            + ipset add KUBE-CLUSTER-IP 10.96.0.2,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.2,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.2
            + ipvsadm -A -t 10.96.0.2:80 -s rr
            + ip addr add 10.96.0.2/32 dev kube-ipvs0
            192.0.2.1:80/TCP goes to old, not to new
            # service third 10.96.0.3 80/TCP 81/TCP external-ip=192.0.2.1 created=3
            + ipset add KUBE-CLUSTER-IP 10.96.0.3,tcp:80
            + ipset add KUBE-CLUSTER-IP 10.96.0.3,tcp:81
            + ipset add KUBE-EXTERNAL-IP 192.0.2.1,tcp:81
            + ipset add KUBE-NO-ENDPOINT 10.96.0.3,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.3,tcp:81
            + ipset add KUBE-NO-ENDPOINT 192.0.2.1,tcp:81
            + ipset add KUBE-IPVS-IPS 10.96.0.3
            + ipvsadm -A -t 10.96.0.3:80 -s rr
            + ipvsadm -A -t 10.96.0.3:81 -s rr
            + ipvsadm -A -t 192.0.2.1:81 -s rr
            + ip addr add 10.96.0.3/32 dev kube-ipvs0
            192.0.2.1:80/TCP goes to old, not to new, third
            # service old 10.96.0.1 80/TCP external-ip=192.0.2.1 created=4
            + ipset add KUBE-LOAD-BALANCER 192.0.2.1,tcp:80
            + ipset add KUBE-LOAD-BALANCER-SOURCE-CIDR 192.0.2.1,tcp:80,198.51.100.0/24
            + ipset add KUBE-LOAD-BALANCER-LOCAL 192.0.2.1,tcp:80
            + ipset add KUBE-LOAD-BALANCER-FW 192.0.2.1,tcp:80
            - ipset del KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            192.0.2.1:80/TCP goes to new, not to third, old
            # no-service new
            - ipset del KUBE-LOAD-BALANCER-LOCAL 192.0.2.1,tcp:80
            + ipset add KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            - ipset del KUBE-NO-ENDPOINT 10.96.0.2,tcp:80
            - ip addr del 10.96.0.2/32 dev kube-ipvs0
            - ipvsadm -D -t 10.96.0.2:80
            - ipset del KUBE-LOAD-BALANCER-FW 192.0.2.1,tcp:80
            - ipset del KUBE-IPVS-IPS 10.96.0.2
            - ipset del KUBE-CLUSTER-IP 10.96.0.2,tcp:80
            - ipset del KUBE-LOAD-BALANCER 192.0.2.1,tcp:80
            - ipset del KUBE-LOAD-BALANCER-SOURCE-CIDR 192.0.2.1,tcp:80,198.51.100.0/24
            192.0.2.1:80/TCP goes to third, not to old
        "#]],
    );
}

/// A set of ports holds for all addresses that serve node ports, so an entry counts as long as the Service has one.
#[test]
fn the_policy_of_who_loses_a_node_port_does_not_count() {
    let cluster = cluster(
        "service old 10.96.0.1 type=NodePort 80/TCP node-port=30080 created=1
         service new 10.96.0.2 type=NodePort 30080/TCP node-port=30080 external=Local created=2",
    );
    let mut desired = Desired::default();
    let options = options("host=192.0.2.9");
    let contribution = |name| {
        let service = cluster.service(&key(name)).unwrap();
        (service.key.clone(), Some(Contribution::new(service, plan_service(service, &cluster, &options))))
    };
    desired.replace(["old", "new"].map(contribution));
    let has_policy = |desired: &Desired| text(desired.state()).contains("KUBE-NODE-PORT-LOCAL-TCP 30080");
    assert!(!has_policy(&desired));
    desired.replace([(key("old"), None)]);
    assert!(has_policy(&desired));
}
