//! Tracked flows in the running kernel, in a network namespace of each test's own, against `conntrack`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

#[path = "support/namespace.rs"]
mod namespace;

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use lab::{Need, require};
use namespace::{in_new_namespace, run, sorted};
use netlink::{
    Errno, Outcome, Refused,
    conntrack::{Conntrack, Family, Filter, Flow, Tuple},
};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// A Service address and two endpoints, of one family.
struct Addresses {
    family: Family,
    flag: &'static str,
    client: &'static str,
    service: &'static str,
    other_service: &'static str,
    endpoints: [&'static str; 2],
}

const V4: Addresses = Addresses {
    family: Family::Inet,
    flag: "ipv4",
    client: "10.0.0.1",
    service: "10.96.0.10",
    other_service: "10.96.0.11",
    endpoints: ["10.1.0.5", "10.1.0.6"],
};

const V6: Addresses = Addresses {
    family: Family::Inet6,
    flag: "ipv6",
    client: "fd00::1",
    service: "fd00:10:96::a",
    other_service: "fd00:10:96::b",
    endpoints: ["fd01::5", "fd01::6"],
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn missing() -> Outcome {
    Err(Refused { errno: Errno::ENOENT, message: None })
}

fn require_tools() -> bool {
    require(Need::Root) && require(Need::Program("conntrack"))
}

/// Makes a flow with translated answers: `endpoint` answers from port 5353.
fn make(
    protocol: &str,
    client: &str,
    source_port: u16,
    service: &str,
    port: u16,
    endpoint: &str,
    more: &str,
) {
    run(&format!(
        "conntrack -I -p {protocol} -s {client} -d {service} --sport {source_port} --dport {port} -r {endpoint} \
         -q {client} --reply-port-src 5353 --reply-port-dst {source_port} -t 600{more}"
    ));
}

/// Flows of one family to two Services with two endpoints, on two ports, and some of other protocols.
fn make_all(addresses: &Addresses) {
    let Addresses { client, service, other_service, endpoints: [first, second], .. } = addresses;
    make("udp", client, 4001, service, 53, first, "");
    make("udp", client, 4002, service, 53, second, "");
    make("udp", client, 4003, service, 54, first, "");
    make("udp", client, 4004, other_service, 53, first, "");
    make("tcp", client, 4001, service, 53, first, " --state ESTABLISHED -u SEEN_REPLY");
    make("sctp", client, 4001, service, 53, first, " --state ESTABLISHED --orig-vtag 1 --reply-vtag 2");
}

/// The table as `conntrack` lists it, without what changes with time.
fn shown() -> Vec<String> {
    let lines = [run("conntrack -L -f ipv4 -o id"), run("conntrack -L -f ipv6 -o id")].concat();
    let stable = |line: &str| {
        let words = line.split_whitespace().enumerate();
        let words = words.filter(|(place, word)| *place != 2 && !word.starts_with("use="));
        words.map(|(_, word)| word.to_owned()).collect::<Vec<_>>().join(" ")
    };
    sorted(&lines.lines().map(stable).collect::<Vec<_>>().join("\n"))
}

/// The lines of [`shown`] that name none of the flows.
fn without(lines: &[String], flows: &[Flow]) -> Vec<String> {
    let is_one =
        |line: &&String| flows.iter().any(|flow| line.ends_with(&format!("id={}", flow.id.unwrap())));
    lines.iter().filter(|line| !is_one(line)).cloned().collect()
}

fn source_ports(flows: &[Flow]) -> Vec<u16> {
    flows.iter().map(|flow| flow.original.source_port).collect()
}

#[test]
fn flows_are_as_conntrack_shows_them() {
    if !require_tools() {
        return;
    }
    in_new_namespace(|| {
        make_all(&V4);
        make_all(&V6);
        let mut conntrack = Conntrack::open().unwrap();
        let mut lines = Vec::new();
        for family in [Family::Inet, Family::Inet6] {
            for (name, protocol) in [("tcp", TCP), ("udp", UDP), ("sctp", SCTP)] {
                for flow in conntrack.flows(&Filter::new(family, protocol)).unwrap() {
                    assert_eq!(flow.protocol, protocol);
                    let side = |Tuple { source, source_port, destination, destination_port }: Tuple| {
                        format!("src={source} dst={destination} sport={source_port} dport={destination_port}")
                    };
                    let (original, reply) = (side(flow.original), side(flow.reply));
                    lines.push(format!("{name} {original} {reply} id={}", flow.id.unwrap()));
                }
            }
        }
        let shown = shown().into_iter().map(|line| {
            let plain = |word: &&str| {
                word.parse::<u8>().is_err()
                    && !word.starts_with('[')
                    && !word.starts_with("mark=")
                    && *word != "ESTABLISHED"
            };
            line.split(' ').filter(plain).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(sorted(&lines.join("\n")), sorted(&shown.collect::<Vec<_>>().join("\n")));
        assert_eq!(lines.len(), 12);
    });
}

#[test]
fn a_filter_gives_the_same_for_both_families() {
    if !require_tools() {
        return;
    }
    in_new_namespace(|| {
        make_all(&V4);
        make_all(&V6);
        let mut conntrack = Conntrack::open().unwrap();
        for Addresses { family, service, other_service, .. } in [V4, V6] {
            let mut check = |protocol, original_destination: Option<&str>, port, expected: &[u16]| {
                let filter = Filter {
                    family,
                    protocol,
                    original_destination: original_destination.map(ip),
                    original_destination_port: port,
                };
                assert_eq!(source_ports(&conntrack.flows(&filter).unwrap()), expected, "{filter:?}");
            };
            check(UDP, None, None, &[4001, 4002, 4003, 4004]);
            check(UDP, Some(service), None, &[4001, 4002, 4003]);
            check(UDP, Some(service), Some(53), &[4001, 4002]);
            check(UDP, Some(other_service), None, &[4004]);
            check(UDP, None, Some(54), &[4003]);
            check(UDP, Some(other_service), Some(54), &[]);
            check(SCTP, Some(service), Some(53), &[4001]);
            check(SCTP, Some(service), Some(54), &[]);
        }
    });
}

/// The result would be the same without, but not the cost.
#[test]
fn the_kernel_filters() {
    if !require_tools() {
        return;
    }
    in_new_namespace(|| {
        for (Addresses { client, service, other_service, endpoints: [endpoint, _], .. }, count) in
            [(V4, 200), (V6, 200)]
        {
            make("udp", client, 4000, other_service, 54, endpoint, "");
            for number in 0..count {
                make("udp", client, 5000 + number, service, 53, endpoint, "");
            }
        }
        for Addresses { family, other_service, .. } in [V4, V6] {
            let mut conntrack = Conntrack::open().unwrap();
            let filter = Filter {
                original_destination: Some(ip(other_service)),
                original_destination_port: Some(54),
                ..Filter::new(family, UDP)
            };
            assert_eq!(source_ports(&conntrack.flows(&filter).unwrap()), [4000]);
            let traffic = conntrack.traffic();
            // One datagram with the flow, and one with the end; the table would fill more.
            assert_eq!((traffic.sends, traffic.receives), (1, 2), "{family:?}");
            assert_eq!(conntrack.flows(&Filter::new(family, UDP)).unwrap().len(), 201);
            assert!(conntrack.traffic().receives - traffic.receives > 2);
        }
    });
}

#[test]
fn exactly_the_given_flows_are_deleted() {
    if !require_tools() {
        return;
    }
    in_new_namespace(|| {
        make_all(&V4);
        make_all(&V6);
        let mut conntrack = Conntrack::open().unwrap();
        for Addresses { family, service, endpoints: [gone, _], .. } in [V4, V6] {
            let filter = Filter {
                original_destination: Some(ip(service)),
                original_destination_port: Some(53),
                ..Filter::new(family, UDP)
            };
            let mut stale = conntrack.flows(&filter).unwrap();
            stale.retain(|flow| flow.reply.source == ip(gone));
            assert_eq!(source_ports(&stale), [4001]);

            let before = shown();
            assert_eq!(conntrack.delete(&stale), Ok(vec![Ok(())]));
            assert_eq!(shown(), without(&before, &stale));
            assert_eq!(shown().len(), before.len() - 1);
            assert_eq!(conntrack.delete(&stale), Ok(vec![missing()]));
        }
    });
}

#[test]
fn many_flows_are_deleted_with_one_outcome_each() {
    if !require_tools() {
        return;
    }
    in_new_namespace(|| {
        let Addresses { client, service, endpoints: [endpoint, _], .. } = V6;
        for number in 0..150 {
            make("udp", client, 5000 + number, service, 53, endpoint, "");
        }
        let mut conntrack = Conntrack::open().unwrap();
        let mut flows = conntrack.flows(&Filter::new(Family::Inet6, UDP)).unwrap();
        let spared = flows.split_off(140);
        let gone: Vec<Flow> = flows.iter().copied().step_by(7).collect();
        assert_eq!(conntrack.delete(&gone), Ok(vec![Ok(()); gone.len()]));

        let before = conntrack.traffic();
        let expected: Vec<Outcome> =
            flows.iter().map(|flow| if gone.contains(flow) { missing() } else { Ok(()) }).collect();
        assert_eq!(conntrack.delete(&flows), Ok(expected));
        assert_eq!(conntrack.traffic().sends - before.sends, 3);
        assert_eq!(conntrack.flows(&Filter::new(Family::Inet6, UDP)), Ok(spared));
    });
}

/// The kernel gives a flow that is made again the same number, if it has the same place in memory; and answers of one
/// endpoint look the same, whatever it was called.
#[test]
fn a_flow_that_was_made_again_with_one_other_tuple_lives() {
    if !require_tools() {
        return;
    }
    in_new_namespace(|| {
        let mut conntrack = Conntrack::open().unwrap();
        for Addresses { family, flag, client, service, other_service, endpoints: [old, new] } in [V4, V6] {
            let ways = [(service, old), (service, new), (other_service, new), (other_service, old)];
            // Again and again, so that flows get places in memory that others had before.
            let mut ended: Vec<Flow> = Vec::new();
            for (service, endpoint) in ways.into_iter().cycle().take(20) {
                make("udp", client, 4001, service, 53, endpoint, "");
                let made = shown();
                let [flow] = conntrack.flows(&Filter::new(family, UDP)).unwrap().try_into().unwrap();
                ended.retain(|ended| (ended.original, ended.reply) != (flow.original, flow.reply));
                assert_eq!(conntrack.delete(&ended), Ok(vec![missing(); ended.len()]));
                assert_eq!(shown(), made);
                ended.push(flow);
                run(&format!("conntrack -D -f {flag} -p udp"));
            }
        }
    });
}

/// One tuple, four times: a zone for both directions, for one, for the other, and none.
#[test]
fn a_flow_is_deleted_in_its_zone_only() {
    if !require_tools() {
        return;
    }
    in_new_namespace(|| {
        let mut conntrack = Conntrack::open().unwrap();
        for Addresses { family, client, service, other_service, endpoints: [endpoint, other], .. } in [V4, V6]
        {
            make("udp", client, 4001, service, 53, endpoint, "");
            make("udp", client, 4001, service, 53, endpoint, " -w 7");
            make("udp", client, 4001, service, 53, other, " --orig-zone 8");
            make("udp", client, 4001, other_service, 53, endpoint, " --reply-zone 9");
            let flows = conntrack.flows(&Filter::new(family, UDP)).unwrap();
            let zones: Vec<Option<u16>> = flows.iter().map(|flow| flow.zone).collect();
            assert_eq!(sorted_zones(zones), [None, None, Some(7), Some(9)]);
            for flow in flows {
                let before = shown();
                assert_eq!(conntrack.delete(&[flow]), Ok(vec![Ok(())]), "{flow:?}");
                assert_eq!(shown(), without(&before, &[flow]));
                assert_eq!(shown().len(), before.len() - 1);
            }
        }
    });
}

fn sorted_zones(mut zones: Vec<Option<u16>>) -> Vec<Option<u16>> {
    zones.sort_unstable();
    zones
}

/// Sends a datagram to a Service, and returns the flow that it belongs to.
fn send(conntrack: &mut Conntrack, from: &UdpSocket, to: SocketAddr) -> Flow {
    from.send_to(b"ping", to).unwrap();
    let source_port = from.local_addr().unwrap().port();
    let filter = Filter {
        original_destination: Some(to.ip()),
        original_destination_port: Some(to.port()),
        ..Filter::new(Family::of(to.ip()), UDP)
    };
    let mut flows = conntrack.flows(&filter).unwrap();
    flows.retain(|flow| flow.original.source_port == source_port);
    let [flow] = flows.try_into().expect("a client's port has one flow");
    flow
}

/// Gives the loopback an address, and waits until it can be used: the kernel makes the route to an IPv6 address a
/// little later.
fn make_local(address: &str) {
    let (version, prefix) = if ip(address).is_ipv4() { ("-4", 32) } else { ("-6", 128) };
    run(&format!("ip address add {address}/{prefix} dev lo"));
    let is_usable = || {
        let route = run(&format!("ip {version} route show table local type local {address}"));
        UdpSocket::bind((ip(address), 0)).is_ok() && !route.is_empty()
    };
    assert!(lab::wait::until(Duration::from_secs(20), is_usable), "{address}");
}

#[test]
fn real_packets_go_to_the_new_endpoint_once_the_flow_is_deleted() {
    if !require_tools() || !require(Need::Program("iptables")) || !require(Need::Program("ip6tables")) {
        return;
    }
    in_new_namespace(|| {
        run("ip link set lo up");
        let mut conntrack = Conntrack::open().unwrap();
        for (iptables, addresses) in [("iptables", V4), ("ip6tables", V6)] {
            let Addresses { client, service, endpoints: [old, new], .. } = addresses;
            for address in [client, service, old, new] {
                make_local(address);
            }
            let endpoint = |address: &str| SocketAddr::new(ip(address), 5353);
            let _listeners = [old, new].map(|address| UdpSocket::bind(endpoint(address)).unwrap());
            let rule = |command: &str, to: &str| {
                let to = endpoint(to);
                run(&format!(
                    "{iptables} -t nat -{command} OUTPUT -p udp -d {service} --dport 53 -j DNAT --to-destination {to}"
                ));
            };
            let [stuck, busy] = [4001, 4002].map(|port| UdpSocket::bind((ip(client), port)).unwrap());
            let to = SocketAddr::new(ip(service), 53);
            rule("A", old);
            let first = send(&mut conntrack, &stuck, to);
            let other = send(&mut conntrack, &busy, to);
            assert_eq!((first.reply.source, first.reply.source_port), (ip(old), 5353));
            assert_eq!(first.reply.destination, ip(client));

            rule("D", old);
            rule("A", new);
            assert_eq!(send(&mut conntrack, &stuck, to), first, "the flow sticks to its endpoint");
            assert_eq!(conntrack.delete(&[first]), Ok(vec![Ok(())]));
            assert_eq!(send(&mut conntrack, &stuck, to).reply.source, ip(new));
            assert_eq!(send(&mut conntrack, &busy, to), other);
        }
    });
}
