use clap::{Args as _, Command, FromArgMatches as _};
use expect_test::{Expect, expect};

use super::*;
use crate::configuration::{LocalMode, NodePortAddresses};

const SERVE: Purpose = Purpose::Serve(|_| Ok(()));

const HEAD: &str = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

fn flags(arguments: &[&str]) -> ConfigFlags {
    let command = ConfigFlags::augment_args(Command::new("kube-ipvs"));
    let matches = command.try_get_matches_from(["kube-ipvs"].iter().chain(arguments));
    ConfigFlags::from_arg_matches(&matches.unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

fn from_flags(arguments: &[&str]) -> Configuration {
    load(&flags(arguments), None, SERVE, &mut Vec::new()).unwrap_or_else(|error| panic!("{error}"))
}

/// Loads a file with these lines after the head, and these flags.
fn with_file(lines: &str, arguments: &[&str]) -> (Result<Configuration, Error>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.conf");
    fs::write(&path, format!("{HEAD}{lines}")).unwrap();
    let mut warnings = Vec::new();
    let loaded = load(&flags(arguments), Some(&path), SERVE, &mut warnings);
    let anonymous = |warning: String| warning.replace(path.to_str().unwrap(), "FILE");
    (loaded, warnings.into_iter().map(anonymous).collect())
}

fn check_warnings(lines: &str, arguments: &[&str], expected: Expect) {
    let (loaded, warnings) = with_file(lines, arguments);
    loaded.unwrap_or_else(|error| panic!("{error}"));
    expected.assert_eq(&warnings.iter().map(|warning| format!("{warning}\n")).collect::<String>());
}

#[test]
fn without_a_file_flags_are_the_configuration() {
    let found = from_flags(&["--proxy-mode=ipvs", "--ipvs-min-sync-period=2s", "--masquerade-all", "-v=4"]);
    assert_eq!((found.min_sync_period.as_secs(), found.masquerade_all, found.verbosity), (2, true, 4));
    assert_eq!(found.document.mode, "ipvs");
    assert_eq!(found.document.detect_local_mode, "ClusterCIDR");
}

#[test]
fn with_a_file_other_flags_do_not_count_which_is_said() {
    let arguments = [
        "--ipvs-scheduler=sh",
        "--masquerade-all",
        "--healthz-port=1",
        "--kube-api-qps=9",
        "--master=https://10.0.0.1",
        "--hostname-override= Node-B ",
        "-v=4",
        "--drain-timeout=1m",
    ];
    let (loaded, warnings) =
        with_file("mode: ipvs\nhostnameOverride: node-a\nlogging: {verbosity: 2}\n", &arguments);
    let found = loaded.unwrap();
    assert_eq!((found.scheduler.as_str(), found.masquerade_all, found.verbosity), ("", false, 4));
    assert_eq!(found.hostname_override.as_deref(), Some("node-b"));
    assert_eq!(found.api_server.master.as_deref(), Some("https://10.0.0.1"));
    assert_eq!(found.own.drain_timeout.as_secs(), 60);
    expect![[r#"
        --kube-api-qps has no effect: requests to the API server are few and not limited here
        --healthz-port is deprecated; use --healthz-bind-address
        the configuration file FILE counts, so these flags are ignored: --ipvs-scheduler (in the file: ipvs.scheduler), --masquerade-all (in the file: iptables.masqueradeAll), --healthz-port"#]].assert_eq(&warnings.join("\n"));
}

#[test]
fn the_content_types_of_answers_come_before_those_of_requests() {
    let check = |connection: &str, expected: &str| {
        let (loaded, _) = with_file(&format!("mode: ipvs\nclientConnection: {connection}\n"), &[]);
        assert_eq!(loaded.unwrap().api_server.content_types, expected, "{connection}");
    };
    check("{}", "application/vnd.kubernetes.protobuf");
    check("{contentType: application/json}", "application/json");
    check("{acceptContentTypes: 'a/b,application/json', contentType: c/d}", "a/b,application/json");
}

#[test]
fn what_is_not_as_it_seems_is_said() {
    check_warnings(
        "",
        &[],
        expect![[r#"
        mode is not set, for which kube-proxy takes iptables; kube-ipvs takes ipvs, as always
    "#]],
    );
    check_warnings(
        "mode: ipvs\nportRange: 1-2\nnftables: {masqueradeAll: true}\nkubeIpvs: {drain: 5s}\niptables: {syncPeriod: 30s}\n",
        &["--log-dir=/var/log", "--enable-dsr"],
        expect![[r#"
            --enable-dsr has no effect: it is for Windows
            --log-dir has no effect: kube-proxy does not have it any more either
            line 6: the field kubeIpvs.drain is unknown and ignored
            nftables.masqueradeAll has no effect: it is for another proxy mode
            portRange has no effect: kube-proxy does not have it any more either
        "#]],
    );
}

#[test]
fn patterns_of_flags_come_before_those_of_the_file() {
    let (loaded, _) = with_file(
        "logging: {vmodule: [{filePattern: file, verbosity: 1}]}\n",
        &["--vmodule=flag=2", "--logging-format=text"],
    );
    let patterns = loaded.unwrap().document.logging.vmodule;
    assert_eq!(
        patterns.iter().map(|pattern| pattern.file_pattern.as_str()).collect::<Vec<_>>(),
        ["flag", "file"]
    );
}

#[test]
fn deprecated_ports_complete_addresses_or_take_them_away() {
    let addresses = |arguments: &[&str]| {
        let found = from_flags(arguments);
        [found.healthz_address, found.metrics_address]
            .map(|address| address.map_or_else(|| "none".to_owned(), |address| address.to_string()))
    };
    assert_eq!(addresses(&[]), ["0.0.0.0:10256", "127.0.0.1:10249"]);
    assert_eq!(addresses(&["--healthz-port=0", "--metrics-port=0"]), ["none", "none"]);
    assert_eq!(
        addresses(&["--healthz-port=1", "--healthz-bind-address=::1", "--metrics-port=2"]),
        ["[::1]:1", "127.0.0.1:10249"]
    );
    assert_eq!(addresses(&["--healthz-bind-address=", "--metrics-bind-address="]), ["none", "none"]);
}

#[test]
fn the_name_of_the_node_must_not_be_blank() {
    assert_eq!(from_flags(&["--hostname-override="]).hostname_override, None);
    assert!(load(&flags(&["--hostname-override= "]), None, SERVE, &mut Vec::new()).is_err());
    let (loaded, _) = with_file("hostnameOverride: ' '\n", &[]);
    assert!(loaded.is_err());
    let (loaded, _) =
        with_file("hostnameOverride: node-a\n", &["--hostname-override= ", "--drain-timeout=-1s"]);
    expect![[r#"the configuration is not usable: --hostname-override: " ": it is blank; give the name of this node's Node object; --drain-timeout: -1s: must not be negative"#]]
        .assert_eq(&loaded.unwrap_err().to_string());
    // An empty flag is none.
    let (loaded, _) = with_file("hostnameOverride: node-a\n", &["--hostname-override="]);
    assert_eq!(loaded.unwrap().hostname_override.as_deref(), Some("node-a"));
    let (loaded, _) = with_file("hostnameOverride: ' Node-A'\n", &[]);
    assert_eq!(loaded.unwrap().hostname_override.as_deref(), Some("node-a"));
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("written.yaml");
    let found = from_flags(&[
        "--proxy-mode=ipvs",
        "--ipvs-exclude-cidrs=10.0.0.0/8",
        "--cluster-cidr=10.244.0.0/16,fd00::/48",
        "--nodeport-addresses=primary",
        "--drain-timeout=90s",
        "--feature-gates=AllBeta=false",
        "--kube-api-qps=7.5",
    ]);
    write(&found, &path).unwrap();
    let mut warnings = Vec::new();
    let read = load(&ConfigFlags::default(), Some(&path), SERVE, &mut warnings).unwrap();
    assert_eq!(read, found);
    assert_eq!(found.node_port_addresses, NodePortAddresses::Primary);
    assert!(matches!(found.local_mode, LocalMode::ClusterCidr(_)));
    expect![[r#"
        clientConnection.qps has no effect: requests to the API server are few and not limited here
        feature gates without effect here: AllBeta"#]]
    .assert_eq(&warnings.join("\n"));
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let none = Path::new("/nonexistent/config.conf");
    let error = load(&ConfigFlags::default(), Some(none), SERVE, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/config.conf cannot be read"), "{error}");
    let error = write(&from_flags(&[]), none).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/config.conf"), "{error}");
}
