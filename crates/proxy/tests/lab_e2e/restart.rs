//! kube-ipvs ends, in a good way and in bad ones, and starts again.

use std::path::Path;
use std::thread;
use std::time::Duration;

use lab::cluster::addresses::CLUSTER_CIDR;
use lab::traffic::Download;
use lab::{Need, require};
use nix::sys::signal::Signal;

use crate::support::kernel::Dump;
use crate::support::manifests::{Condition, Service};
use crate::support::testbed::{KUBE_IPVS, PODS, Testbed, eventually};
use crate::support::trace;

const FLAGS: [&str; 2] = ["--cluster-cidr", CLUSTER_CIDR];

fn services(testbed: &Testbed, from: u16) -> Vec<Service> {
    let service = |number| Service::new(&format!("s{number}"), number).slice(testbed.endpoints(&PODS));
    (from..from + 10).map(service).collect()
}

#[test]
fn sigterm_leaves_the_kernel_as_it_is() {
    let Some(testbed) = Testbed::build() else { return };
    for service in services(&testbed, 10) {
        testbed.manifests.apply(&service);
    }
    let proxy = testbed.run(&FLAGS);
    let before = Dump::of(&testbed.node().namespace);
    assert_eq!(before.entries("KUBE-CLUSTER-IP").len(), 10);
    let (status, log) = proxy.stop(Signal::SIGTERM);
    assert!(status.success(), "{status}");
    assert!(log.contains("the kernel keeps what is programmed"), "{log}");
    Dump::of(&testbed.node().namespace).assert_equals(&before);
}

#[test]
fn a_restart_with_unchanged_input_sends_nothing_that_changes_the_kernel() {
    if !require(Need::Program("strace")) {
        return;
    }
    let Some(testbed) = Testbed::build() else { return };
    for service in services(&testbed, 10) {
        testbed.manifests.apply(&service);
    }
    let web = Service::new("web", 1).slice(testbed.endpoints(&["pod-2"]));
    testbed.manifests.apply(&web);
    let first = testbed.run(&FLAGS);
    // An endpoint that waits for its last connection differs from the plan, and there is nothing to do about it.
    let client = testbed.client("pod-1", &web);
    let download = Download::start(client, u32::MAX, Duration::from_millis(20)).unwrap().unwrap();
    testbed.manifests.apply(&web.clone().without("pod-2"));
    let draining = format!("-r {}:8080 -m -w 0", testbed.pod("pod-2").addresses.v4);
    eventually("the endpoint drains", || testbed.node().ipvs().unwrap().contains(&draining));
    eventually("the endpoint without connections is gone", || {
        Dump::of_ipvs(&testbed.node().namespace).real_servers("-t [fd00:96::1]:80").is_empty()
    });
    let before = Dump::of(&testbed.node().namespace);
    first.stop(Signal::SIGKILL);

    let file = testbed.file("trace");
    let output = file.to_string_lossy();
    // With -D the process that is started is kube-ipvs itself.
    let strace = [&trace::OPTIONS[..], &["-D", "-o", &output, KUBE_IPVS]].concat();
    let mut second = testbed.spawn(testbed.node(), Path::new("strace"), &strace, &FLAGS);
    second.wait_for_log("first sync done");
    let process = second.id();
    second.stop(Signal::SIGTERM);
    let trace = trace::of_ended(process, &file);

    assert!(
        trace::messages(&trace).iter().any(|kind| kind == "IPVS"),
        "the trace shows too little:\n{trace}"
    );
    assert_eq!(trace::changes(&trace), Vec::<String>::new());
    Dump::of(&testbed.node().namespace).assert_equals(&before);
    assert!(download.is_running());
}

/// Each start is killed after a different time, from before the first message to after the last; meanwhile Services
/// come, change and go, so that there is always something to be interrupted in.
#[test]
fn killed_at_any_moment_it_repairs_what_it_left_and_connections_live_on() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web);
    let first = testbed.run(&FLAGS);
    let client = testbed.client("pod-1", &web);
    let download = Download::start(client, u32::MAX, Duration::from_millis(20)).unwrap().unwrap();
    let pod = download.answer.server.clone();
    first.stop(Signal::SIGKILL);

    for (round, delay) in (0..).zip([5, 60, 120, 180, 240, 300, 400, 600]) {
        for service in services(&testbed, 20) {
            let condition = if round % 2 == 0 { Condition::Unready } else { Condition::Ready };
            testbed.manifests.apply(&service.with("pod-2", condition));
        }
        for service in services(&testbed, 100 + 10 * round) {
            testbed.manifests.apply(&service);
        }
        if round > 1 {
            for number in 0..10 {
                testbed.manifests.remove(&format!("s{}.json", 100 + 10 * (round - 2) + number));
            }
        }
        let proxy = testbed.spawn(testbed.node(), Path::new(KUBE_IPVS), &[], &FLAGS);
        thread::sleep(Duration::from_millis(delay));
        proxy.stop(Signal::SIGKILL);
        assert!(download.is_running(), "the download from {pod} broke off after {delay} ms");
    }

    let _last = testbed.run(&FLAGS);
    testbed.wait_until_equal(&FLAGS);
    let before = download.received();
    eventually("the download goes on", || {
        assert!(download.is_running(), "the download from {pod} broke off");
        download.received() > before + 2
    });
    assert_eq!(client.ask_many(8, 2).unwrap().to_string(), "pod-1 2, pod-2 2, pod-3 2, pod-4 2");
}

#[test]
fn what_changed_meanwhile_is_made_up_for_at_the_next_start() {
    let Some(testbed) = Testbed::build() else { return };
    let [stays, goes, comes] = [("stays", 10), ("goes", 20), ("comes", 30)]
        .map(|(name, number)| Service::new(name, number).slice(testbed.endpoints(&PODS)));
    testbed.manifests.apply(&stays);
    testbed.manifests.apply(&goes);
    testbed.run(&FLAGS).stop(Signal::SIGKILL);
    testbed.manifests.remove("goes.json");
    testbed.manifests.apply(&comes);
    let _proxy = testbed.run(&FLAGS);
    testbed.wait_until_equal(&FLAGS);
    let dump = Dump::of(&testbed.node().namespace);
    assert_eq!(dump.entries("KUBE-CLUSTER-IP"), ["10.96.0.10,tcp:80", "10.96.0.30,tcp:80"]);
    assert!(!dump.to_string().contains("10.96.0.20"), "{dump}");
}
