//! Everything that goes wrong with servers and connections.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

use lab::protobuf::{self, Message};
use serde_json::json;

use super::*;

/// What is logged on this thread, which with tokio's current-thread runtime is what this test logs.
#[derive(Clone, Copy, Debug)]
struct Log;

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Changes something of everything, in a way that only a complete reading or a complete history shows.
fn change(server: &ApiServer) {
    server.apply(service("b", "10.0.0.2")).unwrap();
    server.apply(slice("a-1", "a", &["10.1.0.7"])).unwrap();
    delete_service(server, "a");
}

/// What [`server`] has after [`change`].
const CHANGED: [&str; 3] = ["EndpointSlice default/a-1 10.1.0.7", "Node n1", "Service default/b 10.0.0.2"];

#[tokio::test]
async fn connections_that_are_cut_go_on_where_they_were() {
    let mut scene = Scene::start(server()).await;
    for cuts in 1..=3 {
        scene.until(|server| server.watches() == 3).await;
        scene.server.cut();
        scene.until_requests_for_services(1 + cuts).await;
    }
    change(&scene.server);
    scene.expect(&CHANGED).await;
    let requests = scene.requests();
    assert!(requests[1..].iter().all(|request| request.starts_with("watch services ")), "{requests:?}");
}

#[tokio::test]
async fn nothing_is_removed_while_the_server_is_away() {
    let mut scene = Scene::start(server()).await;
    scene.expect(&START).await;
    scene.server.stop().await;
    change(&scene.server);
    let silence = tokio::time::timeout(Duration::from_millis(300), scene.changes.recv()).await;
    assert!(silence.is_err(), "{silence:?}");
    scene.server.resume().await.unwrap();
    scene.expect(&CHANGED).await;
}

/// 410 in its three forms: as an event at the start of a watch, as a status, and in a watch that is open.
#[tokio::test]
async fn a_forgotten_version_means_reading_again() {
    let scenarios: [fn(&ApiServer); 3] = [
        |server| server.forget(),
        |server| {
            server.fault(Fault::GoneAsStatus);
            server.forget();
        },
        |server| server.forget_openly(),
    ];
    for forget in scenarios {
        for streaming in [true, false] {
            let server = server();
            if !streaming {
                server.fault(Fault::NoStreamingLists);
            }
            let mut scene = Scene::start(server).await;
            scene.expect(&START).await;
            scene.server.stop().await;
            change(&scene.server);
            forget(&scene.server);
            scene.server.resume().await.unwrap();
            scene.expect(&CHANGED).await;
        }
    }
}

#[tokio::test]
async fn an_open_watch_is_told_that_the_history_is_gone() {
    let mut scene = Scene::start(server()).await;
    scene.until(|server| server.watches() == 3).await;
    // So that only reading again can tell of the change.
    scene.server.fault(Fault::Mute);
    change(&scene.server);
    scene.server.forget_openly();
    scene.expect(&CHANGED).await;
    assert_eq!(scene.requests(), ["stream services", "stream services"]);
}

#[tokio::test]
async fn streaming_lists_that_never_end() {
    let server = server();
    server.fault(Fault::EndlessStreamingLists);
    let timing = Timing { initial: Duration::from_millis(100), ..TIMING };
    let mut scene = Scene::start_with(server, timing).await;
    scene.expect(&START).await;
    change(&scene.server);
    scene.expect(&CHANGED).await;
    assert!(scene.requests().contains(&"list services 0".to_owned()));
}

/// What was deleted between two attempts is not there in the end, although the first attempt told of it.
#[tokio::test]
async fn a_streaming_list_that_breaks_halfway() {
    let server = server();
    for name in ["b", "c", "d", "e"] {
        server.apply(service(name, "10.0.0.2")).unwrap();
    }
    server.fault(Fault::CutStreamingLists);
    let config = Config { master: Some(server.url()), timing: TIMING, ..Config::in_cluster("n1") };
    let changes = watch(config).await.unwrap();
    let mut scene = Scene {
        server,
        changes,
        held: BTreeMap::new(),
        problems: Vec::new(),
        synced: Vec::new(),
        removed: 0,
    };
    while !scene.held.contains_key("Service default/b") {
        scene.next().await;
    }
    assert!(!scene.synced.contains(&Kind::Service));
    delete_service(&scene.server, "b");
    scene.server.heal();
    while scene.synced.len() < Kind::ALL.len() {
        scene.next().await;
    }
    scene
        .expect(&[
            START[0],
            START[1],
            START[2],
            "Service default/c 10.0.0.2",
            "Service default/d 10.0.0.2",
            "Service default/e 10.0.0.2",
        ])
        .await;
    assert_eq!(scene.removed, 1);
}

