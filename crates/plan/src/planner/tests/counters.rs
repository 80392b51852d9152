//! What is counted, while Services and endpoints change.

use super::*;

const BOTH: [Family; 2] = Family::ALL;

/// Tells `lines` one after the other, and writes after each how many Services cannot keep a policy (internal
/// and external, in each family) and how many virtual servers are contested.
fn check_counts(lines: &str, expected: Expect) {
    let mut cluster = cluster("");
    let mut planner = Planner::new(options("detector"));
    let mut story = String::new();
    for line in lines.lines().map(str::trim) {
        step(&mut planner, &mut cluster, vec![change(line)]);
        let [v4, v6] = BOTH.map(|family| {
            [Policy::Internal, Policy::External].map(|policy| planner.without_local_endpoint(family, policy))
        });
        let contested = planner.desired().contested();
        story.push_str(&format!("{v4:?} {v6:?} {contested} # {line}\n"));
    }
    expected.assert_eq(&story);
}

#[test]
fn services_without_local_endpoint() {
    check_counts(
        "service a 10.96.0.1 fd00:96::1 80/TCP internal=Local external=Local external-ip=192.0.2.1
         slice a-4 a 80/TCP 10.244.2.1@n2
         slice a-6 a 80/TCP fd00:244:2::1@n2
         service b 10.96.0.2 type=NodePort 80/TCP node-port=30080 81/TCP node-port=30081 external=Local
         slice b-4 b 80/TCP 10.244.2.2@n2
         slice a-4 a 80/TCP 10.244.2.1@n2 10.244.1.1@n1!terminating
         slice a-4 a 80/TCP 10.244.2.1@n2 10.244.1.1@n1!stopped
         slice b-4 b 80/TCP
         slice b-4 b 80/TCP 10.244.2.2@n2
         service b 10.96.0.2 type=NodePort 80/TCP node-port=30080
         service a 10.96.0.1 fd00:96::1 80/TCP internal=Local
         no-service a
         no-service b",
        expect![[r#"
            [0, 0] [0, 0] 0 # service a 10.96.0.1 fd00:96::1 80/TCP internal=Local external=Local external-ip=192.0.2.1
            [1, 1] [0, 0] 0 # slice a-4 a 80/TCP 10.244.2.1@n2
            [1, 1] [1, 0] 0 # slice a-6 a 80/TCP fd00:244:2::1@n2
            [1, 1] [1, 0] 0 # service b 10.96.0.2 type=NodePort 80/TCP node-port=30080 81/TCP node-port=30081 external=Local
            [1, 2] [1, 0] 0 # slice b-4 b 80/TCP 10.244.2.2@n2
            [0, 1] [1, 0] 0 # slice a-4 a 80/TCP 10.244.2.1@n2 10.244.1.1@n1!terminating
            [1, 2] [1, 0] 0 # slice a-4 a 80/TCP 10.244.2.1@n2 10.244.1.1@n1!stopped
            [1, 1] [1, 0] 0 # slice b-4 b 80/TCP
            [1, 2] [1, 0] 0 # slice b-4 b 80/TCP 10.244.2.2@n2
            [1, 1] [1, 0] 0 # service b 10.96.0.2 type=NodePort 80/TCP node-port=30080
            [1, 0] [1, 0] 0 # service a 10.96.0.1 fd00:96::1 80/TCP internal=Local
            [0, 0] [0, 0] 0 # no-service a
            [0, 0] [0, 0] 0 # no-service b
        "#]],
    );
}

#[test]
fn contested_virtual_servers() {
    check_counts(
        "service a 10.96.0.1 type=NodePort 80/TCP external-ip=192.0.2.1
         service b 10.96.0.2 type=NodePort 80/TCP 81/TCP external-ip=192.0.2.1
         service c 10.96.0.3 type=NodePort 80/TCP 81/TCP external-ip=192.0.2.1
         service b 10.96.0.2 type=NodePort 80/TCP created=7 external-ip=192.0.2.1
         service a 10.96.0.1 type=ExternalName 80/TCP external-ip=192.0.2.1
         no-service b
         service c 10.96.0.3 type=NodePort 80/TCP 81/TCP external-ip=192.0.2.2",
        expect![[r#"
            [0, 0] [0, 0] 0 # service a 10.96.0.1 type=NodePort 80/TCP external-ip=192.0.2.1
            [0, 0] [0, 0] 1 # service b 10.96.0.2 type=NodePort 80/TCP 81/TCP external-ip=192.0.2.1
            [0, 0] [0, 0] 2 # service c 10.96.0.3 type=NodePort 80/TCP 81/TCP external-ip=192.0.2.1
            [0, 0] [0, 0] 1 # service b 10.96.0.2 type=NodePort 80/TCP created=7 external-ip=192.0.2.1
            [0, 0] [0, 0] 1 # service a 10.96.0.1 type=ExternalName 80/TCP external-ip=192.0.2.1
            [0, 0] [0, 0] 0 # no-service b
            [0, 0] [0, 0] 0 # service c 10.96.0.3 type=NodePort 80/TCP 81/TCP external-ip=192.0.2.2
        "#]],
    );
}

#[test]
fn an_unused_policy_counts_nothing() {
    check_counts(
        "service a 10.96.0.1 type=LoadBalancer 80/TCP external=Local
         slice a-4 a 80/TCP 10.244.2.1@n2
         service b 10.96.0.2 80/TCP external=Local
         slice b-4 b 80/TCP 10.244.2.2@n2",
        expect![[r#"
            [0, 0] [0, 0] 0 # service a 10.96.0.1 type=LoadBalancer 80/TCP external=Local
            [0, 0] [0, 0] 0 # slice a-4 a 80/TCP 10.244.2.1@n2
            [0, 0] [0, 0] 0 # service b 10.96.0.2 80/TCP external=Local
            [0, 0] [0, 0] 0 # slice b-4 b 80/TCP 10.244.2.2@n2
        "#]],
    );
}
