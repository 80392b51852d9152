//! EndpointSlices: section 1.4 of kube-proxy's behaviour.

use expect_test::{Expect, expect};

use super::check;

/// A slice `shop/web-1` of the Service `web` with these further fields.
fn check_slice(fields: &str, expected: Expect) {
    let metadata = "{name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}";
    check(&format!("{{kind: EndpointSlice, metadata: {metadata}, {fields}}}"), expected);
}

#[test]
fn everything_that_is_read() {
    check(
        "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  namespace: shop
  labels: {kubernetes.io/service-name: web, other: x}
  annotations: {kube-ipvs.io/weight: '95'}
addressType: IPv4
ports:
- {name: http, protocol: TCP, port: 8080, appProtocol: x}
- {name: dns, protocol: UDP, port: 5353}
endpoints:
- addresses: [10.1.0.1, 10.1.0.99]
  conditions: {ready: true, serving: true, terminating: false}
  hostname: x
  nodeName: n1
  zone: eu-1a
  hints: {forZones: [{name: eu-1a}, {name: eu-1b}], forNodes: [{name: n1}]}
  targetRef: {kind: Pod}
- addresses: [10.1.0.2]
  conditions: {ready: false, serving: true, terminating: true}
",
        expect![[r#"
            + EndpointSlice shop/web-1 of web IPv4 weight=95
                port "http" 8080/TCP
                port "dns" 5353/UDP
                10.1.0.1 ready serving node=n1 zone=eu-1a forZones=eu-1a,eu-1b forNodes=n1
                10.1.0.2 serving terminating
        "#]],
    );
    check_slice(
        "addressType: IPv6, ports: [{name: '', port: 80}], endpoints: [{addresses: ['FD00::1']}]",
        expect![[r#"
            + EndpointSlice shop/web-1 of web IPv6
                port "" 80/TCP
                fd00::1 ready serving
        "#]],
    );
}

#[test]
fn slices_that_are_not_used() {
    check(
        "
{kind: EndpointSlice, metadata: {name: a}, addressType: IPv4}
---
{kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: ''}}, addressType: IPv4}
---
{kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: 7}}, addressType: IPv4}
---
{kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: x, service.kubernetes.io/headless: ''}}}
---
{kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: x}}, addressType: FQDN}
---
{kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: x}}, addressType: IPv5}
---
{kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: x}}, addressType: 4}
---
{kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: x}}}
---
{kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: x, service.kubernetes.io/service-proxy-name: y}}, addressType: IPv4}
",
        expect![[r#"
            not selected: default/a
            ! EndpointSlice default/a: metadata.labels[kubernetes.io/service-name]: missing, so the slice belongs to no Service; it is not used
            not selected: default/a
            ! EndpointSlice default/a: metadata.labels[kubernetes.io/service-name]: missing, so the slice belongs to no Service; it is not used
            not selected: default/a
            ! EndpointSlice default/a: metadata.labels[kubernetes.io/service-name]: invalid type: integer `7`, expected a string, so the slice belongs to no Service; it is not used
            not selected: default/a
            not selected: default/a
            unusable: default/a
            ! EndpointSlice default/a: addressType: "IPv5" is none of IPv4, IPv6 and FQDN; the last good version, if there was one, stays in force
            unusable: default/a
            ! EndpointSlice default/a: addressType: invalid type: integer `4`, expected a string; the last good version, if there was one, stays in force
            unusable: default/a
            ! EndpointSlice default/a: addressType: missing; the last good version, if there was one, stays in force
            + EndpointSlice default/a of x IPv4
        "#]],
    );
}

