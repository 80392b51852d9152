use expect_test::{Expect, expect};

use super::*;
use crate::document::GoDuration;

/// Of a file beside which no flags are.
const FIELDS: Naming = Naming::Fields(Vec::new());

fn scheduler(name: &str) -> Result<(), String> {
    if name == "rr" { Ok(()) } else { Err(format!("{name:?} is not rr")) }
}

fn check_document(change: impl FnOnce(&mut KubeProxyConfiguration), naming: Naming, expected: Expect) {
    check_for(Purpose::Serve(scheduler), change, naming, expected);
}

fn check_for(
    purpose: Purpose,
    change: impl FnOnce(&mut KubeProxyConfiguration),
    naming: Naming,
    expected: Expect,
) {
    let mut document = KubeProxyConfiguration::default().complete();
    document.mode = IPVS.to_owned();
    change(&mut document);
    let found = match check(document, None, naming, purpose, &mut Vec::new()) {
        Ok(_) => "fine\n".to_owned(),
        Err(Error::Invalid(errors)) => errors.iter().map(|error| format!("{error}\n")).collect(),
        Err(error) => panic!("{error}"),
    };
    expected.assert_eq(&found);
}

fn negative() -> GoDuration {
    GoDuration(jiff::SignedDuration::from_secs(-1))
}

