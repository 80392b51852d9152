//! Links, addresses and local routes in the running kernel, in a network namespace of each test's own, against `ip`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

#[path = "support/namespace.rs"]
mod namespace;

use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    os::fd::AsFd,
    time::Duration,
};

use lab::{Need, require};
use namespace::{in_new_namespace, run, sorted};
use netlink::{
    Errno, Error,
    route::{AddressRequest, Event, InterfaceAddress, Link, LocalRoute, Monitor, Route, Scope},
};

/// Ends a test whose event never comes; the kernel has sent most of them already.
const LIMIT: Duration = Duration::from_secs(30);

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

/// A protocol number that no routing daemon has.
const PROTOCOL: u8 = 118;

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

#[test]
fn addresses_are_as_ip_shows_them() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route);
        let requests =
            ["10.96.0.1", "10.96.0.10", "fd00::1", "fd00:10:96::a"].map(|text| add(link.index, ip(text)));
        assert_eq!(route.apply(&requests), Ok(vec![Ok(()); 4]));
        assert_eq!(shown("v0"), ["10.96.0.1/32", "10.96.0.10/32", "fd00:10:96::a/128", "fd00::1/128"]);

        let wider = AddressRequest::Add { link: link.index, address: ip("192.0.2.1"), prefix: 24 };
        assert_eq!(route.apply(&[wider]), Ok(vec![Ok(())]));
        let listed = route.addresses_of(link.index).unwrap();
        let listed: Vec<String> =
            listed.iter().map(|address| format!("{}/{}", address.address, address.prefix)).collect();
        assert_eq!(sorted(&listed.join("\n")), shown("v0"));
    });
}

#[test]
fn the_list_has_the_addresses_of_all_links() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        run("ip link set lo up");
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route);
        route.apply(&[add(link.index, ip("10.96.0.1"))]).unwrap();
        let mut listed = route.addresses().unwrap();
        listed.sort();
        let on = |link, address: &str, prefix, scope| InterfaceAddress {
            link,
            address: ip(address),
            prefix,
            scope,
        };
        let expected = [
            on(1, "127.0.0.1", 8, Scope::Host),
            on(1, "::1", 128, Scope::Host),
            on(link.index, "10.96.0.1", 32, Scope::Universe),
        ];
        assert_eq!(listed, expected);
        assert_eq!(route.addresses_of(1).unwrap().len(), 2);
        assert_eq!(route.addresses_of(4711), Ok(Vec::new()));
    });
}

#[test]
fn refusals_name_the_element() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route);
        let address = ip("10.96.0.1");
        let requests = [
            add(link.index, address),
            add(link.index, address),
            delete(link.index, ip("10.96.0.2")),
            add(4711, address),
        ];
        let outcomes = route.apply(&requests).unwrap();
        let errnos: Vec<Option<Errno>> =
            outcomes.iter().map(|outcome| outcome.as_ref().err().map(|refused| refused.errno)).collect();
        assert_eq!(errnos, [None, Some(Errno::EEXIST), Some(Errno::EADDRNOTAVAIL), Some(Errno::ENODEV)]);
        assert_eq!(shown("v0"), ["10.96.0.1/32"]);
    });
}

/// Around the number of messages in one send, with a refusal at each end.
#[test]
fn any_number_of_addresses_arrives() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        for count in [1, 2, 63, 64, 65, 127, 128, 129, 1000] {
            let requests: Vec<_> = (0..count).map(|number| add(link, numbered(number))).collect();
            assert_eq!(route.apply(&requests), Ok(vec![Ok(()); requests.len()]), "{count}");
            let outcomes = route.apply(&requests).unwrap();
            assert!(
                outcomes
                    .iter()
                    .all(|outcome| { outcome.as_ref().is_err_and(|refused| refused.errno == Errno::EEXIST) })
            );
            let mut listed: Vec<IpAddr> =
                route.addresses_of(link).unwrap().into_iter().map(|address| address.address).collect();
            listed.sort();
            assert_eq!(listed, (0..count).map(numbered).collect::<Vec<_>>(), "{count}");
            let requests: Vec<_> = (0..count).map(|number| delete(link, numbered(number))).collect();
            assert_eq!(route.apply(&requests), Ok(vec![Ok(()); requests.len()]), "{count}");
            assert_eq!(route.addresses_of(link), Ok(Vec::new()), "{count}");
        }
    });
}

