//! How connections are spread, by the Service's own configuration.

use std::fs;
use std::time::Duration;

use lab::cluster::addresses::CLUSTER_CIDR;
use lab::namespace::Namespace;
use lab::traffic::{Client, Download, Protocol, Spread};
use lab::{Need, require};

use crate::support::kernel::Dump;
use crate::support::manifests::Service;
use crate::support::testbed::{PODS, Proxy, Testbed, eventually, shell};

const FLAGS: [&str; 2] = ["--cluster-cidr", CLUSTER_CIDR];

/// Programs a Service with the pods of the testbed behind it.
fn program(testbed: &Testbed, service: &Service) -> Proxy {
    testbed.manifests.apply(service);
    testbed.run(&FLAGS)
}

/// How a number of requests of a pod are answered.
fn spread(testbed: &Testbed, pod: &str, service: &Service, requests: usize) -> Spread {
    testbed.client(pod, service).ask_many(requests, 4).unwrap()
}

/// Fails if not each pod always gets its answers from one pod. (A hash may send two clients to the same pod.) One
/// request after the other: with persistence, connections that begin together may be scheduled on two processors
/// before the kernel remembers the client.
#[track_caller]
fn assert_each_client_has_one_server(testbed: &Testbed, service: &Service) {
    for client in &PODS[..2] {
        let spread = testbed.client(client, service).ask_many(16, 1).unwrap();
        assert_eq!((spread.answered(), spread.servers().len()), (16, 1), "{client}: {spread}");
    }
}

/// The line of `ipvsadm -Sn` for a Service's IPv4 address.
fn virtual_server(testbed: &Testbed, service: &Service) -> String {
    let start = format!("-A -t {} ", service.address());
    let table = Dump::of_ipvs(&testbed.node().namespace);
    table.virtual_servers.into_iter().find(|line| line.starts_with(&start)).unwrap_or_default()
}

#[test]
fn rr_takes_turns() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).slice(testbed.endpoints(&PODS));
    let _proxy = program(&testbed, &web);
    for address in web.addresses(Protocol::Tcp) {
        let client = Client::new(&testbed.pod("pod-1").namespace, Protocol::Tcp, address);
        let spread = client.ask_many(40, 4).unwrap();
        assert_eq!(spread.to_string(), "pod-1 10, pod-2 10, pod-3 10, pod-4 10", "{address}");
    }
}

#[test]
fn weights_of_slices_make_a_canary() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10)
        .weighted_slice(95, testbed.endpoints(&["pod-1"]))
        .weighted_slice(5, testbed.endpoints(&["pod-3"]));
    let _proxy = program(&testbed, &web);
    assert_eq!(spread(&testbed, "pod-2", &web, 100).to_string(), "pod-1 95, pod-3 5");
}

#[test]
fn a_slice_of_weight_0_gets_nothing() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10)
        .weighted_slice(1, testbed.endpoints(&["pod-1", "pod-2"]))
        .weighted_slice(0, testbed.endpoints(&["pod-3"]));
    let _proxy = program(&testbed, &web);
    assert_eq!(spread(&testbed, "pod-2", &web, 20).to_string(), "pod-1 10, pod-2 10");
}

#[test]
fn weights_by_place_the_nodes_before_the_zones() {
    let Some(testbed) = Testbed::build() else { return };
    let mut endpoints = testbed.endpoints(&PODS);
    for (endpoint, zone) in endpoints.iter_mut().zip(["a", "b", "a", "b"]) {
        endpoint.zone = Some(zone);
    }
    let weights = "zone=a:3,zone=b:2,node=node-2:1";
    let web = Service::new("web", 10).annotate("weights", weights).slice(endpoints);
    let _proxy = program(&testbed, &web);
    let spread = spread(&testbed, "pod-1", &web, 70);
    assert_eq!(spread.to_string(), "pod-1 30, pod-2 20, pod-3 10, pod-4 10");
}

#[test]
fn lc_avoids_the_busy() {
    let Some(testbed) = Testbed::build() else { return };
    let web = |pods| Service::new("web", 10).annotate("scheduler", "lc").slice(testbed.endpoints(pods));
    let busy = web(&["pod-1"]);
    let _proxy = program(&testbed, &busy);
    let client = testbed.client("pod-2", &busy);
    let download = || Download::start(client, u32::MAX, Duration::from_millis(100)).unwrap().unwrap();
    let downloads = [download(), download(), download()];
    testbed.manifests.apply(&web(&["pod-1", "pod-3"]));
    eventually("there is another pod", || testbed.node().ipvs().unwrap().contains("-r 10.244.2.2:8080"));
    // One after another: as many at once would make the idle pod a busy one.
    assert_eq!(client.ask_many(20, 1).unwrap().to_string(), "pod-3 20");
    assert!(downloads.iter().all(Download::is_running));
}

