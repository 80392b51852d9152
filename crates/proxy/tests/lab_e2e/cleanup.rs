//! Leaving a node as it was before any Kubernetes proxy.

use std::process::Output;

use crate::support::kernel::Dump;
use crate::support::manifests::Service;
use crate::support::testbed::{KUBE_IPVS, Testbed, shell};
use crate::takeover::{FOREIGN, PREDECESSOR, foreign};

/// What kube-proxy's other modes leave, with the Service `web` at 10.96.0.10 and `pod-1` behind it.
pub(crate) const OTHER_MODES: &str = "
iptables-restore --noflush <<.
*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
:KUBE-PROXY-CANARY - [0:0]
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.10/32 -j KUBE-SVC-NPX46M4PTMTKRN6Y
-A KUBE-SVC-NPX46M4PTMTKRN6Y -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.1.2:8080
COMMIT
.
nft add table ip kube-proxy
nft add table ip6 kube-proxy";

fn cleanup(testbed: &Testbed, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = testbed.node().namespace.command(KUBE_IPVS).unwrap();
    let Output { status, stdout, .. } = command.args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

/// The lines of a dump that are not [`FOREIGN`]'s.
fn left(testbed: &Testbed) -> Vec<String> {
    let dump = Dump::of(&testbed.node().namespace).to_string();
    let foreign = foreign(testbed);
    let is_foreign = |line: &str| foreign.iter().any(|known| line.starts_with(known));
    dump.lines().filter(|line| !is_foreign(line)).map(str::to_owned).collect()
}

#[test]
fn everything_of_ours_goes_and_what_is_foreign_stays() {
    let Some(testbed) = Testbed::build() else { return };
    let namespace = &testbed.node().namespace;
    shell(namespace, FOREIGN);
    let before = foreign(&testbed);
    testbed.manifests.apply(&Service::new("web", 10).slice(testbed.endpoints(&["pod-1", "pod-3"])));
    drop(testbed.run(&[]));
    let standing = Dump::of(namespace);

    let (code, would) = cleanup(&testbed, &["cleanup", "--dry-run"]);
    assert_eq!(code, Some(0), "{would}");
    Dump::of(namespace).assert_equals(&standing);

    let (code, did) = cleanup(&testbed, &["--cleanup"]);
    assert_eq!(code, Some(0), "{did}");
    assert_eq!(did, would.replace("would remove: ", "removed: "));
    assert_eq!(left(&testbed), Vec::<String>::new(), "after\n{did}");
    assert_eq!(foreign(&testbed), before);
    assert!(did.contains("left alone: interface kube-ipvs0, since no proxy put 192.0.2.201 there"), "{did}");
}

#[test]
fn a_predecessors_state_goes_too_when_only_half_of_it_is_there() {
    let Some(testbed) = Testbed::build() else { return };
    let namespace = &testbed.node().namespace;
    shell(namespace, PREDECESSOR);
    shell(namespace, OTHER_MODES);
    shell(namespace, "ipset destroy KUBE-CLUSTER-IP; ipset destroy KUBE-6-IPVS-IPS");
    let (code, did) = cleanup(&testbed, &["--cleanup"]);
    assert_eq!(code, Some(0), "{did}");
    let dump = Dump::of(namespace);
    dump.assert_equals(&Dump::default());
    assert_eq!(shell(namespace, "nft list tables | grep kube-proxy; true"), "");
    assert_eq!(cleanup(&testbed, &["--cleanup"]), (Some(0), "nothing to remove\n".to_owned()));
}
