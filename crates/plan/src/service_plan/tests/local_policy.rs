//! What serves each address of a Service by its policies, by where its endpoints are and in which condition.

mod each_for_itself;

use super::*;
use crate::testing::options;

/// Endpoints of both families: what the table calls them, and where they are in which condition.
const ENDPOINTS: [(&str, &str); 6] = [
    ("here and elsewhere", "1@n1 2@n2"),
    ("elsewhere", "2@n2"),
    ("ending here, ready elsewhere", "1@n1!terminating 2@n2"),
    ("stopped here, ending elsewhere", "1@n1!stopped 2@n2!terminating"),
    ("unready", "1@n1!unready 2@n2!unready"),
    ("none", ""),
];

/// The addresses of a Service of every kind, with their ports, in each family.
const ADDRESSES: [[&str; 4]; 2] = [
    ["10.96.0.20:80", "192.0.2.1:80", "203.0.113.9:80", "172.18.0.2:30080"],
    ["[fd00:96::20]:80", "[2001:db8::1]:80", "[2001:db8::9]:80", "[fd00:18::2]:30080"],
];
const SERVICE: &str = "service web type=LoadBalancer 10.96.0.20 fd00:96::20 80/TCP node-port=30080 \
                       external-ip=192.0.2.1 external-ip=2001:db8::1 lb-ip=203.0.113.9 lb-ip=2001:db8::9";

/// For each case of endpoints and each kind of address: which endpoints it has, with a `!` where the rules drop
/// what comes from outside; and the policies that cannot be kept. Both families have to come to the same.
fn check_table(settings: &str, option_words: &str, expected: Expect) {
    let options = options(&format!("host=172.18.0.2 host=fd00:18::2 {option_words}"));
    let mut table = format!(
        "{:32}{:12}{:12}{:12}{:12}missing\n",
        "endpoints", "cluster", "external", "balancer", "node port"
    );
    for (name, endpoints) in ENDPOINTS {
        let slices = ["10.244.0.", "fd00:244::"].map(|prefix| {
            let endpoints = endpoints.split_whitespace().map(|endpoint| format!(" {prefix}{endpoint}"));
            format!("slice web-{prefix} web 8080/TCP{}\n", endpoints.collect::<String>())
        });
        let cluster = cluster(&format!("{SERVICE} {settings}\n{}", slices.concat()));
        let plan = plan_service(cluster.service(&key("web")).unwrap(), &cluster, &options);
        let [v4, v6] = [0, 1].map(|family| row(&plan, Family::ALL[family], &ADDRESSES[family]));
        assert_eq!(v4, v6, "{name}");
        table.push_str(format!("{name:32}{v4}").trim_end());
        table.push('\n');
    }
    expected.assert_eq(&table);
}

fn row(plan: &ServicePlan, family: Family, addresses: &[&str]) -> String {
    let mut row = String::new();
    for address in addresses {
        let (key, server) =
            plan.virtual_servers.iter().find(|(key, _)| key.to_string() == format!("{address}/TCP")).unwrap();
        let hosts = server.real_servers.iter().map(|real| real.address.to_string());
        let places = hosts.map(|ip| if ip.ends_with('1') { "here " } else { "elsewhere " });
        let pair = Entry::IpPort(key.address, key.protocol, key.port);
        let dropped = plan.members.contains(&Member::new(SetName::NoLocalEndpoint, family, pair));
        let places = match places.collect::<String>().as_str() {
            "here elsewhere " => "both".to_owned(),
            places => places.trim_end().to_owned(),
        };
        row.push_str(&format!("{:12}", if dropped { places + "!" } else { places }));
    }
    for policy in [Policy::Internal, Policy::External] {
        if plan.without_local_endpoint.contains(&(family, policy)) {
            row.push_str(&format!("{policy:?} "));
        }
    }
    row
}

