//! Everything in order.

use expect_test::expect;
use lab::apiserver::{Fault, Resource};
use serde_json::json;

use super::*;
use crate::kubernetes::load;
use crate::show::show;

#[tokio::test]
async fn objects_come_change_and_go() {
    let mut scene = Scene::start(server()).await;
    scene.expect(&START).await;
    scene.server.apply(service("b", "10.0.0.2")).unwrap();
    scene.server.apply(service("a", "10.0.0.3")).unwrap();
    scene.server.delete(Resource::EndpointSlices, "default/a-1");
    scene.server.delete(Resource::Nodes, "n1");
    scene.expect(&["Service default/a 10.0.0.3", "Service default/b 10.0.0.2"]).await;
}

#[tokio::test]
async fn a_server_without_anything() {
    let mut scene = Scene::start(ApiServer::start().unwrap()).await;
    scene.expect(&[]).await;
    scene.server.apply(node("n1")).unwrap();
    scene.expect(&["Node n1"]).await;
}

/// The selectors of kube-proxy, as the server applies them: what ceases to match is gone.
#[tokio::test]
async fn what_is_not_selected() {
    let server = server();
    let mut labelled = service("other", "10.0.0.9");
    labelled["metadata"]["labels"] = json!({"service.kubernetes.io/service-proxy-name": ""});
    let mut headless = slice("h-1", "h", &["10.1.0.9"]);
    headless["metadata"]["labels"]["service.kubernetes.io/headless"] = json!("");
    server.apply(labelled.clone()).unwrap();
    server.apply(headless).unwrap();
    server.apply(service("h", "None")).unwrap();
    let mut scene = Scene::start(server).await;
    scene.expect(&START).await;
    labelled["metadata"]["name"] = json!("a");
    scene.server.apply(labelled).unwrap();
    scene.expect(&START[..2]).await;
}

/// The same with a server that can select by labels only, and not by the address of a Service.
#[tokio::test]
async fn what_is_not_selected_by_an_old_server() {
    let server = server();
    server.fault(Fault::NoClusterIpSelector);
    server.fault(Fault::NoStreamingLists);
    server.apply(service("h", "None")).unwrap();
    let mut scene = Scene::start(server).await;
    scene.expect(&START).await;
    scene.server.apply(service("a", "None")).unwrap();
    scene.server.apply(service("h", "10.0.0.2")).unwrap();
    scene.expect(&[START[0], START[1], "Service default/h 10.0.0.2"]).await;
    expect![[r#"
        GET /api/v1/services 400
        stream services 422
        list services 0
        watch services 6"#]]
    .assert_eq(&scene.requests().join("\n"));
}

#[tokio::test]
async fn an_external_name_is_no_service_to_serve() {
    let mut scene = Scene::start(server()).await;
    let mut external = service("a", "10.0.0.1");
    external["spec"]["type"] = json!("ExternalName");
    scene.server.apply(external).unwrap();
    scene.expect(&START[..2]).await;
}

/// What changes only for others is not told.
#[tokio::test]
async fn metadata_alone_is_no_change() {
    let mut scene = Scene::start(server()).await;
    scene.expect(&START).await;
    let mut annotated = service("a", "10.0.0.1");
    annotated["metadata"]["annotations"] = json!({"example.com/note": "x"});
    scene.server.apply(annotated).unwrap();
    scene.server.apply(service("b", "10.0.0.2")).unwrap();
    scene.held.clear();
    scene.next().await;
    assert_eq!(scene.text(), ["Service default/b 10.0.0.2"]);
}

#[tokio::test]
async fn streaming_lists_are_used_where_there_are_some() {
    let mut scene = Scene::start(server()).await;
    scene.expect(&START).await;
    expect!["stream services"].assert_eq(&scene.requests().join("\n"));
}

/// What an old server has in memory comes at once; what it has to read from its database comes in pages.
#[tokio::test]
async fn plain_lists_of_the_newest_state_come_in_pages() {
    let server = old_server();
    server.fault(Fault::NoStreamingLists);
    for i in 0..1200 {
        server.apply(slice(&format!("s{i:04}"), "s", &["10.1.0.2"])).unwrap();
    }
    let mut scene = Scene::start(server).await;
    while scene.held.len() < 1203 {
        scene.next().await;
    }
    let slices = |server: &ApiServer| {
        let requests = server.requests();
        requests
            .into_iter()
            .filter(|line| line.contains("list end") || line.contains("continue end"))
            .collect()
    };
    let before: Vec<String> = slices(&scene.server);
    assert_eq!(before, ["list endpointslices 0"]);
    scene.go_back().await;
    scene.server.apply(slice("z-last", "s", &["10.1.0.3"])).unwrap();
    while !scene.held.contains_key("EndpointSlice default/z-last") {
        scene.next().await;
    }
    let after: Vec<String> = slices(&scene.server);
    // The first is the question how far the server is.
    let newest =
        ["list endpointslices", "list endpointslices", "continue endpointslices", "continue endpointslices"];
    assert_eq!(after[before.len()..], newest);
}

#[tokio::test]
async fn a_reader_that_is_dropped_ends_the_watches() {
    let scene = Scene::start(server()).await;
    scene.until(|server| server.watches() == 3).await;
    let Scene { server, changes, .. } = scene;
    drop(changes);
    let ended = async {
        while server.watches() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
}

#[tokio::test]
async fn one_reading() {
    let server = server();
    let config = Config { master: Some(server.url()), timing: TIMING, ..Config::in_cluster("n1") };
    let changes = load(config).await.unwrap();
    let mut lines: Vec<String> = show(&changes).split_inclusive('\n').map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with(' '));
    lines.sort();
    expect![[r#"
        + EndpointSlice default/a-1 of a IPv4
        + Node n1
        + Service default/a ClusterIp 10.0.0.1
        = EndpointSlice
        = Node
        = Service
    "#]]
    .assert_eq(&lines.concat());
}

#[tokio::test]
async fn other_nodes_are_read_only_if_asked_for() {
    let server = server();
    server.apply(node("n2")).unwrap();
    let mut scene = Scene::start(server).await;
    scene.expect(&START).await;

    let config = Config { all_nodes: true, timing: TIMING, ..Config::in_cluster("n1") };
    let config = Config { master: Some(scene.server.url()), ..config };
    let mut scene = Scene::follow(scene.server, config).await;
    scene
        .expect(&["EndpointSlice default/a-1 10.1.0.1", "Node n1", "Node n2", "Service default/a 10.0.0.1"])
        .await;
    scene.server.delete(Resource::Nodes, "n2");
    scene.expect(&START).await;
}
