//! How new a list is, and servers whose versions do not only grow.

use super::*;

/// A change that the server does not tell of.
fn change_in_silence(server: &ApiServer) {
    server.fault(Fault::Mute);
    server.apply(service("b", "10.0.0.2")).unwrap();
    delete_service(server, "a");
}

/// What [`server`] has after it.
const CHANGED: [&str; 3] = ["EndpointSlice default/a-1 10.1.0.1", "Node n1", "Service default/b 10.0.0.2"];

/// A backup was restored: the versions start again from below. No watch shows it, so the server is asked when it is
/// back.
#[tokio::test]
async fn versions_that_go_back_while_the_server_is_away() {
    for streaming in [true, false] {
        let server = old_server();
        if !streaming {
            server.fault(Fault::NoStreamingLists);
        }
        let mut scene = Scene::start(server).await;
        scene.expect(&START).await;
        change_in_silence(&scene.server);
        scene.go_back().await;
        scene.server.heal();
        scene.expect(&CHANGED).await;
    }
}

/// The same where something in between kept the contact up.
#[tokio::test]
async fn versions_that_go_back_in_silence() {
    let timing = Timing { silence: Duration::from_millis(100), ..TIMING };
    let mut scene = Scene::start_with(old_server(), timing).await;
    scene.expect(&START).await;
    scene.until(|server| server.watches() == 3).await;
    change_in_silence(&scene.server);
    scene.server.rewind();
    scene.server.heal();
    scene.expect(&CHANGED).await;
}

/// No server is known to tell this, but then its history is another one too.
#[tokio::test]
async fn versions_that_go_back_in_a_watch() {
    let server = old_server();
    server.fault(Fault::JsonOnly);
    let mut scene = Scene::start(server).await;
    scene.expect(&START).await;
    scene.until(|server| server.watches() == 3).await;
    change_in_silence(&scene.server);
    scene.server.say("{\"type\": \"BOOKMARK\", \"object\": {\"metadata\": {\"resourceVersion\": \"3\"}}}\n");
    scene.expect(&CHANGED).await;
}

/// A server that lags behind another must not take back what that one has told.
#[tokio::test]
async fn a_later_list_is_as_new_as_the_first() {
    let server = server();
    server.fault(Fault::NoStreamingLists);
    let mut scene = Scene::start(server).await;
    scene.expect(&START).await;
    scene.until(|server| server.watches() == 3).await;
    change_in_silence(&scene.server);
    scene.server.forget_openly();
    scene.expect(&CHANGED).await;
    let lists: Vec<String> = scene.requests().into_iter().filter(|line| line.starts_with("list ")).collect();
    assert_eq!(lists, ["list services 0", "list services 5"]);
}

/// A version that the server will not reach again cannot be asked for.
#[tokio::test]
async fn a_list_that_is_out_of_reach() {
    let server = old_server();
    server.fault(Fault::NoStreamingLists);
    let mut scene = Scene::start(server).await;
    scene.expect(&START).await;
    scene.until(|server| server.watches() == 3).await;
    change_in_silence(&scene.server);
    scene.server.rewind();
    scene.server.forget_openly();
    scene.expect(&CHANGED).await;
    let lists: Vec<String> = scene.requests().into_iter().filter(|line| line.starts_with("list ")).collect();
    assert_eq!(lists, ["list services 0", "list services 105 504", "list services"]);
}

/// The second page of a list comes too late: it is read at once then.
#[tokio::test]
async fn pages_that_come_too_late() {
    let server = old_server();
    server.fault(Fault::NoStreamingLists);
    server.fault(Fault::ExpirePages);
    for i in 0..600 {
        server.apply(slice(&format!("s{i:04}"), "s", &["10.1.0.2"])).unwrap();
    }
    let mut scene = Scene::start(server).await;
    scene.go_back().await;
    scene.server.apply(slice("z-last", "s", &["10.1.0.3"])).unwrap();
    while !scene.held.contains_key("EndpointSlice default/z-last") {
        scene.next().await;
    }
    assert_eq!(scene.held.len(), 604);
}
