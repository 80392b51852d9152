//! What a change costs, counted in messages.

use lab::{Need, require};

use crate::support::manifests::Service;
use crate::support::testbed::{PODS, Testbed, eventually};
use crate::support::trace::{self, Trace};

/// No audit comes in between.
const FLAGS: [&str; 2] = ["--ipvs-sync-period", "1h"];

/// The netlink messages that are sent when a Service gets an endpoint, with others around it.
#[track_caller]
fn messages_for_an_endpoint(others: u16) -> Option<Vec<String>> {
    let testbed = Testbed::build()?;
    let other = |number| {
        let name = format!("other-{number}");
        Service::new(&name, 1000 + number).slice(testbed.endpoints(&["pod-1"])).manifest()
    };
    let others: Vec<String> = (0..others).map(other).collect();
    testbed.manifests.write("others.yaml", &others.join("---\n"));
    let web = Service::new("web", 10).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web.clone().without("pod-4"));
    let proxy = testbed.run(&FLAGS);

    let trace = Trace::attach(&testbed, &testbed.node().namespace, proxy.id());
    testbed.manifests.apply(&web);
    let new = ["10.244.2.3:8080", "[fd00:244:0:2::3]:8080"];
    eventually("the endpoint is there", || {
        let ipvs = testbed.node().ipvs().unwrap();
        new.iter().all(|real_server| ipvs.contains(real_server))
    });
    Some(trace::messages(&trace.end()))
}

#[test]
fn an_endpoint_costs_the_same_with_10_and_with_1000_services_around() {
    if !require(Need::Program("strace")) {
        return;
    }
    let Some(few) = messages_for_an_endpoint(10) else { return };
    let Some(many) = messages_for_an_endpoint(1000) else { return };
    // One for each family.
    assert_eq!(few, ["IPVS", "IPVS"]);
    assert_eq!(many, few);
}
