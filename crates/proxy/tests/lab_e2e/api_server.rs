//! Services from an API server, which is away at times.

use std::fs;
use std::time::Duration;

use lab::apiserver::{ApiServer, Fault, Resource};
use lab::cluster::addresses::CLUSTER_CIDR;
use lab::traffic::Download;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::support::kernel::Dump;
use crate::support::manifests::Service;
use crate::support::testbed::{KUBE_IPVS, PODS, Testbed, eventually};

const FLAGS: [&str; 2] = ["--cluster-cidr", CLUSTER_CIDR];

/// A testbed whose Services come from an API server that listens on `node-1` itself.
pub(crate) struct Scene {
    pub(crate) testbed: Testbed,
    runtime: Runtime,
    pub(crate) server: ApiServer,
}

// === impl Scene ===

impl Scene {
    #[track_caller]
    pub(crate) fn build() -> Option<Scene> {
        let mut testbed = Testbed::build()?;
        let runtime = Runtime::new().unwrap();
        // A socket belongs to the namespace of the thread that opens it.
        let start = || {
            let _entered = runtime.enter();
            ApiServer::start().unwrap()
        };
        let server = testbed.node().namespace.run(start).unwrap();
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
        testbed.source = vec!["--kubeconfig".to_owned(), kubeconfig.to_string_lossy().into_owned()];
        Some(Scene { testbed, runtime, server })
    }

    pub(crate) fn apply(&self, service: &Service) {
        for object in service.objects() {
            self.server.apply(object).unwrap();
        }
    }

    fn stop(&self) {
        self.runtime.block_on(self.server.stop());
    }

    fn resume(&self) {
        let resume = || self.runtime.block_on(self.server.resume()).unwrap();
        self.testbed.node().namespace.run(resume).unwrap();
    }

    fn service(&self, number: u16) -> Service {
        Service::new(&format!("s{number}"), number).slice(self.testbed.endpoints(&PODS))
    }

    fn ipvs(&self) -> Dump {
        Dump::of_ipvs(&self.testbed.node().namespace)
    }
}

#[test]
fn services_of_an_api_server_are_served_and_followed() {
    let Some(scene) = Scene::build() else { return };
    let web = scene.service(10);
    scene.apply(&web.clone().without("pod-4"));
    let _proxy = scene.testbed.run(&FLAGS);
    let ask = || scene.testbed.client("pod-1", &web).ask_many(12, 4).unwrap().to_string();
    assert_eq!(ask(), "pod-1 4, pod-2 4, pod-3 4");
    scene.apply(&web);
    eventually("the endpoint is there", || scene.ipvs().real_servers("-t 10.96.0.10:80").len() == PODS.len());
    assert_eq!(ask(), "pod-1 3, pod-2 3, pod-3 3, pod-4 3");
    scene.server.delete(Resource::Services, "test/s10");
    eventually("the Service is gone", || scene.ipvs().virtual_servers.is_empty());
}

#[test]
fn while_the_api_server_is_away_everything_stays_and_then_it_is_made_up_for() {
    let Some(scene) = Scene::build() else { return };
    let web = scene.service(10);
    scene.apply(&web);
    (100..200).for_each(|number| scene.apply(&scene.service(number)));
    let mut proxy = scene.testbed.run(&FLAGS);
    let client = scene.testbed.client("pod-1", &web);
    let download = Download::start(client, u32::MAX, Duration::from_millis(20)).unwrap().unwrap();
    let before = Dump::of(&scene.testbed.node().namespace);

    scene.stop();
    proxy.wait_for_log("WARN");
    for number in 100..200 {
        match number % 3 {
            0 => drop(scene.server.delete(Resource::Services, &format!("test/s{number}"))),
            1 => scene.apply(&scene.service(number).annotate("scheduler", "lc").without("pod-3")),
            _ => scene.apply(&scene.service(number + 100)),
        }
    }
    scene.server.forget();
    Dump::of(&scene.testbed.node().namespace).assert_equals(&before);
    assert_eq!(client.ask_many(8, 4).unwrap().answered(), 8);

    scene.resume();
    eventually("the changes arrive", || scene.ipvs().virtual_servers.contains("-A -t 10.96.0.100:80 -s lc"));
    scene.testbed.wait_until_equal(&FLAGS);
    assert!(download.is_running(), "the download from {} broke off", download.answer.server);
}

/// An empty answer and no answer are different things.
#[test]
fn nothing_is_removed_before_the_first_list_is_complete() {
    let Some(scene) = Scene::build() else { return };
    let web = scene.service(10);
    scene.apply(&web);
    scene.apply(&scene.service(20));
    drop(scene.testbed.run(&FLAGS));
    let before = Dump::of(&scene.testbed.node().namespace);

    scene.server.delete(Resource::Services, "test/s20");
    scene.server.fault(Fault::InternalError);
    let mut proxy = scene.testbed.spawn(scene.testbed.node(), KUBE_IPVS.as_ref(), &[], &FLAGS);
    proxy.wait_for_log("WARN");
    Dump::of(&scene.testbed.node().namespace).assert_equals(&before);

    scene.server.heal();
    proxy.wait_for_log("first sync done");
    let after = Dump::of(&scene.testbed.node().namespace);
    assert!(!after.to_string().contains("10.96.0.20"), "{after}");
    assert_eq!(scene.testbed.client("pod-1", &web).ask_many(4, 1).unwrap().answered(), 4);
}
