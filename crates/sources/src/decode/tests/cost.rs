//! What reading costs in instructions, as ratios between sizes.

use lab::count::{instructions, measured};
use serde_json::json;

use crate::decode::{Field, RawSlice, decode, parse};
use crate::pool::Pool;
use crate::told::Told;
use model::Kind;

fn slice(name: usize, endpoints: usize) -> Vec<u8> {
    let endpoint = |number: usize| {
        let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
        json!({
            "addresses": [format!("10.1.{high}.{low}")], "nodeName": "node-a", "zone": "eu-1a",
            "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "web"},
        })
    };
    let slice = json!({
        "metadata": {
            "name": format!("web-{name}"), "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": (0..endpoints).map(endpoint).collect::<Vec<_>>(),
    });
    slice.to_string().into_bytes()
}

fn tell(told: &mut Told, text: &[u8]) -> usize {
    told.tell(decode(parse::<Field<RawSlice>>(text).unwrap(), None, &mut Pool::default())).len()
}

#[test]
fn an_object_costs_the_same_among_many() {
    let Some([few, many]) = instructions([10, 2_000], |size| {
        let mut told = Told::new(Kind::EndpointSlice);
        for name in 0..size {
            assert_eq!(tell(&mut told, &slice(name, 1)), 1);
        }
        let change = slice(7, 2);
        assert_eq!(measured(|| tell(&mut told, &change)), 1);
    }) else {
        return;
    };
    assert!(5 * many < 6 * few, "{few} instructions among 10 objects, {many} among 2000");
}

#[test]
fn a_slice_costs_what_it_holds() {
    let Some([some, all]) = instructions([10, 1_000], |size| {
        let mut told = Told::new(Kind::EndpointSlice);
        let text = slice(1, size);
        assert_eq!(measured(|| tell(&mut told, &text)), 1);
    }) else {
        return;
    };
    assert!(all < 110 * some, "{some} instructions for 10 endpoints, {all} for 1000");
}
