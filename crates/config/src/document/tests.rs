use expect_test::expect;

use super::*;
use crate::Setting;

/// The leaves of a document: what a setting stands for.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn every_field_is_a_setting_and_every_setting_a_field() {
    let document = KubeProxyConfiguration {
        feature_gates: BTreeMap::from([("AllAlpha".to_owned(), true)]),
        logging: Logging {
            vmodule: vec![Pattern::default()],
            options: LogOptions {
                text: LogStream { split_stream: true, ..LogStream::default() },
                json: LogStream { split_stream: true, ..LogStream::default() },
            },
            ..Logging::default()
        },
        windows_run_as_service: true,
        ..KubeProxyConfiguration::default()
    };
    let json = document.to_json();
    let mut fields = Vec::new();
    leaves(&json, "", &mut fields);
    for field in fields.iter().filter(|field| !["apiVersion", "kind"].contains(&field.as_str())) {
        assert!(Setting::of_field(field).is_some(), "{field} is no setting");
    }
    for setting in Setting::all().filter(|setting| setting.field.is_some()) {
        assert!(setting.value_in(&json).is_some(), "{setting:?} is no field");
    }
}

#[test]
fn the_written_defaults_are_kube_proxys() {
    let mut document = KubeProxyConfiguration::default().complete();
    document.forget_other_modes();
    expect![[r#"
        apiVersion: kubeproxy.config.k8s.io/v1alpha1
        bindAddress: "0.0.0.0"
        bindAddressHardFail: false
        clientConnection:
          acceptContentTypes: ""
          burst: 10
          contentType: application/vnd.kubernetes.protobuf
          kubeconfig: ""
          qps: 5
        clusterCIDR: ""
        configSyncPeriod: 15m0s
        conntrack:
          maxPerCore: 32768
          min: 131072
          tcpBeLiberal: false
          tcpCloseWaitTimeout: 1h0m0s
          tcpEstablishedTimeout: 24h0m0s
          udpStreamTimeout: 0s
          udpTimeout: 0s
        detectLocal:
          bridgeInterface: ""
          interfaceNamePrefix: ""
        detectLocalMode: ClusterCIDR
        enableProfiling: false
        healthzBindAddress: 0.0.0.0:10256
        hostnameOverride: ""
        iptables:
          localhostNodePorts: true
          masqueradeAll: false
          masqueradeBit: 14
          minSyncPeriod: 0s
          syncPeriod: 0s
        ipvs:
          excludeCIDRs: null
          minSyncPeriod: 0s
          scheduler: ""
          strictARP: false
          syncPeriod: 30s
          tcpFinTimeout: 0s
          tcpTimeout: 0s
          udpTimeout: 0s
        kind: KubeProxyConfiguration
        logging:
          flushFrequency: 5s
          format: text
          options:
            json:
              infoBufferSize: "0"
            text:
              infoBufferSize: "0"
          verbosity: 0
        metricsBindAddress: 127.0.0.1:10249
        mode: ""
        nftables:
          masqueradeAll: false
          masqueradeBit: 14
          minSyncPeriod: 0s
          syncPeriod: 0s
        nodePortAddresses: null
        oomScoreAdj: -999
        portRange: ""
        showHiddenMetricsForVersion: ""
        winkernel:
          enableDSR: false
          forwardHealthCheckVip: false
          networkName: ""
          rootHnsEndpointName: ""
          sourceVip: ""
    "#]]
    .assert_eq(&document.to_yaml());
}

#[test]
fn of_our_section_what_differs_is_written() {
    let mut document = KubeProxyConfiguration::default().complete();
    document.kube_ipvs.max_bound_addresses = 0;
    let yaml = document.to_yaml();
    assert!(yaml.contains("kubeIpvs:\n  maxBoundAddresses: 0\n"), "{yaml}");
    assert!(!yaml.contains("drainTimeout"), "{yaml}");
}

#[test]
fn addresses_follow_the_family_and_get_their_ports() {
    let complete = |bind: &str, healthz: &str, metrics: &str| {
        let document = KubeProxyConfiguration {
            bind_address: bind.to_owned(),
            healthz_bind_address: healthz.to_owned(),
            metrics_bind_address: metrics.to_owned(),
            ..KubeProxyConfiguration::default()
        }
        .complete();
        format!("{} {}", document.healthz_bind_address, document.metrics_bind_address)
    };
    assert_eq!(complete("", "", ""), "0.0.0.0:10256 127.0.0.1:10249");
    assert_eq!(complete("::", "", ""), "[::]:10256 [::1]:10249");
    assert_eq!(complete("", "10.0.0.1", "::1"), "10.0.0.1:10256 [::1]:10249");
    assert_eq!(complete("", "10.0.0.1:1", "[fd00::1]"), "10.0.0.1:1 [fd00::1]:10249");
    assert_eq!(complete("", "nonsense", "0.0.0.0:"), "nonsense 0.0.0.0:");
}

#[test]
fn zero_means_the_default_where_it_does_for_kube_proxy() {
    let client_connection =
        ClientConnection { qps: 0.0, burst: 0, content_type: String::new(), ..ClientConnection::default() };
    let mut document = KubeProxyConfiguration { client_connection, ..KubeProxyConfiguration::default() };
    document.ipvs.sync_period = GoDuration::default();
    document.config_sync_period = GoDuration::default();
    document.logging.flush_frequency = FlushFrequency::default();
    document.logging.format = String::new();
    assert_eq!(document.complete(), KubeProxyConfiguration::default().complete());
    let mut off = KubeProxyConfiguration::default().complete();
    off.conntrack.max_per_core = 0;
    assert_eq!(off.clone().complete(), off, "which is a value of its own");
}
