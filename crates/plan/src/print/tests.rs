use expect_test::expect;
use model::{Cluster, Family, PerFamily, Protocol};

use super::*;
use crate::testing::{cluster, planned};
use crate::{
    LocalDetector, Operation, RealServer, Scheduler, VirtualServerConfig, VirtualServerKey, difference,
};

/// The worked example of the specification, as far as it concerns cluster IPs.
fn example() -> Cluster {
    cluster(
        "service ns1/web 10.96.0.20 80/TCP
         slice ns1/web-1 web 8080/TCP 10.244.1.5@n1 10.244.2.7@n2
         service ns1/edge 10.96.0.30 443/TCP
         slice ns1/edge-1 edge 8443/TCP 10.244.1.6@n1 10.244.2.8@n2",
    )
}

fn options() -> Options {
    let cidr = LocalDetector::Cidr("10.244.0.0/16".parse().unwrap());
    Options {
        families: [Family::V4].into(),
        local_detector: PerFamily { v4: Some(cidr), v6: None },
        ..Options::default()
    }
}

/// The text of a state up to the rules, which have tests of their own.
fn before_rules(text: &str) -> &str {
    text.split("\n# iptables-save").next().unwrap()
}

#[test]
fn the_worked_example_as_text() {
    let (cluster, options) = (example(), options());
    let text = text(&planned(&cluster, &options), &options);
    expect![[r#"
        # ipvsadm -Sn
        -A -t 10.96.0.20:80 -s rr
        -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
        -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
        -A -t 10.96.0.30:443 -s rr
        -a -t 10.96.0.30:443 -r 10.244.1.6:8443 -m -w 1
        -a -t 10.96.0.30:443 -r 10.244.2.8:8443 -m -w 1

        # ipset save
        create KUBE-LOOP-BACK hash:ip,port,ip family inet hashsize 1024 maxelem 65536
        add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
        add KUBE-LOOP-BACK 10.244.1.6,tcp:8443,10.244.1.6
        create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536
        add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
        add KUBE-CLUSTER-IP 10.96.0.30,tcp:443
        create KUBE-EXTERNAL-IP hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-EXTERNAL-IP-LOCAL hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER-FW hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER-LOCAL hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER-SOURCE-IP hash:ip,port,ip family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER-SOURCE-CIDR hash:ip,port,net family inet hashsize 1024 maxelem 65536
        create KUBE-NODE-PORT-TCP bitmap:port range 0-65535
        create KUBE-NODE-PORT-LOCAL-TCP bitmap:port range 0-65535
        create KUBE-NODE-PORT-UDP bitmap:port range 0-65535
        create KUBE-NODE-PORT-LOCAL-UDP bitmap:port range 0-65535
        create KUBE-NODE-PORT-SCTP-HASH hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-NODE-PORT-LOCAL-SCTP-HASH hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-HEALTH-CHECK-NODE-PORT bitmap:port range 0-65535
        create KUBE-NO-LOCAL-ENDPOINT hash:ip,port family inet hashsize 1024 maxelem 1048576
        create KUBE-NO-ENDPOINT hash:ip,port family inet hashsize 1024 maxelem 1048576
        create KUBE-IPVS-IPS hash:ip family inet hashsize 1024 maxelem 65536
        add KUBE-IPVS-IPS 10.96.0.20
        add KUBE-IPVS-IPS 10.96.0.30

        # ip addr show dev kube-ipvs0
        kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN
            inet 10.96.0.20/32 scope global kube-ipvs0
            inet 10.96.0.30/32 scope global kube-ipvs0
    "#]]
    .assert_eq(before_rules(&text));
    let rules = ruleset(Family::V4, &options);
    assert!(text.ends_with(&format!("\n# iptables-save\n{rules}")));
}

#[test]
fn the_worked_example_as_json() {
    let (cluster, options) = (example(), options());
    let mut object = json(&planned(&cluster, &options), &options);
    let rules = object["rules"].take();
    let lines = rules[0]["lines"].as_array().unwrap();
    assert_eq!(lines.len(), ruleset(Family::V4, &options).to_string().lines().count());
    assert_eq!(rules[0]["family"], "IPv4");
    let sets = object["sets"].as_array_mut().unwrap();
    assert_eq!(sets.len(), 19);
    sets.retain(|set| set["entries"] != serde_json::json!([]));
    expect![[r#"
        {
          "addresses": [
            "10.96.0.20",
            "10.96.0.30"
          ],
          "interface": "kube-ipvs0",
          "rules": null,
          "sets": [
            {
              "entries": [
                "10.244.1.5,tcp:8080,10.244.1.5",
                "10.244.1.6,tcp:8443,10.244.1.6"
              ],
              "name": "KUBE-LOOP-BACK",
              "type": "hash:ip,port,ip"
            },
            {
              "entries": [
                "10.96.0.20,tcp:80",
                "10.96.0.30,tcp:443"
              ],
              "name": "KUBE-CLUSTER-IP",
              "type": "hash:ip,port"
            },
            {
              "entries": [
                "10.96.0.20",
                "10.96.0.30"
              ],
              "name": "KUBE-IPVS-IPS",
              "type": "hash:ip"
            }
          ],
          "virtualServers": [
            {
              "address": "10.96.0.20",
              "persistenceSeconds": null,
              "port": 80,
              "protocol": "TCP",
              "realServers": [
                {
                  "address": "10.244.1.5",
                  "port": 8080,
                  "weight": 1
                },
                {
                  "address": "10.244.2.7",
                  "port": 8080,
                  "weight": 1
                }
              ],
              "scheduler": "rr",
              "schedulerFlags": []
            },
            {
              "address": "10.96.0.30",
              "persistenceSeconds": null,
              "port": 443,
              "protocol": "TCP",
              "realServers": [
                {
                  "address": "10.244.1.6",
                  "port": 8443,
                  "weight": 1
                },
                {
                  "address": "10.244.2.8",
                  "port": 8443,
                  "weight": 1
                }
              ],
              "scheduler": "rr",
              "schedulerFlags": []
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&object).unwrap());
}

#[test]
fn both_families_are_printed() {
    let cluster = cluster(
        "service web 10.96.0.20 fd00:96::20 dns:53/UDP signal:5060/SCTP scheduler=mh flags=mh-fallback,mh-port affinity=600
         slice web-4 web dns:53/UDP signal:5060/SCTP 10.244.1.5@n1
         slice web-6 web dns:53/UDP signal:5060/SCTP weight=0 fd00:244:1::5@n1",
    );
    let options = Options::default();
    let text = text(&planned(&cluster, &options), &options);
    assert!(text.contains("\n# ip6tables-save\n*filter\n"));
    expect![[r#"
        # ipvsadm -Sn
        -A -u 10.96.0.20:53 -s mh -p 600 -b mh-fallback,mh-port
        -a -u 10.96.0.20:53 -r 10.244.1.5:53 -m -w 1
        -A --sctp-service 10.96.0.20:5060 -s mh -p 600 -b mh-fallback,mh-port
        -a --sctp-service 10.96.0.20:5060 -r 10.244.1.5:5060 -m -w 1
        -A -u [fd00:96::20]:53 -s mh -p 600 -b mh-fallback,mh-port
        -a -u [fd00:96::20]:53 -r [fd00:244:1::5]:53 -m -w 0
        -A --sctp-service [fd00:96::20]:5060 -s mh -p 600 -b mh-fallback,mh-port
        -a --sctp-service [fd00:96::20]:5060 -r [fd00:244:1::5]:5060 -m -w 0

        # ipset save
        create KUBE-LOOP-BACK hash:ip,port,ip family inet hashsize 1024 maxelem 65536
        add KUBE-LOOP-BACK 10.244.1.5,udp:53,10.244.1.5
        add KUBE-LOOP-BACK 10.244.1.5,sctp:5060,10.244.1.5
        create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536
        add KUBE-CLUSTER-IP 10.96.0.20,udp:53
        add KUBE-CLUSTER-IP 10.96.0.20,sctp:5060
        create KUBE-EXTERNAL-IP hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-EXTERNAL-IP-LOCAL hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER-FW hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER-LOCAL hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER-SOURCE-IP hash:ip,port,ip family inet hashsize 1024 maxelem 65536
        create KUBE-LOAD-BALANCER-SOURCE-CIDR hash:ip,port,net family inet hashsize 1024 maxelem 65536
        create KUBE-NODE-PORT-TCP bitmap:port range 0-65535
        create KUBE-NODE-PORT-LOCAL-TCP bitmap:port range 0-65535
        create KUBE-NODE-PORT-UDP bitmap:port range 0-65535
        create KUBE-NODE-PORT-LOCAL-UDP bitmap:port range 0-65535
        create KUBE-NODE-PORT-SCTP-HASH hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-NODE-PORT-LOCAL-SCTP-HASH hash:ip,port family inet hashsize 1024 maxelem 65536
        create KUBE-HEALTH-CHECK-NODE-PORT bitmap:port range 0-65535
        create KUBE-NO-LOCAL-ENDPOINT hash:ip,port family inet hashsize 1024 maxelem 1048576
        create KUBE-NO-ENDPOINT hash:ip,port family inet hashsize 1024 maxelem 1048576
        create KUBE-IPVS-IPS hash:ip family inet hashsize 1024 maxelem 65536
        add KUBE-IPVS-IPS 10.96.0.20
        create KUBE-6-LOOP-BACK hash:ip,port,ip family inet6 hashsize 1024 maxelem 65536
        add KUBE-6-LOOP-BACK fd00:244:1::5,udp:53,fd00:244:1::5
        add KUBE-6-LOOP-BACK fd00:244:1::5,sctp:5060,fd00:244:1::5
        create KUBE-6-CLUSTER-IP hash:ip,port family inet6 hashsize 1024 maxelem 65536
        add KUBE-6-CLUSTER-IP fd00:96::20,udp:53
        add KUBE-6-CLUSTER-IP fd00:96::20,sctp:5060
        create KUBE-6-EXTERNAL-IP hash:ip,port family inet6 hashsize 1024 maxelem 65536
        create KUBE-6-EXTERNAL-IP-LOCAL hash:ip,port family inet6 hashsize 1024 maxelem 65536
        create KUBE-6-LOAD-BALANCER hash:ip,port family inet6 hashsize 1024 maxelem 65536
        create KUBE-6-LOAD-BALANCER-FW hash:ip,port family inet6 hashsize 1024 maxelem 65536
        create KUBE-6-LOAD-BALANCER-LOCAL hash:ip,port family inet6 hashsize 1024 maxelem 65536
        create KUBE-6-LOAD-BALANCER-SOURCE-IP hash:ip,port,ip family inet6 hashsize 1024 maxelem 65536
        create KUBE-6-LOAD-BALANCER-SOURCE-CID hash:ip,port,net family inet6 hashsize 1024 maxelem 65536
        create KUBE-6-NODE-PORT-TCP bitmap:port range 0-65535
        create KUBE-6-NODE-PORT-LOCAL-TCP bitmap:port range 0-65535
        create KUBE-6-NODE-PORT-UDP bitmap:port range 0-65535
        create KUBE-6-NODE-PORT-LOCAL-UDP bitmap:port range 0-65535
        create KUBE-6-NODE-PORT-SCTP-HASH hash:ip,port family inet6 hashsize 1024 maxelem 65536
        create KUBE-6-NODE-PORT-LOCAL-SCTP-HAS hash:ip,port family inet6 hashsize 1024 maxelem 65536
        create KUBE-6-HEALTH-CHECK-NODE-PORT bitmap:port range 0-65535
        create KUBE-6-NO-LOCAL-ENDPOINT hash:ip,port family inet6 hashsize 1024 maxelem 1048576
        create KUBE-6-NO-ENDPOINT hash:ip,port family inet6 hashsize 1024 maxelem 1048576
        create KUBE-6-IPVS-IPS hash:ip family inet6 hashsize 1024 maxelem 65536
        add KUBE-6-IPVS-IPS fd00:96::20

        # ip addr show dev kube-ipvs0
        kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN
            inet 10.96.0.20/32 scope global kube-ipvs0
            inet6 fd00:96::20/128 scope global
    "#]]
    .assert_eq(before_rules(&text));
}

#[test]
fn what_no_plan_holds_is_printed_as_well() {
    let key = |ip: &str| VirtualServerKey { address: ip.parse().unwrap(), port: 80, protocol: Protocol::Tcp };
    let config = |scheduler, scheduler_flags| VirtualServerConfig {
        scheduler,
        scheduler_flags,
        persistence: None,
        unusual: true,
    };
    let real = RealServer { address: "10.1.0.1".parse().unwrap(), port: 8080, weight: 7, masqueraded: false };
    let lines = [
        virtual_server_line(&key("10.0.0.1"), &config(None, 0)),
        virtual_server_line(&key("fd00::1"), &config(Some(Scheduler::Rr), 0x38)),
        virtual_server_line(&key("10.0.0.1"), &config(Some(Scheduler::Sh), 0x30)),
        real_server_line(&key("10.0.0.1"), &real),
    ];
    expect![[r#"
        -t 10.0.0.1:80 -s unknown
        -t [fd00::1]:80 -s rr -b flag-1,flag-2,flag-3
        -t 10.0.0.1:80 -s sh -b sh-port,flag-3
        -t 10.0.0.1:80 -r 10.1.0.1:8080 -g -w 7"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn operations_as_text_and_as_json() {
    let options = options();
    let before = planned(&example(), &options);
    let after = planned(
        &cluster(
            "service ns1/web 10.96.0.20 80/TCP scheduler=wlc
             slice ns1/web-1 web 8080/TCP weight=3 10.244.1.5@n1
             service ns1/api 10.96.0.40 80/TCP",
        ),
        &options,
    );
    let operations = difference(&before, &after);
    expect![[r#"
        + ipset add KUBE-CLUSTER-IP 10.96.0.40,tcp:80
        + ipset add KUBE-NO-ENDPOINT 10.96.0.40,tcp:80
        + ipset add KUBE-IPVS-IPS 10.96.0.40
        ~ ipvsadm -E -t 10.96.0.20:80 -s wlc
        + ipvsadm -A -t 10.96.0.40:80 -s rr
        ~ ipvsadm -e -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 3
        - ipvsadm -d -t 10.96.0.20:80 -r 10.244.2.7:8080
        + ip addr add 10.96.0.40/32 dev kube-ipvs0
        - ip addr del 10.96.0.30/32 dev kube-ipvs0
        - ipvsadm -D -t 10.96.0.30:443
        - ipset del KUBE-IPVS-IPS 10.96.0.30
        - ipset del KUBE-LOOP-BACK 10.244.1.6,tcp:8443,10.244.1.6
        - ipset del KUBE-CLUSTER-IP 10.96.0.30,tcp:443
    "#]]
    .assert_eq(&operations_text(&operations));
    let one_of_each: Vec<Operation> = [0, 2, 5].map(|index| operations[index].clone()).into();
    expect![[r#"
        [
          {
            "change": "add",
            "command": "ipset add KUBE-CLUSTER-IP 10.96.0.40,tcp:80"
          },
          {
            "change": "add",
            "command": "ipset add KUBE-IPVS-IPS 10.96.0.40"
          },
          {
            "change": "change",
            "command": "ipvsadm -e -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 3"
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&operations_json(&one_of_each)).unwrap());
}
