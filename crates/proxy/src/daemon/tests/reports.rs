//! What the loop tells of its work, in metrics and to whom asks.

use std::num::NonZeroI64;
use std::time::{SystemTime, UNIX_EPOCH};

use expect_test::expect;
use tokio::sync::oneshot;

use super::*;
use crate::inquiry::{Inquiry, Owners};

fn triggered(slice: Change) -> Change {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let Change::SliceApplied(slice) = slice else { panic!("a slice") };
    Change::SliceApplied(EndpointSlice { triggered: NonZeroI64::new(now.try_into().unwrap()), ..slice })
}

#[tokio::test(start_paused = true)]
async fn changes_are_pending_until_the_kernel_has_them() {
    const NAMES: [&str; 4] = [
        "kubeproxy_sync_proxy_rules_service_changes",
        "kubeproxy_sync_proxy_rules_endpoint_changes",
        "kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"",
        "kubeproxy_network_programming_duration_seconds_count{ip_family=\"IPv4\"",
    ];
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None), slice("web", &[1])]).await;
    expect![[r#"
        kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"} 0
        kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 0
        kubeproxy_sync_proxy_rules_endpoint_changes_pending 1
        kubeproxy_sync_proxy_rules_endpoint_changes_total 1
        kubeproxy_sync_proxy_rules_service_changes_pending 1
        kubeproxy_sync_proxy_rules_service_changes_total 1"#]]
    .assert_eq(&bench.metrics(&NAMES));
    bench.tell(synced()).await;
    bench.tell([triggered(slice("web", &[1, 2])), triggered(slice("web", &[1, 2, 3]))]).await;
    // Nothing but the time is new.
    bench.tell([triggered(slice("web", &[1, 2, 3]))]).await;
    expect![[r#"
        kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"} 2
        kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 2
        kubeproxy_sync_proxy_rules_endpoint_changes_pending 0
        kubeproxy_sync_proxy_rules_endpoint_changes_total 4
        kubeproxy_sync_proxy_rules_service_changes_pending 0
        kubeproxy_sync_proxy_rules_service_changes_total 1"#]]
    .assert_eq(&bench.metrics(&NAMES));
}

#[tokio::test(start_paused = true)]
async fn what_an_audit_puts_right_is_counted_and_what_is_refused_is_not() {
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None), service("api", "10.96.0.2", None)]).await;
    bench.tell(synced()).await;
    const NAMES: [&str; 3] = [
        "kubeipvs_repairs_total{kind=\"virtual_server\"",
        "kubeipvs_repairs_total{kind=\"address\"",
        "kubeipvs_failed_operations_total{operation=\"add_virtual_server\"",
    ];
    expect![[r#"
        kubeipvs_failed_operations_total{operation="add_virtual_server"} 0
        kubeipvs_repairs_total{kind="address"} 0
        kubeipvs_repairs_total{kind="virtual_server"} 0"#]]
    .assert_eq(&bench.metrics(&NAMES));
    let refusal = ("add virtual server 10.96.0.1:80/TCP".to_owned(), netlink_errno());
    bench.kernel.with(|kernel| {
        kernel.state.virtual_servers.clear();
        kernel.refusals.push(refusal);
    });
    bench.eye.send(Sighting::InterfaceGone).await.unwrap();
    // The retry is an audit too.
    let repaired = "kubeipvs_repairs_total{kind=\"virtual_server\"} 2";
    bench.until("both are repaired", |bench| bench.metrics.text().unwrap().contains(repaired)).await;
    expect![[r#"
        kubeipvs_failed_operations_total{operation="add_virtual_server"} 1
        kubeipvs_repairs_total{kind="address"} 0
        kubeipvs_repairs_total{kind="virtual_server"} 2"#]]
    .assert_eq(&bench.metrics(&NAMES));
}

/// Before anything can be planned, too.
#[tokio::test(start_paused = true)]
async fn what_fails_before_the_first_sync_is_counted() {
    let mut kernel = FakeKernel::new();
    kernel.refused_rules.push((Family::V6, "KUBE-SERVICES"));
    kernel.unreadable_addresses = true;
    let bench = Bench::start(kernel);
    let names = ["kubeipvs_failed_steps_total", RESTORE_FAILURES];
    settle().await;
    expect![[r#"
        kubeipvs_failed_steps_total{kind="conntrack"} 0
        kubeipvs_failed_steps_total{kind="interface"} 0
        kubeipvs_failed_steps_total{kind="iptables"} 1
        kubeipvs_failed_steps_total{kind="ipvs"} 0
        kubeipvs_failed_steps_total{kind="netlink"} 1
        kubeipvs_failed_steps_total{kind="set"} 0
        kubeipvs_failed_steps_total{kind="sysctl"} 0
        kubeipvs_failed_steps_total{kind="thread"} 0
        kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 0
        kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv6"} 1"#]]
    .assert_eq(&bench.metrics(&names));
    bench.tell(synced()).await;
    expect![[r#"
        kubeipvs_failed_steps_total{kind="conntrack"} 0
        kubeipvs_failed_steps_total{kind="interface"} 0
        kubeipvs_failed_steps_total{kind="iptables"} 1
        kubeipvs_failed_steps_total{kind="ipvs"} 0
        kubeipvs_failed_steps_total{kind="netlink"} 2
        kubeipvs_failed_steps_total{kind="set"} 0
        kubeipvs_failed_steps_total{kind="sysctl"} 0
        kubeipvs_failed_steps_total{kind="thread"} 0"#]]
    .assert_eq(&bench.metrics(&names[..1]));
}

/// What the kernel cannot take without the virtual server, and the address that would lead nowhere, are not put right
/// before it is.
#[tokio::test(start_paused = true)]
async fn what_waits_for_a_refused_virtual_server_is_counted_when_it_is_put_right() {
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None), slice("web", &[1])]).await;
    bench.tell(synced()).await;
    let refusal = ("add virtual server 10.96.0.1:80/TCP".to_owned(), netlink_errno());
    bench.kernel.with(|kernel| {
        kernel.state.virtual_servers.clear();
        kernel.state.addresses.clear();
        kernel.refusals = vec![refusal; 2];
    });
    bench.eye.send(Sighting::InterfaceGone).await.unwrap();
    let repaired = "kubeipvs_repairs_total{kind=\"virtual_server\"} 1";
    bench.until("it is repaired", |bench| bench.metrics.text().unwrap().contains(repaired)).await;
    expect![[r#"
        kubeipvs_failed_operations_total{operation="add_virtual_server"} 2
        kubeipvs_repairs_total{kind="address"} 1
        kubeipvs_repairs_total{kind="interface"} 0
        kubeipvs_repairs_total{kind="real_server"} 1
        kubeipvs_repairs_total{kind="rules"} 0
        kubeipvs_repairs_total{kind="set"} 0
        kubeipvs_repairs_total{kind="set_entry"} 0
        kubeipvs_repairs_total{kind="sysctl"} 0
        kubeipvs_repairs_total{kind="timeouts"} 0
        kubeipvs_repairs_total{kind="virtual_server"} 1"#]]
    .assert_eq(&bench.metrics(&[
        "kubeipvs_failed_operations_total{operation=\"add_virtual_server\"",
        "kubeipvs_repairs_total",
    ]));
}

#[tokio::test]
async fn the_loop_knows_whose_virtual_servers_there_are() {
    let outlets = outlets(Metrics::new().unwrap());
    let mut cluster = Cluster::new("node-a");
    cluster.apply(service("web", "10.96.0.1", None));
    let mut planner = Planner::new(Options::default());
    planner.rebuild(&cluster);
    let server = |host| plan::VirtualServerKey {
        address: IpAddr::from([10, 96, 0, host]),
        port: 80,
        protocol: Protocol::Tcp,
    };
    let (answer, answered) = oneshot::channel();
    let question = Inquiry::Owners(Owners { of: vec![server(1), server(2)], answer });
    outlets.answer(question, &cluster, &planner);
    assert_eq!(answered.await.unwrap(), [Some(ObjectKey::new("shop", "web")), None]);
}
