use clap::CommandFactory as _;

use super::*;

fn run_flags(arguments: &[&str]) -> RunFlags {
    let arguments = ["kube-ipvs"].iter().chain(arguments);
    Cli::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")).run
}

fn error(arguments: &[&str]) -> String {
    let arguments = ["kube-ipvs"].iter().chain(arguments);
    Cli::try_parse_from(arguments).unwrap_err().to_string()
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn defaults_are_kube_proxys() {
    let flags = run_flags(&[]);
    assert_eq!(flags.planning.ipvs_scheduler, Scheduler::Rr);
    assert_eq!(flags.planning.iptables_masquerade_bit, 14);
    assert_eq!(flags.ipvs_sync_period, Duration::from_secs(30));
    assert_eq!(flags.kernel.conntrack_max_per_core, 32768);
    assert_eq!(flags.kernel.conntrack_tcp_timeout_established, Duration::from_secs(86400));
    assert!(!flags.planning.masquerade_all && !flags.kernel.ipvs_strict_arp);
}

#[test]
fn the_number_of_bound_addresses_can_be_any() {
    assert_eq!(run_flags(&[]).kernel.max_bound_addresses, 1000);
    assert_eq!(run_flags(&["--max-bound-addresses=0"]).kernel.max_bound_addresses, 0);
    assert!(error(&["--max-bound-addresses=-1"]).contains("invalid digit"));
}

#[test]
fn booleans_and_lists_are_written_as_for_kube_proxy() {
    let flags = run_flags(&[
        "--masquerade-all",
        "--ipvs-strict-arp=true",
        "--cluster-cidr=10.244.0.0/16,fd00:244::/32",
        "--ipvs-exclude-cidrs",
        "192.0.2.0/24,198.51.100.0/24",
        "--ipvs-scheduler=",
        "-v",
        "2",
    ]);
    assert!(flags.planning.masquerade_all && flags.kernel.ipvs_strict_arp);
    assert_eq!(flags.planning.cluster_cidr.len(), 2);
    assert_eq!(flags.planning.ipvs_exclude_cidrs.len(), 2);
    assert_eq!(flags.planning.ipvs_scheduler, Scheduler::Rr);
    assert!(!run_flags(&["--masquerade-all=false"]).planning.masquerade_all);
}

#[test]
fn mistakes_are_named_with_what_would_be_right() {
    assert!(error(&["--ipvs-scheduler=fast"]).contains("use one of rr, wrr, lc"));
    assert!(error(&["--ipvs-sync-period=30"]).contains("write it like 30s"));
    assert!(error(&["--iptables-masquerade-bit=32"]).contains("0..=31"));
    assert!(error(&["--cluster-cidr=10.244.0.0"]).contains("invalid IP address syntax"));
    assert!(error(&["--manifests=a", "--kubeconfig=b"]).contains("cannot be used with"));
}

#[test]
fn metrics_are_served_on_an_address_with_or_without_a_port_or_nowhere() {
    let address = |text: &str| run_flags(&[text]).metrics_bind_address.0.map(|address| address.to_string());
    assert_eq!(run_flags(&[]).metrics_bind_address.0.unwrap().to_string(), "127.0.0.1:10249");
    assert_eq!(address("--metrics-bind-address=0.0.0.0").as_deref(), Some("0.0.0.0:10249"));
    assert_eq!(address("--metrics-bind-address=[::1]:9000").as_deref(), Some("[::1]:9000"));
    assert_eq!(address("--metrics-bind-address="), None);
    assert!(error(&["--metrics-bind-address=localhost"]).contains("is no address"));
}
