//! Nodes: section 1.6 of kube-proxy's behaviour.

use expect_test::expect;

use super::check;

#[test]
fn nodes() {
    check(
        "
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/zone: eu-1a}}
spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24, 'fd00:1::/64']}
status:
  addresses:
  - {type: Hostname, address: n1}
  - {type: InternalIP, address: 192.168.1.10}
  - {type: InternalIP, address: 'fd00::10'}
  - {type: ExternalIP, address: 203.0.113.10}
  - {type: InternalDNS, address: n1.internal}
---
{kind: Node, metadata: {name: bare}}
---
{kind: Node, metadata: {name: old, namespace: ignored}, spec: {podCIDR: 10.244.2.0/24}}
---
{kind: Node, metadata: {name: odd, labels: {topology.kubernetes.io/zone: 7}}, spec: {podCIDR: x, podCIDRs: [y, 7]},
 status: {addresses: [{type: InternalIP, address: x}, {type: InternalIP}, {type: 7, address: 10.0.0.1}, 7,
 {type: ExternalIP, address: 0.0.0.0}]}}
---
{kind: Node, metadata: {name: odder}, spec: 7, status: 7}
",
        expect![[r#"
            + Node n1 zone=eu-1a internal=192.168.1.10,fd00::10 external=203.0.113.10 pods=10.244.1.0/24,fd00:1::/64
            + Node bare
            + Node old pods=10.244.2.0/24
            + Node odd
            ! Node odd: metadata.labels[topology.kubernetes.io/zone]: invalid type: integer `7`, expected a string; ignored
            ! Node odd: spec.podCIDRs[0]: invalid type: boolean `true`, expected a string; ignored
            ! Node odd: spec.podCIDRs[1]: invalid type: integer `7`, expected a string; ignored
            ! Node odd: spec.podCIDR: "x" is not a range of IP addresses (such as 10.0.0.0/8); ignored
            ! Node odd: status.addresses[3]: invalid type: number, expected an object; ignored
            ! Node odd: status.addresses[0]: "x" is not an IP address; ignored
            ! Node odd: status.addresses[1]: "" is not an IP address; ignored
            ! Node odd: status.addresses[2].type: invalid type: integer `7`, expected a string; ignored
            ! Node odd: status.addresses[4]: "0.0.0.0" is the unspecified address; ignored
            + Node odder
            ! Node odder: spec: invalid type: number, expected an object; ignored
            ! Node odder: status: invalid type: number, expected an object; ignored
        "#]],
    );
}

#[test]
fn nodes_that_leave() {
    check(
        "
{kind: Node, metadata: {name: deleted, deletionTimestamp: '2026-01-01T00:00:00Z'}}
---
{kind: Node, metadata: {name: scaled-down}, spec: {taints: [{key: other}, {key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule, value: x}]}}
---
{kind: Node, metadata: {name: stays, deletionTimestamp: null}, spec: {taints: [{key: node.kubernetes.io/unschedulable}]}}
---
{kind: Node, metadata: {name: odd}, spec: {taints: [7, {key: 7}, {}]}}
",
        expect![[r#"
            + Node deleted leaving
            + Node scaled-down leaving
            + Node stays
            + Node odd
            ! Node odd: spec.taints[0]: invalid type: number, expected an object; ignored
            ! Node odd: spec.taints[1].key: invalid type: integer `7`, expected a string; ignored
        "#]],
    );
}
