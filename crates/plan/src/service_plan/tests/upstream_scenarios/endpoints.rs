//! `Test_EndpointSlice…`: endpoints that are ready, terminating, or neither.

use super::*;

const ENDPOINTS: &str = "slice svc1-1 svc1 80/TCP 10.0.1.1@n1 10.0.1.2@n1 10.0.1.3@n1!terminating \
                         10.0.1.4@n1!stopped 10.0.1.5@n2";
const NONE_READY: &str = "slice svc1-1 svc1 80/TCP 10.0.1.1@n1!terminating 10.0.1.2@n1!terminating \
                          10.0.1.3@n1!stopped 10.0.1.4@n2!terminating 10.0.1.5@n2!stopped";
const READY_ELSEWHERE: &str = "slice svc1-1 svc1 80/TCP 10.0.1.1@n1!terminating 10.0.1.2@n1!terminating \
                               10.0.1.3@n1!stopped 10.0.1.4@n2 10.0.1.5@n2!terminating";

fn check_slice(policy: &str, slice: &str, expected: Expect) {
    let service = format!("service svc1 172.20.1.1 type=NodePort 80/TCP external-ip=1.2.3.4 {policy}");
    check_v4(&format!("{service}\n{slice}"), "", expected);
}

#[test]
fn ready_and_terminating_cluster() {
    check_slice(
        "",
        ENDPOINTS,
        expect![[r#"
            -A -t 1.2.3.4:80 -s rr
            -a -t 1.2.3.4:80 -r 10.0.1.1:80 -m -w 1
            -a -t 1.2.3.4:80 -r 10.0.1.2:80 -m -w 1
            -a -t 1.2.3.4:80 -r 10.0.1.5:80 -m -w 1
            -A -t 172.20.1.1:80 -s rr
            -a -t 172.20.1.1:80 -r 10.0.1.1:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.2:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.5:80 -m -w 1
            add KUBE-LOOP-BACK 10.0.1.1,tcp:80,10.0.1.1
            add KUBE-LOOP-BACK 10.0.1.2,tcp:80,10.0.1.2
            add KUBE-LOOP-BACK 10.0.1.3,tcp:80,10.0.1.3
            add KUBE-LOOP-BACK 10.0.1.4,tcp:80,10.0.1.4
            add KUBE-CLUSTER-IP 172.20.1.1,tcp:80
            add KUBE-EXTERNAL-IP 1.2.3.4,tcp:80
            add KUBE-IPVS-IPS 1.2.3.4
            add KUBE-IPVS-IPS 172.20.1.1
            bound: 1.2.3.4 172.20.1.1
        "#]],
    );
}

#[test]
fn ready_and_terminating_local() {
    check_slice(
        "external=Local",
        ENDPOINTS,
        expect![[r#"
            -A -t 1.2.3.4:80 -s rr
            -a -t 1.2.3.4:80 -r 10.0.1.1:80 -m -w 1
            -a -t 1.2.3.4:80 -r 10.0.1.2:80 -m -w 1
            -A -t 172.20.1.1:80 -s rr
            -a -t 172.20.1.1:80 -r 10.0.1.1:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.2:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.5:80 -m -w 1
            add KUBE-LOOP-BACK 10.0.1.1,tcp:80,10.0.1.1
            add KUBE-LOOP-BACK 10.0.1.2,tcp:80,10.0.1.2
            add KUBE-LOOP-BACK 10.0.1.3,tcp:80,10.0.1.3
            add KUBE-LOOP-BACK 10.0.1.4,tcp:80,10.0.1.4
            add KUBE-CLUSTER-IP 172.20.1.1,tcp:80
            add KUBE-EXTERNAL-IP-LOCAL 1.2.3.4,tcp:80
            add KUBE-IPVS-IPS 1.2.3.4
            add KUBE-IPVS-IPS 172.20.1.1
            bound: 1.2.3.4 172.20.1.1
        "#]],
    );
}

#[test]
fn only_ready_and_terminating_cluster() {
    check_slice(
        "",
        NONE_READY,
        expect![[r#"
            -A -t 1.2.3.4:80 -s rr
            -a -t 1.2.3.4:80 -r 10.0.1.1:80 -m -w 1
            -a -t 1.2.3.4:80 -r 10.0.1.2:80 -m -w 1
            -a -t 1.2.3.4:80 -r 10.0.1.4:80 -m -w 1
            -A -t 172.20.1.1:80 -s rr
            -a -t 172.20.1.1:80 -r 10.0.1.1:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.2:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.4:80 -m -w 1
            add KUBE-LOOP-BACK 10.0.1.1,tcp:80,10.0.1.1
            add KUBE-LOOP-BACK 10.0.1.2,tcp:80,10.0.1.2
            add KUBE-LOOP-BACK 10.0.1.3,tcp:80,10.0.1.3
            add KUBE-CLUSTER-IP 172.20.1.1,tcp:80
            add KUBE-EXTERNAL-IP 1.2.3.4,tcp:80
            add KUBE-IPVS-IPS 1.2.3.4
            add KUBE-IPVS-IPS 172.20.1.1
            bound: 1.2.3.4 172.20.1.1
        "#]],
    );
}

#[test]
fn only_ready_and_terminating_local() {
    check_slice(
        "external=Local",
        READY_ELSEWHERE,
        expect![[r#"
            -A -t 1.2.3.4:80 -s rr
            -a -t 1.2.3.4:80 -r 10.0.1.1:80 -m -w 1
            -a -t 1.2.3.4:80 -r 10.0.1.2:80 -m -w 1
            -A -t 172.20.1.1:80 -s rr
            -a -t 172.20.1.1:80 -r 10.0.1.4:80 -m -w 1
            add KUBE-LOOP-BACK 10.0.1.1,tcp:80,10.0.1.1
            add KUBE-LOOP-BACK 10.0.1.2,tcp:80,10.0.1.2
            add KUBE-LOOP-BACK 10.0.1.3,tcp:80,10.0.1.3
            add KUBE-CLUSTER-IP 172.20.1.1,tcp:80
            add KUBE-EXTERNAL-IP-LOCAL 1.2.3.4,tcp:80
            add KUBE-IPVS-IPS 1.2.3.4
            add KUBE-IPVS-IPS 172.20.1.1
            bound: 1.2.3.4 172.20.1.1
        "#]],
    );
}
