//! The IPVS table of the running kernel, in a network namespace of each test's own, against `ipvsadm`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

#[path = "support/namespace.rs"]
mod namespace;

use std::{
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lab::{Need, require};
use namespace::{in_new_namespace, run, sorted};
use netlink::{
    Errno, Outcome, Refused,
    ipvs::{
        FLAG_HASHED, FLAG_ONE_PACKET, FLAG_PERSISTENT, FLAG_SCHEDULER_1, FLAG_SCHEDULER_2, Family,
        Forwarding, Ipvs, RealServer, Request, Stats, Timeouts, VirtualServerConfig, VirtualServerId,
    },
};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn numbered(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0af4_0000 + number))
}

fn address(protocol: u8, address: &str, port: u16) -> VirtualServerId {
    VirtualServerId::Address { protocol, address: ip(address), port }
}

fn config(id: VirtualServerId, scheduler: &str) -> VirtualServerConfig {
    VirtualServerConfig {
        id,
        scheduler: scheduler.to_owned(),
        flags: 0,
        timeout: 0,
        netmask: if id.family() == Family::Inet { 0xffff_ffff } else { 128 },
        persistence_engine: None,
    }
}

fn persistent(id: VirtualServerId, scheduler: &str, flags: u32, timeout: u32) -> VirtualServerConfig {
    VirtualServerConfig { flags: flags | FLAG_PERSISTENT, timeout, ..config(id, scheduler) }
}

