//! TCP segments made by hand, sent from where a server listens.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use lab::namespace::Namespace;
use socket2::{Domain, Protocol, Socket, Type};

const TCP: u8 = 6;

/// A raw socket where a server is: it sees what arrives for the server, and can send in its name.
pub(super) struct Server {
    socket: Socket,
    address: SocketAddr,
}

/// What a server has to know of a connection to send on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    /// The next sequence number of the server.
    sequence: u32,
    /// The next sequence number of the client.
    acknowledged: u32,
}

// === impl Server ===

impl Server {
    #[track_caller]
    pub(super) fn open(namespace: &Namespace, address: SocketAddr) -> Server {
        let open = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::for_address(address), Type::RAW, Some(Protocol::TCP))?;
            socket.set_read_timeout(Some(Duration::from_secs(1)))?;
            Ok(socket)
        };
        Server { socket: namespace.run(open).unwrap().unwrap(), address }
    }

    /// Waits for the next segment of a client.
    #[track_caller]
    pub(super) fn listen(&self, client: SocketAddr) -> Numbers {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut buffer = [0; 2048];
        while Instant::now() < deadline {
            let Ok(length) = (&self.socket).read(&mut buffer) else { continue };
            if let Some(numbers) = self.read(&buffer[..length], client) {
                return numbers;
            }
        }
        panic!("{client} has sent nothing to {}", self.address);
    }

    /// An IPv4 packet has its header with it, an IPv6 packet has not.
    fn read(&self, packet: &[u8], client: SocketAddr) -> Option<Numbers> {
        let header = if self.address.is_ipv4() { usize::from(packet.first()? & 0xf) * 4 } else { 0 };
        let segment = packet.get(header..)?;
        let short = |at: usize| Some(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?));
        let long = |at: usize| Some(u32::from_be_bytes(segment.get(at..at + 4)?.try_into().ok()?));
        let payload = segment.get(usize::from(segment.get(12)? >> 4) * 4..)?;
        let is_theirs = short(0)? == client.port() && short(2)? == self.address.port();
        let length = u32::try_from(payload.len()).ok()?;
        is_theirs.then_some(Numbers { sequence: long(8)?, acknowledged: long(4)?.wrapping_add(length) })
    }

    /// Sends a segment whose data is far outside of what a client may receive now, and which acknowledges what the
    /// client has sent.
    #[track_caller]
    pub(super) fn send_out_of_window(&self, client: SocketAddr, numbers: Numbers) {
        const FAR: u32 = 0x1000_0000;
        const ACK_AND_PUSH: u8 = 0x18;
        let mut segment = Vec::new();
        segment.extend(self.address.port().to_be_bytes());
        segment.extend(client.port().to_be_bytes());
        segment.extend(numbers.sequence.wrapping_add(FAR).to_be_bytes());
        segment.extend(numbers.acknowledged.to_be_bytes());
        segment.extend([5 << 4, ACK_AND_PUSH, 0x20, 0, 0, 0, 0, 0]);
        segment.extend(b"boom!!!\n");
        let checksum = checksum(self.address.ip(), client.ip(), &segment);
        segment[16..18].copy_from_slice(&checksum.to_be_bytes());
        self.socket.send_to(&segment, &SocketAddr::new(client.ip(), 0).into()).unwrap();
    }
}

/// The checksum of RFC 9293, section 3.1, over the pseudo header of either family.
fn checksum(from: IpAddr, to: IpAddr, segment: &[u8]) -> u16 {
    let mut bytes = Vec::new();
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    bytes.extend(u32::try_from(segment.len()).unwrap().to_be_bytes());
    bytes.extend([0, 0, 0, TCP]);
    bytes.extend(segment);
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}
