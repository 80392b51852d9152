//! Starting where kube-proxy ran in another mode.

use expect_test::expect;

use super::*;

/// Its rules for a Service at 10.96.0.1, and its table of nftables.
fn kernel_of_other_modes() -> FakeKernel {
    const MODE_IPTABLES: &str = "*nat
:PREROUTING - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SVC-NPX46M4PTMTKRN6Y
COMMIT
";
    let mut kernel = FakeKernel::new();
    kernel.set_rules(Family::V4, MODE_IPTABLES);
    kernel.nftables.insert(Family::V4);
    kernel
}

impl Bench {
    /// Whether the other mode's chain for the Service is there and traffic is led into it, and whether its table is.
    fn others(&self) -> (bool, bool, bool) {
        let rules = self.rules();
        let has_table = self.kernel.with(|kernel| !kernel.nftables.is_empty());
        (rules.contains(":KUBE-SVC-"), rules.contains("-j KUBE-SVC-"), has_table)
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_mode_left_serves_until_ours_does_and_then_goes() {
    let bench = Bench::start(kernel_of_other_modes());
    bench.tell([service("web", "10.96.0.1", None), slice("web", &[1])]).await;
    assert_eq!(bench.others(), (true, true, true));
    bench.tell(synced()).await;
    assert_eq!(bench.virtual_servers().lines().count(), 2);
    assert_eq!(bench.others(), (false, false, false));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_counts_as_a_failure_and_is_tried_again() {
    let mut kernel = kernel_of_other_modes();
    kernel.refused_rules.push((Family::V4, "-X KUBE-SVC-"));
    let bench = Bench::start(kernel);
    bench.tell(synced()).await;
    assert_eq!(bench.others(), (true, false, false));
    expect![[r#"
        kubeipvs_failed_steps_total{kind="iptables"} 1
        kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 1
        kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv6"} 0"#]]
    .assert_eq(&bench.metrics(&["kubeipvs_failed_steps_total{kind=\"iptables\"", RESTORE_FAILURES]));
    bench.until("they are removed", |bench| bench.others() == (false, false, false)).await;
}

#[tokio::test(start_paused = true)]
async fn it_goes_although_something_is_refused_for_good() {
    let mut kernel = kernel_of_other_modes();
    kernel.refusals = vec![("bind 10.96.0.1 to kube-ipvs0".to_owned(), netlink_errno()); 1000];
    let bench = Bench::start(kernel);
    bench.tell([service("web", "10.96.0.1", None), slice("web", &[1])]).await;
    bench.tell([service("api", "10.96.0.2", None), slice("api", &[2])]).await;
    bench.tell(synced()).await;
    assert_eq!(bench.others(), (true, true, true));
    bench.until("it is gone", |bench| bench.others() == (false, false, false)).await;
    assert_eq!(bench.kernel.with(|kernel| kernel.state.addresses.len()), 1, "the other is still refused");
}

#[tokio::test(start_paused = true)]
async fn it_stays_until_everything_of_ours_stands() {
    let mut kernel = kernel_of_other_modes();
    kernel.refusals.push(("bind 10.96.0.1 to kube-ipvs0".to_owned(), netlink_errno()));
    let bench = Bench::start(kernel);
    bench.tell([service("web", "10.96.0.1", None), slice("web", &[1])]).await;
    bench.tell(synced()).await;
    assert_eq!(bench.others(), (true, true, true));
    bench.until("the retry has succeeded", |bench| bench.others() == (false, false, false)).await;
}