/// Lines that are no events may have been any event, so everything is read again.
#[tokio::test]
async fn garbage_instead_of_events() {
    let garbage = [
        "garbage",
        "{",
        "[]",
        "{}",
        "\u{0}\u{1}\u{2}",
        r#"{"type": "ADDED"}"#,
        r#"{"type": "STRANGE", "object": {}}"#,
        r#"{"type": "DELETED", "object": {}}"#,
        r#"{"type": "DELETED", "object": 7}"#,
        r#"{"type": "BOOKMARK", "object": {}}"#,
        r#"{"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcd is sad"}}"#,
        r#"{"type": "ERROR", "object": 3}"#,
        r#"{"kind": "Status", "code": 500, "message": "not an event"}"#,
    ];
    for line in garbage {
        let mut scene = Scene::start(json_server()).await;
        scene.expect(&START).await;
        scene.until(|server| server.watches() == 3).await;
        scene.server.fault(Fault::Mute);
        change(&scene.server);
        scene.server.say(format!("{line}\n"));
        scene.expect(&CHANGED).await;
    }
}

/// The same in protobuf.
#[tokio::test]
async fn garbage_instead_of_frames() {
    let nothing = Message::default().in_envelope("v1", "Service");
    let status = json!({"kind": "Status", "apiVersion": "v1", "code": 500, "message": "etcd is sad"});
    let garbage = [
        b"garbage".to_vec(),
        b"\x00\x00\x00\x00".to_vec(),
        b"\x00\x00\x00\x02\xff\xff".to_vec(),
        protobuf::event("ADDED", b""),
        protobuf::event("ADDED", b"no envelope"),
        protobuf::event("ADDED", b"k8s\x00\xff"),
        protobuf::event("STRANGE", &nothing),
        protobuf::event("DELETED", &nothing),
        protobuf::event("ERROR", &protobuf::object(&status).unwrap()),
    ];
    for bytes in garbage {
        let mut scene = Scene::start(server()).await;
        scene.expect(&START).await;
        scene.until(|server| server.watches() == 3).await;
        scene.server.fault(Fault::Mute);
        change(&scene.server);
        scene.server.say(bytes);
        scene.expect(&CHANGED).await;
    }
}

#[tokio::test]
async fn lists_that_are_none_remove_nothing() {
    for fault in [Fault::HtmlLists, Fault::EmptyObjects, Fault::InternalError, Fault::TooManyRequests] {
        let server = server();
        server.fault(Fault::NoStreamingLists);
        let mut scene = Scene::start(server).await;
        scene.expect(&START).await;
        scene.until(|server| server.watches() == 3).await;
        // So that the watches which are open do not tell of the removal.
        scene.server.fault(Fault::Mute);
        scene.server.fault(fault);
        change(&scene.server);
        scene.server.forget_openly();
        let before = scene.server.requests().len();
        scene.until(|server| server.requests().len() >= before + 9).await;
        while let Ok(change) = scene.changes.try_recv() {
            scene.hear(change);
        }
        assert_eq!(scene.text(), START, "{fault:?}");
        scene.server.heal();
        scene.expect(&CHANGED).await;
    }
}

#[tokio::test]
async fn a_server_that_is_slow() {
    let server = server();
    server.fault(Fault::Slow);
    let mut scene = Scene::start(server).await;
    scene.expect(&START).await;
    scene.server.cut();
    change(&scene.server);
    scene.expect(&CHANGED).await;
}

