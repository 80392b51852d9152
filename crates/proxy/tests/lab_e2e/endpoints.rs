//! Endpoints that come, go, and come back while connections run.

use std::time::Duration;

use lab::cluster::addresses::CLUSTER_CIDR;
use lab::traffic::{Download, Protocol};

use crate::support::kernel::Dump;
use crate::support::manifests::{Condition, Service, ports};
use crate::support::testbed::{PODS, Proxy, Testbed, eventually};

/// A Service with a download through it.
struct Scene {
    testbed: Testbed,
    web: Service,
    download: Download,
    /// The pod that serves the download.
    pod: String,
    _proxy: Proxy,
}

// === impl Scene ===

impl Scene {
    #[track_caller]
    fn build() -> Option<Scene> {
        let testbed = Testbed::build()?;
        let web = Service::new("web", 10).slice(testbed.endpoints(&PODS));
        testbed.manifests.apply(&web);
        let proxy = testbed.run(&["--cluster-cidr", CLUSTER_CIDR]);
        let download = Download::start(testbed.client("pod-1", &web), u32::MAX, Duration::from_millis(20));
        let download = download.unwrap().unwrap();
        let pod = download.answer.server.clone();
        Some(Scene { testbed, web, download, pod, _proxy: proxy })
    }

    /// The weight of the download's pod behind both addresses of the Service, as far as it is there.
    fn weights(&self) -> Vec<u32> {
        let dump = Dump::of_ipvs(&self.testbed.node().namespace);
        let (_, port) = ports(Protocol::Tcp);
        let pod = self.testbed.pod(&self.pod).addresses;
        let places = self.web.addresses(Protocol::Tcp).into_iter().zip(pod.both());
        places
            .filter_map(|(service, pod)| {
                let pod = std::net::SocketAddr::new(pod, port);
                let lines = dump.real_servers(&format!("-t {service}"));
                let line = lines.into_iter().find(|line| line.starts_with(&format!("{pod} ")))?;
                line.rsplit(' ').next()?.parse().ok()
            })
            .collect()
    }

    /// Whether new connections may go to the download's pod, by IPv4 or by IPv6.
    fn takes_new(&self) -> bool {
        self.weights().iter().any(|weight| *weight > 0)
    }

    #[track_caller]
    fn assert_download_goes_on(&self) {
        let before = self.download.received();
        eventually("the download goes on", || {
            assert!(self.download.is_running(), "the download from {} broke off", self.pod);
            self.download.received() > before + 2
        });
    }

    #[track_caller]
    fn assert_new_requests_avoid_the_pod(&self) {
        let spread = self.testbed.client("pod-1", &self.web).ask_many(12, 4).unwrap();
        assert!(spread.failures.is_empty() && spread.servers().len() == PODS.len() - 1, "{spread}");
        assert!(!spread.servers().contains(&self.pod.as_str()), "{spread} without {}", self.pod);
    }

    #[track_caller]
    fn assert_new_requests_reach_the_pod(&self) {
        let spread = self.testbed.client("pod-1", &self.web).ask_many(12, 4).unwrap();
        assert_eq!((spread.answered(), spread.servers().len()), (12, PODS.len()), "{spread}");
    }

    /// The pod goes by a change of the Service, and comes back by its being as it was.
    #[track_caller]
    fn goes_and_comes_back(&self, changed: &Service) {
        self.testbed.manifests.apply(changed);
        eventually("the endpoint takes nothing new", || !self.takes_new());
        self.assert_download_goes_on();
        self.assert_new_requests_avoid_the_pod();
        self.testbed.manifests.apply(&self.web);
        eventually("the endpoint is back", || self.weights() == [1, 1]);
        self.assert_download_goes_on();
        self.assert_new_requests_reach_the_pod();
    }
}

#[test]
fn a_removed_endpoint_keeps_its_connections_and_gets_no_new_ones() {
    let Some(scene) = Scene::build() else { return };
    scene.goes_and_comes_back(&scene.web.clone().without(&scene.pod));
}

#[test]
fn an_endpoint_that_is_not_ready_for_a_while_keeps_its_connections() {
    let Some(scene) = Scene::build() else { return };
    scene.goes_and_comes_back(&scene.web.clone().with(&scene.pod, Condition::Unready));
}

#[test]
fn a_terminating_endpoint_keeps_its_connections() {
    let Some(scene) = Scene::build() else { return };
    scene.goes_and_comes_back(&scene.web.clone().with(&scene.pod, Condition::Terminating));
}

#[test]
fn a_finished_endpoint_is_removed() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web);
    let _proxy = testbed.run(&[]);
    testbed.manifests.apply(&web.clone().without("pod-3"));
    let removed = "10.244.2.2:8080";
    eventually("it is gone", || !testbed.node().ipvs().unwrap().contains(removed));
    let dump = Dump::of_ipvs(&testbed.node().namespace);
    assert_eq!(dump.real_servers("-t 10.96.0.10:80").len(), 3, "{dump}");
}

#[test]
fn terminating_endpoints_serve_when_there_are_no_others() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).slice(testbed.endpoints(&["pod-2", "pod-3"]));
    let ending = web.with("pod-2", Condition::Unready).with("pod-3", Condition::Terminating);
    testbed.manifests.apply(&ending);
    let _proxy = testbed.run(&["--cluster-cidr", CLUSTER_CIDR]);
    let spread = testbed.client("pod-1", &ending).ask_many(6, 2).unwrap();
    assert_eq!(spread.to_string(), "pod-3 6");
}

#[test]
fn udp_leaves_an_endpoint_that_goes() {
    let Some(testbed) = Testbed::serving(&[Protocol::Udp]) else { return };
    let dns = Service::new("dns", 10).protocols(&[Protocol::Udp]).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&dns);
    let _proxy = testbed.run(&["--cluster-cidr", CLUSTER_CIDR]);
    testbed.manifests.apply(&dns.clone().without("pod-1").without("pod-3"));
    eventually("it is gone", || {
        Dump::of_ipvs(&testbed.node().namespace).real_servers("-u 10.96.0.10:53").len() == 2
    });
    for address in dns.addresses(Protocol::Udp) {
        let client = lab::traffic::Client::new(&testbed.pod("pod-1").namespace, Protocol::Udp, address);
        let spread = client.ask_many(12, 1).unwrap();
        assert_eq!(
            (spread.answered(), spread.servers()),
            (12, vec!["pod-2", "pod-4"]),
            "{address}: {spread}"
        );
    }
}
