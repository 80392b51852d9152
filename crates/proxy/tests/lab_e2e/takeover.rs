//! Starting on a node that another proxy has programmed, beside programs that are nobody's business.

use std::path::Path;
use std::time::Duration;

use lab::cluster::addresses::CLUSTER_CIDR;
use lab::traffic::Download;

use crate::cleanup::OTHER_MODES;
use crate::support::kernel::Dump;
use crate::support::manifests::Service;
use crate::support::testbed::{KUBE_IPVS, Testbed, eventually, shell};

const FLAGS: [&str; 2] = ["--cluster-cidr", CLUSTER_CIDR];

/// What kube-proxy makes of the Service `web` on `node-1`, and of one at 10.96.0.99 that is gone by now.
pub(crate) const PREDECESSOR: &str = "
ip link add kube-ipvs0 type dummy
for ip in 10.96.0.10/32 10.96.0.99/32 fd00:96::a/128 fd00:96::99/128; do ip addr add $ip dev kube-ipvs0; done
sysctl -qw net.ipv4.vs.conntrack=1
ipvsadm -R <<.
-A -t 10.96.0.10:80 -s rr
-a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1
-a -t 10.96.0.10:80 -r 10.244.2.2:8080 -m -w 1
-a -t 10.96.0.10:80 -r 10.244.2.77:8080 -m -w 1
-A -t [fd00:96::a]:80 -s wlc
-a -t [fd00:96::a]:80 -r [fd00:244:0:1::2]:8080 -m -w 1
-A -t 10.96.0.99:80 -s rr
-a -t 10.96.0.99:80 -r 10.244.1.2:8080 -m -w 1
-A -t [fd00:96::99]:80 -s rr
.
ipset restore <<.
create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536
add KUBE-CLUSTER-IP 10.96.0.10,tcp:80
add KUBE-CLUSTER-IP 10.96.0.99,tcp:80
create KUBE-6-CLUSTER-IP hash:ip,port family inet6 hashsize 1024 maxelem 65536
add KUBE-6-CLUSTER-IP fd00:96::a,tcp:80
add KUBE-6-CLUSTER-IP fd00:96::99,tcp:80
create KUBE-IPVS-IPS hash:ip family inet hashsize 1024 maxelem 65536
add KUBE-IPVS-IPS 10.96.0.10
add KUBE-IPVS-IPS 10.96.0.99
create KUBE-6-IPVS-IPS hash:ip family inet6 hashsize 1024 maxelem 65536
add KUBE-6-IPVS-IPS fd00:96::a
add KUBE-6-IPVS-IPS fd00:96::99
create KUBE-LOOP-BACK hash:ip,port,ip family inet hashsize 1024 maxelem 65536
add KUBE-LOOP-BACK 10.244.1.2,tcp:8080,10.244.1.2
add KUBE-LOOP-BACK 10.244.1.77,tcp:8080,10.244.1.77
.";

/// What keepalived, an administrator and a firewall have put there.
pub(crate) const FOREIGN: &str = "
ip link show kube-ipvs0 >/dev/null 2>&1 || ip link add kube-ipvs0 type dummy
ip addr add 192.0.2.201/32 dev kube-ipvs0
ipvsadm -R <<.
-A -t 192.0.2.200:80 -s wrr -p 50
-a -t 192.0.2.200:80 -r 198.51.100.1:80 -g -w 7
-A -u [2001:db8::200]:53 -s lc
-A -f 7 -s rr
-a -f 7 -r 198.51.100.2:0 -g -w 1
.
ipset create blocked hash:ip
ipset add blocked 203.0.113.9
iptables -A INPUT -m set --match-set blocked src -j DROP
iptables -t nat -N KEEPALIVED
iptables -t nat -A POSTROUTING -s 203.0.113.0/24 -j KEEPALIVED";

/// The lines of [`FOREIGN`] that are found in a node's kernel.
pub(crate) fn foreign(testbed: &Testbed) -> Vec<String> {
    let namespace = &testbed.node().namespace;
    let rules = shell(namespace, "iptables-save");
    let all = Dump::of(namespace).to_string() + &rules;
    let marks = ["192.0.2.20", "2001:db8::200", "-f 7 ", "blocked", "KEEPALIVED"];
    let is_foreign = |line: &&str| marks.iter().any(|mark| line.contains(mark));
    // Packet counters change by themselves.
    all.lines().filter(is_foreign).map(|line| line.split(" [").next().unwrap_or(line).to_owned()).collect()
}

