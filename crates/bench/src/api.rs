//! The API server seen from the benchmarks: commands to it, and a client that reads lists and forgets them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use lab::protobuf;
use tokio::net::TcpStream;
use tokio::runtime::Builder;

/// The annotation of the bookmark that ends the initial part of a streaming list.
const END: &[u8] = b"k8s.io/initial-events-end";

/// Tells the server to do something: `reset?services=10&endpoints=2`.
pub(crate) fn command(server: SocketAddr, command: &str) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let path = format!("/bench/{command}");
        let response = request(server, Method::POST, &path).await?;
        let status = response.status();
        // The answer has to be read to its end before the connection goes.
        response.into_body().collect().await?;
        if !status.is_success() {
            bail!("the API server answered {status} to {path}");
        }
        Ok(())
    })
}

/// Reads what a proxy reads at its start, and prints how many milliseconds that took.
pub(crate) fn discard(server: SocketAddr) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let began = Instant::now();
    let bytes = runtime.block_on(async {
        let services = tokio::spawn(discard_one(server, "/api/v1/services"));
        let slices = tokio::spawn(discard_one(server, "/apis/discovery.k8s.io/v1/endpointslices"));
        anyhow::Ok(services.await?? + slices.await??)
    })?;
    println!("{} ms for {bytes} bytes", began.elapsed().as_millis());
    Ok(())
}

async fn discard_one(server: SocketAddr, path: &str) -> Result<usize> {
    let query =
        "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut body = request(server, Method::GET, &format!("{path}?{query}")).await?.into_body();
    let mut bytes = 0;
    // The bookmark may be cut in two by the end of a frame.
    let mut tail = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        bytes += data.len();
        tail.extend_from_slice(&data);
        if tail.windows(END.len()).rev().take(1024).any(|window| window == END) {
            return Ok(bytes);
        }
        tail.drain(..tail.len().saturating_sub(1024));
    }
    bail!("{path} ended after {bytes} bytes")
}

async fn request(server: SocketAddr, method: Method, path: &str) -> Result<Response<Incoming>> {
    let connect = tokio::time::timeout(Duration::from_secs(10), TcpStream::connect(server));
    let stream = connect.await?.with_context(|| format!("cannot connect to the API server at {server}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header(HOST, server.to_string());
    let request = request.header(ACCEPT, protobuf::CONTENT_TYPE);
    Ok(sender.send_request(request.body(Empty::<Bytes>::new())?).await?)
}