#[test]
fn a_thousand_addresses_take_sixteen_sends() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        let before = route.traffic();
        let requests: Vec<_> = (0..1000).map(|number| add(link, numbered(number))).collect();
        route.apply(&requests).unwrap();
        let after = route.traffic();
        assert_eq!(
            (after.messages - before.messages, after.sends - before.sends, after.receives - before.receives),
            (1000, 16, 16)
        );
    });
}

#[test]
fn a_local_route_makes_an_address_local() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        run("ip link set lo up");
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route);
        assert!(!link.up);
        let outcomes = route.apply(&[add_route(link.index, "10.96.0.1"), add_route(link.index, "10.96.0.2")]);
        assert_eq!(outcomes, Ok(vec![Ok(()); 2]));
        let shown = run("ip route show table local dev v0");
        assert_eq!(
            sorted(&shown),
            ["local 10.96.0.1 proto 118 scope host ", "local 10.96.0.2 proto 118 scope host "]
        );
        // Whoever sends to it does so from it, as with an address of a link.
        let receiver = UdpSocket::bind("10.96.0.1:0").unwrap();
        let sender = UdpSocket::bind("0.0.0.0:0").unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        assert_eq!(sender.local_addr().unwrap().ip(), ip("10.96.0.1"));
        assert_eq!(route.addresses_of(link.index), Ok(Vec::new()));

        let outcomes = route.apply(&[delete_route(link.index, "10.96.0.1")]);
        assert_eq!(outcomes, Ok(vec![Ok(())]));
        assert_eq!(route.local_routes(link.index, PROTOCOL), Ok(vec![local_route(link.index, "10.96.0.2")]));
        assert!(UdpSocket::bind("10.96.0.1:0").is_err());
    });
}

#[test]
fn local_routes_of_others_are_not_listed_and_not_touched() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        // The table is made with its first route.
        assert_eq!(route.local_routes(link, PROTOCOL), Ok(Vec::new()));
        run("ip address add 10.96.0.1/32 dev v0");
        run("ip address add 10.96.0.2/32 dev v1");
        run("ip route append local 10.96.0.3/32 dev v0 table local proto static");
        run("ip route append local 10.96.0.4/32 dev v1 table local proto 118");
        run("ip route append local 10.96.4.0/24 dev v0 table local proto 118");
        let others = sorted(&run("ip route show table local"));
        assert_eq!(route.local_routes(link, PROTOCOL), Ok(Vec::new()));

        let addresses = ["10.96.0.1", "10.96.0.2", "10.96.0.3", "10.96.0.4"];
        let missing = vec![Some(Errno::ESRCH); 4];
        let deletions = addresses.map(|address| delete_route(link, address));
        assert_eq!(errnos(&route.apply(&deletions).unwrap()), missing);
        // They stand beside what is there.
        assert_eq!(route.apply(&addresses.map(|address| add_route(link, address))), Ok(vec![Ok(()); 4]));
        let listed = route.local_routes(link, PROTOCOL).unwrap();
        assert_eq!(listed, addresses.map(|address| local_route(link, address)));
        assert_eq!(route.apply(&deletions), Ok(vec![Ok(()); 4]));
        assert_eq!(sorted(&run("ip route show table local")), others);
    });
}

#[test]
fn refused_local_routes_are_named() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        let requests = [
            add_route(link, "10.96.0.1"),
            add_route(link, "10.96.0.1"),
            delete_route(link, "10.96.0.2"),
            add_route(4711, "10.96.0.1"),
        ];
        let expected = [None, Some(Errno::EEXIST), Some(Errno::ESRCH), Some(Errno::ENODEV)];
        assert_eq!(errnos(&route.apply(&requests).unwrap()), expected);
        assert_eq!(route.local_routes(link, PROTOCOL), Ok(vec![local_route(link, "10.96.0.1")]));
        assert_eq!(route.local_routes(4711, PROTOCOL), Ok(Vec::new()));
    });
}

