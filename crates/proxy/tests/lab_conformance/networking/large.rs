//! Requests that do not fit into a packet.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lab::namespace::Namespace;
use lab::wait;

const PATIENCE: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(60);

/// Sends back what it gets, over TCP and UDP.
pub(super) struct Echo {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

// === impl Echo ===

impl Echo {
    #[track_caller]
    pub(super) fn start(namespace: &Namespace, port: u16) -> Echo {
        let open = || -> io::Result<(TcpListener, UdpSocket)> {
            let datagrams = UdpSocket::bind(("::", port))?;
            datagrams.set_read_timeout(Some(Duration::from_millis(200)))?;
            let listener = TcpListener::bind(("::", port))?;
            listener.set_nonblocking(true)?;
            Ok((listener, datagrams))
        };
        let (listener, datagrams) = namespace.run(open).unwrap().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (one, other) = (Arc::clone(&stop), Arc::clone(&stop));
        let threads = vec![
            thread::spawn(move || repeat(&one, || echo_stream(&listener))),
            thread::spawn(move || repeat(&other, || echo_datagram(&datagrams))),
        ];
        Echo { stop, threads }
    }

    /// Waits until a request of a size comes back as it was, over UDP and TCP.
    #[track_caller]
    pub(super) fn check(&self, client: &Namespace, to: SocketAddr, size: usize) {
        let request: Vec<u8> = b"42".iter().copied().cycle().take(size).collect();
        for (protocol, ask) in
            [("UDP", ask_by_datagram as fn(SocketAddr, &[u8]) -> io::Result<Vec<u8>>), ("TCP", ask_by_stream)]
        {
            let mut last = None;
            let comes_back = wait::until(LIMIT, || {
                let answer = client.run(|| ask(to, &request)).unwrap();
                let is_same = answer.as_ref().is_ok_and(|answer| *answer == request);
                last = Some(answer.map(|answer| answer.len()));
                is_same
            });
            assert!(comes_back, "{} sends {size} octets to {protocol} {to}: {last:?}", client.name());
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Whoever goes away ends their own conversation only.
fn repeat(stop: &AtomicBool, mut work: impl FnMut() -> io::Result<()>) {
    while !stop.load(Ordering::Relaxed) {
        let _ = work();
    }
}

fn echo_datagram(socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = [0; 9000];
    let (length, client) = socket.recv_from(&mut buffer)?;
    socket.send_to(&buffer[..length], client).map(drop)
}

fn echo_stream(listener: &TcpListener) -> io::Result<()> {
    let Ok((mut stream, _)) = listener.accept() else {
        thread::sleep(Duration::from_millis(20));
        return Ok(());
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    stream.read_to_end(&mut request)?;
    stream.write_all(&request)
}

fn ask_by_datagram(to: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    socket.send(request)?;
    let mut buffer = [0; 9000];
    let length = socket.recv(&mut buffer)?;
    Ok(buffer[..length].to_vec())
}

fn ask_by_stream(to: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
