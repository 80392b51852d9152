use super::*;

fn given(arguments: &[&str]) -> BTreeMap<&'static str, Value> {
    let command = ConfigFlags::augment_args(Command::new("kube-ipvs").args_override_self(true));
    let matches = command.try_get_matches_from(["kube-ipvs"].iter().chain(arguments));
    ConfigFlags::from_arg_matches(&matches.unwrap_or_else(|error| panic!("{error}"))).unwrap().given
}

fn one(argument: &str) -> Value {
    given(&[argument]).into_values().next().unwrap()
}

fn refused(argument: &str) -> bool {
    let command = ConfigFlags::augment_args(Command::new("kube-ipvs"));
    command.try_get_matches_from(["kube-ipvs", argument]).is_err()
}

#[test]
fn the_definition_is_consistent() {
    ConfigFlags::augment_args(Command::new("kube-ipvs")).debug_assert();
}

#[test]
fn values_are_read_as_kube_proxy_reads_them() {
    assert_eq!(one("--masquerade-all"), json!(true));
    assert_eq!(one("--masquerade-all=T"), json!(true));
    assert_eq!(one("--masquerade-all=0"), json!(false));
    assert_eq!(one("--conntrack-tcp-timeout-established=24h"), json!("24h0m0s"));
    assert_eq!(one("--ipvs-udp-timeout=-1s"), json!("-1s"), "the check names it");
    assert_eq!(one("--oom-score-adj=-998"), json!(-998));
    assert_eq!(one("--kube-api-qps=0.5"), json!(0.5));
    assert_eq!(one("--ipvs-scheduler="), json!(""));
    assert_eq!(one("--feature-gates=A=true, B=F"), json!({"A": true, "B": false}));
    assert_eq!(one("--vmodule=a*=2"), json!([{"filePattern": "a*", "verbosity": 2}]));
    assert_eq!(given(&["-v", "2"]), given(&["--v=2"]));
    assert_eq!(given(&["-v2"]), given(&["-v=2"]));
    assert_eq!(given(&["--oom-score-adj", "-998"]), given(&["--oom-score-adj=-998"]));
}

#[test]
fn what_kube_proxy_refuses_is_refused() {
    for argument in [
        "--masquerade-all=yes",
        "--ipvs-sync-period=30",
        "--oom-score-adj=1.5",
        "--kube-api-qps=many",
        "--feature-gates=A",
        "--feature-gates=A=on",
        "--vmodule=a",
        "--v=much",
        "--max-bound-addresses=-1",
    ] {
        assert!(refused(argument), "{argument}");
    }
}

#[test]
fn lists_and_maps_add_up_and_others_are_replaced() {
    let flags = given(&[
        "--nodeport-addresses=10.0.0.0/8,11.0.0.0/8",
        "--nodeport-addresses=12.0.0.0/8",
        "--feature-gates=A=true,B=true",
        "--feature-gates=A=false",
        "--cluster-cidr=10.0.0.0/8",
        "--cluster-cidr=11.0.0.0/8",
    ]);
    assert_eq!(flags["nodeport-addresses"], json!(["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"]));
    assert_eq!(flags["feature-gates"], json!({"A": false, "B": true}));
    assert_eq!(flags["cluster-cidr"], json!("11.0.0.0/8"));
}

#[test]
fn help_tells_defaults_and_what_has_no_effect() {
    let help = ConfigFlags::augment_args(Command::new("kube-ipvs")).render_long_help().to_string();
    assert!(help.contains("[default: 24h0m0s]"), "{help}");
    assert!(help.contains("No effect: it is for Windows"), "{help}");
    assert!(!help.contains("--logtostderr"), "{help}");
}
