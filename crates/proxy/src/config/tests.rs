use clap::Parser as _;

use super::*;
use crate::flags::{Cli, RunFlags};

fn flags(arguments: &[&str]) -> RunFlags {
    Cli::try_parse_from(["kube-ipvs"].iter().chain(arguments)).unwrap().run
}

#[test]
fn cluster_cidrs_become_one_detector_for_each_family() {
    let detector = |cidrs: &str| local_detector(&flags(&[cidrs]).planning.cluster_cidr);
    let found = detector("--cluster-cidr=10.244.0.1/16,fd00:244::/32").unwrap();
    assert_eq!(found.v4, Some(LocalDetector::Cidr("10.244.0.0/16".parse().unwrap())));
    assert_eq!(found.v6, Some(LocalDetector::Cidr("fd00:244::/32".parse().unwrap())));
    assert_eq!(detector("--cluster-cidr=10.244.0.0/16").unwrap().v6, None);
    assert!(detector("--cluster-cidr=10.244.0.0/16,10.245.0.0/16").is_err());
}

#[test]
fn node_names_are_lower_case_without_white_space() {
    assert_eq!(node_name(Some(" Node-A ")).unwrap(), "node-a");
    assert!(node_name(Some(" ")).is_err());
    assert!(!node_name(None).unwrap().is_empty());
}

#[test]
fn conntrack_limits_follow_kube_proxy() {
    assert_eq!(conntrack_max(&flags(&["--conntrack-max-per-core=0"]).kernel), None);
    let huge = flags(&["--conntrack-max-per-core=4000000", "--conntrack-min=2000000"]);
    assert_eq!(conntrack_max(&huge.kernel), Some(1_048_576));
    let small = flags(&["--conntrack-max-per-core=1", "--conntrack-min=5000"]);
    assert_eq!(conntrack_max(&small.kernel), Some(5000));
}

#[test]
fn a_zero_timeout_leaves_the_kernels_value() {
    let settings = settings(&flags(&["--ipvs-udp-timeout=5m"]).kernel, "6.1.0");
    assert_eq!(settings.timeouts, [0, 0, 300]);
    let names: Vec<&str> = settings.sysctls.iter().map(|sysctl| sysctl.name).collect();
    assert!(names.contains(&"net/netfilter/nf_conntrack_tcp_timeout_established"));
    assert!(!names.contains(&"net/netfilter/nf_conntrack_udp_timeout"));
}

#[test]
fn node_port_addresses_are_networks_or_the_word_primary() {
    let chosen = |flag: &str| node_port_addresses(&flags(&[flag]).planning.nodeport_addresses);
    assert_eq!(node_port_addresses(&[]).unwrap(), NodePortAddresses::All);
    assert_eq!(chosen("--nodeport-addresses=primary").unwrap(), NodePortAddresses::Primary);
    let networks = ["10.0.0.0/8".parse().unwrap(), "fd00::/16".parse().unwrap()];
    assert_eq!(
        chosen("--nodeport-addresses=10.1.2.3/8,fd00::/16").unwrap(),
        NodePortAddresses::Networks(networks.into())
    );
    let both = chosen("--nodeport-addresses=primary,10.0.0.0/8").unwrap_err();
    assert!(both.to_string().contains("not both"), "{both}");
    assert!(chosen("--nodeport-addresses=10.0.0.1").is_err());
}
