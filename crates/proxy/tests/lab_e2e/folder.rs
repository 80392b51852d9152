//! A folder of manifests that changes while kube-ipvs runs.

use lab::cluster::addresses::CLUSTER_CIDR;

use crate::support::kernel::Dump;
use crate::support::manifests::Service;
use crate::support::testbed::{PODS, Testbed, eventually};

const FLAGS: [&str; 2] = ["--cluster-cidr", CLUSTER_CIDR];

fn dump(testbed: &Testbed) -> Dump {
    Dump::of(&testbed.node().namespace)
}

#[test]
fn files_that_are_added_changed_and_removed_take_effect() {
    let Some(testbed) = Testbed::build() else { return };
    let _proxy = testbed.run(&FLAGS);
    assert_eq!(dump(&testbed).entries("KUBE-CLUSTER-IP"), Vec::<&str>::new());

    let web = Service::new("web", 10).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web);
    eventually("it is added", || dump(&testbed).real_servers("-t 10.96.0.10:80").len() == PODS.len());
    assert_eq!(testbed.client("pod-1", &web).ask_many(8, 2).unwrap().servers(), PODS);

    testbed.manifests.apply(&web.clone().annotate("scheduler", "lc").without("pod-4"));
    eventually("it is changed", || {
        let dump = dump(&testbed);
        dump.virtual_servers.contains("-A -t 10.96.0.10:80 -s lc")
            && dump.real_servers("-t 10.96.0.10:80").iter().filter(|line| line.ends_with("-w 1")).count() == 3
    });

    testbed.manifests.remove("web.json");
    eventually("it is removed", || {
        let dump = dump(&testbed);
        dump.virtual_servers.is_empty()
            && dump.addresses.is_empty()
            && dump.entries("KUBE-CLUSTER-IP").is_empty()
    });
}

#[test]
fn a_broken_file_is_named_and_its_last_good_state_stays() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web);
    let mut proxy = testbed.run(&FLAGS);
    let before = dump(&testbed);

    testbed.manifests.write("web.json", "{\n  \"apiVersion\": \"v1\",\n  \"kind\": [\n");
    proxy.wait_for_log("web.json:");
    let log = proxy.log();
    let complaint = log.lines().find(|line| line.contains("web.json:")).unwrap_or_default();
    let (_, place) = complaint.split_once("web.json:").unwrap();
    assert!(place.starts_with(|first: char| first.is_ascii_digit()), "a line number in {complaint}");

    // A change elsewhere goes on, which shows that the broken file has been dealt with.
    testbed.manifests.apply(&Service::new("api", 20).slice(testbed.endpoints(&PODS)));
    eventually("the other file takes effect", || {
        dump(&testbed).real_servers("-t 10.96.0.20:80").len() == PODS.len()
    });
    assert_eq!(before.without(&dump(&testbed)), Vec::<String>::new());

    testbed.manifests.apply(&web.without("pod-4"));
    eventually("the mended file takes effect", || {
        !dump(&testbed).real_servers("-t 10.96.0.10:80").contains(&"10.244.2.3:8080 -m -w 1")
    });
}

#[test]
fn one_bad_object_does_not_stop_the_others() {
    let Some(testbed) = Testbed::build() else { return };
    testbed.manifests.apply(&Service::new("web", 10).slice(testbed.endpoints(&PODS)));
    testbed.manifests.write(
        "bad.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: test}\nspec:\n  clusterIP: 10.96.0.300\n  \
         clusterIPs: [10.96.0.300]\n  ports: [{port: 80}]\n",
    );
    let mut proxy = testbed.run(&FLAGS);
    proxy.wait_for_log("bad");
    assert_eq!(dump(&testbed).entries("KUBE-CLUSTER-IP"), ["10.96.0.10,tcp:80"]);
}
