//! The scenarios of upstream's proxier tests (`pkg/proxy/ipvs/proxier_test.go` of Kubernetes 1.36) that one
//! look at a cluster decides, each with the name of the test and the case. Like there, the node has no local
//! detector and serves one family, IPv4 unless said. `docs/upstream-scenarios.md` has the list.

mod endpoints;
mod external;
mod load_balancers;
mod node_ports;
mod policies;

use super::*;
use crate::testing::{options, planned};

/// What is planned for a cluster in IPv4, without anything special.
fn check_v4(lines: &str, option_words: &str, expected: Expect) {
    check_family(Family::V4, lines, option_words, expected);
}

fn check_family(family: Family, lines: &str, option_words: &str, expected: Expect) {
    let options = Options { families: [family].into(), ..options(option_words) };
    expected.assert_eq(&text(&planned(&cluster(lines), &options)));
}
