//! What kube-ipvs tells of itself and of the traffic, over its two servers.

use std::net::SocketAddr;
use std::time::Duration;

use lab::apiserver::Fault;
use lab::cluster::addresses::CLUSTER_CIDR;
use lab::traffic::{Download, get};
use nix::sys::signal::Signal;
use serde_json::json;

use super::api_server::Scene;
use crate::support::manifests::Service;
use crate::support::testbed::{KUBE_IPVS, PODS, Testbed, eventually, shell};

const FLAGS: [&str; 2] = ["--cluster-cidr", CLUSTER_CIDR];

const HEALTH: u16 = 10256;

/// The status that the health server of `node-1` answers; 0 if it does not.
fn status(testbed: &Testbed, path: &str) -> u16 {
    let address = SocketAddr::from(([127, 0, 0, 1], HEALTH));
    get(&testbed.node().namespace, address, path).unwrap().map_or(0, |answer| answer.status)
}

/// The value of a metric on `node-1`, named with its labels; none if it is not shown.
fn metric(testbed: &Testbed, name: &str) -> Option<f64> {
    let address = "127.0.0.1:10249".parse().unwrap();
    let text = get(&testbed.node().namespace, address, "/metrics").unwrap().unwrap().body;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

#[test]
fn the_traffic_of_services_is_shown() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 1).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web);
    testbed.manifests.apply(&Service::new("idle", 2).slice(testbed.endpoints(&PODS)));
    let _proxy = testbed.run(&FLAGS);
    let of = |name: &str, service: &str| {
        metric(&testbed, &format!("{name}{{namespace=\"test\",service=\"{service}\"}}"))
    };
    assert_eq!(of("kubeipvs_service_connections_total", "web"), Some(0.0));
    assert_eq!(testbed.client("pod-1", &web).ask_many(8, 2).unwrap().answered(), 8);
    // The kernel adds its counters up every two seconds.
    eventually("the connections are counted", || {
        of("kubeipvs_service_connections_total", "web") == Some(8.0)
    });
    let bytes = "kubeipvs_service_bytes_total{direction=\"out\",namespace=\"test\",service=\"web\"}";
    eventually("their bytes are counted", || metric(&testbed, bytes).is_some_and(|bytes| bytes > 8.0 * 40.0));
    assert_eq!(of("kubeipvs_service_connections_total", "idle"), Some(0.0));

    let client = testbed.client("pod-1", &web);
    let download = Download::start(client, u32::MAX, Duration::from_millis(20)).unwrap().unwrap();
    eventually("the open connection is shown", || {
        of("kubeipvs_service_active_connections", "web").is_some_and(|active| active >= 1.0)
    });
    drop(download);
    let set = "kubeipvs_set_entries{ip_family=\"IPv4\",set=\"KUBE-CLUSTER-IP\"}";
    assert_eq!(metric(&testbed, set), Some(2.0));
    assert_eq!(metric(&testbed, "kubeipvs_synced"), Some(1.0));
}

#[test]
fn repairs_are_counted() {
    let Some(testbed) = Testbed::build() else { return };
    testbed.manifests.apply(&Service::new("web", 1).slice(testbed.endpoints(&PODS)));
    let _proxy = testbed.run(&[FLAGS.as_slice(), &["--ipvs-sync-period", "1s"]].concat());
    let repaired = || metric(&testbed, "kubeipvs_repairs_total{kind=\"virtual_server\"}");
    assert_eq!(repaired(), Some(0.0));
    shell(&testbed.node().namespace, "ipvsadm -D -t 10.96.0.1:80");
    eventually("the repair is counted", || repaired() == Some(1.0));
}

/// With the API server away at first. A node that it has not told of, or that is to be deleted, is not eligible.
#[test]
fn a_node_is_ready_when_its_services_work_and_eligible_while_it_stays() {
    let Some(scene) = Scene::build() else { return };
    let testbed = &scene.testbed;
    let node =
        |taints| json!({ "kind": "Node", "metadata": { "name": "node-1" }, "spec": { "taints": taints } });
    scene.apply(&Service::new("web", 1).slice(testbed.endpoints(&PODS)));
    scene.server.apply(node(json!([]))).unwrap();
    scene.server.fault(Fault::InternalError);
    let mut proxy = testbed.spawn(testbed.node(), KUBE_IPVS.as_ref(), &[], &FLAGS);
    eventually("the health server listens", || status(testbed, "/livez") == 200);
    assert_eq!(["/readyz", "/healthz", "/livez"].map(|path| status(testbed, path)), [503, 503, 200]);

    scene.server.heal();
    proxy.wait_for_log("first sync done");
    eventually("the node is eligible", || status(testbed, "/healthz") == 200);
    assert_eq!(status(testbed, "/readyz"), 200);
    scene
        .server
        .apply(node(json!([{ "key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule" }])))
        .unwrap();
    eventually("the node is not eligible any more", || status(testbed, "/healthz") == 503);
    assert_eq!(["/readyz", "/livez"].map(|path| status(testbed, path)), [200, 200]);
    let (status, _) = proxy.stop(Signal::SIGTERM);
    assert!(status.success(), "{status}");
}
