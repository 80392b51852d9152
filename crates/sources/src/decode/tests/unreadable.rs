//! Objects in protobuf that are damaged.

use super::*;

/// `metadata` with name and namespace, then a field of every kind's that is a message and ends too soon.
const DAMAGED: &[u8] = b"\x0a\x0c\x0a\x01a\x1a\x07default\x12\x02\xff\xff";

fn damaged<R: Raw>() -> String {
    print(decode(protobuf::object::<R>(Bytes::from_static(DAMAGED)), None, &mut Pool::default()))
}

/// Or else a list would count as gone what it holds in damaged form.
#[test]
fn a_damaged_object_is_still_known_by_its_name() {
    expect![[r#"
        unusable: default/a
        ! Service default/a: the object: failed to decode Protobuf message: Service.spec: invalid varint; the last good version, if there was one, stays in force
        unusable: default/a
        ! EndpointSlice default/a: the object: failed to decode Protobuf message: EndpointSlice.endpoints: invalid varint; the last good version, if there was one, stays in force
        unusable: /a
        ! Node a: the object: failed to decode Protobuf message: Node.spec: invalid varint; the last good version, if there was one, stays in force
    "#]].assert_eq(&[damaged::<RawService>(), damaged::<RawSlice>(), damaged::<RawNode>()].concat());
}
