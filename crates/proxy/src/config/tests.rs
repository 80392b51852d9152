use std::ffi::OsString;

use super::*;
use crate::flags::Cli;

fn load(arguments: &[&str]) -> Result<Configuration, ::config::Error> {
    let cli = Cli::read(["kube-ipvs"].iter().chain(arguments).map(OsString::from)).unwrap();
    cli.run.configuration.load(&mut Vec::new())
}

fn configuration(arguments: &[&str]) -> Configuration {
    load(arguments).unwrap()
}

fn options(arguments: &[&str]) -> Options {
    planning_options(&configuration(arguments), BTreeSet::new(), false)
}

#[test]
fn defaults_are_kube_proxys() {
    let found = options(&[]);
    assert_eq!(found, Options { families: BTreeSet::new(), bridge_netfilter: false, ..Options::default() });
}

#[test]
fn pods_are_recognised_by_network_or_interface() {
    let detector = |arguments: &[&str]| options(arguments).local_detector;
    let found = detector(&["--cluster-cidr=10.244.0.1/16,fd00:244::/32"]);
    assert_eq!(found.v4, Some(LocalDetector::Cidr("10.244.0.0/16".parse().unwrap())));
    assert_eq!(found.v6, Some(LocalDetector::Cidr("fd00:244::/32".parse().unwrap())));
    assert_eq!(detector(&["--cluster-cidr=10.244.0.0/16"]).v6, None);
    let bridge = detector(&["--detect-local-mode=BridgeInterface", "--pod-bridge-interface=cbr0"]);
    assert_eq!(bridge.v6, Some(LocalDetector::Interface("cbr0".to_owned())));
    let prefix = detector(&["--detect-local-mode=InterfaceNamePrefix", "--pod-interface-name-prefix=veth"]);
    assert_eq!(prefix.v4, Some(LocalDetector::InterfacePrefix("veth".to_owned())));
}

#[test]
fn schedulers_are_known_ones() {
    assert_eq!(options(&["--ipvs-scheduler=lc"]).scheduler, Scheduler::Lc);
    assert_eq!(options(&["--ipvs-scheduler="]).scheduler, Scheduler::Rr);
    let error = load(&["--ipvs-scheduler=fast"]).unwrap_err().to_string();
    assert!(error.contains("--ipvs-scheduler") && error.contains("use one of rr, wrr, lc"), "{error}");
}

#[test]
fn node_names_are_lower_case_without_white_space() {
    assert_eq!(node_name(Some(" Node-A ")).unwrap(), "node-a");
    assert!(node_name(Some(" ")).is_err());
    assert!(!node_name(None).unwrap().is_empty());
}

#[test]
fn conntrack_limits_follow_kube_proxy() {
    let limit = |arguments: &[&str]| conntrack_max(&configuration(arguments).conntrack, 8);
    assert_eq!(limit(&[]), Some(8 * 32_768));
    assert_eq!(limit(&["--conntrack-max-per-core=0"]), None);
    assert_eq!(limit(&["--conntrack-max-per-core=4000000", "--conntrack-min=2000000"]), Some(1_048_576));
    assert_eq!(limit(&["--conntrack-max-per-core=1", "--conntrack-min=5000"]), Some(5000));
}

#[test]
fn a_zero_timeout_leaves_the_kernels_value() {
    let machine = Machine { kernel_release: "6.1.0".to_owned(), processors: 8 };
    let settings = settings(&configuration(&["--ipvs-udp-timeout=5m"]), &machine);
    assert_eq!(settings.timeouts, Timeouts { tcp: 0, tcp_fin: 0, udp: 300 });
    let names: Vec<&str> = settings.sysctls.iter().map(|sysctl| sysctl.name).collect();
    assert!(names.contains(&"net/netfilter/nf_conntrack_tcp_timeout_established"));
    assert!(!names.contains(&"net/netfilter/nf_conntrack_udp_timeout"));
}
