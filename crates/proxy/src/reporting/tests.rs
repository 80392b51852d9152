//! What becomes of addresses that cannot be listened on.

use std::net::{Ipv4Addr, TcpListener};

use hyper::StatusCode;

use super::*;
use crate::http;

fn socket(hard: bool) -> Socket {
    Socket { name: "health", reason: "FailedToStartProxierHealthcheck", hard }
}

async fn listen(hard: bool, address: SocketAddr) -> anyhow::Result<Option<PersistentServer>> {
    let handler = |_| std::future::ready(http::answer(StatusCode::OK, "text/plain", ""));
    let events = NodeEvents { recorder: None, node: "n1".to_owned() };
    socket(hard).listen(Some(address), handler, &events).await
}

#[tokio::test]
async fn an_address_that_is_taken_ends_the_process_only_if_that_is_wanted() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    assert!(listen(false, address).await.unwrap().is_some());
    let error = listen(true, address).await.unwrap_err();
    let text = format!("{error:#}").replace(&address.port().to_string(), "PORT");
    expect_test::expect!["the health server cannot start, which bindAddressHardFail makes a reason to end: cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); another socket has this port (`ss -ltnp` names it)"].assert_eq(&text);
    drop(taken);
    assert!(listen(true, address).await.unwrap().is_some());
}