#[test]
fn policy_cluster() {
    check_table(
        "",
        "detector",
        expect![[r#"
            endpoints                       cluster     external    balancer    node port   missing
            here and elsewhere              both        both        both        both
            elsewhere                       elsewhere   elsewhere   elsewhere   elsewhere
            ending here, ready elsewhere    elsewhere   elsewhere   elsewhere   elsewhere
            stopped here, ending elsewhere  elsewhere   elsewhere   elsewhere   elsewhere
            unready
            none
        "#]],
    );
}

#[test]
fn external_policy_local() {
    check_table(
        "external=Local",
        "detector",
        expect![[r#"
            endpoints                       cluster     external    balancer    node port   missing
            here and elsewhere              both        here        here        here
            elsewhere                       elsewhere   elsewhere!  elsewhere!  elsewhere!  External
            ending here, ready elsewhere    elsewhere   here        here        here
            stopped here, ending elsewhere  elsewhere   elsewhere!  elsewhere!  elsewhere!  External
            unready
            none
        "#]],
    );
}

/// Where pods cannot be told from the outside, nothing is dropped.
#[test]
fn external_policy_local_without_a_detector() {
    check_table(
        "external=Local",
        "",
        expect![[r#"
            endpoints                       cluster     external    balancer    node port   missing
            here and elsewhere              both        here        here        here
            elsewhere                       elsewhere   elsewhere   elsewhere   elsewhere   External
            ending here, ready elsewhere    elsewhere   here        here        here
            stopped here, ending elsewhere  elsewhere   elsewhere   elsewhere   elsewhere   External
            unready
            none
        "#]],
    );
}

#[test]
fn external_policy_local_as_kube_proxy() {
    check_table(
        "external=Local",
        "detector policy=KubeProxy",
        expect![[r#"
            endpoints                       cluster     external    balancer    node port   missing
            here and elsewhere              both        here        here        here
            elsewhere                       elsewhere   elsewhere   elsewhere   elsewhere   External
            ending here, ready elsewhere    elsewhere   here        here        here
            stopped here, ending elsewhere  elsewhere   elsewhere   elsewhere   elsewhere   External
            unready
            none
        "#]],
    );
}

#[test]
fn internal_policy_local() {
    check_table(
        "internal=Local",
        "detector",
        expect![[r#"
            endpoints                       cluster     external    balancer    node port   missing
            here and elsewhere              here        both        both        both
            elsewhere                                   elsewhere   elsewhere   elsewhere   Internal
            ending here, ready elsewhere    here        elsewhere   elsewhere   elsewhere
            stopped here, ending elsewhere              elsewhere   elsewhere   elsewhere   Internal
            unready
            none
        "#]],
    );
}

#[test]
fn both_policies_local() {
    check_table(
        "internal=Local external=Local",
        "detector",
        expect![[r#"
            endpoints                       cluster     external    balancer    node port   missing
            here and elsewhere              here        here        here        here
            elsewhere                                   elsewhere!  elsewhere!  elsewhere!  Internal External
            ending here, ready elsewhere    here        here        here        here
            stopped here, ending elsewhere              elsewhere!  elsewhere!  elsewhere!  Internal External
            unready
            none
        "#]],
    );
}

#[test]
fn internal_policy_local_without_a_detector() {
    check_table(
        "internal=Local",
        "",
        expect![[r#"
            endpoints                       cluster     external    balancer    node port   missing
            here and elsewhere              here        both        both        both
            elsewhere                                   elsewhere   elsewhere   elsewhere   Internal
            ending here, ready elsewhere    here        elsewhere   elsewhere   elsewhere
            stopped here, ending elsewhere              elsewhere   elsewhere   elsewhere   Internal
            unready
            none
        "#]],
    );
}

#[test]
fn internal_policy_local_as_kube_proxy() {
    check_table(
        "internal=Local",
        "detector policy=KubeProxy",
        expect![[r#"
            endpoints                       cluster     external    balancer    node port   missing
            here and elsewhere              here        both        both        both
            elsewhere                       elsewhere   elsewhere   elsewhere   elsewhere   Internal
            ending here, ready elsewhere    here        elsewhere   elsewhere   elsewhere
            stopped here, ending elsewhere  elsewhere   elsewhere   elsewhere   elsewhere   Internal
            unready
            none
        "#]],
    );
}

/// It falls back only because the Service can be reached from outside.
#[test]
fn internal_policy_local_as_kube_proxy_without_an_outside() {
    check_with(
        "service web 10.96.0.20 80/TCP internal=Local
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        &options("detector policy=KubeProxy"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            missing: IPv4 Internal
        "#]],
    );
}

/// A Service that nobody can reach from outside has no external policy.
#[test]
fn external_policy_local_without_an_outside() {
    check_with(
        "service web 10.96.0.20 type=LoadBalancer 80/TCP external=Local
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        &options("detector"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

/// Nor does one of type `ClusterIP`, unless it has external IPs.
#[test]
fn external_policy_local_of_type_cluster_ip() {
    check_with(
        "service web 10.96.0.20 80/TCP external=Local lb-ip=203.0.113.9
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        &options("detector"),
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
    check_with(
        "service web 10.96.0.20 80/TCP external=Local lb-ip=203.0.113.9 external-ip=192.0.2.1
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        &options("detector"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -t 192.0.2.1:80 -s rr
            -a -t 192.0.2.1:80 -r 10.244.2.7:8080 -m -w 1
            -A -t 203.0.113.9:80 -s rr
            -a -t 203.0.113.9:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP-LOCAL 192.0.2.1,tcp:80
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            add KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80
            add KUBE-NO-LOCAL-ENDPOINT 192.0.2.1,tcp:80
            add KUBE-NO-LOCAL-ENDPOINT 203.0.113.9,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.1
            add KUBE-IPVS-IPS 203.0.113.9
            bound: 10.96.0.20 192.0.2.1 203.0.113.9
            missing: IPv4 External
        "#]],
    );
}
