//! What a scrape shows, and what is documented of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dataplane::{
    ConntrackLook, Differences, Error, Foundation, Meter, Repaired, Report, SentMessages, Tally, Traffic,
};
use expect_test::{expect, expect_file};
use model::{ObjectKey, Protocol};
use plan::{Counts, Element, Operation, Policy, SetId, SetName, VirtualServerKey};
use sources::kubernetes::requests::Answered;
use tokio::sync::mpsc::{self, Receiver};

use super::definition::{Buckets, Definition, Kind};
use super::*;
use crate::health_checks::ProxyHealth;
use crate::inquiry::Inquiry;

/// A kernel that has counted something.
struct FakeMeter;

impl Meter for FakeMeter {
    fn set_sizes(&mut self) -> std::result::Result<Vec<(SetId, u32)>, Error> {
        Ok(vec![
            (SetId { family: Family::V4, name: SetName::ClusterIp }, 7),
            (SetId { family: Family::V6, name: SetName::IpvsIps }, 1),
        ])
    }

    fn traffic(&mut self) -> std::result::Result<Vec<(VirtualServerKey, Traffic)>, Error> {
        let traffic = |connections: u8| Traffic {
            connections: connections.into(),
            packets_in: 10,
            packets_out: 20,
            bytes_in: 1000,
            bytes_out: u64::from(connections) << 40,
        };
        Ok([(1, 3), (2, 0), (3, 4), (4, 5)].map(|(host, count)| (server(host), traffic(count))).into())
    }

    fn active_connections(&mut self, key: &VirtualServerKey) -> std::result::Result<u64, Error> {
        assert_ne!(*key, server(2), "nobody ever connected to it");
        Ok(2)
    }
}

fn server(host: u8) -> VirtualServerKey {
    VirtualServerKey { address: [10, 96, 0, host].into(), port: 80, protocol: Protocol::Tcp }
}

fn open() -> std::result::Result<Box<dyn Meter>, Error> {
    Ok(Box::new(FakeMeter))
}

/// A scraper, and the loop's end of its questions.
fn scraper(metrics: &Metrics, most_services: usize) -> (Scraper, Receiver<Inquiry>) {
    let health = Arc::new(ProxyHealth::new(Duration::from_secs(60), Family::ALL.into(), false));
    health.succeeded();
    let (questions, inquiries) = mpsc::channel(1);
    (Scraper::new(metrics.clone(), health, None, open, questions, most_services), inquiries)
}

/// Answers as the loop does: the first two virtual servers are of one Service, the last is of nobody.
async fn answer(mut inquiries: Receiver<Inquiry>) {
    while let Some(Inquiry::Owners(owners)) = inquiries.recv().await {
        let owner = |key: &VirtualServerKey| match key {
            key if [server(1), server(2)].contains(key) => Some(ObjectKey::new("shop", "web")),
            key if *key == server(3) => Some(ObjectKey::new("shop", "api")),
            _ => None,
        };
        owners.answer.send(owners.of.iter().map(owner).collect()).unwrap();
    }
}

/// Everything has happened once.
fn eventful() -> Metrics {
    let metrics = Metrics::new().unwrap();
    let families = BTreeSet::from([Family::V4]);
    let Metrics { sync, kernel, requests, .. } = &metrics;
    sync.service_told();
    sync.service_pending();
    sync.slice_told();
    sync.slice_told();
    sync.slice_pending();
    sync.queued(&families);
    sync.ended(Duration::from_millis(3), &families);
    sync.programmed(Family::V6, Duration::from_millis(700));
    sync.set_without_local_endpoint(Family::V4, Policy::External, 2);
    sync.looked(&ConntrackLook { family: Family::V6, took: Duration::from_micros(10), deleted: 5 });
    let failed = |program, restoring| Error::ProgramFailed {
        program,
        restoring,
        status: String::new(),
        stderr: String::new(),
    };
    sync.failed(&failed("ip6tables-restore", Some(Family::V6)));
    sync.failed(&failed("iptables-save", None));
    let counts = Counts { with_real_servers: 1, without_real_servers: 2, active: 3, zero_weight: 4 };
    kernel.set_counts(Family::V6, counts, 5);
    kernel.set_conflicts(6);
    let guarded = |service: &str| GuardedAddress {
        namespace: "shop".to_owned(),
        service: service.to_owned(),
        address: "10.0.0.9".to_owned(),
        owner: "Node \"n2\"".to_owned(),
    };
    kernel.guarded(&guarded("web"));
    kernel.guarded(&guarded("web"));
    kernel.guarded(&guarded("gone"));
    kernel.not_guarded(&guarded("gone"));
    let removals = || (1..=2).map(|host| Operation::RemoveVirtualServer(server(host)));
    let repaired = vec![Repaired::new(Foundation::Rules, "IPv4 rules")];
    let errors = vec![failed("iptables-save", None)];
    let failures = removals().take(1).map(|operation| dataplane::Failure {
        operation,
        errno: dataplane::Errno::EPERM,
        message: None,
    });
    let mut refused = Tally::default();
    refused.add(Element::VirtualServer, 1);
    let report = Report {
        differences: Differences::of(removals()),
        refused,
        failures: failures.collect(),
        repaired,
        errors,
        ..Report::default()
    };
    kernel.repaired(&report);
    kernel.put_right(&report);
    kernel.refused(&report.failures);
    report.errors.iter().for_each(|error| kernel.step_failed(error));
    kernel.set_foreign(&dataplane::Foreign { firewall_marks: 1, ..dataplane::Foreign::default() });
    kernel.set_sent(SentMessages { ipvs: 10, ..SentMessages::default() });
    let host = "10.96.0.1:443";
    let took = Some(Duration::from_millis(50));
    requests.answered(&Answered { method: "POST", host, status: Some(201), took });
    requests.answered(&Answered { method: "GET", host, status: None, took: None });
    metrics.answered_healthz(503);
    metrics.answered_livez(200);
    metrics.set_dropped_events(8);
    metrics
}

