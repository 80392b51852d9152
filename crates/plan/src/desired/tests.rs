mod conflicts;

use expect_test::{Expect, expect};
use model::{Cluster, Protocol};

use super::*;
use crate::print::operations_text;
use crate::testing::{change, cluster, key, options, service, text};
use crate::{Options, ServicePlan, plan_service};

/// A Service's contribution in a cluster.
fn contribution(cluster: &Cluster, name: &str) -> (ObjectKey, Option<Contribution>) {
    let key = key(name);
    let plan = |service| Contribution::new(service, plan_service(service, cluster, &Options::default()));
    let contribution = cluster.service(&key).map(plan);
    (key, contribution)
}

/// Tells `lines` one after the other, with the operations and the conflicts that each leads to.
fn check(lines: &str, expected: Expect) {
    let mut cluster = cluster("");
    let mut desired = Desired::default();
    let mut story = String::new();
    for line in lines.lines().map(str::trim) {
        cluster.apply(change(line));
        let names: Vec<String> = cluster.services().map(|service| service.key.to_string()).collect();
        let gone = line.strip_prefix("no-service ");
        let names = names.iter().map(String::as_str).chain(gone);
        let contributions: Vec<_> = names.map(|name| contribution(&cluster, name)).collect();
        let replaced = desired.replace(contributions);
        story.push_str(&format!("# {line}\n{}", operations_text(&replaced.operations)));
        for conflict in &replaced.conflicts {
            let losers: Vec<&str> = conflict.losers.iter().map(|key| &*key.name).collect();
            let (key, winner) = (conflict.key, &conflict.winner.name);
            story.push_str(&format!("{key} goes to {winner}, not to {}\n", losers.join(", ")));
        }
        for key in &replaced.resolved {
            story.push_str(&format!("{key} is not contested any more\n"));
        }
    }
    expected.assert_eq(&story);
}

#[test]
fn an_address_of_two_services_stays_until_both_are_gone() {
    check(
        "service web 10.96.0.1 80/TCP
         service api 10.96.0.1 81/TCP
         no-service web
         no-service api",
        expect![[r#"
            # service web 10.96.0.1 80/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            # service api 10.96.0.1 81/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:81
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:81
            + ipvsadm -A -t 10.96.0.1:81 -s rr
            # no-service web
            - ipset del KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            - ipvsadm -D -t 10.96.0.1:80
            - ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            # no-service api
            - ipset del KUBE-NO-ENDPOINT 10.96.0.1,tcp:81
            - ip addr del 10.96.0.1/32 dev kube-ipvs0
            - ipvsadm -D -t 10.96.0.1:81
            - ipset del KUBE-IPVS-IPS 10.96.0.1
            - ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:81
        "#]],
    );
}

#[test]
fn an_endpoint_behind_two_services_stays_until_neither_has_it() {
    check(
        "service web 10.96.0.1 80/TCP
         service api 10.96.0.2 80/TCP
         slice web-1 web 8080/TCP 10.244.1.5@n1
         slice api-1 api 8080/TCP 10.244.1.5@n1
         no-slice web-1
         no-slice api-1",
        expect![[r#"
            # service web 10.96.0.1 80/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            # service api 10.96.0.2 80/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.2,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.2,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.2
            + ipvsadm -A -t 10.96.0.2:80 -s rr
            + ip addr add 10.96.0.2/32 dev kube-ipvs0
            # slice web-1 web 8080/TCP 10.244.1.5@n1
            + ipset add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            + ipvsadm -a -t 10.96.0.1:80 -r 10.244.1.5:8080 -m -w 1
            - ipset del KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            # slice api-1 api 8080/TCP 10.244.1.5@n1
            + ipvsadm -a -t 10.96.0.2:80 -r 10.244.1.5:8080 -m -w 1
            - ipset del KUBE-NO-ENDPOINT 10.96.0.2,tcp:80
            # no-slice web-1
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            - ipvsadm -d -t 10.96.0.1:80 -r 10.244.1.5:8080
            # no-slice api-1
            + ipset add KUBE-NO-ENDPOINT 10.96.0.2,tcp:80
            - ipvsadm -d -t 10.96.0.2:80 -r 10.244.1.5:8080
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
        "#]],
    );
}

#[test]
fn three_owners_are_counted() {
    check(
        "service a 10.96.0.1 80/TCP
         service b 10.96.0.1 81/TCP
         service c 10.96.0.1 82/TCP
         service b 10.96.0.2 81/TCP
         no-service a
         no-service c",
        expect![[r#"
            # service a 10.96.0.1 80/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            # service b 10.96.0.1 81/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:81
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:81
            + ipvsadm -A -t 10.96.0.1:81 -s rr
            # service c 10.96.0.1 82/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:82
            + ipset add KUBE-NO-ENDPOINT 10.96.0.1,tcp:82
            + ipvsadm -A -t 10.96.0.1:82 -s rr
            # service b 10.96.0.2 81/TCP
            + ipset add KUBE-CLUSTER-IP 10.96.0.2,tcp:81
            + ipset add KUBE-NO-ENDPOINT 10.96.0.2,tcp:81
            + ipset add KUBE-IPVS-IPS 10.96.0.2
            + ipvsadm -A -t 10.96.0.2:81 -s rr
            - ipset del KUBE-NO-ENDPOINT 10.96.0.1,tcp:81
            + ip addr add 10.96.0.2/32 dev kube-ipvs0
            - ipvsadm -D -t 10.96.0.1:81
            - ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:81
            # no-service a
            - ipset del KUBE-NO-ENDPOINT 10.96.0.1,tcp:80
            - ipvsadm -D -t 10.96.0.1:80
            - ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            # no-service c
            - ipset del KUBE-NO-ENDPOINT 10.96.0.1,tcp:82
            - ip addr del 10.96.0.1/32 dev kube-ipvs0
            - ipvsadm -D -t 10.96.0.1:82
            - ipset del KUBE-IPVS-IPS 10.96.0.1
            - ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:82
        "#]],
    );
}

#[test]
fn claimants_stand_in_line() {
    let cluster = cluster(
        "service c 10.96.0.1 80/TCP created=1
         service a 10.96.0.1 80/TCP created=2
         service b 10.96.0.2 80/TCP created=3",
    );
    let mut desired = Desired::default();
    desired.replace(["a", "b", "c"].map(|name| contribution(&cluster, name)));
    let server =
        |ip: &str| VirtualServerKey { address: ip.parse().unwrap(), port: 80, protocol: Protocol::Tcp };
    assert_eq!(desired.claimants(&server("10.96.0.1")), [key("c"), key("a")]);
    assert_eq!(desired.claimants(&server("10.96.0.2")), [key("b")]);
    assert_eq!(desired.claimants(&server("10.96.0.3")), []);
}

#[test]
fn a_contribution_that_is_the_same_is_not_looked_into() {
    let cluster = cluster("service web 10.96.0.1 80/TCP");
    let mut desired = Desired::default();
    desired.replace([contribution(&cluster, "web")]);
    let before = text(desired.state());
    assert_eq!(desired.replace([contribution(&cluster, "web")]), Replaced::default());
    assert_eq!(text(desired.state()), before);
}

#[test]
fn a_service_without_date_is_the_youngest() {
    let contribution = Contribution::new(&service("web 10.96.0.1 80/TCP"), ServicePlan::default());
    assert_eq!(contribution.seniority, i64::MAX);
}