#[tokio::test]
async fn a_server_that_does_not_answer() {
    let timing = Timing { request: Duration::from_millis(100), ..TIMING };
    let mut scene = Scene::start_with(server(), timing).await;
    scene.expect(&START).await;
    scene.until(|server| server.watches() == 3).await;
    scene.server.fault(Fault::Hang);
    scene.server.cut();
    // The second of them shows that the first was given up.
    scene.until_requests_for_services(3).await;
    change(&scene.server);
    scene.server.heal();
    scene.expect(&CHANGED).await;
}

/// A connection whose other end is gone without a word looks like a watch in which nothing happens.
#[tokio::test]
async fn a_watch_in_which_nothing_is_heard() {
    let timing = Timing { silence: Duration::from_millis(100), ..TIMING };
    let mut scene = Scene::start_with(server(), timing).await;
    scene.expect(&START).await;
    scene.server.fault(Fault::Mute);
    change(&scene.server);
    // The second of them shows that the first was given up.
    scene.until_requests_for_services(2).await;
    scene.server.heal();
    scene.expect(&CHANGED).await;
}

#[tokio::test]
async fn watches_that_end_at_once() {
    let server = server();
    server.fault(Fault::NoStreamingLists);
    server.fault(Fault::EndWatchesAtOnce);
    let mut scene = Scene::start(server).await;
    scene.expect(&START).await;
    let watches = |server: &ApiServer| server.requests().iter().filter(|r| r.starts_with("watch ")).count();
    scene.until(|server| watches(server) > 20).await;
    change(&scene.server);
    scene.server.heal();
    scene.expect(&CHANGED).await;
    assert!(!scene.requests()[2..].iter().any(|request| request.starts_with("list ")));
}

/// One line when contact is lost and one when it is back, however often was tried.
#[tokio::test]
async fn loss_and_return_are_logged_once() {
    let log = Log::start();
    let mut scene = Scene::start(server()).await;
    for _ in 0..2 {
        scene.server.stop().await;
        log.wait_for("lost contact with the API server").await;
        // Time for further attempts, which must not be logged.
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.server.resume().await.unwrap();
        let text = log.wait_for("in contact with the API server again").await;
        assert_eq!(text.matches("lost contact with the API server").count(), 1, "{text}");
        assert_eq!(text.matches("in contact with the API server again").count(), 1, "{text}");
        log.clear();
    }
    change(&scene.server);
    scene.expect(&CHANGED).await;
}

/// What was never there cannot be lost.
#[tokio::test]
async fn a_server_that_is_away_at_first() {
    let log = Log::start();
    let server = server();
    server.stop().await;
    let config = Config { master: Some(server.url()), timing: TIMING, ..Config::in_cluster("n1") };
    let _changes = watch(config).await.unwrap();
    log.wait_for("cannot read from the API server; it is asked again").await;
    server.resume().await.unwrap();
    let text = log.wait_for("in contact with the API server").await;
    assert!(!text.contains("lost contact"), "{text}");
}

#[tokio::test]
async fn one_bad_object_costs_only_itself() {
    for streaming in [true, false] {
        let server = json_server();
        if !streaming {
            server.fault(Fault::NoStreamingLists);
        }
        server.apply_as(Resource::Services, "default/bad", json!([1, 2]));
        server.apply_as(
            Resource::Services,
            "default/worse",
            json!({"metadata": {"name": "worse"}, "spec": 3}),
        );
        let mut scene = Scene::start(server).await;
        scene.expect(&START).await;
        scene.expect_problem("Service (name unknown): ").await;
    }
}

impl Log {
    /// The subscriber is global, because a scoped one can miss events while other threads have none.
    fn start() -> Log {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init());
        Log
    }

    async fn wait_for(&self, text: &str) -> String {
        let start = tokio::time::Instant::now();
        loop {
            let log = LINES.with_borrow(|lines| String::from_utf8_lossy(lines).into_owned());
            if log.contains(text) {
                return log;
            }
            assert!(start.elapsed() < PATIENCE, "{text:?} is not in {log:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn clear(&self) {
        LINES.with_borrow_mut(Vec::clear);
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
