//! Objects that no API server would let in, sent all the same.

use lab::apiserver::Resource;
use serde_json::json;

use super::*;

/// A new version that is broken does not replace the good one, neither in a watch nor in a new list.
#[tokio::test]
async fn a_broken_version_keeps_the_last_good_one() {
    let mut scene = Scene::start(server()).await;
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
