//! Objects that no API server would let in, sent all the same.

use serde_json::json;

use super::*;
use crate::decode::tests::mutations;

/// Some hundred malformed objects at once, in streaming lists, plain lists and watches: each is named, and what
/// is well formed is all there.
#[tokio::test]
async fn malformed_objects_are_named_and_cost_no_other() {
    let mutations = mutations::all();
    let apply = |server: &ApiServer| {
        for mutation in &mutations {
            let resource = match mutation.object["kind"].as_str() {
                Some("Service") => Resource::Services,
                Some("EndpointSlice") => Resource::EndpointSlices,
                _ => continue,
            };
            server.apply_as(resource, &format!("malformed/{}", mutation.name), mutation.object.clone());
        }
    };
    let check = async |mut scene: Scene| {
        scene.server.apply(service("last", "10.0.0.5")).unwrap();
        scene.server.apply(slice("last-1", "last", &["10.1.0.5"])).unwrap();
        while !(scene.held.contains_key("Service default/last")
            && scene.held.contains_key("EndpointSlice default/last-1"))
        {
            scene.next().await;
        }
        for line in START {
            assert!(scene.text().contains(&line.to_owned()), "{line}");
        }
        for mutation in &mutations {
            let unnamed = matches!(mutation.pointer.as_str(), "/metadata" | "/metadata/name");
            if unnamed || mutation.object["kind"] == "Node" {
                continue;
            }
            let named = |problem: &String| problem.contains(&format!("/{}: ", mutation.name));
            assert!(scene.problems.iter().any(named), "{} of {}", mutation.pointer, mutation.object);
        }
    };
    let streaming = json_server();
    apply(&streaming);
    check(Scene::start(streaming).await).await;
    let plain = json_server();
    plain.fault(Fault::NoStreamingLists);
    apply(&plain);
    check(Scene::start(plain).await).await;
    let watched = Scene::start(json_server()).await;
    apply(&watched.server);
    check(watched).await;
}

/// A new version that is broken does not replace the good one, neither in a watch nor in a new list.
#[tokio::test]
async fn a_broken_version_keeps_the_last_good_one() {
    let mut scene = Scene::start(json_server()).await;
    scene.expect(&START).await;
    let mut broken = service("a", "10.0.0.9");
    broken["spec"] = json!("broken");
    scene.server.apply_as(Resource::Services, "default/a", broken);
    scene.expect_problem("Service default/a: spec: ").await;
    scene.server.forget_openly();
    scene.server.apply(service("b", "10.0.0.2")).unwrap();
    scene.expect(&[START[0], START[1], START[2], "Service default/b 10.0.0.2"]).await;
    assert_eq!(scene.problems, Vec::<String>::new(), "a complaint is not repeated");
    delete_service(&scene.server, "a");
    scene.expect(&[START[0], START[1], "Service default/b 10.0.0.2"]).await;
}
