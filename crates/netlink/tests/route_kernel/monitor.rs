//! Changes as they are told.

use std::{os::fd::AsFd, time::Duration};

use lab::{Need, require};
use netlink::{
    Error,
    route::{Event, InterfaceAddress, Link, Monitor, Route, Scope},
};

use crate::{
    PROTOCOL, add, add_route, delete, delete_route, ip, local_route, make_link,
    namespace::{in_new_namespace, run},
    numbered,
};

/// Ends a test whose event never comes; the kernel has sent most of them already.
const LIMIT: Duration = Duration::from_secs(30);

/// The next event that is no link's: that a link is up the kernel tells some time after it was set up.
fn next_but_links(monitor: &mut Monitor) -> Option<Event> {
    loop {
        match monitor.next(LIMIT).unwrap() {
            Some(Event::LinkChanged(_)) => {}
            other => return other,
        }
    }
}

/// Waits for an event, past others.
#[track_caller]
fn wait_for(monitor: &mut Monitor, wanted: &Event) {
    let mut seen = Vec::new();
    while seen.last() != Some(wanted) {
        let event = monitor.next(LIMIT).unwrap();
        assert!(event.is_some(), "{wanted:?} is not in {seen:?}");
        seen.extend(event);
    }
}

#[test]
fn changes_are_seen() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut monitor = Monitor::open().unwrap();
        assert_eq!(monitor.next(Duration::ZERO), Ok(None));
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route);
        route.apply(&[add(link.index, ip("10.96.0.1")), delete(link.index, ip("10.96.0.1"))]).unwrap();
        route.delete_link(link.index).unwrap();
        assert!(nix::fcntl::fcntl(monitor.as_fd(), nix::fcntl::FcntlArg::F_GETFD).is_ok());

        let mut seen = Vec::new();
        while let Some(event) = monitor.next(LIMIT).unwrap() {
            let last = matches!(&event, Event::LinkRemoved(removed) if removed.name == "v1");
            seen.push(event);
            if last {
                break;
            }
        }
        let address = InterfaceAddress {
            link: link.index,
            address: ip("10.96.0.1"),
            prefix: 32,
            scope: Scope::Universe,
        };
        let place = |wanted: &Event| seen.iter().position(|event| event == wanted);
        let made = place(&Event::LinkChanged(link.clone()));
        let added = place(&Event::AddressChanged(address));
        let removed = place(&Event::AddressRemoved(address));
        let gone = place(&Event::LinkRemoved(link));
        let places = [made, added, removed, gone];
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{seen:?}");
    });
}

#[test]
fn of_routes_only_the_removal_of_the_protocols_own_local_ones_is_seen() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        run("ip link set v0 up");
        run("ip address add 192.0.2.1/24 dev v0");
        let mut monitor = Monitor::open().unwrap();
        monitor.follow_local_routes(PROTOCOL).unwrap();
        run("ip route add 198.51.100.0/24 dev v0 proto 118");
        run("ip route del 198.51.100.0/24 dev v0 proto 118");
        run("ip route append local 10.96.0.1/32 dev v0 table local proto static");
        run("ip route del local 10.96.0.1/32 dev v0 table local proto static");
        route.apply(&[add_route(link, "10.96.0.1"), delete_route(link, "10.96.0.1")]).unwrap();
        route.apply(&[add(link, ip("10.96.0.2"))]).unwrap();
        let removed = Event::LocalRouteRemoved(local_route(link, "10.96.0.1"));
        assert_eq!(next_but_links(&mut monitor), Some(removed));
        // Addresses still come.
        let next = next_but_links(&mut monitor);
        assert!(
            matches!(next, Some(Event::AddressChanged(seen)) if seen.address == ip("10.96.0.2")),
            "{next:?}"
        );
    });
}

/// As a router advertisement does every few minutes: there is an event, and nothing in it that differs.
#[test]
fn a_new_lifetime_is_an_event_with_the_same_address() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        run("ip link set v0 up");
        run("ip link set v1 up");
        run("ip address add fd00::1/64 dev v0 nodad valid_lft 1000 preferred_lft 500");
        let mut listed = route.addresses_of(link).unwrap();
        // The other is the address of the link itself.
        listed.retain(|listed| listed.scope == Scope::Universe);
        let address = *listed.first().expect("it was added");
        let mut monitor = Monitor::open().unwrap();
        run("ip address change fd00::1/64 dev v0 valid_lft 2000 preferred_lft 1000");
        wait_for(&mut monitor, &Event::AddressChanged(address));
        assert!(route.addresses_of(link).unwrap().contains(&address));
    });
}

#[test]
fn a_renamed_link_keeps_its_number_and_a_moved_one_is_gone() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let elsewhere =
            lab::namespace::Namespace::create(format!("netlink-test-{}", std::process::id())).unwrap();
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route);
        route.apply(&[add(link.index, ip("10.96.0.1")), add(link.index, ip("fd00::1"))]).unwrap();
        let mut addresses = route.addresses_of(link.index).unwrap();
        addresses.sort();

        let mut monitor = Monitor::open().unwrap();
        run("ip link set v0 name w0");
        let renamed = Link { name: "w0".to_owned(), ..link };
        wait_for(&mut monitor, &Event::LinkChanged(renamed.clone()));
        let mut listed = route.addresses_of(renamed.index).unwrap();
        listed.sort();
        assert_eq!(listed, addresses);

        run(&format!("ip link set w0 netns {}", elsewhere.name()));
        let mut removed = Vec::new();
        loop {
            match monitor.next(LIMIT).unwrap().expect("the link's end comes") {
                Event::AddressRemoved(address) => removed.push(address),
                Event::LinkRemoved(gone) if gone.index == renamed.index => break,
                _ => {}
            }
        }
        removed.sort();
        assert_eq!(removed, addresses);
        assert_eq!(route.addresses_of(renamed.index), Ok(Vec::new()));
    });
}

/// Thousands of events without a reader fill the receive buffer.
#[test]
fn lost_events_are_an_error_and_not_the_end() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut monitor = Monitor::open().unwrap();
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        let mut lost = false;
        for _ in 0..200 {
            let requests: Vec<_> = (0..64)
                .flat_map(|number| [add(link, numbered(number)), delete(link, numbered(number))])
                .collect();
            route.apply(&requests).unwrap();
        }
        while let Some(event) = monitor.next(Duration::ZERO).transpose() {
            lost |= matches!(event, Err(Error::LostReplies { .. }));
        }
        assert!(lost);
        route.apply(&[add(link, ip("192.0.2.1"))]).unwrap();
        let event = monitor.next(Duration::MAX).unwrap();
        assert!(
            matches!(event, Some(Event::AddressChanged(seen)) if seen.address == ip("192.0.2.1")),
            "{event:?}"
        );
    });
}
