//! A UDP client that goes on sending from one port, whatever happens to the servers.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lab::wait;

use crate::scene::{Place, Scene};

const PAUSE: Duration = Duration::from_millis(100);

/// How long nothing has to arrive to be called silence: many datagrams.
const SILENCE: Duration = Duration::from_secs(2);

/// Upstream allows 30 s for a change of endpoints; everything takes longer under emulation.
const LIMIT: Duration = Duration::from_secs(60);

/// Somebody who keeps calling. It stops when this is dropped.
pub(crate) struct Caller {
    from: String,
    to: SocketAddr,
    /// Where it sends from. Its address may be unspecified, its port is not.
    port: u16,
    heard: Arc<Mutex<VecDeque<String>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

// === impl Caller ===

impl Caller {
    /// Starts to call an address from a place, ten times a second.
    #[track_caller]
    pub(crate) fn start(scene: &Scene, from: &Place, to: SocketAddr) -> Caller {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let open = || -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind(any)?;
            socket.set_read_timeout(Some(PAUSE))?;
            Ok(socket)
        };
        let socket = scene.namespace(from).run(open).unwrap().unwrap();
        let port = socket.local_addr().unwrap().port();
        let (heard, stop) = (Arc::<Mutex<VecDeque<String>>>::default(), Arc::new(AtomicBool::new(false)));
        let sending = {
            let (socket, stop) = (socket.try_clone().unwrap(), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Where there is no route for a while, the next datagram may find one.
                    let _ = socket.send_to(b"who\n", to);
                    thread::sleep(PAUSE);
                }
            })
        };
        let hearing = {
            let (heard, stop) = (Arc::clone(&heard), Arc::clone(&stop));
            thread::spawn(move || hear(&socket, to, &heard, &stop))
        };
        Caller { from: from.to_owned(), to, port, heard, stop, threads: vec![sending, hearing] }
    }

    /// The port that it sends from.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn to(&self) -> SocketAddr {
        self.to
    }

    /// Waits until the last answers are all of one server, and new.
    #[track_caller]
    pub(crate) fn reaches(&self, server: &str) {
        const IN_A_ROW: usize = 4;
        let take = || -> Vec<String> { self.heard().drain(..).collect() };
        take();
        let mut last = Vec::new();
        let reaches = wait::until(LIMIT, || {
            last.extend(take());
            last.iter().rev().take_while(|answer| *answer == server).count() >= IN_A_ROW
        });
        let end = &last[last.len().saturating_sub(10)..];
        assert!(reaches, "{self} should reach {server}, and was answered by {end:?}");
    }

    /// Waits until none of them has been answered for a while.
    #[track_caller]
    pub(crate) fn reach_nobody<'a>(callers: impl Iterator<Item = &'a Caller> + Clone) {
        let is_silent = wait::until(LIMIT, || {
            callers.clone().for_each(|caller| caller.heard().clear());
            thread::sleep(SILENCE);
            callers.clone().all(|caller| caller.heard().is_empty())
        });
        let answered =
            || callers.filter_map(|caller| Some(format!("{caller} by {}", caller.heard().back()?)));
        assert!(is_silent, "still answered: {:#?}", answered().collect::<Vec<_>>());
    }

    fn heard(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {} that calls {}", self.from, self.port, self.to)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Notes who answers. Only what comes from the called address is an answer.
fn hear(socket: &UdpSocket, to: SocketAddr, heard: &Mutex<VecDeque<String>>, stop: &AtomicBool) {
    const REMEMBERED: usize = 100;
    let mut buffer = [0; 512];
    while !stop.load(Ordering::Relaxed) {
        // Nobody has answered in time.
        let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let server = text.split(' ').next().unwrap_or_default();
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push_back(if source == to { server.to_owned() } else { format!("{server} as {source}") });
        if heard.len() > REMEMBERED {
            heard.pop_front();
        }
    }
}
