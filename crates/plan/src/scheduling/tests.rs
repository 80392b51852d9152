use expect_test::{Expect, expect};

use super::*;
use crate::testing::{service, slice};

/// What becomes of each of these sets of annotations on a Service.
fn check(cases: &[&str], expected: Expect) {
    check_with(&Options::default(), cases, expected);
}

fn check_with(options: &Options, cases: &[&str], expected: Expect) {
    let outcomes = cases.iter().map(|settings| {
        let service = service(&format!("web {settings}"));
        let scheduling = Scheduling::of(&service.scheduling, std::iter::empty(), options);
        format!("[{settings}] {}", report(&scheduling))
    });
    expected.assert_eq(&outcomes.collect::<String>());
}

fn report(scheduling: &Scheduling) -> String {
    let head = format!("{} {:#04x}\n", scheduling.scheduler, scheduling.flags);
    let warnings = scheduling.warnings.iter().map(|warning| format!("    {warning}\n"));
    std::iter::once(head).chain(warnings).collect()
}

/// The scheduler that goes with these slices, and the weights of their endpoints.
fn check_weights(settings: &str, slices: &[&str], expected: Expect) {
    let service = service(&format!("web {settings}"));
    let slices: Vec<EndpointSlice> = slices.iter().map(|line| slice(line)).collect();
    let scheduling = Scheduling::of(&service.scheduling, slices.iter(), &Options::default());
    let weights = slices.iter().flat_map(|slice| {
        slice.endpoints.iter().map(|endpoint| {
            let candidate = Candidate {
                address: endpoint.address,
                port: 80,
                endpoint,
                local: false,
                weight: slice.weight.as_ref(),
            };
            format!("{}: {}\n", endpoint.address, scheduling.weight_of(&candidate))
        })
    });
    expected.assert_eq(&format!("{}{}", report(&scheduling), weights.collect::<String>()));
}

