//! A server that names itself.

use std::io::{self, BufRead, BufReader, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::Socket;

use super::socket::{canonical, is_timeout, serve};
use super::{Protocol, Request};
use crate::Error;
use crate::namespace::Namespace;

/// How soon a server notices that it is to stop.
const PATIENCE: Duration = Duration::from_millis(200);

/// A running server. When it is dropped it stops, and its connections are closed.
#[derive(Debug)]
pub struct Server {
    socket: Arc<Socket>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

/// What the threads of a server share.
#[derive(Clone)]
struct Shared {
    name: Arc<str>,
    stop: Arc<AtomicBool>,
}

// === impl Server ===

impl Server {
    /// Serves a port of both families in a namespace, under a name.
    ///
    /// # Errors
    /// If the namespace cannot be entered or the port is taken.
    pub fn start(namespace: &Namespace, name: &str, protocol: Protocol, port: u16) -> Result<Server, Error> {
        let everywhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        Server::start_at(namespace, name, protocol, SocketAddr::new(everywhere, port))
    }

    /// Serves one address in a namespace, under a name.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn start_at(
        namespace: &Namespace,
        name: &str,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<Server, Error> {
        let socket = namespace
            .run(|| serve(protocol, address, PATIENCE))?
            .map_err(Error::io(|| format!("serve {protocol} {address} in {}", namespace.name())))?;
        let socket = Arc::new(socket);
        let serving = Arc::clone(&socket);
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Shared { name: name.into(), stop: Arc::clone(&stop) };
        let thread = namespace.spawn(move || match protocol {
            Protocol::Udp => answer_datagrams(&serving, &shared),
            Protocol::Tcp | Protocol::Sctp => accept(&serving, &shared),
        });
        Ok(Server { socket, stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes who waits for the socket; where it does not, the wait ends by itself soon.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &Socket, shared: &Shared) {
    let mut connections = Vec::new();
    while !shared.stop.load(Ordering::Relaxed) {
        if let Ok((socket, peer)) = listener.accept() {
            let shared = shared.clone();
            let peer = peer.as_socket().map(canonical);
            connections.push(thread::spawn(move || {
                // A client that goes away ends its connection and nothing else.
                let _ = peer.map(|peer| converse(socket, peer, &shared));
            }));
        }
        connections.retain(|connection: &JoinHandle<()>| !connection.is_finished());
    }
    for connection in connections {
        let _ = connection.join();
    }
}

/// Answers the requests of one connection until either side ends it.
fn converse(socket: Socket, peer: SocketAddr, shared: &Shared) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&socket);
    let mut line = String::new();
    while !shared.stop.load(Ordering::Relaxed) {
        match lines.read_line(&mut line) {
            Ok(0) => break,
            Ok(_) => {
                let answer = answer(&line, peer, shared);
                (&socket).write_all(format!("{answer}\n").as_bytes())?;
                if let Ok(Request::Download { lines, pause }) = line.parse() {
                    send_slowly(&socket, lines, Duration::from_millis(pause), shared)?;
                }
                line.clear();
            }
            // What has arrived of a line stays in `line`.
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn send_slowly(mut socket: &Socket, lines: u32, pause: Duration, shared: &Shared) -> io::Result<()> {
    for number in 1..=lines {
        thread::sleep(pause);
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        socket.write_all(format!("{number}\n").as_bytes())?;
    }
    Ok(())
}

fn answer_datagrams(socket: &Socket, shared: &Shared) {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 512];
    while !shared.stop.load(Ordering::Relaxed) {
        // Whatever was sent, the answer is the same.
        let Ok((_, source)) = socket.recv_from(&mut buffer) else { continue };
        let Some(peer) = source.as_socket() else { continue };
        let _ = socket.send_to(format!("{}\n", answer("who", canonical(peer), shared)).as_bytes(), &source);
    }
}

fn answer(request: &str, peer: SocketAddr, shared: &Shared) -> String {
    match request.parse::<Request>() {
        Ok(_) => format!("{} {peer}", shared.name),
        Err(()) => format!("{} does not understand {:?}", shared.name, request.trim_end()),
    }
}
