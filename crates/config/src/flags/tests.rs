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

/// What kube-proxy 1.36 makes of each was seen.
#[test]
fn whole_numbers_are_those_of_go_sources() {
    for (text, number) in [
        ("0", 0),
        ("+5", 5),
        ("-5", -5),
        ("0x10", 16),
        ("0X1F", 31),
        ("-0x10", -16),
        ("0b1", 1),
        ("0o17", 15),
        ("017", 15),
        ("00", 0),
        ("1_000", 1000),
        ("0x1_0", 16),
        ("0x_1", 1),
        ("0_17", 15),
    ] {
        assert_eq!(one(&format!("--oom-score-adj={text}")), json!(number), "{text}");
    }
    for text in
        ["", "-", "08", "5.0", " 5", "1__0", "_1", "1_", "0x", "0x+5", "--5", "2147483648", "-2147483649"]
    {
        assert!(refused(&format!("--oom-score-adj={text}")), "{text}");
    }
}

/// Like a line of CSV. Unlike for kube-proxy, white space and empty elements do no harm.
#[test]
fn elements_of_lists_may_be_quoted() {
    for (text, elements) in [
        ("", json!([])),
        ("a,b", json!(["a", "b"])),
        ("\"10.0.0.0/8\"", json!(["10.0.0.0/8"])),
        ("\"a\",b", json!(["a", "b"])),
        ("\"a,b\"", json!(["a,b"])),
        ("\"a\"\"b\"", json!(["a\"b"])),
        (" a , b ,", json!(["a", "b"])),
    ] {
        assert_eq!(one(&format!("--nodeport-addresses={text}")), elements, "{text}");
    }
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