#[test]
fn every_scheduler_of_ipvs_can_be_chosen() {
    let cases = Scheduler::ALL.map(|scheduler| format!("scheduler={scheduler}"));
    check(
        &cases.each_ref().map(String::as_str),
        expect![[r#"
            [scheduler=rr] rr 0x00
            [scheduler=wrr] wrr 0x00
            [scheduler=lc] lc 0x00
            [scheduler=wlc] wlc 0x00
            [scheduler=lblc] lblc 0x00
            [scheduler=lblcr] lblcr 0x00
            [scheduler=dh] dh 0x00
            [scheduler=sh] sh 0x00
            [scheduler=mh] mh 0x10
            [scheduler=sed] sed 0x00
            [scheduler=nq] nq 0x00
            [scheduler=fo] fo 0x00
            [scheduler=ovf] ovf 0x00
            [scheduler=twos] twos 0x00
        "#]],
    );
}

#[test]
fn without_annotations_the_default_holds() {
    check(
        &[""],
        expect![[r#"
            [] rr 0x00
        "#]],
    );
    let options = Options { scheduler: Scheduler::Mh, ..Options::default() };
    check_with(
        &options,
        &[""],
        expect![[r#"
            [] mh 0x10
        "#]],
    );
}

#[test]
fn a_name_that_is_no_scheduler_gives_the_default() {
    let options = Options { scheduler: Scheduler::Wlc, ..Options::default() };
    check_with(
        &options,
        &["scheduler=fair", "scheduler=RR", "scheduler="],
        expect![[r#"
            [scheduler=fair] wlc 0x00
                annotation kube-ipvs.io/scheduler: "fair" is no scheduler of IPVS; use one of rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos; the default wlc is used
            [scheduler=RR] wlc 0x00
                annotation kube-ipvs.io/scheduler: "RR" is no scheduler of IPVS; use one of rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos; the default wlc is used
            [scheduler=] wlc 0x00
                annotation kube-ipvs.io/scheduler: "" is no scheduler of IPVS; use one of rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos; the default wlc is used
        "#]],
    );
}

#[test]
fn white_space_around_names_is_passed_over() {
    let hints = SchedulingHints {
        scheduler: Some(" sh\n".into()),
        flags: Some(" sh-port, sh-fallback ".into()),
        weights: None,
    };
    let scheduling = Scheduling::of(&hints, std::iter::empty(), &Options::default());
    expect![[r#"
        sh 0x18
    "#]]
    .assert_eq(&report(&scheduling));
}

#[test]
fn a_scheduler_that_the_kernel_lacks_gives_the_default() {
    let options = Options {
        scheduler: Scheduler::Lc,
        unavailable: [Scheduler::Mh, Scheduler::Wrr].into(),
        ..Options::default()
    };
    check_with(
        &options,
        &["scheduler=mh", "weights=zone=z1:3"],
        expect![[r#"
            [scheduler=mh] lc 0x00
                scheduler mh is not available in this kernel (module ip_vs_mh); lc is used
            [weights=zone=z1:3] lc 0x00
                scheduler wrr is not available in this kernel (module ip_vs_wrr); lc is used
        "#]],
    );
}

#[test]
fn a_default_that_the_kernel_lacks_gives_rr() {
    let options = Options {
        scheduler: Scheduler::Lc,
        unavailable: [Scheduler::Lc, Scheduler::Mh].into(),
        ..Options::default()
    };
    check_with(
        &options,
        &["", "scheduler=mh", "scheduler=fair"],
        expect![[r#"
            [] rr 0x00
            [scheduler=mh] rr 0x00
                scheduler mh is not available in this kernel (module ip_vs_mh); rr is used
            [scheduler=fair] rr 0x00
                annotation kube-ipvs.io/scheduler: "fair" is no scheduler of IPVS; use one of rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos; the default rr is used
        "#]],
    );
}

#[test]
fn each_flag_belongs_to_one_scheduler() {
    check(
        &[
            "scheduler=sh flags=sh-port",
            "scheduler=sh flags=sh-fallback",
            "scheduler=sh flags=sh-port,sh-fallback",
            "scheduler=mh flags=mh-port",
            "scheduler=mh flags=mh-fallback",
            "scheduler=mh flags=mh-fallback,mh-port",
        ],
        expect![[r#"
            [scheduler=sh flags=sh-port] sh 0x10
            [scheduler=sh flags=sh-fallback] sh 0x08
            [scheduler=sh flags=sh-port,sh-fallback] sh 0x18
            [scheduler=mh flags=mh-port] mh 0x10
            [scheduler=mh flags=mh-fallback] mh 0x08
            [scheduler=mh flags=mh-fallback,mh-port] mh 0x18
        "#]],
    );
}

#[test]
fn flags_of_another_scheduler_and_unknown_ones_are_ignored() {
    check(
        &["scheduler=sh flags=mh-port,sh-port", "scheduler=sh flags=sh-prot,sh-port", "flags=sh-port"],
        expect![[r#"
            [scheduler=sh flags=mh-port,sh-port] sh 0x10
                annotation kube-ipvs.io/scheduler-flags: mh-port is a flag of scheduler mh, not of sh; it is ignored
            [scheduler=sh flags=sh-prot,sh-port] sh 0x10
                annotation kube-ipvs.io/scheduler-flags: "sh-prot" is no flag and is ignored; use sh-port, sh-fallback, mh-port or mh-fallback
            [flags=sh-port] rr 0x00
                annotation kube-ipvs.io/scheduler-flags: sh-port is a flag of scheduler sh, not of rr; it is ignored
        "#]],
    );
}

#[test]
fn mh_hashes_the_source_port_unless_told_otherwise() {
    check(
        &["scheduler=mh", "scheduler=mh flags=", "scheduler=mh flags=mh-prot"],
        expect![[r#"
            [scheduler=mh] mh 0x10
            [scheduler=mh flags=] mh 0x00
            [scheduler=mh flags=mh-prot] mh 0x10
                annotation kube-ipvs.io/scheduler-flags: "mh-prot" is no flag and is ignored; use sh-port, sh-fallback, mh-port or mh-fallback
        "#]],
    );
}

#[test]
fn weights_go_by_node_before_zone() {
    check_weights(
        "scheduler=wlc weights=zone=eu-1a:3,zone=eu-1b:7,node=big-1:10",
        &["web-1 web 10.1.0.1@big-1,eu-1a 10.1.0.2@n2,eu-1a 10.1.0.3@n3,eu-1b 10.1.0.4@n4,eu-1c 10.1.0.5@n5"],
        expect![[r#"
            wlc 0x00
            10.1.0.1: 10
            10.1.0.2: 3
            10.1.0.3: 7
            10.1.0.4: 1
            10.1.0.5: 1
        "#]],
    );
}

#[test]
fn the_weight_of_a_slice_wins() {
    check_weights(
        "weights=node=n1:10",
        &["stable web weight=95 10.1.0.1@n1", "canary web weight=5 10.1.0.2@n1", "plain web 10.1.0.3@n1"],
        expect![[r#"
            wrr 0x00
            10.1.0.1: 95
            10.1.0.2: 5
            10.1.0.3: 10
        "#]],
    );
}

#[test]
fn weights_choose_wrr_unless_a_scheduler_is_named() {
    check_weights(
        "",
        &["web-1 web weight=2 10.1.0.1@n1"],
        expect![[r#"
            wrr 0x00
            10.1.0.1: 2
        "#]],
    );
    check_weights(
        "weights=zone=z1:2",
        &["web-1 web 10.1.0.1@n1"],
        expect![[r#"
            wrr 0x00
            10.1.0.1: 1
        "#]],
    );
    check_weights(
        "scheduler=rr",
        &["web-1 web weight=2 10.1.0.1@n1"],
        expect![[r#"
            rr 0x00
            10.1.0.1: 2
        "#]],
    );
    check_weights(
        "scheduler=fair",
        &["web-1 web weight=2 10.1.0.1@n1"],
        expect![[r#"
            rr 0x00
                annotation kube-ipvs.io/scheduler: "fair" is no scheduler of IPVS; use one of rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos; the default rr is used
            10.1.0.1: 2
        "#]],
    );
}

#[test]
fn weights_go_from_0_to_65535() {
    let slices = ["0", "65535", "65536", "-1", "1.5", "", "many", "99999999999999999999"];
    let slices = slices.map(|weight| format!("web-{weight} web weight={weight} 10.1.0.1@n1"));
    let slices: Vec<&str> = slices.iter().map(String::as_str).collect();
    check_weights(
        "",
        &slices,
        expect![[r#"
            wrr 0x00
                EndpointSlice shop/web-65536: annotation kube-ipvs.io/weight: "65536" is no weight from 0 to 65535; its endpoints count as 1
                EndpointSlice shop/web--1: annotation kube-ipvs.io/weight: "-1" is no weight from 0 to 65535; its endpoints count as 1
                EndpointSlice shop/web-1.5: annotation kube-ipvs.io/weight: "1.5" is no weight from 0 to 65535; its endpoints count as 1
                EndpointSlice shop/web-: annotation kube-ipvs.io/weight: "" is no weight from 0 to 65535; its endpoints count as 1
                EndpointSlice shop/web-many: annotation kube-ipvs.io/weight: "many" is no weight from 0 to 65535; its endpoints count as 1
                EndpointSlice shop/web-99999999999999999999: annotation kube-ipvs.io/weight: "99999999999999999999" is no weight from 0 to 65535; its endpoints count as 1
            10.1.0.1: 0
            10.1.0.1: 65535
            10.1.0.1: 1
            10.1.0.1: 1
            10.1.0.1: 1
            10.1.0.1: 1
            10.1.0.1: 1
            10.1.0.1: 1
        "#]],
    );
}

#[test]
fn a_weight_that_cannot_be_read_counts_as_1_and_chooses_nothing() {
    check_weights(
        "weights=zone=z1:65536",
        &["web-1 web 10.1.0.1@n1,z1"],
        expect![[r#"
            rr 0x00
                annotation kube-ipvs.io/weights: zone=z1: "65536" is no weight from 0 to 65535; its endpoints count as 1
            10.1.0.1: 1
        "#]],
    );
    check_weights(
        "weights=zone=z1:",
        &["web-1 web weight=-1 10.1.0.1@n1,z1"],
        expect![[r#"
            rr 0x00
                annotation kube-ipvs.io/weights: zone=z1: "" is no weight from 0 to 65535; its endpoints count as 1
                EndpointSlice shop/web-1: annotation kube-ipvs.io/weight: "-1" is no weight from 0 to 65535; its endpoints count as 1
            10.1.0.1: 1
        "#]],
    );
}

#[test]
fn a_node_whose_weight_cannot_be_read_does_not_get_that_of_its_zone() {
    check_weights(
        "weights=zone=z1:9,node=n1:x",
        &["web-1 web 10.1.0.1@n1,z1 10.1.0.2@n2,z1"],
        expect![[r#"
            wrr 0x00
                annotation kube-ipvs.io/weights: node=n1: "x" is no weight from 0 to 65535; its endpoints count as 1
            10.1.0.1: 1
            10.1.0.2: 9
        "#]],
    );
}

#[test]
fn items_of_no_known_form_are_ignored() {
    check_weights(
        "weights=z1:3,zone=z1,rack=r1:3,zone=:3,=:,zone,,zone=z1:2",
        &["web-1 web 10.1.0.1@n1,z1"],
        expect![[r#"
            wrr 0x00
                annotation kube-ipvs.io/weights: "z1:3" is not of the form zone=NAME:WEIGHT or node=NAME:WEIGHT; it is ignored
                annotation kube-ipvs.io/weights: "zone=z1" is not of the form zone=NAME:WEIGHT or node=NAME:WEIGHT; it is ignored
                annotation kube-ipvs.io/weights: "rack=r1:3" is not of the form zone=NAME:WEIGHT or node=NAME:WEIGHT; it is ignored
                annotation kube-ipvs.io/weights: "zone=:3" is not of the form zone=NAME:WEIGHT or node=NAME:WEIGHT; it is ignored
                annotation kube-ipvs.io/weights: "=:" is not of the form zone=NAME:WEIGHT or node=NAME:WEIGHT; it is ignored
                annotation kube-ipvs.io/weights: "zone" is not of the form zone=NAME:WEIGHT or node=NAME:WEIGHT; it is ignored
            10.1.0.1: 2
        "#]],
    );
}