#[test]
fn sh_sends_a_client_to_one_server() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).annotate("scheduler", "sh").slice(testbed.endpoints(&PODS));
    let _proxy = program(&testbed, &web);
    assert_each_client_has_one_server(&testbed, &web);
}

#[test]
fn sh_with_sh_port_spreads_a_client() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10)
        .annotate("scheduler", "sh")
        .annotate("scheduler-flags", "sh-port")
        .slice(testbed.endpoints(&PODS));
    let _proxy = program(&testbed, &web);
    let spread = spread(&testbed, "pod-1", &web, 40);
    assert!(spread.answered() == 40 && spread.servers().len() > 1, "{spread}");
}

#[test]
fn mh_without_mh_port_sends_a_client_to_one_server() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10)
        .annotate("scheduler", "mh")
        .annotate("scheduler-flags", "mh-fallback")
        .slice(testbed.endpoints(&PODS));
    let _proxy = program(&testbed, &web);
    assert_each_client_has_one_server(&testbed, &web);
}

#[test]
fn mh_with_mh_port_spreads_a_client() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10)
        .annotate("scheduler", "mh")
        .annotate("scheduler-flags", "mh-port")
        .slice(testbed.endpoints(&PODS));
    let _proxy = program(&testbed, &web);
    let spread = spread(&testbed, "pod-1", &web, 40);
    assert!(spread.answered() == 40 && spread.servers().len() > 1, "{spread}");
}

#[test]
fn session_affinity_keeps_a_client_with_its_pod() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).affinity(600).slice(testbed.endpoints(&PODS));
    let _proxy = program(&testbed, &web);
    assert_each_client_has_one_server(&testbed, &web);
    assert_eq!(virtual_server(&testbed, &web), "-A -t 10.96.0.10:80 -s rr -p 600");
}

#[test]
fn a_default_for_all_services_is_taken_by_those_that_choose_none() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).slice(testbed.endpoints(&PODS));
    let own = Service::new("own", 20).annotate("scheduler", "rr").slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web);
    testbed.manifests.apply(&own);
    let _proxy = testbed.run(&["--ipvs-scheduler", "wlc"]);
    assert_eq!(virtual_server(&testbed, &web), "-A -t 10.96.0.10:80 -s wlc");
    assert_eq!(virtual_server(&testbed, &own), "-A -t 10.96.0.20:80 -s rr");
}

#[test]
fn an_unknown_scheduler_falls_back_to_the_default_with_a_warning() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).annotate("scheduler", "fastest").slice(testbed.endpoints(&PODS));
    let proxy = program(&testbed, &web);
    let log = proxy.log();
    let warning = log.lines().find(|line| line.contains("WARN") && line.contains("test/web"));
    assert!(warning.is_some_and(|line| line.contains("fastest")), "{log}");
    assert_eq!(spread(&testbed, "pod-1", &web, 20).to_string(), "pod-1 5, pod-2 5, pod-3 5, pod-4 5");
}

/// A kernel without the scheduler `fo`, for as long as this lives.
struct WithoutFo<'a>(&'a Namespace);

impl WithoutFo<'_> {
    const FILE: &'static str = "/etc/modprobe.d/kube-ipvs-test.conf";

    fn new(anywhere: &Namespace) -> WithoutFo<'_> {
        fs::create_dir_all("/etc/modprobe.d").unwrap();
        fs::write(WithoutFo::FILE, "install ip_vs_fo /bin/false\n").unwrap();
        shell(anywhere, "rmmod ip_vs_fo");
        WithoutFo(anywhere)
    }
}

impl Drop for WithoutFo<'_> {
    fn drop(&mut self) {
        fs::remove_file(WithoutFo::FILE).unwrap();
        shell(self.0, "modprobe ip_vs_fo");
    }
}

#[test]
fn a_scheduler_that_the_kernel_lacks_is_replaced_with_a_warning() {
    if !require(Need::Guest) {
        return;
    }
    let Some(testbed) = Testbed::build() else { return };
    let _kernel = WithoutFo::new(&testbed.node().namespace);
    let web = Service::new("web", 10).annotate("scheduler", "fo").slice(testbed.endpoints(&PODS));
    let other = Service::new("other", 20).annotate("scheduler", "lc").slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&other);
    let mut proxy = program(&testbed, &web);
    proxy.wait_for_log("scheduler fo is not available in this kernel");
    eventually("the default is used", || {
        virtual_server(&testbed, &web) == "-A -t 10.96.0.10:80 -s rr"
            && Dump::of_ipvs(&testbed.node().namespace).real_servers("-t 10.96.0.10:80").len() == PODS.len()
    });
    assert_eq!(virtual_server(&testbed, &other), "-A -t 10.96.0.20:80 -s lc");
    assert_eq!(spread(&testbed, "pod-1", &web, 20).to_string(), "pod-1 5, pod-2 5, pod-3 5, pod-4 5");
}