#[test]
fn the_defaults_are_fine() {
    check_document(
        |_| {},
        FIELDS,
        expect![[r#"
        fine
    "#]],
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mistakes = |one: &mut KubeProxyConfiguration| {
        one.mode = "nftables".to_owned();
        one.hostname_override = " ".to_owned();
        one.bind_address = "localhost".to_owned();
        one.healthz_bind_address = "0.0.0.0:0".to_owned();
        one.metrics_bind_address = "0.0.0.0".to_owned();
        one.iptables.masquerade_bit = 32;
        one.ipvs.sync_period = negative();
        one.ipvs.min_sync_period = GoDuration(jiff::SignedDuration::from_secs(60));
        one.ipvs.exclude_cidrs = vec!["10.0.0.0/8".to_owned(), "10.0.0.0".to_owned()];
        one.ipvs.scheduler = "fast".to_owned();
        one.ipvs.tcp_timeout = negative();
        one.ipvs.tcp_fin_timeout = negative();
        one.ipvs.udp_timeout = negative();
        one.cluster_cidr = "10.0.0.0/8,10.0.0.0/9,x".to_owned();
        one.node_port_addresses = vec!["primary".to_owned(), "10.0.0.0/8".to_owned()];
        one.oom_score_adj = 1001;
        one.conntrack.max_per_core = -1;
        one.conntrack.min = -1;
        one.conntrack.tcp_established_timeout = negative();
        one.conntrack.tcp_close_wait_timeout = negative();
        one.conntrack.udp_timeout = negative();
        one.conntrack.udp_stream_timeout = negative();
        one.config_sync_period = GoDuration::default();
        one.show_hidden_metrics_for_version = "1.34".to_owned();
        one.logging.flush_frequency = crate::document::FlushFrequency(negative());
        one.client_connection.burst = -1;
        one.feature_gates.insert("NoSuchGate".to_owned(), true);
        one.logging.format = "xml".to_owned();
        one.logging.vmodule = vec![crate::document::Pattern { file_pattern: "a=b".to_owned(), verbosity: 1 }];
        one.logging.options.json.split_stream = true;
        one.kube_ipvs.drain_timeout = negative();
        one.kube_ipvs.local_traffic_policy = "lax".to_owned();
        one.kube_ipvs.node_addresses = vec!["node".to_owned()];
    };
    check_document(
        mistakes,
        FIELDS,
        expect![[r#"
            mode: "nftables": kube-ipvs has the mode ipvs only; use ipvs, or kube-proxy
            clientConnection.burst: -1: must not be negative
            configSyncPeriod: 0s: must be longer than 0s
            showHiddenMetricsForVersion: "1.34": must be 1.35, the version before kube-proxy 1.36, or empty
            logging.flushFrequency: -1s: must be longer than 0s
            logging.vmodule: xml: patterns are for log lines in the format text only
            logging.vmodule[0]: "a=b": must be a file pattern without = and comma
            logging.options.json.splitStream: true: needs the feature gate LoggingAlphaOptions
            hostnameOverride: " ": it is blank; give the name of this node's Node object
            ipvs.syncPeriod: -1s: must not be negative
            ipvs.minSyncPeriod: 1m0s: must not be longer than ipvs.syncPeriod
            bindAddress: "localhost": must be an IP address
            healthzBindAddress: "0.0.0.0:0": must be an address with a port, such as 127.0.0.1:10249 or [::1]:10249
            metricsBindAddress: "0.0.0.0": must be an address with a port, such as 127.0.0.1:10249 or [::1]:10249
            ipvs.scheduler: "fast" is not rr
            ipvs.excludeCIDRs[1]: "10.0.0.0": must be a network such as 10.0.0.0/8
            iptables.masqueradeBit: 32: must be from 0 to 31
            clusterCIDR: 10.0.0.0/8,10.0.0.0/9,x: must be one network, or one for each family
            clusterCIDR: "x": must be a network such as 10.0.0.0/8
            nodePortAddresses: primary,10.0.0.0/8: must be networks or the word primary, not both
            ipvs.tcpTimeout: -1s: must not be negative
            ipvs.tcpFinTimeout: -1s: must not be negative
            ipvs.udpTimeout: -1s: must not be negative
            conntrack.maxPerCore: -1: must not be negative
            conntrack.min: -1: must not be negative
            conntrack.tcpEstablishedTimeout: -1s: must not be negative
            conntrack.tcpCloseWaitTimeout: -1s: must not be negative
            conntrack.udpTimeout: -1s: must not be negative
            conntrack.udpStreamTimeout: -1s: must not be negative
            oomScoreAdj: 1001: must be from -1000 to 1000
            logging.format: "xml": must be text or json
            kubeIpvs.drainTimeout: -1s: must not be negative
            kubeIpvs.localTrafficPolicy: "lax": must be strict or kube-proxy
            kubeIpvs.nodeAddresses[0]: "node": must be an IP address
        "#]],
    );
    check_document(
        mistakes,
        Naming::Flags,
        expect![[r#"
            --proxy-mode: "nftables": kube-ipvs has the mode ipvs only; use ipvs, or kube-proxy
            --kube-api-burst: -1: must not be negative
            --config-sync-period: 0s: must be longer than 0s
            --show-hidden-metrics-for-version: "1.34": must be 1.35, the version before kube-proxy 1.36, or empty
            --log-flush-frequency: -1s: must be longer than 0s
            --vmodule: xml: patterns are for log lines in the format text only
            --vmodule: "a=b": must be a file pattern without = and comma
            --log-json-split-stream: true: needs the feature gate LoggingAlphaOptions
            --hostname-override: " ": it is blank; give the name of this node's Node object
            --ipvs-sync-period: -1s: must not be negative
            --ipvs-min-sync-period: 1m0s: must not be longer than --ipvs-sync-period
            --bind-address: "localhost": must be an IP address
            --healthz-bind-address: "0.0.0.0:0": must be an address with a port, such as 127.0.0.1:10249 or [::1]:10249
            --metrics-bind-address: "0.0.0.0": must be an address with a port, such as 127.0.0.1:10249 or [::1]:10249
            --ipvs-scheduler: "fast" is not rr
            --ipvs-exclude-cidrs: "10.0.0.0": must be a network such as 10.0.0.0/8
            --iptables-masquerade-bit: 32: must be from 0 to 31
            --cluster-cidr: 10.0.0.0/8,10.0.0.0/9,x: must be one network, or one for each family
            --cluster-cidr: "x": must be a network such as 10.0.0.0/8
            --nodeport-addresses: primary,10.0.0.0/8: must be networks or the word primary, not both
            --ipvs-tcp-timeout: -1s: must not be negative
            --ipvs-tcpfin-timeout: -1s: must not be negative
            --ipvs-udp-timeout: -1s: must not be negative
            --conntrack-max-per-core: -1: must not be negative
            --conntrack-min: -1: must not be negative
            --conntrack-tcp-timeout-established: -1s: must not be negative
            --conntrack-tcp-timeout-close-wait: -1s: must not be negative
            --conntrack-udp-timeout: -1s: must not be negative
            --conntrack-udp-timeout-stream: -1s: must not be negative
            --oom-score-adj: 1001: must be from -1000 to 1000
            --logging-format: "xml": must be text or json
            --drain-timeout: -1s: must not be negative
            --local-traffic-policy: "lax": must be strict or kube-proxy
            --node-address: "node": must be an IP address
        "#]],
    );
}

#[test]
fn a_node_is_cleaned_up_after_any_mode_and_scheduler() {
    for mode in ["", "iptables", "ipvs", "nftables"] {
        let after = |one: &mut KubeProxyConfiguration| {
            one.mode = mode.to_owned();
            one.ipvs.scheduler = "fast".to_owned();
        };
        check_for(
            Purpose::CleanUp,
            after,
            FIELDS,
            expect![[r#"
                fine
            "#]],
        );
    }
    check_for(
        Purpose::CleanUp,
        |one| one.mode = "userspace".to_owned(),
        FIELDS,
        expect![[r#"
            mode: "userspace": must be one of kube-proxy's modes, iptables, ipvs, nftables, or empty
        "#]],
    );
}

#[test]
fn the_local_mode_needs_what_it_works_with() {
    let with = |mode: &str, expected: Expect| {
        check_document(|one| one.detect_local_mode = mode.to_owned(), Naming::Flags, expected);
    };
    with(
        "ClusterCIDR",
        expect![[r#"
        fine
    "#]],
    );
    with(
        "NodeCIDR",
        expect![[r#"
        fine
    "#]],
    );
    with(
        "BridgeInterface",
        expect![[r#"
        --pod-bridge-interface: empty: must be set, since --detect-local-mode asks for it
    "#]],
    );
    with(
        "InterfaceNamePrefix",
        expect![[r#"
        --pod-interface-name-prefix: empty: must be set, since --detect-local-mode asks for it
    "#]],
    );
    with(
        "Magic",
        expect![[r#"
        --detect-local-mode: "Magic": must be ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix
    "#]],
    );
    // The networks are not looked at where nobody uses them, as by kube-proxy.
    check_document(
        |one| {
            one.detect_local_mode = "NodeCIDR".to_owned();
            one.cluster_cidr = "x".to_owned();
        },
        FIELDS,
        expect![[r#"
            fine
        "#]],
    );
}

#[test]
fn alpha_options_of_logs_need_their_gate() {
    let with = |gate: &str, expected: Expect| {
        check_document(
            |one| {
                one.feature_gates.insert(gate.to_owned(), true);
                one.logging.options.text.info_buffer_size = crate::document::Size("64Ki".to_owned());
            },
            FIELDS,
            expected,
        );
    };
    with(
        "LoggingAlphaOptions",
        expect![[r#"
        fine
    "#]],
    );
    with(
        "AllAlpha",
        expect![[r#"
        fine
    "#]],
    );
    with(
        "AllBeta",
        expect![[r#"
        logging.options.text.infoBufferSize: 64Ki: needs the feature gate LoggingAlphaOptions
    "#]],
    );
}

#[test]
fn amounts_of_memory_are_kubernetes_quantities() {
    let with = |size: &str| {
        let mut document = KubeProxyConfiguration::default().complete();
        document.mode = IPVS.to_owned();
        document.feature_gates.insert("LoggingAlphaOptions".to_owned(), true);
        document.logging.options.json.info_buffer_size = crate::document::Size(size.to_owned());
        check(document, None, FIELDS, Purpose::Serve(scheduler), &mut Vec::new())
    };
    for size in ["0", "512", "64Ki", "1M", "500m", "1.5Gi", ".5", "5.", "+1k", "-1", "1e3", "1E-3", "1E"] {
        assert!(with(size).is_ok(), "{size}");
    }
    for size in ["", "many", "64ki", "64 Ki", "1.2.3", "Ki", ".", "-", "1e", "1e3Ki", "0x10"] {
        assert!(with(size).is_err(), "{size}");
    }
}

/// What kube-proxy 1.36 makes of each was seen.
#[test]
fn addresses_to_listen_on_are_those_of_go() {
    let parsed = |text: &str| <std::net::SocketAddr as addresses::Parsed>::parsed(text);
    for (text, address) in [
        ("127.0.0.1:10249", "127.0.0.1:10249"),
        ("127.000.000.001:10249", "127.0.0.1:10249"),
        ("[127.0.0.1]:10249", "127.0.0.1:10249"),
        ("127.0.0.1:010249", "127.0.0.1:10249"),
        ("[::1]:80", "[::1]:80"),
        ("[::0001]:80", "[::1]:80"),
        ("[::ffff:1.2.3.4]:80", "1.2.3.4:80"),
    ] {
        assert_eq!(parsed(text), address.parse().ok(), "{text}");
    }
    for text in [
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:http",
        ":10249",
        "::1:80",
        "[::1]",
        "[::1:80",
        "::1]:80",
        "[::1%lo]:80",
        "localhost:80",
        " 127.0.0.1:80",
    ] {
        assert_eq!(parsed(text), None, "{text}");
    }
}

#[test]
fn a_period_may_be_as_long_as_one_likes() {
    check_document(
        |one| {
            one.ipvs.sync_period = GoDuration(jiff::SignedDuration::from_hours(9001));
            one.ipvs.min_sync_period = GoDuration(jiff::SignedDuration::from_hours(9000));
            one.config_sync_period = GoDuration(jiff::SignedDuration::MAX);
        },
        FIELDS,
        expect![[r#"
            fine
        "#]],
    );
}

#[test]
fn addresses_are_read_as_leniently_as_by_kube_proxy() {
    check_document(
        |one| {
            one.bind_address = "010.0.0.1".to_owned();
            one.cluster_cidr = "010.0.0.5/8, fd00::1/48".to_owned();
        },
        FIELDS,
        expect![[r#"
            fine
        "#]],
    );
}

#[test]
fn a_gate_of_another_version_is_a_warning() {
    let mut document = KubeProxyConfiguration::default().complete();
    document.mode = "ipvs".to_owned();
    document.feature_gates.insert("SupportIPVSProxyMode".to_owned(), true);
    let mut warnings = Vec::new();
    assert!(check(document, None, FIELDS, Purpose::Serve(scheduler), &mut warnings).is_ok());
    expect!["feature gate SupportIPVSProxyMode=true: kube-proxy 1.36 knows no such feature gate, so that it would not start with it"]
        .assert_eq(&warnings.join("\n"));
}
