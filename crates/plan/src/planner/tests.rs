mod changes;
mod counters;
mod host_addresses;
mod random;
mod recorded;
mod upstream_scenarios;

use expect_test::{Expect, expect};
use model::{Change, Effect};

use super::*;
use crate::print::operations_text;
use crate::testing::{apply, assert_served, change, cluster, key, options, planned};

/// Takes in some changes at once, as the daemon does with what arrives together.
fn step(planner: &mut Planner, cluster: &mut Cluster, changes: Vec<Change>) -> Update {
    step_with_hosts(planner, cluster, changes, None)
}

/// The same with the addresses that the machine has from now on, if that is news.
fn step_with_hosts(
    planner: &mut Planner,
    cluster: &mut Cluster,
    changes: Vec<Change>,
    hosts: Option<BTreeSet<IpAddr>>,
) -> Update {
    let mut touched = Vec::new();
    let mut everything = false;
    for change in changes {
        match cluster.apply(change) {
            Effect::Services(keys) => touched.extend(keys),
            Effect::Everything => everything = true,
            Effect::Nothing | Effect::Synced(_) | Effect::Problem(_) => {}
        }
    }
    if let Some(hosts) = hosts {
        touched.extend(planner.set_host_addresses(cluster, hosts));
    }
    if everything { planner.rebuild(cluster) } else { planner.update_all(cluster, &touched) }
}

/// Carries out the steps of an update one by one. After each the kernel has to be right.
fn carry_out(kernel: &mut State, operations: &[Operation]) {
    for operation in operations {
        apply(kernel, std::slice::from_ref(operation));
        assert_served(kernel);
    }
}

/// Tells `lines` one after the other, to a planner that knows `first`, with the operations that each leads to
/// and the health check if it changes. A line `host …` says which addresses the machine has.
fn check_story(option_words: &str, first: &str, lines: &str, expected: Expect) {
    let mut cluster = cluster(first);
    let mut planner = Planner::new(options(option_words));
    let mut kernel = State::default();
    carry_out(&mut kernel, &planner.rebuild(&cluster).operations);
    let mut story = String::new();
    for line in lines.lines().map(str::trim) {
        let update = match line.strip_prefix("host") {
            Some(hosts) => {
                let hosts = hosts.split_whitespace().map(|host| host.parse().unwrap()).collect();
                let depending = planner.set_host_addresses(&cluster, hosts);
                planner.update_all(&cluster, &depending)
            }
            None => step(&mut planner, &mut cluster, vec![change(line)]),
        };
        carry_out(&mut kernel, &update.operations);
        assert_eq!(kernel, planned(&cluster, planner.options()));
        story.push_str(&format!("# {line}\n{}", operations_text(&update.operations)));
        for (service, check) in update.health_checks {
            let port = check.map_or("none".to_owned(), |check| check.port.to_string());
            story.push_str(&format!("health check of {}: {port}\n", service.name));
        }
    }
    expected.assert_eq(&story);
}

/// The operations of a second step, after a first one.
fn operations(first: &str, second: &str) -> String {
    let mut cluster = cluster(first);
    let mut planner = Planner::new(Options::default());
    planner.rebuild(&cluster);
    let changes = second.lines().map(change).collect();
    operations_text(&step(&mut planner, &mut cluster, changes).operations)
}

