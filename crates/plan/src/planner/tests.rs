mod recorded;

use expect_test::expect;
use model::{Change, Effect, Node};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::print::operations_text;
use crate::testing::{HERE, apply, assert_served, change, cluster, key, planned};

/// Names and cluster IPs are few, so that Services collide, hand over and come back.
const SERVICES: [&str; 3] = ["api", "web", "old"];

fn service_line() -> impl Strategy<Value = String> {
    let cluster_ip = select(vec!["10.96.0.1", "10.96.0.2", "10.96.0.1 fd00::1", "fd00::1", ""]);
    let ports = select(vec!["80/TCP", "53/UDP", "http:80/TCP dns:53/UDP", "81/TCP", "80/SCTP"]);
    let settings = select(vec![
        "",
        "affinity=600",
        "scheduler=sh flags=sh-port",
        "scheduler=nonsense",
        "internal=Local",
        "weights=node=n1:7,zone=z2:3",
        "created=1",
        "created=2",
    ]);
    (select(&SERVICES), cluster_ip, ports, settings)
        .prop_map(|(name, ip, ports, settings)| format!("service {name} {ip} {ports} {settings}"))
}

fn slice_line() -> impl Strategy<Value = String> {
    let slice = select(vec!["a", "b", "c"]);
    let ports = select(vec!["8080/TCP", "http:8080/TCP dns:53/UDP", "53/UDP", "8080/SCTP"]);
    let endpoints = select(vec![
        "",
        "10.1.0.1@n1",
        "10.1.0.1@n1 10.2.0.1@n2,z2",
        "10.1.0.1@n1!terminating 10.2.0.2@n2!terminating",
        "10.2.0.1@n2 10.1.0.9@n1!unready",
        "fd00:1::1@n1 fd00:2::1@n2",
    ]);
    let weight = select(vec!["", "weight=5", "weight=junk"]);
    (slice, select(&SERVICES), ports, endpoints, weight).prop_map(
        |(slice, service, ports, endpoints, weight)| {
            format!("slice {slice} {service} {ports} {endpoints} {weight}")
        },
    )
}

fn any_change() -> impl Strategy<Value = Change> {
    let here =
        |zone: Option<&str>| Change::NodeApplied(Node { zone: zone.map(Into::into), ..Node::named(HERE) });
    prop_oneof![
        6 => service_line().prop_map(|line| change(&line)),
        6 => slice_line().prop_map(|line| change(&line)),
        3 => select(&SERVICES).prop_map(|name| Change::ServiceRemoved(key(name))),
        2 => select(vec!["a", "b", "c"]).prop_map(|name| Change::SliceRemoved(key(name))),
        1 => select(vec![Some("z1"), Some("z2"), None]).prop_map(here),
    ]
}

/// Takes in some changes at once, as the daemon does with what arrives together.
fn step(planner: &mut Planner, cluster: &mut Cluster, changes: Vec<Change>) -> Update {
    let mut touched = Vec::new();
    let mut everything = false;
    for change in changes {
        match cluster.apply(change) {
            Effect::Services(keys) => touched.extend(keys),
            Effect::Everything => everything = true,
            Effect::Nothing | Effect::Synced(_) | Effect::Problem(_) => {}
        }
    }
    if everything { planner.rebuild(cluster) } else { planner.update_all(cluster, &touched) }
}

proptest! {
    #[test]
    fn planning_step_by_step_ends_where_planning_from_nothing_ends(
        steps in prop::collection::vec(prop::collection::vec(any_change(), 1..5), 1..20)
    ) {
        let options = Options::default();
        let mut planner = Planner::new(options.clone());
        let mut cluster = Cluster::new(HERE);
        let mut kernel = State::default();
        for changes in steps {
            let update = step(&mut planner, &mut cluster, changes);
            for operation in &update.operations {
                apply(&mut kernel, std::slice::from_ref(operation));
                assert_served(&kernel);
            }
            prop_assert_eq!(planner.desired().state(), &planned(&cluster, &options));
            prop_assert_eq!(planner.desired().state(), &kernel);
        }
    }

    #[test]
    fn planning_again_changes_nothing(changes in prop::collection::vec(any_change(), 1..30)) {
        let mut planner = Planner::new(Options::default());
        let mut cluster = Cluster::new(HERE);
        step(&mut planner, &mut cluster, changes);
        prop_assert_eq!(planner.rebuild(&cluster), Update::default());
    }

    #[test]
    fn the_services_left_out_of_a_rebuild_are_those_that_are_gone(
        changes in prop::collection::vec(any_change(), 1..30)
    ) {
        let mut planner = Planner::new(Options::default());
        let mut cluster = Cluster::new(HERE);
        step(&mut planner, &mut cluster, changes);
        planner.rebuild(&Cluster::new(HERE));
        prop_assert!(planner.desired().state().is_empty());
        prop_assert_eq!(planner.desired().services().count(), 0);
    }
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
    let update = planner.without_scheduler(&cluster, Scheduler::Mh);
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
    assert_eq!(planner.without_scheduler(&cluster, Scheduler::Mh), Update::default());
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
