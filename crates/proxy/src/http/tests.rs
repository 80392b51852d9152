//! The server over real sockets of the loopback interface.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::expect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::client::{exchange, get, split};
use super::*;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn start(address: SocketAddr) -> Result<Server, ListenError> {
    Server::start(&Handle::current(), address, |request: Request<()>| async move {
        let text = format!("{} {}", request.method(), request.uri().path());
        answer(StatusCode::OK, "text/plain", text)
    })
}

#[tokio::test]
async fn requests_are_answered() {
    let server = start(ANY).unwrap();
    expect![[r#"
        HTTP/1.1 200 OK
        Content-Type: text/plain
        X-Content-Type-Options: nosniff
        Connection: close
        Content-Length: 6

        GET /a"#]]
    .assert_eq(&get(server.address(), "/a?b=c").await.unwrap());
}

/// A body is not read: an answer comes although most of it was never sent, and the connection ends there.
#[tokio::test]
async fn a_body_is_not_waited_for() {
    let server = start(ANY).unwrap();
    let request = "POST /x HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\nabc";
    let answer = exchange(server.address(), request).await.unwrap();
    assert_eq!(split(&answer).1, "POST /x", "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = start(ANY).unwrap();
    let request = format!("GET /{}", "x".repeat(LARGEST_HEAD));
    let answer = exchange(server.address(), &request[..LARGEST_HEAD]).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

/// The clock runs ahead while everybody waits, so this takes no time.
#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_given_up() {
    let server = start(ANY).unwrap();
    let request = exchange(server.address(), "GET / HTTP/1.1\r\nHost: te");
    let answer = tokio::time::timeout(2 * HEADER_TIMEOUT, request).await.unwrap().unwrap();
    assert_eq!(answer, "");
}

#[tokio::test]
async fn both_families_have_one_port() {
    let v4 = start((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
    let port = v4.address().port();
    let _v6 = start((Ipv6Addr::UNSPECIFIED, port).into()).unwrap();
    get((Ipv4Addr::LOCALHOST, port).into(), "/").await.unwrap();
    get((Ipv6Addr::LOCALHOST, port).into(), "/").await.unwrap();
}

#[tokio::test]
async fn the_wildcard_of_ipv6_leaves_ipv4_alone() {
    let v6 = start((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
    let port = v6.address().port();
    assert!(get((Ipv4Addr::LOCALHOST, port).into(), "/").await.is_err());
}

#[tokio::test]
async fn closing_ends_connections_and_frees_the_port() {
    let server = start(ANY).unwrap();
    let address = server.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0, "kept alive");
    server.close().await;
    assert!(get(address, "/").await.is_err());
    let rest = idle.read(&mut buffer).await.unwrap_or(0);
    assert_eq!(rest, 0, "closed with the server");
    start(address).unwrap();
}

#[tokio::test]
async fn dropping_is_closing() {
    let server = start(ANY).unwrap();
    let address = server.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    drop(server);
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap_or(0), 0);
    assert!(get(address, "/").await.is_err());
}

/// As many requests are served together as there may be connections; one more waits for its turn.
#[tokio::test]
async fn the_number_of_connections_is_bounded() {
    let (inside, most, gate) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (inside, most, gate) = (Arc::clone(&inside), Arc::clone(&most), Arc::clone(&gate));
        move |_| {
            let (inside, most, gate) = (Arc::clone(&inside), Arc::clone(&most), Arc::clone(&gate));
            async move {
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _open = gate.acquire().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                answer(StatusCode::OK, "text/plain", "")
            }
        }
    };
    let server = Server::start(&Handle::current(), ANY, handler).unwrap();
    let address = server.address();
    let mut clients = JoinSet::new();
    for _ in 0..MOST_OF_A_SERVICE + 5 {
        clients.spawn(async move { get(address, "/").await.unwrap() });
    }
    while most.load(Ordering::SeqCst) < MOST_OF_A_SERVICE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Time for those that should not get in.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(inside.load(Ordering::SeqCst), MOST_OF_A_SERVICE);
    gate.close();
    assert_eq!(clients.join_all().await.len(), MOST_OF_A_SERVICE + 5);
}

/// Reads the head of an answer without a body, and gives whether the connection ends with it.
async fn ends_with_answer(stream: &mut TcpStream) -> bool {
    stream.write_all(b"HEAD / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await;
        head.push(byte.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&head))));
    }
    String::from_utf8(head).unwrap().contains("Connection: close\r\n")
}

/// Clients that never let go keep no more than half of the connections, so that there is one for each who asks.
#[tokio::test]
async fn idle_connections_do_not_keep_others_out() {
    let server = start(ANY).unwrap();
    let mut kept = Vec::new();
    for _ in 0..MOST_OF_A_SERVICE {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        if !ends_with_answer(&mut stream).await {
            kept.push(stream);
        }
    }
    assert_eq!(kept.len(), MOST_OF_A_SERVICE / 2);
    get(server.address(), "/").await.unwrap();
    for stream in &mut kept {
        assert!(!ends_with_answer(stream).await, "kept alive");
    }
}

#[tokio::test]
async fn errors_name_the_address_and_what_to_do() {
    let first = start(ANY).unwrap();
    let taken = start(first.address()).unwrap_err().to_string();
    expect!["cannot listen on ADDRESS: Address already in use (os error 98); another socket has this port (`ss -ltnp` names it)"]
        .assert_eq(&taken.replace(&first.address().to_string(), "ADDRESS"));
    let foreign = start((Ipv4Addr::new(192, 0, 2, 1), 80).into()).unwrap_err().to_string();
    expect!["cannot listen on 192.0.2.1:80: Cannot assign requested address (os error 99); no interface of this node has the address, or not yet"]
        .assert_eq(&foreign);
}

/// The clock runs ahead while everybody waits.
#[tokio::test(start_paused = true)]
async fn a_persistent_server_waits_for_its_port() {
    let first = start(ANY).unwrap();
    let address = first.address();
    let _second = PersistentServer::start(&Handle::current(), "test", address, |_| async {
        answer(StatusCode::OK, "text/plain", "second")
    });
    for _ in 0..3 {
        tokio::time::sleep(RETRY).await;
        assert!(get(address, "/").await.unwrap().ends_with("GET /"));
    }
    first.close().await;
    while get(address, "/").await.is_err() {
        tokio::time::sleep(RETRY).await;
    }
    assert!(get(address, "/").await.unwrap().ends_with("second"));
}

/// Go's servers do so, and a load balancer of either family may ask.
#[tokio::test]
async fn the_address_that_stands_for_all_takes_both_families() {
    for any in ["0.0.0.0:0", "[::]:0"] {
        let handler = |_| std::future::ready(answer(StatusCode::OK, "text/plain", "here"));
        let server = Server::start_for_all(&Handle::current(), any.parse().unwrap(), handler).unwrap();
        let port = server.address().port();
        for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), (Ipv6Addr::LOCALHOST, port).into()] {
            assert_eq!(split(&get(address, "/").await.unwrap()).1, "here", "{any} at {address}");
        }
    }
}