async fn text(metrics: &Metrics, most_services: usize) -> String {
    let (scraper, inquiries) = scraper(metrics, most_services);
    tokio::spawn(answer(inquiries));
    scraper.text().await.unwrap()
}

/// What does not change from run to run, without the empty rest of histograms.
fn steady(text: &str) -> String {
    let moves = |line: &&str| line.starts_with("process_") || line.contains("timestamp_seconds{");
    let kept =
        text.lines().filter(|line| !line.starts_with('#') && !moves(line) && !line.contains("_bucket"));
    let version = env!("CARGO_PKG_VERSION");
    kept.map(|line| line.replace(version, "VERSION").replace("amd64", "ARCH").replace("arm64", "ARCH") + "\n")
        .collect()
}

#[tokio::test]
async fn what_happened_is_shown() {
    let metrics = eventful();
    expect![[r#"
        kubeipvs_build_info{version="VERSION"} 1
        kubeipvs_conflicts 6
        kubeipvs_dropped_events_total 8
        kubeipvs_failed_operations_total{operation="add_real_server"} 0
        kubeipvs_failed_operations_total{operation="add_set_entry"} 0
        kubeipvs_failed_operations_total{operation="add_virtual_server"} 0
        kubeipvs_failed_operations_total{operation="bind_address"} 0
        kubeipvs_failed_operations_total{operation="remove_real_server"} 0
        kubeipvs_failed_operations_total{operation="remove_set_entry"} 0
        kubeipvs_failed_operations_total{operation="remove_virtual_server"} 1
        kubeipvs_failed_operations_total{operation="set_real_server"} 0
        kubeipvs_failed_operations_total{operation="set_virtual_server"} 0
        kubeipvs_failed_operations_total{operation="unbind_address"} 0
        kubeipvs_failed_steps_total{kind="conntrack"} 0
        kubeipvs_failed_steps_total{kind="interface"} 0
        kubeipvs_failed_steps_total{kind="iptables"} 1
        kubeipvs_failed_steps_total{kind="ipvs"} 0
        kubeipvs_failed_steps_total{kind="netlink"} 0
        kubeipvs_failed_steps_total{kind="set"} 0
        kubeipvs_failed_steps_total{kind="sysctl"} 0
        kubeipvs_failed_steps_total{kind="thread"} 0
        kubeipvs_foreign_addresses 0
        kubeipvs_foreign_virtual_servers 1
        kubeipvs_guarded_addresses{address="10.0.0.9",namespace="shop",owner="Node \"n2\"",service="web"} 1
        kubeipvs_netlink_messages_total{subsystem="conntrack"} 0
        kubeipvs_netlink_messages_total{subsystem="ipset"} 0
        kubeipvs_netlink_messages_total{subsystem="ipvs"} 10
        kubeipvs_netlink_messages_total{subsystem="route"} 0
        kubeipvs_oldest_unapplied_change_seconds 0
        kubeipvs_real_servers{ip_family="IPv4",state="active"} 0
        kubeipvs_real_servers{ip_family="IPv4",state="draining"} 0
        kubeipvs_real_servers{ip_family="IPv4",state="zero_weight"} 0
        kubeipvs_real_servers{ip_family="IPv6",state="active"} 3
        kubeipvs_real_servers{ip_family="IPv6",state="draining"} 5
        kubeipvs_real_servers{ip_family="IPv6",state="zero_weight"} 4
        kubeipvs_repairs_total{kind="address"} 0
        kubeipvs_repairs_total{kind="interface"} 0
        kubeipvs_repairs_total{kind="real_server"} 0
        kubeipvs_repairs_total{kind="rules"} 1
        kubeipvs_repairs_total{kind="set"} 0
        kubeipvs_repairs_total{kind="set_entry"} 0
        kubeipvs_repairs_total{kind="sysctl"} 0
        kubeipvs_repairs_total{kind="timeouts"} 0
        kubeipvs_repairs_total{kind="virtual_server"} 1
        kubeipvs_service_active_connections{namespace="shop",service="api"} 2
        kubeipvs_service_active_connections{namespace="shop",service="web"} 2
        kubeipvs_service_bytes_total{direction="in",namespace="shop",service="api"} 1000
        kubeipvs_service_bytes_total{direction="in",namespace="shop",service="web"} 2000
        kubeipvs_service_bytes_total{direction="out",namespace="shop",service="api"} 4398046511104
        kubeipvs_service_bytes_total{direction="out",namespace="shop",service="web"} 3298534883328
        kubeipvs_service_connections_total{namespace="shop",service="api"} 4
        kubeipvs_service_connections_total{namespace="shop",service="web"} 3
        kubeipvs_service_packets_total{direction="in",namespace="shop",service="api"} 10
        kubeipvs_service_packets_total{direction="in",namespace="shop",service="web"} 20
        kubeipvs_service_packets_total{direction="out",namespace="shop",service="api"} 20
        kubeipvs_service_packets_total{direction="out",namespace="shop",service="web"} 40
        kubeipvs_services_without_traffic_metrics 0
        kubeipvs_set_entries{ip_family="IPv4",set="KUBE-CLUSTER-IP"} 7
        kubeipvs_set_entries{ip_family="IPv6",set="KUBE-6-IPVS-IPS"} 1
        kubeipvs_synced 1
        kubeipvs_virtual_servers{ip_family="IPv4",state="with_endpoints"} 0
        kubeipvs_virtual_servers{ip_family="IPv4",state="without_endpoints"} 0
        kubeipvs_virtual_servers{ip_family="IPv6",state="with_endpoints"} 1
        kubeipvs_virtual_servers{ip_family="IPv6",state="without_endpoints"} 2
        kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"} 0
        kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv6"} 5
        kubeproxy_conntrack_reconciler_sync_duration_seconds_sum{ip_family="IPv4"} 0
        kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv4"} 0
        kubeproxy_conntrack_reconciler_sync_duration_seconds_sum{ip_family="IPv6"} 0.00001
        kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv6"} 1
        kubeproxy_network_programming_duration_seconds_sum{ip_family="IPv4"} 0
        kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"} 0
        kubeproxy_network_programming_duration_seconds_sum{ip_family="IPv6"} 0.7
        kubeproxy_network_programming_duration_seconds_count{ip_family="IPv6"} 1
        kubeproxy_proxy_healthz_total{code="503"} 1
        kubeproxy_proxy_livez_total{code="200"} 1
        kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 0.003
        kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1
        kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family="IPv6"} 0
        kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv6"} 0
        kubeproxy_sync_proxy_rules_endpoint_changes_pending 1
        kubeproxy_sync_proxy_rules_endpoint_changes_total 2
        kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 0
        kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv6"} 1
        kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"} 2
        kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"} 0
        kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv6",traffic_policy="external"} 0
        kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv6",traffic_policy="internal"} 0
        kubeproxy_sync_proxy_rules_service_changes_pending 1
        kubeproxy_sync_proxy_rules_service_changes_total 1
        kubernetes_build_info{build_date="unknown",compiler="rustc",git_commit="unknown",git_tree_state="unknown",git_version="v1.36.2+kube-ipvs.VERSION",go_version="none",major="1",minor="36",platform="linux/ARCH"} 1
        rest_client_request_duration_seconds_sum{host="10.96.0.1:443",verb="POST"} 0.05
        rest_client_request_duration_seconds_count{host="10.96.0.1:443",verb="POST"} 1
        rest_client_requests_total{code="201",host="10.96.0.1:443",method="POST"} 1
        rest_client_requests_total{code="<error>",host="10.96.0.1:443",method="GET"} 1
    "#]].assert_eq(&steady(&text(&metrics, 10).await));
}

#[tokio::test]
async fn a_success_leaves_nothing_pending() {
    let metrics = eventful();
    metrics.sync.succeeded(&BTreeSet::from([Family::V4]));
    let text = text(&metrics, 0).await;
    let pending = text.lines().filter(|line| line.contains("_pending "));
    expect![[r#"
        kubeproxy_sync_proxy_rules_endpoint_changes_pending 0
        kubeproxy_sync_proxy_rules_service_changes_pending 0"#]]
    .assert_eq(&pending.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"));
    assert!(text.contains("\nkubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family=\"IPv4\"} 1"));
}

#[tokio::test]
async fn the_busiest_services_are_shown() {
    let text = text(&Metrics::new().unwrap(), 1).await;
    let services = text.lines().filter(|line| line.starts_with("kubeipvs_service"));
    expect![[r#"
        kubeipvs_service_active_connections{namespace="shop",service="web"} 2
        kubeipvs_service_bytes_total{direction="in",namespace="shop",service="web"} 2000
        kubeipvs_service_bytes_total{direction="out",namespace="shop",service="web"} 3298534883328
        kubeipvs_service_connections_total{namespace="shop",service="web"} 3
        kubeipvs_service_packets_total{direction="in",namespace="shop",service="web"} 20
        kubeipvs_service_packets_total{direction="out",namespace="shop",service="web"} 40
        kubeipvs_services_without_traffic_metrics 1"#]]
    .assert_eq(&services.collect::<Vec<_>>().join("\n"));
}

/// While it brings a large cluster to the kernel, for instance.
#[tokio::test(start_paused = true)]
async fn a_loop_that_does_not_answer_holds_up_only_what_it_knows() {
    let (scraper, _inquiries) = scraper(&Metrics::new().unwrap(), 10);
    let text = scraper.text().await.unwrap();
    assert!(text.contains("kubeipvs_set_entries{") && !text.contains("kubeipvs_service_"));
}

#[tokio::test]
async fn nothing_is_read_of_services_that_nobody_wants_to_see() {
    let metrics = Metrics::new().unwrap();
    let (scraper, inquiries) = scraper(&metrics, 0);
    drop(inquiries);
    assert!(!scraper.text().await.unwrap().contains("kubeipvs_service"));
}

/// The names, types and labels are those of the catalogue, and all of it can be seen.
#[tokio::test]
async fn the_catalogue_is_complete() {
    let metrics = eventful();
    metrics.sync.succeeded(&BTreeSet::from([Family::V4]));
    let text = text(&metrics, 10).await;
    let shown: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let kind = |kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    };
    let known: Vec<String> =
        all().map(|definition| format!("{} {}", definition.name, kind(definition.kind))).collect();
    assert_eq!(shown, known.iter().map(String::as_str).collect());
    for definition in all() {
        for label in definition.labels {
            let name = definition.name;
            let has = |line: &str| line.starts_with(name) && line.contains(&format!("{label}=\""));
            assert!(text.lines().any(has), "{name} has no label {label}");
        }
    }
}

fn all() -> impl Iterator<Item = &'static Definition> {
    [catalogue::KUBE_PROXY, catalogue::LIBRARIES, catalogue::OWN].into_iter().flatten()
}

/// The bounds of kube-proxy's histograms as a scrape of it shows them.
#[test]
fn buckets_are_those_of_kube_proxy() {
    let text = |buckets: Buckets| buckets.bounds().iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    expect!["0.001 0.002 0.004 0.008 0.016 0.032 0.064 0.128 0.256 0.512 1.024 2.048 4.096 8.192 16.384"]
        .assert_eq(&text(Buckets::Sync));
    let programming = text(Buckets::Programming);
    assert!(programming.starts_with("0.25 0.5 1 2 3 ") && programming.contains(" 58 59 60 65 "));
    assert!(programming.ends_with(" 110 115 120 150 180 210 240 270 300"), "{programming}");
}

#[test]
fn the_documentation_is_up_to_date() {
    let table = |definitions: &[Definition]| {
        let mut table = "| name | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
        for Definition { name, kind, labels, help } in definitions {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            table.push_str(&format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")));
        }
        table
    };
    let text = include_str!("documentation.md")
        .replace("{kube-proxy}", &table(catalogue::KUBE_PROXY))
        .replace("{libraries}", &table(catalogue::LIBRARIES))
        .replace("{own}", &table(catalogue::OWN));
    expect_file!["../../../../docs/metrics.md"].assert_eq(&text);
}
