//! Adding, deleting and listing local routes.

use std::net::{Ipv4Addr, UdpSocket};

use lab::{Need, require};
use netlink::{
    Errno,
    route::{AddressRequest, LocalRoute, Route},
};

use crate::{
    PROTOCOL, add, add_route, delete, delete_route, errnos, ip, local_route, make_link,
    namespace::{in_new_namespace, run, sorted},
};

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
