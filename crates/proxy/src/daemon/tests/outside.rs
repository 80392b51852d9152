//! What reaches a Service from outside, and what depends on the machine's own addresses.

use std::net::{TcpListener, TcpStream};

use super::audits::Slow;
use super::reconfiguration::reconfiguration;
use super::*;

fn with(change: Change, edit: impl FnOnce(&mut Service)) -> Change {
    let Change::ServiceApplied(mut service) = change else { panic!("no Service") };
    edit(&mut service);
    Change::ServiceApplied(service)
}

fn with_node_port(name: &str, ip: &str, port: u16) -> Change {
    with(service(name, ip, None), |service| {
        service.kind = ServiceKind::NodePort;
        service.ports[0].node_port = Some(port);
    })
}

fn with_external_ip(name: &str, ip: &str, external: &str) -> Change {
    with(service(name, ip, None), |service| service.external_ips.push(external.parse().unwrap()))
}

fn kernel_with(addresses: &[&str]) -> FakeKernel {
    let mut kernel = FakeKernel::new();
    kernel.host_addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    kernel
}

impl Bench {
    async fn has_addresses(&self, addresses: &[&str]) {
        let new = kernel_with(addresses).host_addresses;
        let before = self.kernel.with(|kernel| std::mem::replace(&mut kernel.host_addresses, new));
        let seen = |present| move |address: &IpAddr| Sighting::HostAddress { address: *address, present };
        let [old, new] = [before, kernel_with(addresses).host_addresses];
        for sighting in old.difference(&new).map(seen(false)).chain(new.difference(&old).map(seen(true))) {
            self.eye.send(sighting).await.unwrap();
        }
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn node_ports_follow_the_addresses_of_the_machine() {
    let bench = Bench::start(kernel_with(&["192.0.2.1"]));
    bench.tell([with_node_port("web", "10.96.0.1", 30080), slice("web", &[1])]).await;
    bench.tell(synced()).await;
    bench.kernel.with(FakeKernel::take_log);

    bench.has_addresses(&["192.0.2.1", "192.0.2.2"]).await;
    let added = "add virtual server 192.0.2.2:30080/TCP\n\
                 add real server 10.0.0.1:8080 to 192.0.2.2:30080/TCP\n";
    assert_eq!(bench.kernel.with(FakeKernel::take_log), added);

    bench.has_addresses(&["192.0.2.2"]).await;
    assert_eq!(bench.kernel.with(FakeKernel::take_log), "remove virtual server 192.0.2.1:30080/TCP\n");
    bench.has_addresses(&["192.0.2.2"]).await;
    assert_eq!(bench.kernel.with(FakeKernel::take_log), "");
}

/// As long as node ports are not asked for there, link-local addresses come and go unheeded.
#[tokio::test(start_paused = true)]
async fn addresses_that_were_of_no_use_are_seen_when_they_are_chosen() {
    let bench = Bench::start(kernel_with(&[]));
    let second_family = |service: &mut Service| service.cluster_ips.v6 = "fd00:96::1".parse().ok();
    bench.tell([with(with_node_port("web", "10.96.0.1", 30080), second_family)]).await;
    bench.tell(synced()).await;
    bench.has_addresses(&["fe80::1"]).await;
    assert!(!bench.virtual_servers().contains("[fe80::1]"));
    let networks = plan::NodePortAddresses::Networks(vec!["fe80::/10".parse().unwrap()]);
    let options = Options { node_port_addresses: networks, ..Options::default() };
    bench.configurator.send(reconfiguration(options)).await.unwrap();
    settle().await;
    assert!(bench.virtual_servers().contains("-t [fe80::1]:30080"), "{}", bench.virtual_servers());
}

/// Whether the machine's addresses change, the choice among them, or the node's own.
#[tokio::test(start_paused = true)]
async fn health_checks_are_served_where_node_ports_are() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listens = |host: u8| TcpStream::connect((IpAddr::from([127, 0, 0, host]), port)).is_ok();
    let chosen = |node_port_addresses| Options { node_port_addresses, ..Options::default() };
    let networks = |text: &str| plan::NodePortAddresses::Networks(vec![text.parse().unwrap()]);
    let bench = Bench::start(kernel_with(&[]));
    bench.configurator.send(reconfiguration(chosen(networks("127.0.0.2/32")))).await.unwrap();
    let checked = with(service("web", "10.96.0.1", None), |service| {
        service.kind = ServiceKind::LoadBalancer;
        service.external_policy = TrafficPolicy::Local;
        service.health_check_node_port = Some(port);
    });
    bench.tell([node("node-a", "127.0.0.3"), checked, slice("web", &[1])]).await;
    bench.tell(synced()).await;
    assert!([1, 2, 3, 4].iter().all(|host| !listens(*host)));
    bench.has_addresses(&["127.0.0.2", "127.0.0.3", "127.0.0.4"]).await;
    bench.until("the new address is listened on", |_| listens(2)).await;
    assert!(!listens(1) && !listens(3));
    bench.configurator.send(reconfiguration(chosen(networks("127.0.0.0/8")))).await.unwrap();
    bench.until("all are", |_| [1, 2, 3, 4].iter().all(|host| listens(*host))).await;
    bench.configurator.send(reconfiguration(chosen(plan::NodePortAddresses::Primary))).await.unwrap();
    bench.until("only the node's own is", |_| listens(3) && !listens(1) && !listens(2) && !listens(4)).await;
    bench.tell([node("node-a", "127.0.0.4")]).await;
    bench.until("it follows the node", |_| listens(4) && !listens(3)).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_comes_to_an_interface_leaves_the_dummy_and_returns_with_it() {
    let bench = Bench::start(kernel_with(&[]));
    bench.tell([with_external_ip("web", "10.96.0.1", "192.0.2.7")]).await;
    bench.tell(synced()).await;
    bench.kernel.with(FakeKernel::take_log);
    bench.has_addresses(&["192.0.2.7"]).await;
    let unbound = "unbind 192.0.2.7 from kube-ipvs0\nremove set entry KUBE-IPVS-IPS 192.0.2.7\n";
    assert_eq!(bench.kernel.with(FakeKernel::take_log), unbound);
    bench.has_addresses(&[]).await;
    let bound = "add set entry KUBE-IPVS-IPS 192.0.2.7\nbind 192.0.2.7 to kube-ipvs0\n";
    assert_eq!(bench.kernel.with(FakeKernel::take_log), bound);
}

/// Although an external IP passes from one Service to the other.
#[tokio::test]
async fn an_address_of_the_machine_and_changes_of_services_are_one_step() {
    let both = |service: &mut Service| {
        service.external_ips = ["192.0.2.7", "192.0.2.8"].map(|address| address.parse().unwrap()).into();
    };
    let mut slow = Slow::synced([with(service("web", "10.96.0.1", None), both)]);
    let address = "192.0.2.7".parse().unwrap();
    slow.kernel.with(|kernel| kernel.host_addresses.insert(address));
    slow.daemon.notice(Sighting::HostAddress { address, present: true }, Instant::now());
    slow.tell([
        with_external_ip("web", "10.96.0.1", "192.0.2.7"),
        with_external_ip("api", "10.96.0.2", "192.0.2.8"),
    ]);
    let planned = slow.daemon.planner.desired().state();
    assert_eq!(slow.kernel.with(|kernel| kernel.state.clone()), *planned);
}

fn node(name: &str, address: &str) -> Change {
    Change::NodeApplied(model::Node {
        internal_addresses: vec![address.parse().unwrap()],
        ..model::Node::named(name)
    })
}

#[tokio::test(start_paused = true)]
async fn another_nodes_address_is_left_to_it_and_counted() {
    let bench = Bench::start(kernel_with(&[]));
    bench.tell([with_external_ip("web", "10.96.0.1", "192.0.2.7")]).await;
    bench.tell(synced()).await;
    assert!(bench.virtual_servers().contains("192.0.2.7:80"));
    bench.tell([node("node-b", "192.0.2.7")]).await;
    assert!(!bench.virtual_servers().contains("192.0.2.7"));
    assert!(bench.virtual_servers().contains("10.96.0.1:80"));
    let mark = "kubeipvs_guarded_addresses{address=\"192.0.2.7\",namespace=\"shop\",owner=\"node node-b\",service=\"web\"} 1";
    assert!(bench.metrics.text().unwrap().contains(mark));

    bench.tell([Change::NodeRemoved("node-b".into())]).await;
    assert!(bench.virtual_servers().contains("192.0.2.7:80"));
    assert!(!bench.metrics.text().unwrap().contains("kubeipvs_guarded_addresses{"));
}

#[tokio::test(start_paused = true)]
async fn what_there_is_is_counted() {
    let bench = Bench::start(kernel_with(&[]));
    bench.tell([with_external_ip("web", "10.96.0.1", "192.0.2.7")]).await;
    bench.tell([with_external_ip("api", "10.96.0.2", "192.0.2.7")]).await;
    let keeps_local = |service: &mut Service| service.internal_policy = TrafficPolicy::Local;
    bench.tell([with(service("near", "10.96.0.3", None), keeps_local), slice("near", &[1])]).await;
    bench.tell([slice("web", &[1, 2])]).await;
    bench.tell(synced()).await;
    let text = bench.metrics.text().unwrap();
    for line in [
        "kubeipvs_virtual_servers{ip_family=\"IPv4\",state=\"with_endpoints\"} 1",
        "kubeipvs_virtual_servers{ip_family=\"IPv4\",state=\"without_endpoints\"} 3",
        "kubeipvs_virtual_servers{ip_family=\"IPv6\",state=\"without_endpoints\"} 0",
        "kubeipvs_real_servers{ip_family=\"IPv4\",state=\"active\"} 2",
        "kubeipvs_conflicts 1",
        "kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=\"internal\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}
