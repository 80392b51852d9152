//! Addresses that nodes have themselves: those that come and go, and those that no Service may take.

use std::net::SocketAddr;

use lab::cluster::addresses::CLUSTER_CIDR;
use lab::traffic::{Client, Protocol, get};
use serde_json::{Value, json};

use crate::api_server::Scene;
use crate::support::kernel::Dump;
use crate::support::manifests::{Port, Service};
use crate::support::testbed::{PODS, Testbed, eventually, shell};

const FLAGS: [&str; 2] = ["--cluster-cidr", CLUSTER_CIDR];

/// No audit comes within this test.
const WITHOUT_AUDITS: [&str; 3] = ["--cluster-cidr", CLUSTER_CIDR, "--ipvs-sync-period=1h"];

#[test]
fn an_address_of_the_node_serves_node_ports_as_soon_as_it_is_there() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).spec(json!({"type": "NodePort"}));
    let web = web.ports([Port::of(Protocol::Tcp).node_port(30080)]).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web);
    let _proxy = testbed.run(&WITHOUT_AUDITS);
    let node = &testbed.node().namespace;
    for address in ["172.18.0.99", "fd00:18::99"] {
        let to = SocketAddr::new(address.parse().unwrap(), 30080);
        let client = Client::new(&testbed.cluster.hosts[0].namespace, Protocol::Tcp, to);
        node.ip([format!("addr add {address} dev eth0").as_str()]).unwrap();
        eventually("the new address answers", || client.ask().unwrap().is_ok());
        node.ip([format!("addr del {address} dev eth0").as_str()]).unwrap();
        let virtual_server = format!("-A -t {to} -s rr");
        eventually("the old address is forgotten", || {
            !Dump::of_ipvs(node).virtual_servers.contains(&virtual_server)
        });
    }
}

/// An EndpointSlice of `default/kubernetes` that says where the API server is.
fn api_server_at(address: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": { "kubernetes.io/service-name": "kubernetes" },
        },
        "addressType": "IPv4",
        "ports": [{ "name": "https", "port": 6443, "protocol": "TCP" }],
        "endpoints": [{ "addresses": [address], "conditions": { "ready": true } }],
    })
}

fn node(name: &str, address: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name },
        "status": { "addresses": [{ "type": "InternalIP", "address": address }] },
    })
}

/// What the Events of a Service say: reason and note.
fn events(scene: &Scene, service: &str) -> Vec<(String, String)> {
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let events = scene.server.events();
    let of_service = events.iter().filter(|event| event["regarding"]["name"] == service);
    of_service.map(|event| (text(event, "reason"), text(event, "note"))).collect()
}

#[test]
fn an_address_of_another_machine_stays_with_it_and_its_service_hears_of_it() {
    let Some(scene) = Scene::build() else { return };
    let testbed = &scene.testbed;
    let other = testbed.cluster.nodes[1].addresses.v4.to_string();
    let outside = testbed.cluster.hosts[0].addresses.v4.to_string();
    scene.server.apply(api_server_at(&outside)).unwrap();
    scene.server.apply(node("node-2", &other)).unwrap();
    let greedy = Service::new("greedy", 10).slice(testbed.endpoints(&PODS));
    scene.apply(&greedy.spec(json!({ "externalIPs": [other, outside, "203.0.113.7"] })));
    let flags = [FLAGS.as_slice(), &["--guard-node-addresses"]].concat();
    let _proxy = testbed.run(&flags);

    let node = &testbed.node().namespace;
    let addresses = Dump::of(node).addresses;
    assert!(addresses.contains("203.0.113.7/32"), "the other address is served: {addresses:?}");
    assert!(!addresses.iter().any(|address| address.starts_with(&other) || address.starts_with(&outside)));
    let route = shell(node, &format!("ip route get {other}"));
    assert!(route.starts_with(&format!("{other} dev eth0")), "it is reached by the network: {route}");
    eventually("both Events are recorded", || events(&scene, "greedy").len() == 2);
    let expected = |address: &str, owner: &str| {
        let note = format!(
            "external IP {address} is an address of {owner}; it is not served, so that {owner} stays reachable"
        );
        ("NodeAddressNotServed".to_owned(), note)
    };
    let mut seen = events(&scene, "greedy");
    seen.sort_by_key(|(_, note)| note.contains("control plane"));
    assert_eq!(seen, [expected(&other, "node node-2"), expected(&outside, "the control plane")]);
    let metrics = get(node, "127.0.0.1:10249".parse().unwrap(), "/metrics").unwrap().unwrap().body;
    for (address, owner) in [(&other, "node node-2"), (&outside, "the control plane")] {
        let line = format!(
            "kubeipvs_guarded_addresses{{address=\"{address}\",namespace=\"test\",owner=\"{owner}\",service=\"greedy\"}} 1"
        );
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }

    scene.server.delete(lab::apiserver::Resource::Nodes, "node-2");
    let freed = format!("{other}/32");
    eventually("the address is served when nobody else has it", || Dump::of(node).addresses.contains(&freed));
}

#[test]
fn the_younger_of_two_services_hears_that_it_gets_no_address() {
    let Some(scene) = Scene::build() else { return };
    let with_external_ip = |name: &str, number| {
        Service::new(name, number)
            .spec(json!({ "externalIPs": ["203.0.113.7"] }))
            .slice(scene.testbed.endpoints(&PODS))
    };
    // Without a time of creation the name decides.
    scene.apply(&with_external_ip("first", 10));
    scene.apply(&with_external_ip("second", 11));
    let _proxy = scene.testbed.run(&FLAGS);
    eventually("the Event is recorded", || !events(&scene, "second").is_empty());
    let (reason, note) = events(&scene, "second").remove(0);
    assert_eq!(reason, "AddressConflict");
    assert!(note.starts_with("203.0.113.7:80/TCP is not served for this Service"), "{note}");
    assert_eq!(events(&scene, "first"), []);

    scene.server.delete(lab::apiserver::Resource::Services, "test/first");
    let namespace = &scene.testbed.node().namespace;
    let alone = |dump: Dump| !dump.virtual_servers.contains("-A -t 10.96.0.10:80 -s rr");
    eventually("the first is gone", || alone(Dump::of_ipvs(namespace)));
    assert!(Dump::of_ipvs(namespace).virtual_servers.contains("-A -t 203.0.113.7:80 -s rr"));
}
