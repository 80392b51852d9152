use std::ffi::OsString;
use std::fs;

use ::config::configuration::LogFormat;
use tokio::sync::mpsc::Receiver;

use super::*;
use crate::flags::Cli;
use crate::logging;

const START: &str =
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\n";

struct Bench {
    folder: tempfile::TempDir,
    reload: Reload,
    apply: Receiver<Reconfiguration>,
    restart: Receiver<()>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.conf");
        fs::write(&path, START).unwrap();
        let arguments =
            [OsString::from("kube-ipvs"), "--config".into(), path.into(), "--drain-timeout=1s".into()];
        let flags = Cli::read(arguments).unwrap().run.configuration;
        let configuration = flags.load(&mut Vec::new()).unwrap();
        let (apply, applied) = mpsc::channel(1);
        let (restart, restarted) = mpsc::channel(1);
        let reload = Reload {
            flags,
            families: BTreeSet::from([Family::V6]),
            machine: Machine { kernel_release: "6.1.0".to_owned(), processors: 2 },
            verbosity: logging::start(0, LogFormat::Text),
            current: watch::Sender::new(configuration),
            outcomes: Outcomes { apply, restart },
            told: None,
        };
        Bench { folder, reload, apply: applied, restart: restarted }
    }

    fn write(&mut self, more: &str) -> ControlFlow<()> {
        fs::write(self.folder.path().join("config.conf"), format!("{START}{more}")).unwrap();
        self.reload.changed()
    }
}

#[test]
fn what_can_be_applied_is_and_flags_of_ours_still_count() {
    let mut bench = Bench::new();
    assert!(
        bench.write("ipvs: {scheduler: lc, minSyncPeriod: 2s}\nkubeIpvs: {drainTimeout: 5s}\n").is_continue()
    );
    let Reconfiguration { options, settings, periods } = bench.apply.try_recv().unwrap();
    assert_eq!(options.scheduler, plan::Scheduler::Lc);
    assert_eq!(options.families, BTreeSet::from([Family::V6]));
    assert_eq!(periods.changes.as_secs(), 2);
    assert_eq!(settings.drain_limit.as_secs(), 1);
    assert_eq!(bench.reload.current.borrow().scheduler, "lc");
}

#[test]
fn what_changes_nothing_is_not_told() {
    let mut bench = Bench::new();
    assert!(bench.write("# a comment\nportRange: 1-2\nipvs: {syncPeriod: 0s}\n").is_continue());
    assert!(bench.apply.try_recv().is_err() && bench.restart.try_recv().is_err());
    assert_eq!(bench.reload.current.borrow().document.port_range, "1-2");
}

#[test]
fn warnings_are_told_once_and_also_if_nothing_else_changes() {
    let mut bench = Bench::new();
    let told = |bench: &Bench| bench.reload.told.clone().unwrap().into_iter().collect::<Vec<_>>().join("\n");
    assert!(bench.write("").is_continue());
    let first = told(&bench);
    assert!(bench.write("ipvs: {schedular: lc}\n").is_continue());
    assert!(told(&bench).contains("ipvs.schedular is unknown"), "{}", told(&bench));
    assert!(bench.write("").is_continue());
    assert_eq!(told(&bench), first);
}

#[test]
fn what_cannot_be_applied_ends_the_process() {
    let mut bench = Bench::new();
    assert!(bench.write("ipvs: {scheduler: lc}\nhealthzBindAddress: 0.0.0.0:1\n").is_break());
    assert!(bench.restart.try_recv().is_ok() && bench.apply.try_recv().is_err());
}

#[test]
fn a_broken_file_changes_nothing() {
    let mut bench = Bench::new();
    for broken in [
        "ipvs: {scheduler: fast}\n",
        "ipvs: {syncPeriod: 5}\n",
        "mode: iptables\n",
        "ipvs: [\n",
        "bindAddress: 192.0.2.1\n",
    ] {
        assert!(bench.write(broken).is_continue(), "{broken}");
        assert!(bench.apply.try_recv().is_err() && bench.restart.try_recv().is_err(), "{broken}");
    }
}
