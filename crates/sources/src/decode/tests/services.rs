//! Services: sections 1.2, 1.3 and 1.7 of kube-proxy's behaviour.

use expect_test::{Expect, expect};

use super::check;

mod addresses;

/// A Service `shop/web` with this `spec`, written in one line.
fn check_spec(spec: &str, expected: Expect) {
    check(
        &format!("{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: shop}}, spec: {spec}}}"),
        expected,
    );
}

#[test]
fn everything_that_is_read() {
    check(
        "
apiVersion: v1
kind: Service
metadata:
  name: edge
  namespace: shop
  creationTimestamp: \"2024-05-06T07:08:09Z\"
  resourceVersion: \"12\"
  annotations:
    kube-ipvs.io/scheduler: wrr
    kube-ipvs.io/scheduler-flags: sh-port
    kube-ipvs.io/weights: zone=eu-1a:3
    other: x
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.30
  clusterIPs: [10.96.0.30, 'fd00::30']
  ipFamilies: [IPv4, IPv6]
  ports:
  - {name: https, protocol: TCP, port: 443, targetPort: web, nodePort: 30443, appProtocol: x}
  - {name: dns, protocol: UDP, port: 53}
  - {name: sig, protocol: SCTP, port: 5060}
  externalIPs: [203.0.113.7, '2001:db8::7']
  loadBalancerSourceRanges: [198.51.100.0/24, ' 2001:db8::/32 ']
  externalTrafficPolicy: Local
  internalTrafficPolicy: Local
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  healthCheckNodePort: 32000
  selector: {app: edge}
status:
  loadBalancer:
    ingress: [{ip: 203.0.113.9}, {ip: '2001:db8::9', ipMode: VIP}]
",
        expect![[r#"
            + Service shop/edge LoadBalancer 10.96.0.30 fd00::30 created=1714979289 external=203.0.113.7,2001:db8::7 lb=203.0.113.9,2001:db8::9 ranges=198.51.100.0/24,2001:db8::/32 eTP=Local iTP=Local affinity=60 hc=32000 scheduler=wrr flags=sh-port weights=zone=eu-1a:3
                port "https" 443/TCP node=30443
                port "dns" 53/UDP
                port "sig" 5060/SCTP
        "#]],
    );
}

#[test]
fn the_least_that_is_served() {
    check_spec(
        "{clusterIP: 10.0.0.1}",
        expect![[r#"
        + Service shop/web ClusterIp 10.0.0.1
    "#]],
    );
}

#[test]
fn services_that_are_not_served() {
    check(
        "
{kind: Service, metadata: {name: headless}, spec: {clusterIP: None}}
---
{kind: Service, metadata: {name: external}, spec: {type: ExternalName, clusterIP: 10.0.0.1}}
---
{kind: Service, metadata: {name: other, labels: {service.kubernetes.io/service-proxy-name: x}}, spec: 3}
---
{kind: Service, metadata: {name: null, labels: {service.kubernetes.io/service-proxy-name: }}, spec: {}}
---
{kind: Service, metadata: {name: other, labels: {service.kubernetes.io/service-proxy-name: }}, spec: {}}
---
{kind: Service, metadata: {name: labelled, labels: {service.kubernetes.io/headless: ''}}, spec: {clusterIP: 10.0.0.2}}
---
{kind: Service, metadata: {name: without}, spec: {ports: [{port: 80}]}}
---
{kind: Service, metadata: {name: empty}, spec: {clusterIP: ''}}
",
        expect![[r#"
            not selected: default/headless
            not selected: default/external
            not selected: default/other
            unusable: 
            ! Service (name unknown): metadata.name: missing; the object is ignored
            not selected: default/other
            + Service default/labelled ClusterIp 10.0.0.2
            + Service default/without ClusterIp
                port "" 80/TCP
            ! Service default/without: spec.clusterIP: empty, so the Service has no address and is not served
            + Service default/empty ClusterIp
            ! Service default/empty: spec.clusterIP: empty, so the Service has no address and is not served
        "#]],
    );
}

#[test]
fn ports() {
    check_spec(
        "{clusterIP: 10.0.0.1, ports: [{port: 1}, {name: '', port: 2, protocol: ''}, {port: 0}, {name: x},
         {port: 65536}, {port: -1}, {port: '80'}, {port: 8.5}, {port: 3, protocol: tcp},
         {port: 4, protocol: ICMP}, {port: 5, protocol: 6}, {port: 6, name: 7}, {port: 7, nodePort: 0},
         {port: 8, nodePort: 99999}, {port: 9, targetPort: {}}, null, 80, [], {}]}",
        expect![[r#"
            + Service shop/web ClusterIp 10.0.0.1
                port "" 1/TCP
                port "" 2/TCP
                port "" 7/TCP
                port "" 8/TCP
                port "" 9/TCP
            ! Service shop/web: spec.ports[2].port: missing or 0; the port is ignored
            ! Service shop/web: spec.ports[3].port: missing or 0; the port is ignored
            ! Service shop/web: spec.ports[4].port: invalid value: integer `65536`, expected u16; ignored
            ! Service shop/web: spec.ports[5].port: invalid value: integer `-1`, expected u16; ignored
            ! Service shop/web: spec.ports[6].port: invalid type: string "80", expected u16; ignored
            ! Service shop/web: spec.ports[7].port: invalid type: floating point `8.5`, expected u16; ignored
            ! Service shop/web: spec.ports[8].protocol: "tcp" is none of TCP, UDP and SCTP; the port is ignored
            ! Service shop/web: spec.ports[9].protocol: "ICMP" is none of TCP, UDP and SCTP; the port is ignored
            ! Service shop/web: spec.ports[10].protocol: invalid type: integer `6`, expected a string; ignored
            ! Service shop/web: spec.ports[11].name: invalid type: integer `7`, expected a string; ignored
            ! Service shop/web: spec.ports[13].nodePort: invalid value: integer `99999`, expected u16; ignored
            ! Service shop/web: spec.ports[15]: null; ignored
            ! Service shop/web: spec.ports[16]: invalid type: number, expected an object; ignored
            ! Service shop/web: spec.ports[17]: invalid type: sequence, expected an object; ignored
            ! Service shop/web: spec.ports[18].port: missing or 0; the port is ignored
        "#]],
    );
    check_spec(
        "{clusterIP: 10.0.0.1, ports: {}}",
        expect![[r#"
        + Service shop/web ClusterIp 10.0.0.1
        ! Service shop/web: spec.ports: invalid type: map, expected a sequence; ignored
    "#]],
    );
}

#[test]
fn policies_and_health_check_port() {
    let cases = [
        "{clusterIP: 10.0.0.1, type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 31000}",
        "{clusterIP: 10.0.0.1, type: LoadBalancer, externalTrafficPolicy: Cluster, healthCheckNodePort: 31000}",
        "{clusterIP: 10.0.0.1, type: NodePort, externalTrafficPolicy: Local, healthCheckNodePort: 31000}",
        "{clusterIP: 10.0.0.1, type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 0}",
        "{clusterIP: 10.0.0.1, type: LoadBalancer, externalTrafficPolicy: Local}",
        "{clusterIP: 10.0.0.1, externalTrafficPolicy: local, internalTrafficPolicy: 7}",
        "{clusterIP: 10.0.0.1, type: Balancer}",
        "{clusterIP: 10.0.0.1, type: ''}",
    ];
    let documents: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(index, spec)| format!("{{kind: Service, metadata: {{name: c{index}}}, spec: {spec}}}"))
        .collect();
    check(
        &documents.join("\n---\n"),
        expect![[r#"
        + Service default/c0 LoadBalancer 10.0.0.1 eTP=Local hc=31000
        + Service default/c1 LoadBalancer 10.0.0.1
        + Service default/c2 NodePort 10.0.0.1 eTP=Local
        + Service default/c3 LoadBalancer 10.0.0.1 eTP=Local
        ! Service default/c3: spec.healthCheckNodePort: missing or 0, so load balancers cannot ask this node for its health
        + Service default/c4 LoadBalancer 10.0.0.1 eTP=Local
        ! Service default/c4: spec.healthCheckNodePort: missing or 0, so load balancers cannot ask this node for its health
        + Service default/c5 ClusterIp 10.0.0.1
        ! Service default/c5: spec.externalTrafficPolicy: "local" is unknown; taken as Cluster
        ! Service default/c5: spec.internalTrafficPolicy: invalid type: integer `7`, expected a string; ignored
        + Service default/c6 ClusterIp 10.0.0.1
        ! Service default/c6: spec.type: "Balancer" is unknown; taken as ClusterIP
        + Service default/c7 ClusterIp 10.0.0.1
    "#]],
    );
}

#[test]
fn affinity() {
    let cases = [
        "None",
        "ClientIP",
        "ClientIP, sessionAffinityConfig: {}",
        "ClientIP, sessionAffinityConfig: {clientIP: {}}",
        "ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}",
        "ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}",
        "ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: -1}}",
        "ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 1h}}",
        "ClientIP, sessionAffinityConfig: 7",
        "None, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}",
        "Cookie",
    ];
    let documents: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(index, text)| {
            format!(
                "{{kind: Service, metadata: {{name: c{index}}}, \
                 spec: {{clusterIP: 10.0.0.1, sessionAffinity: {text}}}}}"
            )
        })
        .collect();
    check(
        &documents.join("\n---\n"),
        expect![[r#"
            + Service default/c0 ClusterIp 10.0.0.1
            + Service default/c1 ClusterIp 10.0.0.1 affinity=10800
            + Service default/c2 ClusterIp 10.0.0.1 affinity=10800
            + Service default/c3 ClusterIp 10.0.0.1 affinity=10800
            + Service default/c4 ClusterIp 10.0.0.1 affinity=86400
            + Service default/c5 ClusterIp 10.0.0.1 affinity=10800
            ! Service default/c5: spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0 is not a timeout; 10800 is used
            + Service default/c6 ClusterIp 10.0.0.1 affinity=10800
            ! Service default/c6: spec.sessionAffinityConfig.clientIP.timeoutSeconds: invalid value: integer `-1`, expected u32; ignored
            + Service default/c7 ClusterIp 10.0.0.1 affinity=10800
            ! Service default/c7: spec.sessionAffinityConfig.clientIP.timeoutSeconds: invalid type: string "1h", expected u32; ignored
            + Service default/c8 ClusterIp 10.0.0.1 affinity=10800
            ! Service default/c8: spec.sessionAffinityConfig: invalid type: number, expected an object; ignored
            + Service default/c9 ClusterIp 10.0.0.1
            + Service default/c10 ClusterIp 10.0.0.1
            ! Service default/c10: spec.sessionAffinity: "Cookie" is unknown; taken as None
        "#]],
    );
}

#[test]
fn identities() {
    check(
        "
{kind: Service, metadata: {name: a}}
---
{kind: Service, metadata: {name: a}, spec: null}
---
{kind: Service, metadata: {name: a}, spec: []}
---
{kind: Service, metadata: {name: ''}, spec: {}}
---
{kind: Service, metadata: {name: 7}, spec: {}}
---
{kind: Service, metadata: {name: 'a b'}, spec: {}}
---
{kind: Service, metadata: {name: '../x'}, spec: {}}
---
{kind: Service, metadata: {name: a, namespace: \"x\\ny\"}, spec: {}}
---
{kind: Service, metadata: {name: a, namespace: []}, spec: {}}
---
{kind: Service, metadata: 7, spec: {}}
---
{kind: Service, spec: {}}
---
{kind: Service, metadata: {name: a, creationTimestamp: yesterday, labels: [], annotations: 7}, spec: {clusterIP: 10.0.0.1}}
---
{kind: Service, metadata: {name: a, creationTimestamp: null, labels: null, annotations: null}, spec: {clusterIP: 10.0.0.1}}
---
{kind: Service, metadata: {name: a, annotations: {kube-ipvs.io/scheduler: 7, kube-ipvs.io/weights: ''}}, spec: {clusterIP: 10.0.0.1}}
",
        expect![[r#"
            unusable: default/a
            ! Service default/a: spec: missing; the last good version, if there was one, stays in force
            unusable: default/a
            ! Service default/a: spec: missing; the last good version, if there was one, stays in force
            unusable: default/a
            ! Service default/a: spec: invalid type: sequence, expected an object; the last good version, if there was one, stays in force
            unusable: 
            ! Service (name unknown): metadata.name: missing; the object is ignored
            unusable: 
            ! Service (name unknown): metadata.name: invalid type: integer `7`, expected a string; the object is ignored
            unusable: 
            ! Service (name unknown): metadata.name: "a b" is not a name (letters, digits, '-' and '.', at most 253); the object is ignored
            unusable: 
            ! Service (name unknown): metadata.name: "../x" is not a name (letters, digits, '-' and '.', at most 253); the object is ignored
            unusable: 
            ! Service (namespace unknown)/a: metadata.namespace: "x\ny" is not a name (letters, digits, '-' and '.', at most 253); the object is ignored
            unusable: 
            ! Service (namespace unknown)/a: metadata.namespace: invalid type: sequence, expected a string; the object is ignored
            unusable: 
            ! Service (name unknown): metadata: invalid type: number, expected an object; the object is ignored
            unusable: 
            ! Service (name unknown): metadata: missing; the object is ignored
            + Service default/a ClusterIp 10.0.0.1
            ! Service default/a: metadata.creationTimestamp: "yesterday" is not a time (failed to parse four digit integer as year: invalid digit, expected 0-9 but got y); ignored
            ! Service default/a: metadata.labels: invalid type: sequence, expected an object; ignored
            ! Service default/a: metadata.annotations: invalid type: number, expected an object; ignored
            + Service default/a ClusterIp 10.0.0.1
            + Service default/a ClusterIp 10.0.0.1 weights=
            ! Service default/a: metadata.annotations[kube-ipvs.io/scheduler]: invalid type: integer `7`, expected a string; ignored
        "#]],
    );
}

/// The outcome table of section 1.7, as far as decoding decides it: the rest is planned.
#[test]
fn unusual_input() {
    check(
        "
{kind: Service, metadata: {name: loopback}, spec: {clusterIP: 10.0.0.1, externalIPs: [127.0.0.5]}}
---
{kind: Service, metadata: {name: one-host}, spec: {clusterIP: 10.0.0.1, loadBalancerSourceRanges: [10.1.2.3/32]}}
---
kind: EndpointSlice
metadata: {name: wrong-family, labels: {kubernetes.io/service-name: x}}
addressType: IPv4
ports: [{name: '', port: 80}]
endpoints: [{addresses: ['fd00::1']}, {addresses: [10.1.0.1]}]
",
        expect![[r#"
            + Service default/loopback ClusterIp 10.0.0.1 external=127.0.0.5
            + Service default/one-host ClusterIp 10.0.0.1 ranges=10.1.2.3/32
            + EndpointSlice default/wrong-family of x IPv4
                port "" 80/TCP
                10.1.0.1 ready serving
            ! EndpointSlice default/wrong-family: endpoints[0].addresses[0]: "fd00::1" is not an IPv4 address; the endpoint is ignored
        "#]],
    );
}
