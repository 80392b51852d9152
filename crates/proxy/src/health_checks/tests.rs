//! The servers over real sockets of the loopback interface. Clocks run ahead while everybody waits.

use std::net::TcpListener;
use std::time::Duration;

use expect_test::expect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::*;
use crate::http::RETRY;
use crate::http::client::{exchange, get, split};

const LIMIT: Duration = Duration::from_secs(60);
/// Longer than anything here takes; it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(600);
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The servers, with what they complain of.
struct Scene {
    checks: HealthChecks,
    health: Arc<ProxyHealth>,
    failures: mpsc::UnboundedReceiver<ListenFailure>,
}

impl Scene {
    fn start(listen_on: PerFamily<ListenOn>) -> Scene {
        let health = Arc::new(ProxyHealth::new(LIMIT, Family::ALL.into(), false));
        let (sender, failures) = mpsc::unbounded_channel();
        let checks = HealthChecks::start(&Handle::current(), Arc::clone(&health), move |failure| {
            sender.send(failure).unwrap();
        });
        checks.listen_on(listen_on);
        Scene { checks, health, failures }
    }

    fn on_loopback() -> Scene {
        Scene::start(PerFamily { v4: on(&[V4]), v6: on(&[V6]) })
    }

    fn set(&self, name: &str, port: u16, v4: Option<usize>, v6: Option<usize>) {
        let check = HealthCheck { port, local_endpoints: PerFamily { v4, v6 } };
        self.checks.apply([(service(name), Some(check))]);
    }

    fn remove(&self, name: &str) {
        self.checks.apply([(service(name), None)]);
    }

    /// The failure that comes next, with its port called PORT.
    async fn failure(&mut self) -> String {
        let ListenFailure { service, port, reason } =
            timeout(PATIENCE, self.failures.recv()).await.unwrap().unwrap();
        format!("{service}: {reason}").replace(&port.to_string(), "PORT")
    }
}

