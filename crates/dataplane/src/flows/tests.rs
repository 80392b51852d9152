use expect_test::{Expect, expect};
use plan::{RealServer, Scheduler, VirtualServerConfig};

use super::*;

fn key(text: &str) -> VirtualServerKey {
    let (socket, protocol) = text.split_once('/').unwrap();
    let socket: std::net::SocketAddr = socket.parse().unwrap();
    let protocol = if protocol == "UDP" { Protocol::Udp } else { Protocol::Tcp };
    VirtualServerKey { address: socket.ip(), port: socket.port(), protocol }
}

fn real(text: &str) -> RealServer {
    let socket: std::net::SocketAddr = text.parse().unwrap();
    RealServer { address: socket.ip(), port: socket.port(), weight: 1, masqueraded: true }
}

/// What is stale after operations such as `+ 10.96.0.10:53/UDP` (a virtual server appears) or
/// `- 10.96.0.10:53/UDP 10.244.1.5:53` (a real server goes).
fn check(operations: &[&str], expected: Expect) {
    let config = VirtualServerConfig {
        scheduler: Some(Scheduler::Rr),
        scheduler_flags: 0,
        persistence: None,
        unusual: false,
    };
    let operations: Vec<Operation> = operations
        .iter()
        .map(|text| match text.split(' ').collect::<Vec<_>>()[..] {
            ["+", server] => Operation::AddVirtualServer(key(server), config),
            ["-", server] => Operation::RemoveVirtualServer(key(server)),
            ["+", server, place] => Operation::AddRealServer(key(server), real(place)),
            ["-", server, place] => Operation::RemoveRealServer(key(server), real(place), None),
            _ => panic!("{text:?} is no operation"),
        })
        .collect();
    let lines = after(operations).into_iter().map(|(key, stale)| {
        let (word, places) = match stale {
            Stale::To(places) => ("to", places),
            Stale::NotTo(places) => ("not to", places),
        };
        let places: Vec<String> =
            places.iter().map(|place| format!("{} {}", place.address, place.port)).collect();
        format!("{key} {word} [{}]\n", places.join(", "))
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn flows_to_removed_real_servers() {
    check(
        &[
            "- 10.96.0.10:53/UDP 10.244.1.5:53",
            "+ 10.96.0.10:53/UDP 10.244.1.6:53",
            "- 10.96.0.10:53/UDP 10.244.1.7:53",
        ],
        expect![[r#"
            10.96.0.10:53/UDP to [10.244.1.5 53, 10.244.1.7 53]
        "#]],
    );
}

#[test]
fn all_flows_to_a_removed_virtual_server() {
    check(
        &["- 10.96.0.10:53/UDP 10.244.1.5:53", "- 10.96.0.10:53/UDP"],
        expect![[r#"
            10.96.0.10:53/UDP not to []
        "#]],
    );
}

#[test]
fn flows_that_passed_by_a_virtual_server_before_it_was_there() {
    check(
        &["+ 10.96.0.10:53/UDP", "+ 10.96.0.10:53/UDP 10.244.1.5:53"],
        expect![[r#"
            10.96.0.10:53/UDP not to [10.244.1.5 53]
        "#]],
    );
}

#[test]
fn other_protocols_find_out_by_themselves() {
    check(&["- 10.96.0.10:53/TCP 10.244.1.5:53", "+ 10.96.0.11:53/TCP", "- 10.96.0.12:53/TCP"], expect![""]);
}

#[test]
fn an_endpoint_that_only_appears_makes_nothing_stale() {
    check(&["+ 10.96.0.10:53/UDP 10.244.1.5:53"], expect![""]);
}
