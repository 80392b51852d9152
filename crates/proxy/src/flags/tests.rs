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
    assert_eq!(run.write_config_to.unwrap().to_str(), Some("a_b"));
    assert!(read(&["--no_such_flag"]).is_err());
}

#[test]
fn a_flag_that_is_given_again_replaces_the_first() {
    let run = read(&["--config=a", "--config=b", "--cleanup", "--cleanup=F"]).unwrap().run;
    assert_eq!(run.configuration.config.unwrap().to_str(), Some("b"));
    assert!(!run.cleanup);
}

#[test]
fn mistakes_are_named_with_what_would_be_right() {
    assert!(error(&["--ipvs-sync-period=30"]).contains("write it like 30s"));
    assert!(error(&["--masquerade-all=maybe"]).contains("neither true nor false"));
    assert!(error(&["--max-bound-addresses=-1"]).contains("invalid digit"));
    assert!(error(&["--manifests=a", "--kubeconfig=b"]).contains("cannot be used with"));
    assert!(error(&["leftover"]).contains("unrecognized subcommand"));
}

#[test]
fn plans_take_the_same_flags_and_show_those_that_matter() {
    let Some(Command::Plan(flags)) = read(&["plan", "--config=c", "--conntrack-min=1"]).unwrap().command
    else {
        panic!("not a plan")
    };
    assert_eq!(flags.configuration.config.unwrap().to_str(), Some("c"));
    let help = error(&["plan", "--help"]);
    assert!(help.contains("--cluster-cidr"), "{help}");
    for hidden in ["--conntrack-min", "--enable-dsr", "--logtostderr"] {
        assert!(!help.contains(hidden), "{hidden} in {help}");
    }
}