fn service(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

fn on(addresses: &[IpAddr]) -> ListenOn {
    ListenOn::Addresses(addresses.iter().copied().collect())
}

/// A port that nobody listens on at present.
fn free_port() -> u16 {
    TcpListener::bind((V4, 0)).unwrap().local_addr().unwrap().port()
}

/// What is answered at `address`, as soon as something is.
async fn answer_at(address: IpAddr, port: u16) -> String {
    answer_with(address, port, "").await
}

/// The answer at `address`, as soon as it has `text`.
async fn answer_with(address: IpAddr, port: u16, text: &str) -> String {
    let answer = async {
        loop {
            match get((address, port).into(), "/").await {
                Ok(answer) if answer.contains(text) => return answer,
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(PATIENCE, answer).await.unwrap()
}

/// The status that is answered at `address`.
async fn status_at(address: IpAddr, port: u16) -> String {
    answer_at(address, port).await.split(' ').nth(1).unwrap().to_owned()
}

/// Waits until nobody listens at `address`.
async fn silence_at(address: IpAddr, port: u16) {
    let silence = async {
        while TcpStream::connect((address, port)).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, silence).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_that_of_kube_proxy() {
    let (scene, port) = (Scene::on_loopback(), free_port());
    scene.set("web", port, Some(2), None);
    expect![[r#"
        HTTP/1.1 200 OK
        Content-Type: application/json
        X-Content-Type-Options: nosniff
        X-Load-Balancing-Endpoint-Weight: 2
        Connection: close
        Content-Length: 114

        {
        	"service": {
        		"namespace": "default",
        		"name": "web"
        	},
        	"localEndpoints": 2,
        	"serviceProxyHealthy": true
        }"#]]
    .assert_eq(&answer_at(V4, port).await);
    scene.set("web", port, Some(0), None);
    let answer = answer_at(V4, port).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("X-Load-Balancing-Endpoint-Weight: 0\n"), "{answer}");
    assert!(answer.contains("\"localEndpoints\": 0,\n\t\"serviceProxyHealthy\": true\n}"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn any_path_and_method_will_do() {
    let (scene, port) = (Scene::on_loopback(), free_port());
    scene.set("web", port, Some(1), None);
    answer_at(V4, port).await;
    for request in ["POST /a/b?c=d", "DELETE /", "OPTIONS *"] {
        let request = format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        let answer = exchange((V4, port).into(), &request).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{request}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_does_not_keep_up_fails_every_check() {
    let (scene, port) = (Scene::on_loopback(), free_port());
    scene.set("web", port, Some(1), None);
    assert_eq!(status_at(V4, port).await, "200");
    scene.health.requested();
    sleep(LIMIT).await;
    let answer = answer_at(V4, port).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(split(&answer).1.contains("\"serviceProxyHealthy\": false"), "{answer}");
}

/// kube-proxy 1.30 opened one socket for both families twice.
#[tokio::test(start_paused = true)]
async fn each_family_answers_for_itself_on_one_port() {
    let wildcards = PerFamily { v4: ListenOn::Wildcard, v6: ListenOn::Wildcard };
    for listen_on in [wildcards, PerFamily { v4: on(&[V4]), v6: on(&[V6]) }] {
        let (mut scene, port) = (Scene::start(listen_on), free_port());
        scene.set("web", port, Some(3), Some(0));
        assert_eq!(status_at(V4, port).await, "200");
        assert_eq!(status_at(V6, port).await, "503");
        scene.set("web", port, Some(3), None);
        silence_at(V6, port).await;
        assert_eq!(status_at(V4, port).await, "200");
        scene.failures.try_recv().unwrap_err();
    }
}

/// A connection that stays open shows that its listener was not touched.
#[tokio::test(start_paused = true)]
async fn a_service_that_keeps_its_port_keeps_its_listener() {
    let (scene, port) = (Scene::on_loopback(), free_port());
    scene.set("web", port, Some(1), None);
    answer_at(V4, port).await;
    let mut connection = TcpStream::connect((V4, port)).await.unwrap();
    scene.set("web", port, Some(0), Some(1));
    answer_at(V6, port).await;
    scene.checks.listen_on(PerFamily { v4: on(&[V4, OTHER_V4]), v6: on(&[]) });
    answer_at(OTHER_V4, port).await;
    silence_at(V6, port).await;
    connection.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_new_port_closes_the_old_one() {
    let (scene, old, new) = (Scene::on_loopback(), free_port(), free_port());
    scene.set("web", old, Some(1), Some(1));
    answer_at(V4, old).await;
    scene.set("web", new, Some(1), Some(1));
    answer_at(V4, new).await;
    answer_at(V6, new).await;
    silence_at(V4, old).await;
    silence_at(V6, old).await;
    scene.remove("web");
    silence_at(V4, new).await;
    silence_at(V6, new).await;
}

#[tokio::test(start_paused = true)]
async fn a_port_passes_from_one_service_to_the_other_in_one_step() {
    let (mut scene, port) = (Scene::on_loopback(), free_port());
    scene.set("b", port, Some(1), None);
    answer_at(V4, port).await;
    let check = HealthCheck { port, local_endpoints: PerFamily { v4: Some(1), v6: None } };
    scene.checks.apply([(service("a"), Some(check)), (service("b"), None)]);
    answer_with(V4, port, "\"name\": \"a\"").await;
    scene.failures.try_recv().unwrap_err();
}

/// It is reported once, the other address works meanwhile, and the port is taken when it is free.
#[tokio::test(start_paused = true)]
async fn a_port_that_is_taken_is_tried_until_it_is_free() {
    let taken = TcpListener::bind((V4, 0)).unwrap();
    let (mut scene, port) = (Scene::on_loopback(), taken.local_addr().unwrap().port());
    scene.set("web", port, Some(1), Some(1));
    expect!["default/web: cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); another socket has this port (`ss -ltnp` names it)"]
        .assert_eq(&scene.failure().await);
    assert_eq!(status_at(V6, port).await, "200");
    sleep(3 * RETRY).await;
    scene.set("web", port, Some(2), Some(2));
    sleep(3 * RETRY).await;
    scene.failures.try_recv().unwrap_err();
    drop(taken);
    assert_eq!(status_at(V4, port).await, "200");
    scene.failures.try_recv().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_second_service_takes_over_when_the_first_goes() {
    let (mut scene, port) = (Scene::on_loopback(), free_port());
    scene.set("first", port, Some(1), None);
    answer_at(V4, port).await;
    scene.set("another", port, Some(2), None);
    expect!["default/another: cannot listen on 127.0.0.1:PORT: it is the health check of the Service default/first; give one of them another healthCheckNodePort"]
        .assert_eq(&scene.failure().await);
    assert!(answer_at(V4, port).await.contains("first"));
    scene.remove("first");
    answer_with(V4, port, "another").await;
}

#[tokio::test(start_paused = true)]
async fn dropping_closes_everything() {
    let (scene, port) = (Scene::on_loopback(), free_port());
    scene.set("web", port, Some(1), Some(1));
    answer_at(V4, port).await;
    answer_at(V6, port).await;
    drop(scene);
    silence_at(V4, port).await;
    silence_at(V6, port).await;
}
