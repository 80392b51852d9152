//! A client for tests, which sees the bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends `GET path` on a connection of its own, and gives all of the answer but its date.
///
/// # Errors
/// If the server cannot be reached or closes the connection without an answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")).await
}

/// Sends `request` and gives everything that comes back until the connection is closed, but the date.
///
/// # Errors
/// If the server cannot be reached or resets the connection.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let lines = answer.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: "));
    Ok(lines.collect::<String>().replace("\r\n", "\n"))
}

/// The head and the body of an answer.
pub(crate) fn split(answer: &str) -> (&str, &str) {
    answer.split_once("\n\n").unwrap_or((answer, ""))
}
