//! Segments that conntrack calls invalid.

use std::net::SocketAddr;
use std::time::Duration;

use lab::namespace::Namespace;
use lab::traffic::{Client, Download};
use serde_json::json;

use crate::scene::{FLAGS, Place, Scene, TCP};
use crate::support::manifests::{Port, Service, ports};
use crate::support::testbed::{eventually, shell};

use super::segment::Server;

const NODE_PORT: u16 = 30080;

/// A server sends data that is outside of its connection's window. conntrack does not know what to make of it; if it
/// reached the client from the server's own address, the client would answer by a reset, and the server would end the
/// connection (kubernetes#74839). IPVS translates without conntrack's help.
///
/// Upstream's client is a pod. Where connections are masqueraded, the segment arrives at the node's own address,
/// and the node resets the connection, as with every mode of kube-proxy; `--conntrack-tcp-be-liberal` prevents
/// that.
#[test]
fn should_not_be_vulnerable_to_the_invalid_conntrack_state_bug() {
    let Some(mut scene) = Scene::build(1, &[TCP]) else { return };
    let service = Service::new("boom", 10)
        .spec(json!({ "type": "NodePort" }))
        .ports([Port::of(TCP).node_port(NODE_PORT)])
        .slice(scene.endpoints(&["pod-1"]));
    scene.apply(&service);
    survive(&scene, "pod-3", service.addresses(TCP));

    scene.proxies.clear();
    let flags = [&FLAGS[..], &["--conntrack-tcp-be-liberal"]].concat();
    scene.proxies = scene.testbed.run_everywhere(&flags);
    survive(&scene, "node-3", service.addresses(TCP));
    survive(&scene, "host-1", scene.port_of("node-2", NODE_PORT));
}

/// Both families.
#[track_caller]
fn survive(scene: &Scene, client: &Place, to: [SocketAddr; 2]) {
    scene.served_by(client, TCP, to, &["pod-1"]);
    let servers = scene.port_of("pod-1", ports(TCP).1);
    to.into_iter().zip(servers).for_each(|(to, server)| survives(scene, client, to, server));
}

#[track_caller]
fn survives(scene: &Scene, client: &Place, to: SocketAddr, server: SocketAddr) {
    let download =
        Download::start(Client::new(scene.namespace(client), TCP, to), u32::MAX, Duration::from_millis(50));
    let download = download.unwrap().unwrap();
    let seen = download.answer.seen_source;
    let leaks = Leaks::watch(scene, client, server);
    let raw = Server::open(scene.namespace("pod-1"), server);
    for _ in 0..3 {
        raw.send_out_of_window(seen, raw.listen(seen));
    }
    let before = download.received();
    eventually(&format!("{client} at {to} gets more of its download"), || {
        assert!(download.is_running(), "the connection of {client} to {to} broke off");
        download.received() > before + 10
    });
    // A node itself sees packets before they are translated back.
    if !client.starts_with("node-") {
        leaks.assert_none();
    }
}

/// Counts what a client gets that shows the address of the server.
struct Leaks<'a> {
    client: &'a Namespace,
    program: &'static str,
}

// === impl Leaks ===

impl<'a> Leaks<'a> {
    fn watch(scene: &'a Scene, client: &Place, server: SocketAddr) -> Leaks<'a> {
        let program = if server.is_ipv4() { "iptables" } else { "ip6tables" };
        let client = scene.namespace(client);
        let (ip, port) = (server.ip(), server.port());
        shell(client, &format!("{program} -I INPUT -p tcp -s {ip} --sport {port}"));
        Leaks { client, program }
    }

    #[track_caller]
    fn assert_none(&self) {
        let counts = shell(self.client, &format!("{} -nvxL INPUT 1", self.program));
        assert_eq!(counts.split_whitespace().next(), Some("0"), "packets and bytes that leaked: {counts}");
    }
}