fn web(testbed: &Testbed) -> Service {
    let web = Service::new("web", 10).slice(testbed.endpoints(&["pod-1", "pod-3"]));
    testbed.manifests.apply(&web);
    web
}

#[test]
fn a_predecessors_state_is_taken_over_and_its_leftovers_are_removed() {
    let Some(testbed) = Testbed::build() else { return };
    shell(&testbed.node().namespace, PREDECESSOR);
    web(&testbed);
    let _proxy = testbed.run(&FLAGS);
    testbed.wait_until_equal(&FLAGS);
    let dump = Dump::of(&testbed.node().namespace);
    for leftover in ["10.96.0.99", "fd00:96::99", "10.244.2.77", "10.244.1.77"] {
        assert!(!dump.to_string().contains(leftover), "{leftover} in\n{dump}");
    }
    assert_eq!(dump.real_servers("-t 10.96.0.10:80").len(), 2);
    assert!(dump.virtual_servers.contains("-A -t [fd00:96::a]:80 -s rr"), "{dump}");
}

#[test]
fn connections_through_a_predecessors_virtual_server_live_on() {
    let Some(testbed) = Testbed::build() else { return };
    shell(&testbed.node().namespace, PREDECESSOR);
    shell(&testbed.node().namespace, "ipvsadm -d -t 10.96.0.10:80 -r 10.244.2.77:8080");
    let web = web(&testbed);
    let client = testbed.client("pod-2", &web);
    let downloads: Vec<_> = (0..2)
        .map(|_| Download::start(client, u32::MAX, Duration::from_millis(20)).unwrap().unwrap())
        .collect();
    let _proxy = testbed.run(&FLAGS);
    testbed.wait_until_equal(&FLAGS);
    for download in downloads {
        let before = download.received();
        eventually("the download goes on", || {
            assert!(download.is_running(), "the download from {} broke off", download.answer.server);
            download.received() > before + 2
        });
    }
}

#[test]
fn what_is_foreign_stays() {
    let Some(testbed) = Testbed::build() else { return };
    shell(&testbed.node().namespace, FOREIGN);
    let before = foreign(&testbed);
    assert!(before.len() > 8, "{before:#?}");
    let web = web(&testbed);
    let proxy = testbed.run(&FLAGS);
    testbed.wait_until_equal(&FLAGS);
    assert_eq!(foreign(&testbed), before);
    let counted = "virtual_servers=2 firewall_marks=1 addresses=1";
    assert!(proxy.log().contains(counted), "{counted} in\n{}", proxy.log());
    assert_eq!(testbed.client("pod-2", &web).ask_many(4, 1).unwrap().to_string(), "pod-1 2, pod-3 2");

    testbed.manifests.remove("web.json");
    eventually("the Service is gone", || !testbed.node().ipvs().unwrap().contains("10.96.0.10"));
    assert_eq!(foreign(&testbed), before);
}

#[test]
fn an_interface_of_another_kind_is_not_touched() {
    let Some(testbed) = Testbed::build() else { return };
    shell(&testbed.node().namespace, "ip link add kube-ipvs0 type bridge");
    web(&testbed);
    let mut proxy = testbed.spawn(testbed.node(), Path::new(KUBE_IPVS), &[], &FLAGS);
    proxy.wait_for_log("kube-ipvs0");
    assert!(proxy.log().contains("bridge"), "{}", proxy.log());
    shell(&testbed.node().namespace, "ip -d link show kube-ipvs0 | grep -w bridge");
}

#[test]
fn what_other_modes_left_goes_and_traffic_through_it_goes_on() {
    let Some(testbed) = Testbed::build() else { return };
    let namespace = &testbed.node().namespace;
    shell(namespace, OTHER_MODES);
    let web = web(&testbed);
    let client = testbed.client("pod-2", &web);
    // Translated by the other mode's rules, before there is any virtual server.
    let download = Download::start(client, u32::MAX, Duration::from_millis(20)).unwrap().unwrap();
    let mut proxy = testbed.run(&FLAGS);
    proxy.wait_for_log("removed what kube-proxy in another mode had left");
    testbed.wait_until_equal(&FLAGS);
    assert_eq!(shell(namespace, "iptables-save | grep -e KUBE-SVC- -e KUBE-PROXY-CANARY; true"), "");
    assert_eq!(shell(namespace, "nft list tables | grep kube-proxy; true"), "");
    let before = download.received();
    eventually("the download goes on", || {
        assert!(download.is_running(), "the download broke off");
        download.received() > before + 2
    });
}
