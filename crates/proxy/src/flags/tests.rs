use super::*;

fn read(arguments: &[&str]) -> Result<Cli, clap::Error> {
    Cli::read(["kube-ipvs"].iter().chain(arguments).map(OsString::from))
}

fn error(arguments: &[&str]) -> String {
    read(arguments).unwrap_err().to_string()
}

#[test]
fn the_definition_is_consistent() {
    command().debug_assert();
}

#[test]
fn names_of_flags_may_have_underscores() {
    let run = read(&["--write_config_to=a_b", "--hostname_override", "n_1"]).unwrap().run;
    assert_eq!(run.write_config_to().and_then(Path::to_str), Some("a_b"));
    assert!(read(&["--no_such_flag"]).is_err());
}

#[test]
fn a_flag_that_is_given_again_replaces_the_first() {
    let run = read(&["--config=a", "--config=b", "--cleanup", "--cleanup=F"]).unwrap().run;
    assert_eq!(run.configuration.file().and_then(Path::to_str), Some("b"));
    assert!(!run.cleanup);
}

#[test]
fn mistakes_are_named_with_what_would_be_right() {
    assert!(error(&["--ipvs-sync-period=30"]).contains("write it like 30s"));
    assert!(error(&["--masquerade-all=maybe"]).contains("neither true nor false"));
    assert!(error(&["--max-bound-addresses=-1"]).contains("invalid digit"));
    assert!(error(&["--manifests=a", "--kubeconfig=b"]).contains("cannot be used with"));
    assert!(error(&["leftover"]).contains("no such subcommand"));
    assert!(error(&[" "]).contains("no such subcommand"));
    let unknown = error(&["--mode=ipvs", "--ipvs-schedular=rr"]);
    assert!(unknown.contains("unexpected argument '--mode'") && !unknown.contains("as a value"), "{unknown}");
    assert!(error(&["--ipvs-schedular=rr"]).contains("similar argument exists: '--ipvs-scheduler'"));
}

#[test]
fn flags_of_subcommands_lead_to_what_a_run_has() {
    assert!(error(&["--cleanup", "--dry-run"]).contains("tip: 'kube-ipvs cleanup --dry-run'"));
    assert!(error(&["--node", "node-a"]).contains("tip: a similar argument exists: '--hostname-override'"));
    for flag in ["--node", "--hostname-override"] {
        assert!(read(&["diff", flag, "node-a"]).is_ok() && read(&["plan", flag, "node-a"]).is_ok());
    }
}

/// What kube-proxy makes of each was seen.
#[test]
fn what_is_empty_says_nothing() {
    assert!(read(&["", "--cleanup", ""]).unwrap().run.cleanup);
    let run = read(&["--config=", "--write-config-to", "", "--hostname-override", ""]).unwrap().run;
    assert_eq!((run.configuration.file(), run.write_config_to()), (None, None));
    assert_eq!(run.configuration.naming(), Naming::Flags);
    assert!(run.load(&mut Vec::new()).is_ok());
}

#[test]
fn the_next_argument_is_a_value_whatever_it_looks_like() {
    let host = |value: &str| {
        let run = read(&["--config", "-c", "--hostname-override", value, "--cleanup"]).unwrap().run;
        assert_eq!(run.configuration.file().and_then(Path::to_str), Some("-c"));
        assert!(run.cleanup);
        let run = read(&["--hostname-override", value]).unwrap().run;
        run.load(&mut Vec::new()).unwrap().hostname_override.unwrap()
    };
    for value in ["-x", "--v", "--cleanup", "-5", "--"] {
        assert_eq!(host(value), value);
    }
}

#[test]
fn the_version_is_asked_for_by_a_boolean_or_raw() {
    for (argument, asked) in [
        ("--version", Some(true)),
        ("--version=raw", Some(true)),
        ("--version=T", Some(true)),
        ("--version=false", Some(false)),
        ("--version=0", Some(false)),
        ("--version=yes", None),
        ("--version=", None),
    ] {
        assert_eq!(read(&[argument]).ok().map(|cli| cli.run.version), asked, "{argument}");
    }
}

#[test]
fn a_node_is_cleaned_up_after_any_mode() {
    for mode in ["iptables", "ipvs", "nftables"] {
        let mode = format!("--proxy-mode={mode}");
        read(&["--cleanup", &mode]).unwrap().run.load(&mut Vec::new()).unwrap();
        let Some(Command::Cleanup(flags)) = read(&["cleanup", &mode]).unwrap().command else {
            panic!("not a clean-up")
        };
        flags.configuration.load_for_cleanup(&mut Vec::new()).unwrap();
    }
    assert!(read(&["--cleanup=false", "--proxy-mode=iptables"]).unwrap().run.load(&mut Vec::new()).is_err());
}

#[test]
fn plans_take_the_same_flags_and_show_those_that_matter() {
    let Some(Command::Plan(flags)) = read(&["plan", "--config=c", "--conntrack-min=1"]).unwrap().command
    else {
        panic!("not a plan")
    };
    assert_eq!(flags.configuration.file().and_then(Path::to_str), Some("c"));
    let help = error(&["plan", "--help"]);
    assert!(help.contains("--cluster-cidr"), "{help}");
    for hidden in ["--conntrack-min", "--enable-dsr", "--logtostderr"] {
        assert!(!help.contains(hidden), "{hidden} in {help}");
    }
}
