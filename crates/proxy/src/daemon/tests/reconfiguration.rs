//! A configuration that changes while the daemon runs.

use super::*;

pub(super) fn reconfiguration(options: Options) -> Reconfiguration {
    let timeouts = Timeouts { tcp: 900, ..Timeouts::default() };
    Reconfiguration { options, settings: Settings { timeouts, ..settings() }, periods: PERIODS }
}

impl Bench {
    /// How many repairs were counted.
    pub(super) fn repairs(&self) -> u64 {
        let lines = self.metrics(&["kubeipvs_repairs_total{"]);
        lines.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

#[tokio::test(start_paused = true)]
async fn services_are_changed_in_place_and_settings_follow() {
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None), slice("web", &[1])]).await;
    bench.tell(synced()).await;
    bench.kernel.with(FakeKernel::take_log);
    let options = Options { scheduler: Scheduler::Lc, masquerade_mark: 1 << 20, ..Options::default() };
    bench.configurator.send(reconfiguration(options)).await.unwrap();
    settle().await;
    assert_eq!(
        bench.kernel.with(FakeKernel::take_log),
        "change virtual server 10.96.0.1:80/TCP\nset timeouts 900 0 0\n",
        "nothing is taken away for it"
    );
    assert!(bench.virtual_servers().starts_with("-A -t 10.96.0.1:80 -s lc\n"));
    bench.until("the rules follow", |bench| bench.rules().contains("0x100000")).await;
    assert_eq!(bench.repairs(), 0, "nobody else changed anything");
}

#[tokio::test(start_paused = true)]
async fn before_the_first_sync_the_new_configuration_is_the_only_one() {
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None), Change::Synced(Kind::Service)]).await;
    let options = Options { scheduler: Scheduler::Lc, ..Options::default() };
    bench.configurator.send(reconfiguration(options)).await.unwrap();
    settle().await;
    bench.tell([Change::Synced(Kind::EndpointSlice), Change::Synced(Kind::Node)]).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s lc\n");
}

/// What the machine has is no choice, and stays as it was found.
#[tokio::test(start_paused = true)]
async fn a_missing_scheduler_stays_missing() {
    let mut kernel = FakeKernel::new();
    kernel.missing_schedulers.insert(Scheduler::Sh);
    let bench = Bench::start(kernel);
    bench.tell([service("web", "10.96.0.1", Some("sh"))]).await;
    bench.tell(synced()).await;
    settle().await;
    bench.kernel.with(FakeKernel::take_log);
    let options = Options { masquerade_all: true, ..Options::default() };
    bench.configurator.send(reconfiguration(options)).await.unwrap();
    settle().await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n");
    let log = bench.kernel.with(FakeKernel::take_log);
    assert!(!log.contains("virtual server"), "{log}");
}
