//! The proxy is restarted, the API server is restarted.

use std::fs;
use std::path::Path;

use lab::apiserver::ApiServer;
use lab::cluster::{Node, Size};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::scene::{FLAGS, Scene, TCP};
use crate::support::manifests::Service;
use crate::support::testbed::{KUBE_IPVS, Proxy, Testbed};

const PODS: [&str; 3] = ["pod-1", "pod-2", "pod-3"];

fn services(scene: &Scene) -> [Service; 2] {
    [("restart-1", 10), ("restart-2", 20)]
        .map(|(name, number)| Service::new(name, number).slice(scene.endpoints(&PODS)))
}

#[track_caller]
fn is_up(scene: &Scene, service: &Service) {
    for client in ["node-1", "pod-2"] {
        scene.served_by(client, TCP, service.addresses(TCP), &PODS);
    }
}

#[test]
fn should_work_after_restarting_kube_proxy() {
    let Some(mut scene) = Scene::build(1, &[TCP]) else { return };
    let [first, second] = services(&scene);
    scene.apply(&first);
    is_up(&scene, &first);
    for proxy in scene.proxies.drain(..) {
        proxy.stop(Signal::SIGKILL);
    }
    is_up(&scene, &first);
    scene.proxies = scene.testbed.run_everywhere(&FLAGS);
    is_up(&scene, &first);
    scene.apply(&second);
    is_up(&scene, &first);
    is_up(&scene, &second);
}

/// An API server on each node, all with the same objects.
struct ApiServers {
    runtime: Runtime,
    servers: Vec<ApiServer>,
}

// === impl ApiServers ===

impl ApiServers {
    fn start(testbed: &Testbed) -> ApiServers {
        let runtime = Runtime::new().unwrap();
        // A socket belongs to the namespace of the thread that opens it.
        let start = || {
            let _entered = runtime.enter();
            ApiServer::start().unwrap()
        };
        let nodes = testbed.cluster.nodes.iter();
        let servers = nodes.map(|node| node.namespace.run(start).unwrap()).collect();
        ApiServers { runtime, servers }
    }

    /// Starts kube-ipvs on each node with that node's API server.
    fn run_proxies(&self, testbed: &mut Testbed) -> Vec<Proxy> {
        testbed.source.clear();
        let nodes = testbed.cluster.nodes.iter().zip(&self.servers);
        let mut proxies: Vec<Proxy> = nodes.map(|(node, server)| spawn(testbed, node, server)).collect();
        proxies.iter_mut().for_each(|proxy| proxy.wait_for_log("first sync done"));
        proxies
    }

    fn apply(&self, service: &Service) {
        for server in &self.servers {
            for object in service.objects() {
                server.apply(object).unwrap();
            }
        }
    }

    /// Stops them; what is applied meanwhile is there when they come back.
    fn stop(&self) {
        self.servers.iter().for_each(|server| self.runtime.block_on(server.stop()));
    }

    fn resume(&self, testbed: &Testbed) {
        for (node, server) in testbed.cluster.nodes.iter().zip(&self.servers) {
            node.namespace.run(|| self.runtime.block_on(server.resume()).unwrap()).unwrap();
        }
    }
}

fn spawn(testbed: &Testbed, node: &Node, server: &ApiServer) -> Proxy {
    let kubeconfig = testbed.file("kubeconfig.json");
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "lab", "cluster": { "server": server.url() } }],
        "contexts": [{ "name": "lab", "context": { "cluster": "lab", "user": "proxy" } }],
        "users": [{ "name": "proxy", "user": {} }],
        "current-context": "lab",
    });
    fs::write(&kubeconfig, text.to_string()).unwrap();
    let kubeconfig = kubeconfig.to_string_lossy();
    let flags: Vec<&str> = FLAGS.into_iter().chain(["--kubeconfig", &kubeconfig]).collect();
    testbed.spawn(node, Path::new(KUBE_IPVS), &[], &flags)
}

#[test]
fn should_work_after_restarting_apiserver() {
    let size = Size { nodes: 3, pods_per_node: 1, hosts: 1 };
    let Some(mut testbed) = Testbed::sized(size, &[TCP]) else { return };
    let servers = ApiServers::start(&testbed);
    let proxies = servers.run_proxies(&mut testbed);
    let scene = Scene::of(proxies, testbed);
    let [first, second] = services(&scene);
    servers.apply(&first);
    is_up(&scene, &first);
    servers.stop();
    is_up(&scene, &first);
    servers.resume(&scene.testbed);
    is_up(&scene, &first);
    servers.apply(&second);
    is_up(&scene, &first);
    is_up(&scene, &second);
}