#[test]
fn ports() {
    check_slice(
        "addressType: IPv4, ports: [{port: 1}, {name: null, port: 1}, {name: a}, {name: b, port: 0},
         {name: c, port: 70000}, {name: d, port: '80'}, {name: e, port: 80, protocol: X}, {name: 7, port: 80},
         {name: f, port: 80}, null, 7]",
        expect![[r#"
            + EndpointSlice shop/web-1 of web IPv4
                port "f" 80/TCP
            ! EndpointSlice shop/web-1: ports[0].name: missing, the port is ignored; an unnamed port is written with name: ""
            ! EndpointSlice shop/web-1: ports[1].name: missing, the port is ignored; an unnamed port is written with name: ""
            ! EndpointSlice shop/web-1: ports[2].port: missing or 0; the port is ignored
            ! EndpointSlice shop/web-1: ports[3].port: missing or 0; the port is ignored
            ! EndpointSlice shop/web-1: ports[4].port: invalid value: integer `70000`, expected u16; ignored
            ! EndpointSlice shop/web-1: ports[5].port: invalid type: string "80", expected u16; ignored
            ! EndpointSlice shop/web-1: ports[6].protocol: "X" is none of TCP, UDP and SCTP; the port is ignored
            ! EndpointSlice shop/web-1: ports[7].name: invalid type: integer `7`, expected a string; ignored
            ! EndpointSlice shop/web-1: ports[9]: null; ignored
            ! EndpointSlice shop/web-1: ports[10]: invalid type: number, expected an object; ignored
        "#]],
    );
    check_slice(
        "addressType: IPv4, ports: null, endpoints: null",
        expect![[r#"
        + EndpointSlice shop/web-1 of web IPv4
    "#]],
    );
    check_slice(
        "addressType: IPv4, ports: 7, endpoints: {}",
        expect![[r#"
        + EndpointSlice shop/web-1 of web IPv4
        ! EndpointSlice shop/web-1: ports: invalid type: integer `7`, expected a sequence; ignored
        ! EndpointSlice shop/web-1: endpoints: invalid type: map, expected a sequence; ignored
    "#]],
    );
}

#[test]
fn addresses() {
    check_slice(
        "addressType: IPv4, endpoints: [{addresses: []}, {addresses: null}, {}, {addresses: [null]},
         {addresses: [7]}, {addresses: 10.1.0.1}, {addresses: [x, 10.1.0.1]}, {addresses: [10.001.0.01, x]},
         {addresses: ['::ffff:10.1.0.2']}, {addresses: ['fd00::1']}, {addresses: [0.0.0.0]},
         {addresses: [239.1.2.3]}, {addresses: ['']}, null, 7]",
        expect![[r#"
            + EndpointSlice shop/web-1 of web IPv4
                10.1.0.1 ready serving
                10.1.0.2 ready serving
            ! EndpointSlice shop/web-1: endpoints[0].addresses[0]: missing; the endpoint is ignored
            ! EndpointSlice shop/web-1: endpoints[3].addresses[0]: missing; the endpoint is ignored
            ! EndpointSlice shop/web-1: endpoints[4].addresses[0]: invalid type: integer `7`, expected a string; ignored
            ! EndpointSlice shop/web-1: endpoints[5].addresses: invalid type: string "10.1.0.1", expected a sequence; ignored
            ! EndpointSlice shop/web-1: endpoints[6].addresses[0]: "x" is not an IP address; the endpoint is ignored
            ! EndpointSlice shop/web-1: endpoints[9].addresses[0]: "fd00::1" is not an IPv4 address; the endpoint is ignored
            ! EndpointSlice shop/web-1: endpoints[10].addresses[0]: "0.0.0.0" is the unspecified address; the endpoint is ignored
            ! EndpointSlice shop/web-1: endpoints[11].addresses[0]: "239.1.2.3" is a multicast address; the endpoint is ignored
            ! EndpointSlice shop/web-1: endpoints[12].addresses[0]: "" is not an IP address; the endpoint is ignored
            ! EndpointSlice shop/web-1: endpoints[13]: null; ignored
            ! EndpointSlice shop/web-1: endpoints[14]: invalid type: number, expected an object; ignored
        "#]],
    );
    check_slice(
        "addressType: IPv6, endpoints: [{addresses: [10.1.0.1]}, {addresses: ['::']}]",
        expect![[r#"
            + EndpointSlice shop/web-1 of web IPv6
            ! EndpointSlice shop/web-1: endpoints[0].addresses[0]: "10.1.0.1" is not an IPv6 address; the endpoint is ignored
            ! EndpointSlice shop/web-1: endpoints[1].addresses[0]: "::" is the unspecified address; the endpoint is ignored
        "#]],
    );
}

#[test]
fn conditions_and_topology() {
    check_slice(
        "addressType: IPv4, endpoints: [
         {addresses: [10.1.0.1], conditions: null},
         {addresses: [10.1.0.2], conditions: {ready: null, serving: false, terminating: null}},
         {addresses: [10.1.0.3], conditions: {ready: 'no', serving: 0, terminating: [true]}},
         {addresses: [10.1.0.4], conditions: 7},
         {addresses: [10.1.0.5], nodeName: '', zone: ''},
         {addresses: [10.1.0.6], nodeName: 7, zone: {}},
         {addresses: [10.1.0.7], hints: {forZones: [{name: a}, {name: ''}, {}, 7, null], forNodes: 7}},
         {addresses: [10.1.0.8], hints: []}]",
        expect![[r#"
            + EndpointSlice shop/web-1 of web IPv4
                10.1.0.1 ready serving
                10.1.0.2 ready
                10.1.0.3 ready serving
                10.1.0.4 ready serving
                10.1.0.5 ready serving
                10.1.0.6 ready serving
                10.1.0.7 ready serving forZones=a
                10.1.0.8 ready serving
            ! EndpointSlice shop/web-1: endpoints[2].conditions.ready: invalid type: string "no", expected a boolean; ignored
            ! EndpointSlice shop/web-1: endpoints[2].conditions.serving: invalid type: integer `0`, expected a boolean; ignored
            ! EndpointSlice shop/web-1: endpoints[2].conditions.terminating: invalid type: sequence, expected a boolean; ignored
            ! EndpointSlice shop/web-1: endpoints[3].conditions: invalid type: number, expected an object; ignored
            ! EndpointSlice shop/web-1: endpoints[5].nodeName: invalid type: integer `7`, expected a string; ignored
            ! EndpointSlice shop/web-1: endpoints[5].zone: invalid type: map, expected a string; ignored
            ! EndpointSlice shop/web-1: endpoints[6].hints.forZones[3]: invalid type: number, expected an object; ignored
            ! EndpointSlice shop/web-1: endpoints[6].hints.forZones[4]: null; ignored
            ! EndpointSlice shop/web-1: endpoints[6].hints.forNodes: invalid type: integer `7`, expected a sequence; ignored
            ! EndpointSlice shop/web-1: endpoints[7].hints: invalid type: sequence, expected an object; ignored
        "#]],
    );
}

#[test]
fn trigger_times() {
    let slice = |time: &str| {
        format!(
            "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, namespace: shop, labels: {{kubernetes.io/service-name: web}},
  annotations: {{endpoints.kubernetes.io/last-change-trigger-time: {time}}}}}
addressType: IPv4"
        )
    };
    check(
        &slice("'2026-11-23T14:00:00.1239Z'"),
        expect![[r#"
        + EndpointSlice shop/web-1 of web IPv4 triggered=1795442400123
    "#]],
    );
    check(
        &slice("soon"),
        expect![[r#"
        + EndpointSlice shop/web-1 of web IPv4
        ! EndpointSlice shop/web-1: metadata.annotations[endpoints.kubernetes.io/last-change-trigger-time]: "soon" is not a time (failed to parse four digit integer as year: invalid digit, expected 0-9 but got s); ignored
    "#]],
    );
}
