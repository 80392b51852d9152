use std::net::IpAddr;

use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader};
use netlink_packet_route::{RouteNetlinkMessage, address::AddressAttribute};

use crate::{
    Errno, Error, Outcome, Refused,
    message::{Message, Messages},
    replay::{Compare, datagrams, replay, replay_edited},
};

use super::{
    AddressRequest, Event, InterfaceAddress, Link, LocalRoute, Route, Scope, addresses, links, local_routes,
    monitor,
};

/// `netlink-packet-route` ends the kind of a link with a zero byte, `ip` does not; both have the same padding.
fn route_to_link_kinds(capture: &str) -> Route {
    let edits: [(&[u8], &[u8]); 1] = [(&[9, 0, 1, 0, b'd'], &[10, 0, 1, 0, b'd'])];
    Route { connection: replay_edited(&format!("route/{capture}"), Compare::Bytes, &edits), strict: true }
}

fn route(capture: &str, compare: Compare) -> Route {
    Route { connection: replay(&format!("route/{capture}"), compare), strict: true }
}

#[track_caller]
fn check(capture: &str, request: AddressRequest, expected: Outcome) {
    assert_eq!(route(capture, Compare::Bytes).apply(&[request]), Ok(vec![expected]));
}

fn refused(errno: Errno, message: &str) -> Outcome {
    Err(Refused { errno, message: Some(message.to_owned()) })
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn add(address: &str, prefix: u8) -> AddressRequest {
    AddressRequest::Add { link: 3, address: ip(address), prefix }
}

fn delete(address: &str) -> AddressRequest {
    AddressRequest::Delete { link: 3, address: ip(address), prefix: 32 }
}

fn listed(link: u32, address: &str, prefix: u8, scope: Scope) -> InterfaceAddress {
    InterfaceAddress { link, address: ip(address), prefix, scope }
}

fn link(index: u32, name: &str, kind: Option<&str>, up: bool) -> Link {
    Link { index, name: name.to_owned(), kind: kind.map(str::to_owned), up }
}

#[test]
fn adds_and_deletes_addresses_as_ip_does() {
    check("address-add-v4", add("10.96.0.1", 32), Ok(()));
    check("address-add-v6", add("fd00::1", 128), Ok(()));
    check("address-delete", delete("10.96.0.1"), Ok(()));
}

#[test]
fn a_refusal_carries_the_kernels_words() {
    let exists = refused(Errno::EEXIST, "ipv4: Address already assigned");
    check("address-add-exists", add("10.96.0.1", 32), exists);
    let missing = refused(Errno::EADDRNOTAVAIL, "ipv4: Address not found");
    check("address-delete-missing", delete("10.96.0.9"), missing);
}

#[test]
fn lists_addresses() {
    // ip asks with a message that is longer than the header of its family.
    let all = route("address-list", Compare::Type).addresses();
    let of_link = [listed(3, "10.96.0.1", 32, Scope::Universe), listed(3, "fd00::1", 128, Scope::Universe)];
    let mut expected = vec![listed(1, "127.0.0.1", 8, Scope::Host), listed(1, "::1", 128, Scope::Host)];
    expected.extend(of_link);
    expected.sort();
    let mut all = all.unwrap();
    all.sort();
    assert_eq!(all, expected);
    let mut one = route("address-list-link", Compare::Type).addresses_of(3).unwrap();
    one.sort();
    assert_eq!(one, of_link);
}

fn local_route(link: u32, address: &str, protocol: u8) -> LocalRoute {
    LocalRoute { link, address: address.parse().unwrap(), protocol }
}

#[test]
fn adds_and_deletes_local_routes_as_ip_does() {
    let route = local_route(2, "10.96.0.1", 118);
    check("local-route-add", AddressRequest::AddRoute(route), Ok(()));
    check("local-route-delete", AddressRequest::DeleteRoute(route), Ok(()));
    let refused = |errno| Err(Refused { errno, message: None });
    check("local-route-add-exists", AddressRequest::AddRoute(route), refused(Errno::EEXIST));
    check("local-route-delete-missing", AddressRequest::DeleteRoute(route), refused(Errno::ESRCH));
}

#[test]
fn lists_the_local_routes_of_a_link_and_a_protocol() {
    let list =
        |link, protocol| route("local-route-list", Compare::Type).local_routes(link, protocol).unwrap();
    // The kernel does not filter by prefix length.
    assert_eq!(list(2, 118), [local_route(2, "10.96.0.1", 118)]);
    // Nor by anything, if it is old.
    assert_eq!(list(2, 4), []);
    assert_eq!(list(3, 118), []);
}

#[test]
fn tells_local_routes_to_single_addresses_from_all_others() {
    let mut found = Vec::new();
    for (_, datagram) in datagrams("route/local-route-list-all") {
        for message in Messages::new(&datagram) {
            found.extend(local_routes::parse(&message.unwrap()).unwrap());
        }
    }
    let expected = [
        local_route(2, "10.96.0.1", 118),
        local_route(3, "10.96.0.1", 118),
        local_route(2, "10.96.0.2", 2),
        local_route(2, "10.96.0.3", 4),
        local_route(1, "127.0.0.1", 2),
    ];
    assert_eq!(found, expected);
}

#[test]
fn makes_and_deletes_a_dummy_link_as_ip_does() {
    assert_eq!(route_to_link_kinds("link-add-dummy").create_dummy("kube-ipvs0"), Ok(()));
    assert_eq!(route("link-delete", Compare::Bytes).delete_link(4), Ok(()));
}

#[test]
fn a_kernel_without_dummy_links_says_so() {
    let error = route_to_link_kinds("link-add-unsupported").create_dummy("dummy0").unwrap_err();
    assert_eq!(
        error.to_string(),
        "making a dummy link: the kernel refused: EOPNOTSUPP (Operation not supported on transport endpoint): \
         Unknown device type"
    );
}

#[test]
fn finds_links() {
    let veth = route("link-show", Compare::Type).link("d0");
    assert_eq!(veth, Ok(Some(link(3, "d0", Some("veth"), false))));
    let dummy = route("link-show-dummy", Compare::Type).link("kube-ipvs0");
    assert_eq!(dummy, Ok(Some(link(4, "kube-ipvs0", Some("dummy"), false))));
    assert_eq!(route("link-missing", Compare::Type).link("nosuch"), Ok(None));
}

#[test]
fn lists_links() {
    let expected = vec![
        link(1, "lo", None, true),
        link(2, "eth0", None, true),
        link(3, "d0", Some("dummy"), true),
        link(4, "kube-ipvs0", Some("dummy"), false),
    ];
    assert_eq!(route("link-list", Compare::Type).links(), Ok(expected));
}

#[test]
fn names_that_no_link_can_have_are_not_sent() {
    let mut route = route("link-missing", Compare::Type);
    for name in ["", "sixteen-letters-", "kube\0"] {
        assert_eq!(route.link(name), Ok(None));
        let Err(Error::Kernel { errno, .. }) = route.create_dummy(name) else { panic!("{name:?} was sent") };
        assert_eq!(errno, Errno::EINVAL);
    }
    // The captured question has to be asked after all.
    assert_eq!(route.link("nosuch"), Ok(None));
}

#[test]
fn reads_events() {
    let mut events = Vec::new();
    for (_, datagram) in datagrams("route/monitor") {
        for message in Messages::new(&datagram) {
            events.extend(monitor::parse(&message.unwrap()).unwrap());
        }
    }
    let added = listed(3, "10.9.9.9", 32, Scope::Universe);
    let v6 = listed(3, "fd00::1", 128, Scope::Universe);
    let expected = [
        Event::LinkChanged(link(2, "d1", Some("veth"), true)),
        Event::AddressChanged(added),
        Event::AddressRemoved(added),
        Event::LinkChanged(link(2, "d1", Some("veth"), false)),
        Event::AddressRemoved(v6),
        Event::LinkRemoved(link(3, "d0", Some("veth"), false)),
        Event::LinkRemoved(link(2, "d1", Some("veth"), false)),
    ];
    assert_eq!(events, expected);
}

/// The parser of `netlink-packet-route`, which reads every attribute, as a second opinion.
#[test]
fn agrees_with_the_library_on_addresses() {
    let mut addresses = Vec::new();
    for (_, datagram) in datagrams("route/address-list") {
        for message in Messages::new(&datagram) {
            let message = message.unwrap();
            if message.kind != addresses::RTM_NEWADDR {
                continue;
            }
            let ours = addresses::parse(&message).unwrap().unwrap();
            let mut header = NetlinkHeader::default();
            header.message_type = message.kind;
            let theirs = RouteNetlinkMessage::deserialize(&header, message.payload).unwrap();
            let RouteNetlinkMessage::NewAddress(theirs) = theirs else { panic!("an address") };
            assert!(theirs.attributes.contains(&AddressAttribute::Address(ours.address)));
            assert_eq!((theirs.header.index, theirs.header.prefix_len), (ours.link, ours.prefix));
            addresses.push(ours);
        }
    }
    assert_eq!(addresses.len(), 4);
}

pub(crate) fn parse_as_anything(message: &Message<'_>) {
    let _ = (
        addresses::parse(message),
        links::parse(message),
        local_routes::parse(message),
        monitor::parse(message),
    );
}
