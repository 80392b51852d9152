//! What follows from this node's own object.

use model::Node;

use crate::node::identity;

use super::*;

fn node(pod_cidr: Option<&str>) -> Change {
    let pod_cidrs = pod_cidr.iter().map(|network| network.parse().unwrap()).collect();
    Change::NodeApplied(Node { pod_cidrs, ..Node::named("node-a") })
}

impl Bench {
    /// A daemon whose command line says this of its node.
    fn known_as(arguments: &[&str]) -> Bench {
        Bench::start_as(FakeKernel::new(), |daemon| daemon.known_as(identity(arguments)))
    }

    /// The rule that tells pods from everything else, in what `iptables-save` prints.
    fn has_rule_about(&self, network: &str) -> bool {
        self.rules().contains(&format!("-A KUBE-SERVICES ! -s {network} "))
    }
}

#[tokio::test(start_paused = true)]
async fn pods_are_told_by_the_nodes_networks_which_are_waited_for_and_followed() {
    let bench = Bench::known_as(&["--detect-local-mode=NodeCIDR"]);
    bench.tell([service("web", "10.96.0.1", None), node(None)]).await;
    bench.tell(synced()).await;
    assert_eq!(bench.virtual_servers(), "");

    bench.tell([node(Some("10.244.1.0/24"))]).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n");
    assert!(bench.has_rule_about("10.244.1.0/24"));

    bench.tell([node(Some("10.244.7.0/24"))]).await;
    bench.until("the rules follow", |bench| bench.has_rule_about("10.244.7.0/24")).await;
    assert!(!bench.has_rule_about("10.244.1.0/24"));
    assert_eq!(bench.repairs(), 0, "nobody else changed anything");
}

#[tokio::test(start_paused = true)]
async fn networks_that_never_come_hold_nothing_up_for_ever() {
    let bench = Bench::known_as(&["--detect-local-mode=NodeCIDR"]);
    bench.tell([service("web", "10.96.0.1", None)]).await;
    bench.tell(synced()).await;
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert_eq!(bench.virtual_servers(), "");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n");
}

#[tokio::test]
async fn families_in_which_the_node_has_no_networks_are_noticed() {
    let options = Options { families: [Family::V4].into(), ..Options::default() };
    let daemon = || daemon(FakeKernel::new(), options.clone(), outlets(Metrics::new().unwrap()));
    let mut follows = daemon().known_as(identity(&["--detect-local-mode=NodeCIDR"]));
    follows.take(node(Some("fd00:244:0:1::/64")));
    assert_eq!(follows.without_pod_cidrs(), [Family::V4]);
    follows.take(node(Some("10.244.1.0/24")));
    assert_eq!(follows.without_pod_cidrs(), []);
    assert_eq!(daemon().without_pod_cidrs(), []);
}

/// Without the Node's zone and addresses a restart would change what its predecessor had planned with them.
#[tokio::test(start_paused = true)]
async fn the_list_of_nodes_is_waited_for_though_not_for_ever() {
    let lists = [Kind::Service, Kind::EndpointSlice].map(Change::Synced);
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None)].into_iter().chain(lists.clone())).await;
    assert_eq!(bench.virtual_servers(), "");
    bench.tell([Change::Synced(Kind::Node)]).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n");

    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None)].into_iter().chain(lists)).await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(bench.virtual_servers(), "");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n");
}

#[tokio::test(start_paused = true)]
async fn without_such_a_mode_networks_are_not_waited_for() {
    let bench = Bench::known_as(&[]);
    bench.tell([service("web", "10.96.0.1", None)]).await;
    bench.tell(synced()).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n");
    bench.tell([node(Some("10.244.1.0/24"))]).await;
    assert!(!bench.has_rule_about("10.244.1.0/24"));
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_first_address_is_of_a_family_that_is_not_served_is_an_error() {
    let options = Options { families: [Family::V6].into(), ..Options::default() };
    let daemon = daemon(FakeKernel::new(), options, outlets(Metrics::new().unwrap()));
    let (source, changes) = mpsc::channel(1);
    let internal_addresses = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().unwrap()).into();
    let node = Node { internal_addresses, ..Node::named("node-a") };
    source.send(Change::NodeApplied(node)).await.unwrap();
    let ended = run(daemon.known_as(identity(&[])), changes, std::future::pending()).await;
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("192.0.2.1"), "{error}");
}
