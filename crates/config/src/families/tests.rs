use clap::{Args as _, Command, FromArgMatches as _};
use expect_test::{Expect, expect};

use super::*;
use crate::{ConfigFlags, Purpose, load};

fn check_flags(arguments: &[&str], served: &[Family], expected: Expect) {
    let command = ConfigFlags::augment_args(Command::new("kube-ipvs"));
    let matches = command.try_get_matches_from(["kube-ipvs"].iter().chain(arguments)).unwrap();
    let flags = ConfigFlags::from_arg_matches(&matches).unwrap();
    let configuration = load(&flags, None, Purpose::Serve(|_| Ok(())), &mut Vec::new()).unwrap();
    let found = match check(&configuration, &served.iter().copied().collect(), Naming::Flags) {
        Ok(warnings) => warnings.iter().map(|warning| format!("{warning}\n")).collect(),
        Err(error) => format!("error: {error}\n"),
    };
    expected.assert_eq(&found);
}

const BOTH: &[Family] = &Family::ALL;
const V4: &[Family] = &[Family::V4];

#[test]
fn node_ports_on_more_addresses_than_named_are_told() {
    check_flags(
        &[],
        BOTH,
        expect![[r#"
        nodePortAddresses is not set, so that node ports are served on all addresses of this machine; consider --nodeport-addresses=primary
    "#]],
    );
    check_flags(&["--nodeport-addresses=primary"], BOTH, expect![[""]]);
    check_flags(&["--nodeport-addresses=10.0.0.0/8"], BOTH, expect![[""]]);
    check_flags(
        &["--nodeport-addresses=10.0.0.0/8", "--bind-address=2001:db8::1"],
        BOTH,
        expect![[r#"
        nodePortAddresses has no network of IPv6, so that node ports are served on all IPv6 addresses
    "#]],
    );
    check_flags(
        &["--nodeport-addresses=10.0.0.0/8", "--cluster-cidr=10.0.0.0/8,fd00::/8"],
        BOTH,
        expect![[r#"
            nodePortAddresses has no network of IPv6, so that node ports are served on all IPv6 addresses
        "#]],
    );
}

/// With everything else that does not fit the node.
#[test]
fn an_address_of_the_node_of_a_family_that_is_not_served_is_an_error() {
    check_flags(
        &["--bind-address=2001:db8::1", "--cluster-cidr=fd00::/8"],
        V4,
        expect![[r#"
            error: the configuration is not usable: --bind-address: 2001:db8::1: it makes IPv6 the node's first family, which cannot be served here for the reason that was logged at the start (put that right, or leave --bind-address out); --cluster-cidr: fd00::/8: none of it is of the only family that this node serves, IPv4
        "#]],
    );
    check_flags(&["--bind-address=::", "--nodeport-addresses=primary"], V4, expect![[""]]);
}

#[test]
fn settings_of_the_other_family_are_told_and_one_is_an_error() {
    let port = "--nodeport-addresses=primary";
    check_flags(
        &[port, "--cluster-cidr=fd00::/8"],
        V4,
        expect![[r#"
            error: the configuration is not usable: --cluster-cidr: fd00::/8: none of it is of the only family that this node serves, IPv4
        "#]],
    );
    check_flags(
        &[port, "--cluster-cidr=fd00::/8"],
        BOTH,
        expect![[r#"
        clusterCIDR fd00::/8 has no network of the primary family, IPv4
    "#]],
    );
    check_flags(
        &[
            port,
            "--ipvs-exclude-cidrs=fd00::/8",
            "--healthz-bind-address=[fd00::1]:1",
            "--metrics-bind-address=[::]:1",
        ],
        V4,
        expect![[r#"
            ipvs.excludeCIDRs is not of the only family that this node serves, IPv4
            healthzBindAddress is not of the only family that this node serves, IPv4
        "#]],
    );
}
