//! The source against the lab's API server: whatever goes wrong, in the end the reader holds what the server
//! has.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::apiserver::{ApiServer, Fault, Resource};
use model::{Change, Kind};
use serde_json::{Value, json};

use super::{Config, Encoding, Timing, watch};
use crate::Changes;

mod configuration;
mod faults;
mod following;
mod malformed;
mod proxied;
mod recorded;
mod supervised;
mod versions;

/// Longer than anything here takes; it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Short pauses, and limits that are not reached unless a test means to.
const TIMING: Timing = Timing {
    connect: Duration::from_secs(30),
    request: Duration::from_secs(30),
    initial: Duration::from_secs(30),
    watch: Duration::from_secs(290),
    silence: Duration::from_secs(30),
    keepalive: Duration::from_secs(15),
    shortest_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(20),
    load: Duration::from_secs(30),
};

/// An API server and a reader of what the source tells of it.
struct Scene {
    server: ApiServer,
    changes: Changes,
    /// `Service default/a` to the addresses of it.
    held: BTreeMap<String, String>,
    problems: Vec<String>,
    synced: Vec<Kind>,
    /// How often something was told to be gone.
    removed: usize,
}

impl Scene {
    /// Starts following `server` and waits until every kind is complete.
    async fn start(server: ApiServer) -> Scene {
        Scene::start_with(server, TIMING).await
    }

    async fn start_with(server: ApiServer, timing: Timing) -> Scene {
        let config = Config { master: Some(server.url()), timing, ..Config::in_cluster("n1") };
        Scene::follow(server, config).await
    }

    async fn follow(server: ApiServer, config: Config) -> Scene {
        let changes = watch(config).await.unwrap();
        let mut scene = Scene {
            server,
            changes,
            held: BTreeMap::new(),
            problems: Vec::new(),
            synced: Vec::new(),
            removed: 0,
        };
        while scene.synced.len() < Kind::ALL.len() {
            scene.next().await;
        }
        scene
    }

    async fn next(&mut self) {
        let change = tokio::time::timeout(PATIENCE, self.changes.recv()).await.unwrap().unwrap();
        self.hear(change);
    }

    fn hear(&mut self, change: Change) {
        match change {
            Change::ServiceApplied(service) => {
                let ip = service.cluster_ips.v4.map(|ip| ip.to_string()).unwrap_or_default();
                self.held.insert(format!("Service {}", service.key), ip);
            }
            Change::SliceApplied(slice) => {
                let ips: Vec<String> = slice.endpoints.iter().map(|e| e.address.to_string()).collect();
                self.held.insert(format!("EndpointSlice {}", slice.key), ips.join(" "));
            }
            Change::NodeApplied(node) => {
                self.held.insert(format!("Node {}", node.name), String::new());
            }
            Change::ServiceRemoved(key) => self.gone(format!("Service {key}")),
            Change::SliceRemoved(key) => self.gone(format!("EndpointSlice {key}")),
            Change::NodeRemoved(name) => self.gone(format!("Node {name}")),
            Change::Synced(kind) => self.synced.push(kind),
            Change::Problem(problem) => self.problems.push(problem.to_string()),
        }
    }

    /// Only what was told of can be gone.
    fn gone(&mut self, name: String) {
        assert!(self.held.remove(&name).is_some(), "{name} was not there");
        self.removed += 1;
    }

    /// Waits until the reader holds exactly these, each as `Service default/a 10.0.0.1`.
    async fn expect(&mut self, expected: &[&str]) {
        let expected: Vec<&str> = expected.to_vec();
        while self.text() != expected {
            self.next().await;
        }
        assert_eq!(self.synced.len(), Kind::ALL.len(), "every kind is complete once");
    }

    async fn expect_problem(&mut self, text: &str) {
        while !self.problems.iter().any(|problem| problem.contains(text)) {
            self.next().await;
        }
        self.problems.clear();
    }

    fn text(&self) -> Vec<String> {
        self.held.iter().map(|(name, ips)| format!("{name} {ips}").trim_end().to_owned()).collect()
    }

    /// Waits for the server's side of something.
    async fn until(&self, condition: impl Fn(&ApiServer) -> bool) {
        let waiting = async {
            while !condition(&self.server) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }

    async fn until_requests_for_services(&self, count: usize) {
        self.until(|_| self.requests().len() >= count).await;
    }

    /// The server restarts with the backup of a time when it had counted less far.
    async fn go_back(&self) {
        self.server.stop().await;
        // Time to notice.
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.server.rewind();
        self.server.resume().await.unwrap();
    }

    /// The requests for Services so far.
    fn requests(&self) -> Vec<String> {
        let requests = self.server.requests();
        requests.into_iter().filter(|request| request.contains("services")).collect()
    }
}

/// A server with a Service, its slice and two nodes.
fn server() -> ApiServer {
    let server = ApiServer::start().unwrap();
    server.apply(service("a", "10.0.0.1")).unwrap();
    server.apply(slice("a-1", "a", &["10.1.0.1"])).unwrap();
    server.apply(node("n1")).unwrap();
    server.apply(node("n2")).unwrap();
    server
}

/// The same server with some history, so that it takes time to reach its versions again.
fn old_server() -> ApiServer {
    let server = server();
    for _ in 0..100 {
        server.apply(node("n2")).unwrap();
    }
    server
}

/// The first server, which has JSON only.
fn json_server() -> ApiServer {
    let server = server();
    server.fault(Fault::JsonOnly);
    server
}

fn service(name: &str, ip: &str) -> Value {
    json!({
        "kind": "Service", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": ip, "ports": [{"port": 80, "protocol": "TCP"}]},
    })
}

fn slice(name: &str, service: &str, ips: &[&str]) -> Value {
    let endpoints: Vec<Value> = ips.iter().map(|ip| json!({"addresses": [ip]})).collect();
    json!({
        "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
        "metadata": {
            "name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": service},
        },
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints,
    })
}

fn node(name: &str) -> Value {
    json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": name}})
}

fn delete_service(server: &ApiServer, name: &str) {
    assert!(server.delete(Resource::Services, &format!("default/{name}")));
}

/// What [`server`] has.
const START: [&str; 3] = ["EndpointSlice default/a-1 10.1.0.1", "Node n1", "Service default/a 10.0.0.1"];
