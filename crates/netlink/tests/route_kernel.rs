//! Links, addresses and local routes in the running kernel, in a network namespace of each test's own, against `ip`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

#[path = "route_kernel/addresses.rs"]
mod addresses;
#[path = "route_kernel/links.rs"]
mod links;
#[path = "route_kernel/local_routes.rs"]
mod local_routes;
#[path = "route_kernel/monitor.rs"]
mod monitor;
#[path = "support/namespace.rs"]
mod namespace;

use std::net::{IpAddr, Ipv4Addr};

use namespace::{run, sorted};
use netlink::{
    Errno,
    route::{AddressRequest, Link, LocalRoute, Route},
};

/// A protocol number that no routing daemon has.
const PROTOCOL: u8 = 118;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn numbered(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a60_0000 + number))
}

fn add(link: u32, address: IpAddr) -> AddressRequest {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    AddressRequest::Add { link, address, prefix }
}

fn delete(link: u32, address: IpAddr) -> AddressRequest {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    AddressRequest::Delete { link, address, prefix }
}

fn local_route(link: u32, address: &str) -> LocalRoute {
    LocalRoute { link, address: address.parse().unwrap(), protocol: PROTOCOL }
}

fn add_route(link: u32, address: &str) -> AddressRequest {
    AddressRequest::AddRoute(local_route(link, address))
}

fn delete_route(link: u32, address: &str) -> AddressRequest {
    AddressRequest::DeleteRoute(local_route(link, address))
}

fn errnos(outcomes: &[netlink::Outcome]) -> Vec<Option<Errno>> {
    outcomes.iter().map(|outcome| outcome.as_ref().err().map(|refused| refused.errno)).collect()
}

/// A link that every kernel has; dummy links are for the guest.
fn make_link(route: &mut Route) -> Link {
    run("ip link add v0 type veth peer name v1");
    route.link("v0").unwrap().expect("v0 was made")
}

/// Address and prefix as `ip` prints them.
fn shown(link: &str) -> Vec<String> {
    let brief = run(&format!("ip -brief address show dev {link}"));
    sorted(&brief.split_whitespace().skip(2).collect::<Vec<_>>().join("\n"))
}
