//! One question over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time;

use super::Failure;
use crate::Error;
use crate::namespace::Namespace;

/// How long a client waits for the whole answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an HTTP server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code, such as 200.
    pub status: u16,
    /// The body, as far as it is text.
    pub body: String,
}

/// Asks an HTTP server for a path, such as `/healthz`, from a namespace.
///
/// # Errors
/// The outer error is the lab's, the inner one is what the client saw.
pub fn get(
    namespace: &Namespace,
    address: SocketAddr,
    path: &str,
) -> Result<Result<HttpAnswer, Failure>, Error> {
    let ask = || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Other(error.to_string()))?;
        let answer = runtime.block_on(async { time::timeout(PATIENCE, exchange(address, path)).await });
        answer.unwrap_or(Err(Failure::Timeout))
    };
    namespace.run(ask)
}

async fn exchange(address: SocketAddr, path: &str) -> Result<HttpAnswer, Failure> {
    let other = |error: hyper::Error| Failure::Other(error.to_string());
    let stream = TcpStream::connect(address).await.map_err(|error| Failure::of(&error, false))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(other)?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header("Host", address.to_string()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| Failure::Other(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(other)?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(other)?.to_bytes();
    connection.abort();
    Ok(HttpAnswer { status, body: String::from_utf8_lossy(&body).into_owned() })
}
