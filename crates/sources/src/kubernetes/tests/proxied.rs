//! Proxies between here and the server.

use std::fs;
use std::process::Command;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::configuration::{config, kubeconfig};
use super::*;

/// A proxy that takes every request to connect, and what was said to it.
async fn proxy() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (said, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let said = said.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.split(' ').nth(1).unwrap().to_owned();
                said.send(head).unwrap();
                let mut server = TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, requests)
}

#[tokio::test]
async fn the_proxy_of_the_kubeconfig() {
    let folder = tempfile::tempdir().unwrap();
    let server = server();
    let (proxy, mut requests) = proxy().await;
    let path = folder.path().join("config");
    let text = kubeconfig(&server.url(), "{}");
    let text =
        text.replace("cluster: {server", &format!("cluster: {{proxy-url: \"http://a:b@{proxy}\", server"));
    fs::write(&path, text).unwrap();
    let host = server.url().replace("http://", "");
    Scene::follow(server, config(&path)).await.expect(&START).await;
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with(&format!("CONNECT {host} HTTP/1.1\r\n")), "{request}");
    assert!(request.contains("Proxy-Authorization: Basic YTpi\r\n"), "{request}");
}

/// kubeadm copies these variables into the DaemonSet of kube-proxy. A process has one environment, so each case has a
/// process of its own.
#[test]
#[expect(clippy::disallowed_methods, reason = "only another process can have another environment")]
fn a_proxy_of_the_environment_that_is_not_for_this_server() {
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        let test = "kubernetes::tests::proxied::in_any_environment";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(name, "http://192.0.2.1:3128")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 passed"), "{name}: {said}");
    }
}

/// The server is on the loopback interface, for which no proxy of the environment counts.
#[tokio::test]
async fn in_any_environment() {
    let folder = tempfile::tempdir().unwrap();
    let server = server();
    let path = folder.path().join("config");
    fs::write(&path, kubeconfig(&server.url(), "{}")).unwrap();
    Scene::follow(server, config(&path)).await.expect(&START).await;
}
