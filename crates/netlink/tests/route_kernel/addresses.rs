//! Adding, deleting and listing addresses.

use std::net::IpAddr;

use lab::{Need, require};
use netlink::{
    Errno,
    route::{AddressRequest, InterfaceAddress, Route, Scope},
};

use crate::{
    add, delete, errnos, ip, make_link,
    namespace::{in_new_namespace, run, sorted},
    numbered, shown,
};

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
        let expected = [None, Some(Errno::EEXIST), Some(Errno::EADDRNOTAVAIL), Some(Errno::ENODEV)];
        assert_eq!(errnos(&route.apply(&requests).unwrap()), expected);
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