#[test]
fn an_address_that_passes_from_one_service_to_another_in_one_step_is_never_taken_down() {
    let first = "service blue 10.96.0.1 80/TCP
                 slice blue-1 blue 8080/TCP 10.1.0.1@n2";
    let second = "no-service blue
                  service green 10.96.0.1 80/TCP
                  slice green-1 green 8080/TCP 10.1.0.2@n2";
    expect![[r#"
        + ipvsadm -a -t 10.96.0.1:80 -r 10.1.0.2:8080 -m -w 1
        - ipvsadm -d -t 10.96.0.1:80 -r 10.1.0.1:8080
    "#]]
    .assert_eq(&operations(first, second));
}

#[test]
fn one_endpoint_costs_one_operation() {
    let first = "service web 10.96.0.1 80/TCP
                 slice web-1 web 8080/TCP 10.1.0.1@n2";
    let second = "slice web-1 web 8080/TCP 10.1.0.1@n2 10.1.0.2@n2";
    expect![[r#"
        + ipvsadm -a -t 10.96.0.1:80 -r 10.1.0.2:8080 -m -w 1
    "#]]
    .assert_eq(&operations(first, second));
}

#[test]
fn warnings_are_told_once_and_taken_back() {
    let mut cluster = cluster("service web 10.96.0.1 80/TCP scheduler=fair");
    let mut planner = Planner::new(Options::default());
    let mut told = |cluster: &Cluster| {
        let warnings = planner.update_all(cluster, [&key("web")]).warnings;
        let counts: Vec<usize> = warnings.iter().map(|(_, warnings)| warnings.len()).collect();
        format!("{counts:?}")
    };
    assert_eq!(told(&cluster), "[1]");
    assert_eq!(told(&cluster), "[]");
    cluster.apply(change("slice web-1 web 8080/TCP 10.1.0.1@n1"));
    assert_eq!(told(&cluster), "[]");
    cluster.apply(change("service web 10.96.0.1 80/TCP scheduler=lc"));
    assert_eq!(told(&cluster), "[0]");
}

#[test]
fn the_warnings_of_a_service_go_with_it() {
    let mut cluster = cluster("service web 10.96.0.1 80/TCP scheduler=fair");
    let mut planner = Planner::new(Options::default());
    planner.rebuild(&cluster);
    cluster.apply(change("no-service web"));
    let update = planner.update_all(&cluster, [&key("web")]);
    assert_eq!(update.warnings, [(key("web"), Vec::new())]);
}

#[test]
fn a_scheduler_that_the_kernel_lacks_is_replaced_where_it_is_used() {
    let cluster = cluster(
        "service hashed 10.96.0.1 80/TCP scheduler=mh
         service plain 10.96.0.2 80/TCP",
    );
    let mut planner = Planner::new(Options::default());
    planner.rebuild(&cluster);
    let update = planner.without_scheduler(&cluster, Scheduler::Mh).unwrap();
    expect![[r#"
        ~ ipvsadm -E -t 10.96.0.1:80 -s rr
    "#]]
    .assert_eq(&operations_text(&update.operations));
    expect![[r#"
        [
            (
                ObjectKey {
                    namespace: "shop",
                    name: "hashed",
                },
                [
                    Warning {
                        reason: Scheduling,
                        message: "scheduler mh is not available in this kernel (module ip_vs_mh); rr is used",
                    },
                ],
            ),
        ]
    "#]]
    .assert_debug_eq(&update.warnings);
    assert_eq!(planner.without_scheduler(&cluster, Scheduler::Mh), None);
}

#[test]
fn a_conflict_that_comes_and_goes_within_one_step_is_not_told() {
    let mut cluster = cluster("service web 10.96.0.1 80/TCP");
    let mut planner = Planner::new(Options::default());
    planner.rebuild(&cluster);
    let changes = ["service api 10.96.0.1 80/TCP", "service web 10.96.0.2 80/TCP"];
    let update = step(&mut planner, &mut cluster, changes.map(change).to_vec());
    assert_eq!((update.conflicts, update.resolved), (Vec::new(), Vec::new()));
}

#[test]
fn the_control_plane_and_name_resolution_are_urgent() {
    let cluster = cluster(
        "service default/kubernetes 10.96.0.1 443/TCP
         service kube-system/coredns 10.96.0.10 dns:53/UDP
         service kube-system/metrics 10.96.0.11 443/TCP
         service shop/dns 10.96.0.12 53/UDP
         service default/kubernetes-dashboard 10.96.0.13 443/TCP",
    );
    let mut planner = Planner::new(Options::default());
    planner.rebuild(&cluster);
    expect![[r#"
        -A -t 10.96.0.1:443 -s rr
        -A -u 10.96.0.10:53 -s rr
        add KUBE-CLUSTER-IP 10.96.0.1,tcp:443
        add KUBE-CLUSTER-IP 10.96.0.10,udp:53
        add KUBE-NO-ENDPOINT 10.96.0.1,tcp:443
        add KUBE-IPVS-IPS 10.96.0.1
        add KUBE-IPVS-IPS 10.96.0.10
        bound: 10.96.0.1 10.96.0.10
    "#]]
    .assert_eq(&crate::testing::text(&planner.urgent()));
}

#[test]
fn what_is_urgent_of_a_contested_address_is_what_its_winner_plans() {
    let cluster = cluster(
        "service shop/first 10.96.0.1 443/TCP created=1 scheduler=lc
         service default/kubernetes 10.96.0.1 443/TCP created=2",
    );
    let mut planner = Planner::new(Options::default());
    planner.rebuild(&cluster);
    let (urgent, all) = (planner.urgent(), planner.desired().state());
    assert_eq!(urgent.virtual_servers, all.virtual_servers);
}
