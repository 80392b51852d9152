//! Listing, making and deleting links.

use lab::{Need, require};
use netlink::{Errno, Error, route::Route};

use crate::{
    add, ip, make_link,
    namespace::{in_new_namespace, run},
    shown,
};

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
