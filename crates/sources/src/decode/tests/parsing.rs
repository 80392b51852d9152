//! Text, as opposed to trees.

use super::*;
use crate::decode::parse;

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&match parse::<Field<RawSlice>>(text.as_bytes()) {
        Ok(raw) => print(decode(raw, None, &mut Pool::default())),
        Err(error) => format!("unreadable: {error}\n"),
    });
}

#[test]
fn what_is_not_read_is_skipped() {
    check(
        r#"{"metadata": {"name": "web-1", "namespace": "shop", "managedFields": [{"a": [1e999, "\ud800"]}],
            "labels": {"kubernetes.io/service-name": "web", "other": {"a": 1}}},
            "unknown": [[], {}, null], "addressType": "IPv4", "ports": null,
            "endpoints": [{"addresses": ["10.0.0.1", {"a": [2]}], "conditions": {"ready": null}}]}"#,
        expect![[r#"
            + EndpointSlice shop/web-1 of web IPv4
                10.0.0.1 ready serving
        "#]],
    );
}

#[test]
fn the_last_of_equal_keys_counts() {
    check(
        r#"{"metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv6", "addressType": "IPv4"}"#,
        expect![[r#"
            + EndpointSlice shop/web-1 of web IPv4
        "#]],
    );
}

#[test]
fn a_wrong_shape_is_read_to_its_end() {
    check(
        r#"{"metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": {"name": ["http"]},
            "endpoints": [[{"addresses": []}], {"addresses": ["10.0.0.1"], "nodeName": [{"a": 1}, 2], "zone": {"b": [3]}}]}"#,
        expect![[r#"
            + EndpointSlice shop/web-1 of web IPv4
                10.0.0.1 ready serving
            ! EndpointSlice shop/web-1: ports: invalid type: map, expected a sequence; ignored
            ! EndpointSlice shop/web-1: endpoints[0]: invalid type: sequence, expected an object; ignored
            ! EndpointSlice shop/web-1: endpoints[1].nodeName: invalid type: sequence, expected a string; ignored
            ! EndpointSlice shop/web-1: endpoints[1].zone: invalid type: map, expected a string; ignored
        "#]],
    );
}

#[test]
fn text_that_ends_early_is_not_an_object() {
    check(
        r#"{"metadata": {"name": "web-1""#,
        expect![[r#"
            unreadable: EOF while parsing an object at line 1 column 29
        "#]],
    );
}
