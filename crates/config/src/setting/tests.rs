use std::collections::BTreeSet;

use super::*;

/// `kube-proxy --help` of release 1.36, without `--config`, `--write-config-to`, `--cleanup`, `--init-only`, `--version`
/// and `--help`, which ask for something else than a setting; with the deprecated and the Windows ones, which it hides.
const KUBE_PROXY: &str = "bind-address bind-address-hard-fail boot-id-file cluster-cidr config-sync-period \
    conntrack-max-per-core conntrack-min conntrack-tcp-be-liberal conntrack-tcp-timeout-close-wait \
    conntrack-tcp-timeout-established conntrack-udp-timeout conntrack-udp-timeout-stream detect-local-mode \
    feature-gates healthz-bind-address healthz-port hostname-override iptables-localhost-nodeports \
    iptables-masquerade-bit iptables-min-sync-period iptables-sync-period ipvs-exclude-cidrs ipvs-min-sync-period \
    ipvs-scheduler ipvs-strict-arp ipvs-sync-period ipvs-tcp-timeout ipvs-tcpfin-timeout ipvs-udp-timeout \
    kube-api-burst kube-api-content-type kube-api-qps kubeconfig log-flush-frequency log-json-info-buffer-size \
    log-json-split-stream log-text-info-buffer-size log-text-split-stream logging-format machine-id-file \
    masquerade-all master metrics-bind-address metrics-port nodeport-addresses oom-score-adj pod-bridge-interface \
    pod-interface-name-prefix profiling proxy-mode show-hidden-metrics-for-version v vmodule \
    windows-service source-vip network-name enable-dsr root-hnsendpoint-name forward-healthcheck-vip";

#[test]
fn every_flag_of_kube_proxy_is_there() {
    let ours: BTreeSet<&str> = Setting::all().filter_map(|setting| setting.flag).collect();
    let missing: Vec<&str> = KUBE_PROXY.split_whitespace().filter(|flag| !ours.contains(flag)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn names_are_unique() {
    let flags: Vec<&str> = Setting::all().filter_map(|setting| setting.flag).collect();
    assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len());
    let fields: Vec<&str> = Setting::all().filter_map(|setting| setting.field).collect();
    assert_eq!(fields.iter().collect::<BTreeSet<_>>().len(), fields.len());
}

#[test]
fn settings_are_found_by_parts_of_their_fields() {
    let field = |path: &str| Setting::of_field(path).and_then(|setting| setting.field);
    assert_eq!(field("ipvs.excludeCIDRs[3]"), Some("ipvs.excludeCIDRs"));
    assert_eq!(field("featureGates.AllAlpha"), Some("featureGates"));
    assert_eq!(field("conntrack.minimum"), None);
    assert_eq!(field("mode"), Some("mode"));
}
