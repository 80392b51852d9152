//! Changes of what reaches a Service from outside: node ports, addresses, the policy, source ranges and health checks.

use super::*;

#[test]
fn a_node_port_is_renumbered() {
    check(
        "service web 10.96.0.20 type=NodePort http:80/TCP node-port=30080 external=Local",
        "service web 10.96.0.20 type=NodePort http:80/TCP node-port=30081 external=Local",
        expect![[r#"
            # service web 10.96.0.20 type=NodePort http:80/TCP node-port=30081 external=Local
            - ipset del KUBE-NODE-PORT-LOCAL-TCP 30080
            + ipset add KUBE-NODE-PORT-TCP 30081
            + ipset add KUBE-NODE-PORT-LOCAL-TCP 30081
            + ipvsadm -A -t 172.18.0.2:30081 -s rr
            + ipvsadm -a -t 172.18.0.2:30081 -r 10.244.1.5:8080 -m -w 1
            - ipvsadm -D -t 172.18.0.2:30080
            - ipset del KUBE-NODE-PORT-TCP 30080
        "#]],
    );
}

/// The packets of a connection must not meet a set that still lacks their address.
#[test]
fn an_external_ip_becomes_the_load_balancers() {
    check(
        "service web 10.96.0.20 type=LoadBalancer http:80/TCP external-ip=203.0.113.9",
        "service web 10.96.0.20 type=LoadBalancer http:80/TCP lb-ip=203.0.113.9",
        expect![[r#"
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP lb-ip=203.0.113.9
            + ipset add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            - ipset del KUBE-EXTERNAL-IP 203.0.113.9,tcp:80
        "#]],
    );
}

#[test]
fn the_external_policy_changes() {
    check(
        "service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 lb-ip=203.0.113.9 external-ip=192.0.2.1",
        "service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 lb-ip=203.0.113.9 \
         external-ip=192.0.2.1 external=Local health-check=32000
         service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 lb-ip=203.0.113.9 external-ip=192.0.2.1",
        expect![[r#"
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 lb-ip=203.0.113.9 external-ip=192.0.2.1 external=Local health-check=32000
            + ipset add KUBE-EXTERNAL-IP-LOCAL 192.0.2.1,tcp:80
            + ipset add KUBE-HEALTH-CHECK-NODE-PORT 32000
            - ipvsadm -d -t 172.18.0.2:30080 -r 10.244.2.7:8080
            - ipvsadm -d -t 192.0.2.1:80 -r 10.244.2.7:8080
            - ipvsadm -d -t 203.0.113.9:80 -r 10.244.2.7:8080
            + ipset add KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80
            + ipset add KUBE-NODE-PORT-LOCAL-TCP 30080
            - ipset del KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            health check of web: 32000
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 lb-ip=203.0.113.9 external-ip=192.0.2.1
            - ipset del KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80
            - ipset del KUBE-NODE-PORT-LOCAL-TCP 30080
            + ipset add KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            + ipvsadm -a -t 172.18.0.2:30080 -r 10.244.2.7:8080 -m -w 1
            + ipvsadm -a -t 192.0.2.1:80 -r 10.244.2.7:8080 -m -w 1
            + ipvsadm -a -t 203.0.113.9:80 -r 10.244.2.7:8080 -m -w 1
            - ipset del KUBE-EXTERNAL-IP-LOCAL 192.0.2.1,tcp:80
            - ipset del KUBE-HEALTH-CHECK-NODE-PORT 32000
            health check of web: none
        "#]],
    );
}

/// Before endpoints of other nodes serve, the rules drop what comes from outside; and as long as they do.
#[test]
fn the_last_local_endpoint_goes_and_returns() {
    check(
        "service web 10.96.0.20 type=LoadBalancer http:80/TCP lb-ip=203.0.113.9 external=Local health-check=32000",
        "slice web-1 web http:8080/TCP 10.244.1.5@n1!terminating 10.244.2.7@n2
         slice web-1 web http:8080/TCP 10.244.2.7@n2
         slice web-1 web http:8080/TCP
         slice web-1 web http:8080/TCP 10.244.2.7@n2
         slice web-1 web http:8080/TCP 10.244.1.6@n1 10.244.2.7@n2",
        expect![[r#"
            # slice web-1 web http:8080/TCP 10.244.1.5@n1!terminating 10.244.2.7@n2
            - ipvsadm -d -t 10.96.0.20:80 -r 10.244.1.5:8080
            health check of web: 32000
            # slice web-1 web http:8080/TCP 10.244.2.7@n2
            + ipset add KUBE-NO-LOCAL-ENDPOINT 203.0.113.9,tcp:80
            + ipvsadm -a -t 203.0.113.9:80 -r 10.244.2.7:8080 -m -w 1
            - ipvsadm -d -t 203.0.113.9:80 -r 10.244.1.5:8080
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            # slice web-1 web http:8080/TCP
            + ipset add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            + ipset add KUBE-NO-ENDPOINT 203.0.113.9,tcp:80
            - ipvsadm -d -t 10.96.0.20:80 -r 10.244.2.7:8080
            - ipvsadm -d -t 203.0.113.9:80 -r 10.244.2.7:8080
            - ipset del KUBE-NO-LOCAL-ENDPOINT 203.0.113.9,tcp:80
            # slice web-1 web http:8080/TCP 10.244.2.7@n2
            + ipset add KUBE-NO-LOCAL-ENDPOINT 203.0.113.9,tcp:80
            + ipvsadm -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            + ipvsadm -a -t 203.0.113.9:80 -r 10.244.2.7:8080 -m -w 1
            - ipset del KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            - ipset del KUBE-NO-ENDPOINT 203.0.113.9,tcp:80
            # slice web-1 web http:8080/TCP 10.244.1.6@n1 10.244.2.7@n2
            + ipset add KUBE-LOOP-BACK 10.244.1.6,tcp:8080,10.244.1.6
            + ipvsadm -a -t 10.96.0.20:80 -r 10.244.1.6:8080 -m -w 1
            + ipvsadm -a -t 203.0.113.9:80 -r 10.244.1.6:8080 -m -w 1
            - ipvsadm -d -t 203.0.113.9:80 -r 10.244.2.7:8080
            - ipset del KUBE-NO-LOCAL-ENDPOINT 203.0.113.9,tcp:80
            health check of web: 32000
        "#]],
    );
}

/// The entry that closes an address to everybody comes after those that open it to some, and goes before them.
#[test]
fn source_ranges_come_change_and_go() {
    let service = "service web 10.96.0.20 type=LoadBalancer http:80/TCP lb-ip=203.0.113.9";
    check(
        &format!("node n1 172.18.0.2\n{service}"),
        &format!(
            "{service} range=198.51.100.0/24 range=172.18.0.0/16
             {service} range=198.51.100.0/25
             {service} range=198.51.100.7/32
             {service} range=0.0.0.0/0"
        ),
        expect![[r#"
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP lb-ip=203.0.113.9 range=198.51.100.0/24 range=172.18.0.0/16
            + ipset add KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.9,tcp:80,203.0.113.9
            + ipset add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,172.18.0.0/16
            + ipset add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,198.51.100.0/24
            + ipset add KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:80
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP lb-ip=203.0.113.9 range=198.51.100.0/25
            + ipset add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,198.51.100.0/25
            - ipset del KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.9,tcp:80,203.0.113.9
            - ipset del KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,172.18.0.0/16
            - ipset del KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,198.51.100.0/24
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP lb-ip=203.0.113.9 range=198.51.100.7/32
            + ipset add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,198.51.100.7
            - ipset del KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,198.51.100.0/25
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP lb-ip=203.0.113.9 range=0.0.0.0/0
            - ipset del KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:80
            - ipset del KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,198.51.100.7
        "#]],
    );
}

#[test]
fn the_health_check_port_changes() {
    let service = "service web 10.96.0.20 type=LoadBalancer http:80/TCP external=Local";
    check(
        &format!("{service} health-check=32000"),
        &format!(
            "{service} health-check=32001
             {service}
             {service} health-check=32001
             no-service web"
        ),
        expect![[r#"
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP external=Local health-check=32001
            + ipset add KUBE-HEALTH-CHECK-NODE-PORT 32001
            - ipset del KUBE-HEALTH-CHECK-NODE-PORT 32000
            health check of web: 32001
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP external=Local
            - ipset del KUBE-HEALTH-CHECK-NODE-PORT 32001
            health check of web: none
            # service web 10.96.0.20 type=LoadBalancer http:80/TCP external=Local health-check=32001
            + ipset add KUBE-HEALTH-CHECK-NODE-PORT 32001
            health check of web: 32001
            # no-service web
            - ip addr del 10.96.0.20/32 dev kube-ipvs0
            - ipvsadm -D -t 10.96.0.20:80
            - ipset del KUBE-IPVS-IPS 10.96.0.20
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            - ipset del KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            - ipset del KUBE-HEALTH-CHECK-NODE-PORT 32001
            health check of web: none
        "#]],
    );
}