fn server(address: IpAddr, port: u16, weight: u32) -> RealServer {
    RealServer {
        address,
        port,
        weight,
        forwarding: Forwarding::Masquerade,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn add(config: VirtualServerConfig) -> Request {
    Request::AddVirtualServer(config)
}

fn add_server(service: VirtualServerId, server: RealServer) -> Request {
    Request::AddRealServer { service, server }
}

fn refused(errno: Errno) -> Outcome {
    Err(Refused { errno, message: None })
}

fn saved() -> Vec<String> {
    sorted(&run("ipvsadm -Sn"))
}

/// Runs a test in a namespace of its own while no other test has virtual servers. The kernel's list goes through
/// those of all namespaces, and between two parts of it remembers how many it has passed: when virtual servers of
/// another namespace come or go, some are listed twice or not at all.
fn alone(test: impl FnOnce() + Send) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    in_new_namespace(|| {
        test();
        // The end of a namespace removes them too, but some time later.
        run("ipvsadm --clear");
    });
}

/// The kernel takes real servers only where a route leads to them.
fn open() -> Ipvs {
    run("ip link set lo up");
    Ipvs::open().unwrap()
}

#[track_caller]
fn check(requests: &[Request], expected: &[&str]) {
    alone(|| {
        assert_eq!(open().apply(requests), Ok(vec![Ok(()); requests.len()]));
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(saved(), expected);
    });
}

#[test]
fn both_address_families_are_there_with_and_without_a_virtual_server() {
    if !require(Need::Ipvs) {
        return;
    }
    in_new_namespace(|| {
        let mut ipvs = Ipvs::open().unwrap();
        assert_eq!([Family::Inet, Family::Inet6].map(|family| ipvs.has(family)), [Ok(true), Ok(true)]);
        run("ipvsadm -A -f 1 -s rr");
        run("ipvsadm -A -f 1 -6 -s rr");
        assert_eq!([Family::Inet, Family::Inet6].map(|family| ipvs.has(family)), [Ok(true), Ok(true)]);
    });
}

#[test]
fn virtual_servers_are_as_ipvsadm_shows_them() {
    if !require(Need::Ipvs) {
        return;
    }
    let mask = VirtualServerConfig {
        netmask: 0xffff_ff00,
        ..persistent(address(TCP, "10.96.0.2", 80), "sh", FLAG_SCHEDULER_1 | FLAG_SCHEDULER_2, 360)
    };
    let prefix =
        VirtualServerConfig { netmask: 64, ..persistent(address(UDP, "fd00::1", 53), "mh", 0, 10800) };
    let sip = VirtualServerConfig {
        persistence_engine: Some("sip".to_owned()),
        ..persistent(address(UDP, "10.96.0.3", 5060), "rr", 0, 60)
    };
    let one_packet =
        VirtualServerConfig { flags: FLAG_ONE_PACKET, ..config(address(UDP, "10.96.0.4", 53), "rr") };
    check(
        &[
            add(config(address(TCP, "10.96.0.1", 443), "rr")),
            add(mask),
            add(prefix),
            add(sip),
            add(one_packet),
            add(config(address(SCTP, "fd00::1", 9999), "wlc")),
            add(config(VirtualServerId::FirewallMark { family: Family::Inet, mark: 7 }, "wrr")),
            add(config(VirtualServerId::FirewallMark { family: Family::Inet6, mark: 8 }, "lc")),
        ],
        &[
            "-A -t 10.96.0.1:443 -s rr",
            "-A -t 10.96.0.2:80 -s sh -p 360 -M 255.255.255.0 -b sh-fallback,sh-port",
            "-A -u [fd00::1]:53 -s mh -p 10800 -M 64",
            "-A -u 10.96.0.3:5060 -s rr -p 60 --pe sip",
            "-A -u 10.96.0.4:53 -s rr -o",
            "-A --sctp-service [fd00::1]:9999 -s wlc",
            "-A -f 7 -s wrr",
            "-A -f 8 -6 -s lc",
        ],
    );
}

/// All schedulers that Debian's kernel has.
#[test]
fn every_scheduler_is_taken() {
    if !require(Need::Ipvs) {
        return;
    }
    let names = ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf"];
    let services: Vec<Request> = names
        .iter()
        .zip(1000..)
        .map(|(name, port)| add(config(address(TCP, "10.96.0.1", port), name)))
        .collect();
    let expected: Vec<String> =
        names.iter().zip(1000..).map(|(name, port)| format!("-A -t 10.96.0.1:{port} -s {name}")).collect();
    check(&services, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn real_servers_are_as_ipvsadm_shows_them() {
    if !require(Need::Ipvs) {
        return;
    }
    let https = address(TCP, "10.96.0.1", 443);
    let v6 = address(UDP, "fd00::1", 53);
    let tunnelled = RealServer { forwarding: Forwarding::Tunnel, ..server(ip("10.244.1.4"), 443, 1) };
    let direct = RealServer { forwarding: Forwarding::DirectRoute, ..server(ip("10.244.1.5"), 443, 1) };
    check(
        &[
            add(config(https, "wrr")),
            add(config(v6, "rr")),
            add_server(https, server(ip("10.244.1.2"), 6443, 0)),
            add_server(https, server(ip("10.244.1.3"), 6443, 65535)),
            add_server(https, tunnelled),
            add_server(https, direct),
            add_server(v6, server(ip("::1"), 5353, 1)),
        ],
        &[
            "-A -t 10.96.0.1:443 -s wrr",
            "-A -u [fd00::1]:53 -s rr",
            "-a -t 10.96.0.1:443 -r 10.244.1.2:6443 -m -w 0",
            "-a -t 10.96.0.1:443 -r 10.244.1.3:6443 -m -w 65535",
            "-a -t 10.96.0.1:443 -r 10.244.1.4:443 -i -w 1 --tun-type ipip",
            "-a -t 10.96.0.1:443 -r 10.244.1.5:443 -g -w 1",
            "-a -u [fd00::1]:53 -r [::1]:5353 -m -w 1",
        ],
    );
}

/// `ipvsadm -S` does not save them.
#[test]
fn thresholds_are_as_ipvsadm_shows_them() {
    if !require(Need::Ipvs) {
        return;
    }
    alone(|| {
        let https = address(TCP, "10.96.0.1", 443);
        let limited =
            RealServer { upper_threshold: 100, lower_threshold: 50, ..server(ip("10.244.1.3"), 6443, 1) };
        let requests = [add(config(https, "wrr")), add_server(https, limited)];
        assert_eq!(open().apply(&requests), Ok(vec![Ok(()), Ok(())]));
        let shown = run("ipvsadm -Ln --thresholds");
        let words: Vec<&str> = shown.lines().last().unwrap_or_default().split_whitespace().collect();
        assert_eq!(words[..4], ["->", "10.244.1.3:6443", "100", "50"], "{shown}");
    });
}

#[test]
fn changes_and_deletions_take_effect() {
    if !require(Need::Ipvs) {
        return;
    }
    let https = address(TCP, "10.96.0.1", 443);
    let gone = address(TCP, "10.96.0.9", 443);
    let delete = |address| Request::DeleteRealServer { service: https, address, port: 443 };
    check(
        &[
            add(config(https, "rr")),
            add(config(gone, "rr")),
            add_server(https, server(numbered(1), 443, 1)),
            add_server(https, server(numbered(2), 443, 1)),
            add_server(gone, server(numbered(2), 443, 1)),
            Request::SetVirtualServer(persistent(https, "wrr", 0, 300)),
            Request::SetRealServer { service: https, server: server(numbered(1), 443, 0) },
            delete(numbered(2)),
            Request::DeleteVirtualServer(gone),
        ],
        &["-A -t 10.96.0.1:443 -s wrr -p 300", "-a -t 10.96.0.1:443 -r 10.244.0.1:443 -m -w 0"],
    );
}

#[test]
fn what_is_added_is_listed() {
    if !require(Need::Ipvs) {
        return;
    }
    alone(|| {
        let mut ipvs = open();
        let sticky = VirtualServerConfig {
            netmask: 64,
            ..persistent(address(UDP, "fd00::1", 53), "mh", FLAG_SCHEDULER_2, 10800)
        };
        let marked = config(VirtualServerId::FirewallMark { family: Family::Inet6, mark: 7 }, "wrr");
        let mut configs = vec![
            config(address(TCP, "10.96.0.1", 443), "rr"),
            VirtualServerConfig {
                netmask: 0xffff_0000,
                ..persistent(address(SCTP, "10.96.0.2", 80), "sh", 0, 360)
            },
            sticky,
            marked,
        ];
        configs.sort_by_key(|config| config.id);
        let requests: Vec<Request> = configs.iter().cloned().map(add).collect();
        assert_eq!(ipvs.apply(&requests), Ok(vec![Ok(()); 4]));
        let mut listed = ipvs.virtual_servers().unwrap();
        listed.sort_by_key(|server| server.id);
        assert!(listed.iter().all(|server| server.flags & FLAG_HASHED != 0));
        assert!(listed.iter().all(|server| server.stats == Stats::default()));
        assert_eq!(listed.iter().map(netlink::ipvs::VirtualServer::config).collect::<Vec<_>>(), configs);

        let service = address(TCP, "10.96.0.1", 443);
        let servers = [
            server(numbered(1), 443, 0),
            RealServer { upper_threshold: 7, lower_threshold: 3, ..server(numbered(2), 8443, 9) },
            RealServer { forwarding: Forwarding::DirectRoute, ..server(numbered(3), 443, 65535) },
        ];
        let requests: Vec<Request> =
            servers.iter().cloned().map(|server| add_server(service, server)).collect();
        assert_eq!(ipvs.apply(&requests), Ok(vec![Ok(()); 3]));
        let mut listed = ipvs.real_servers(&service).unwrap();
        listed.sort_by_key(|status| status.server.address);
        assert_eq!(listed.iter().map(|status| status.server.clone()).collect::<Vec<_>>(), servers);
        assert!(
            listed.iter().all(|status| status.active_connections == 0 && status.stats == Stats::default())
        );
        assert_eq!(ipvs.real_servers(&address(TCP, "10.96.9.9", 1)), Ok(Vec::new()));
    });
}

#[test]
fn refusals_name_the_element() {
    if !require(Need::Ipvs) {
        return;
    }
    alone(|| {
        let https = address(TCP, "10.96.0.1", 443);
        let missing = address(TCP, "10.96.0.9", 443);
        let requests = [
            add(config(https, "rr")),
            add(config(https, "rr")),
            add(config(address(TCP, "10.96.0.2", 443), "nosuch")),
            Request::SetVirtualServer(config(missing, "rr")),
            Request::DeleteVirtualServer(missing),
            add_server(https, server(numbered(1), 443, 1)),
            add_server(https, server(numbered(1), 443, 1)),
            add_server(missing, server(numbered(1), 443, 1)),
            Request::SetRealServer { service: https, server: server(numbered(2), 443, 1) },
            Request::DeleteRealServer { service: https, address: numbered(2), port: 443 },
            add(VirtualServerConfig { netmask: 0, ..config(address(TCP, "fd00::1", 443), "rr") }),
        ];
        let expected = vec![
            Ok(()),
            refused(Errno::EEXIST),
            refused(Errno::ENOENT),
            refused(Errno::ESRCH),
            refused(Errno::ESRCH),
            Ok(()),
            refused(Errno::EEXIST),
            refused(Errno::ESRCH),
            refused(Errno::ENOENT),
            refused(Errno::ENOENT),
            refused(Errno::EINVAL),
        ];
        assert_eq!(open().apply(&requests), Ok(expected));
        assert_eq!(saved(), ["-A -t 10.96.0.1:443 -s rr", "-a -t 10.96.0.1:443 -r 10.244.0.1:443 -m -w 1"]);
    });
}

/// Around the number of messages in one send.
#[test]
fn any_number_of_real_servers_arrives() {
    if !require(Need::Ipvs) {
        return;
    }
    for count in [1, 63, 64, 65, 128, 1000] {
        alone(|| {
            let mut ipvs = open();
            let service = address(TCP, "10.96.0.1", 443);
            ipvs.apply(&[add(config(service, "rr"))]).unwrap();
            let requests: Vec<Request> =
                (0..count).map(|number| add_server(service, server(numbered(number), 443, 1))).collect();
            assert_eq!(ipvs.apply(&requests), Ok(vec![Ok(()); requests.len()]), "{count}");
            let again = ipvs.apply(&requests);
            assert_eq!(again, Ok(vec![refused(Errno::EEXIST); requests.len()]), "{count}");
            let mut listed: Vec<IpAddr> =
                ipvs.real_servers(&service).unwrap().iter().map(|status| status.server.address).collect();
            listed.sort();
            assert_eq!(listed, (0..count).map(numbered).collect::<Vec<_>>(), "{count}");
        });
    }
}

#[test]
fn timeouts_are_set_one_by_one() {
    if !require(Need::Ipvs) {
        return;
    }
    alone(|| {
        let mut ipvs = open();
        ipvs.set_timeouts(Timeouts { tcp: 901, tcp_fin: 121, udp: 301 }).unwrap();
        ipvs.set_timeouts(Timeouts { tcp: 0, tcp_fin: 0, udp: 200 }).unwrap();
        assert_eq!(ipvs.timeouts(), Ok(Timeouts { tcp: 901, tcp_fin: 121, udp: 200 }));
        assert_eq!(run("ipvsadm -L --timeout").trim(), "Timeout (tcp tcpfin udp): 901 121 200");
    });
}

#[test]
fn the_version_is_ipvsadms() {
    if !require(Need::Ipvs) {
        return;
    }
    alone(|| {
        let info = open().info().unwrap();
        let (major, minor, patch) = info.version;
        let size = info.connection_table_size;
        let heading = format!("IP Virtual Server version {major}.{minor}.{patch} (size={size})");
        assert_eq!(run("ipvsadm -Ln").lines().next(), Some(heading.as_str()));
    });
}

/// Connections and counters of a real server, as a connection through IPVS makes them.
#[test]
fn traffic_is_counted() {
    if !require(Need::Ipvs) {
        return;
    }
    alone(|| {
        let mut ipvs = open();
        run("ip address add 10.96.0.1/32 dev lo");
        run("ip address add 10.244.0.1/32 dev lo");
        let listener = TcpListener::bind(("10.244.0.1", 8080)).unwrap();
        let service = address(TCP, "10.96.0.1", 80);
        let requests = [add(config(service, "rr")), add_server(service, server(numbered(1), 8080, 1))];
        assert_eq!(ipvs.apply(&requests), Ok(vec![Ok(()), Ok(())]));
        let client = TcpStream::connect(("10.96.0.1", 80)).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let mut found = None;
        // The kernel sums its counters up every two seconds, at another moment for each element, and maybe between two
        // packets.
        lab::wait::until(Duration::from_secs(60), || {
            let status = ipvs.real_servers(&service).unwrap().pop().expect("a real server");
            let listed = ipvs.virtual_servers().unwrap();
            let served: Vec<u64> = listed.iter().map(|server| server.stats.connections).collect();
            let is_counted = served == [1] && status.stats.packets_in >= 2;
            found = Some((status, served));
            is_counted
        });
        let (status, served) = found.expect("it was looked at");
        assert_eq!((status.active_connections, status.stats.connections), (1, 1));
        assert!(status.stats.packets_in >= 2 && status.stats.bytes_in >= 80, "{:?}", status.stats);
        assert!(status.stats.packets_out >= 1 && status.stats.bytes_out >= 40, "{:?}", status.stats);
        assert_eq!(served, [1]);
        drop((client, accepted));
    });
}