#[test]
fn any_number_of_local_routes_arrives_many_in_a_send() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        let routes: Vec<LocalRoute> = (0..1000)
            .map(|number| LocalRoute {
                link,
                address: Ipv4Addr::from_bits(0x0a60_0000 + number),
                protocol: PROTOCOL,
            })
            .collect();
        let before = route.traffic();
        let additions: Vec<_> = routes.iter().copied().map(AddressRequest::AddRoute).collect();
        assert_eq!(route.apply(&additions), Ok(vec![Ok(()); 1000]));
        let after = route.traffic();
        assert_eq!((after.messages - before.messages, after.sends - before.sends), (1000, 16));
        assert_eq!(route.local_routes(link, PROTOCOL).as_ref(), Ok(&routes));
        let deletions: Vec<_> = routes.iter().copied().map(AddressRequest::DeleteRoute).collect();
        assert_eq!(route.apply(&deletions), Ok(vec![Ok(()); 1000]));
        assert_eq!(route.local_routes(link, PROTOCOL), Ok(Vec::new()));
    });
}

/// Why the last address of a link must stay while there are routes.
#[test]
fn the_last_address_of_a_link_takes_its_local_routes_along() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        let [one, other] = ["10.96.0.1", "10.96.0.2"].map(ip);
        route.apply(&[add(link, one), add(link, other), add_route(link, "10.96.0.3")]).unwrap();
        route.apply(&[delete(link, one)]).unwrap();
        let kept = vec![local_route(link, "10.96.0.3")];
        assert_eq!(route.local_routes(link, PROTOCOL), Ok(kept));
        route.apply(&[delete(link, other)]).unwrap();
        assert_eq!(route.local_routes(link, PROTOCOL), Ok(Vec::new()));
    });
}

/// The next event that is no link's: that a link is up the kernel tells some time after it was set up.
fn next_but_links(monitor: &mut Monitor) -> Option<Event> {
    loop {
        match monitor.next(LIMIT).unwrap() {
            Some(Event::LinkChanged(_)) => {}
            other => return other,
        }
    }
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

#[test]
fn links_are_as_ip_shows_them() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let veth = make_link(&mut route);
        assert_eq!((veth.kind.as_deref(), veth.up), (Some("veth"), false));
        run("ip link set v0 up");
        assert_eq!(route.link("v0").unwrap().map(|link| link.up), Some(true));
        let listed = route.links().unwrap();
        let names: Vec<&str> = listed.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["lo", "v1", "v0"]);
        assert_eq!(listed.first().map(|lo| (lo.index, lo.kind.clone(), lo.up)), Some((1, None, false)));

        route.delete_link(veth.index).unwrap();
        assert_eq!(route.link("v0"), Ok(None));
        let Err(Error::Kernel { errno, .. }) = route.delete_link(veth.index) else {
            panic!("v0 is still there")
        };
        assert_eq!(errno, Errno::ENODEV);
    });
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

/// While the other end is down, the kernel cannot look for duplicates, and addresses stay tentative.
#[test]
fn tentative_and_deprecated_addresses_are_listed() {
    if !require(Need::Root) || !require(Need::Program("ip")) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let link = make_link(&mut route).index;
        run("ip link set v0 up");
        run("ip address add fd00::1/64 dev v0");
        run("ip address add fd00::2/64 dev v0 valid_lft 1000 preferred_lft 0");
        assert!(run("ip address show dev v0 tentative").contains("fd00::1/64"));
        assert!(run("ip address show dev v0 deprecated").contains("fd00::2/64"));
        let mut listed = route.addresses_of(link).unwrap();
        listed.sort();
        let on_link =
            |address| InterfaceAddress { link, address: ip(address), prefix: 64, scope: Scope::Universe };
        assert_eq!(listed, [on_link("fd00::1"), on_link("fd00::2")]);
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

#[test]
fn dummy_links_are_made_down() {
    if !require(Need::Ipvs) {
        return;
    }
    in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        route.create_dummy("kube-ipvs0").unwrap();
        let link = route.link("kube-ipvs0").unwrap().expect("it was made");
        assert_eq!((link.kind.as_deref(), link.up), (Some("dummy"), false));
        let Err(Error::Kernel { errno, .. }) = route.create_dummy("kube-ipvs0") else { panic!("made twice") };
        assert_eq!(errno, Errno::EEXIST);
        assert_eq!(route.apply(&[add(link.index, ip("10.96.0.1"))]), Ok(vec![Ok(())]));
        assert_eq!(shown("kube-ipvs0"), ["10.96.0.1/32"]);
        route.delete_link(link.index).unwrap();
    });
}
