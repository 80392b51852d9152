//! When health checks turn traffic away from this node.

use super::*;

/// Longer than the limit of [`outlets`].
const TOO_LONG: Duration = Duration::from_secs(61);

#[tokio::test(start_paused = true)]
async fn an_element_that_the_kernel_refuses_is_no_reason_to_turn_traffic_away() {
    let mut kernel = FakeKernel::new();
    let refused = "add virtual server 10.96.0.1:80/TCP".to_owned();
    kernel.refusals = vec![(refused, netlink_errno()); 100];
    let bench = Bench::start(kernel);
    bench.tell([service("web", "10.96.0.1", None)]).await;
    bench.tell(synced()).await;
    tokio::time::sleep(TOO_LONG).await;
    assert_eq!(bench.virtual_servers(), "");
    assert!(bench.health.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn a_step_that_goes_on_failing_is_and_its_end_is_noticed() {
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None)]).await;
    bench.tell(synced()).await;
    bench.kernel.with(|kernel| kernel.lost_replies = 1000);
    bench.tell([slice("web", &[1])]).await;
    bench.tell([slice("web", &[1, 2])]).await;
    bench.kernel.with(|kernel| {
        kernel.state.virtual_servers.clear();
        kernel.refusals = vec![("add virtual server 10.96.0.1:80/TCP".to_owned(), netlink_errno()); 1000];
    });
    tokio::time::sleep(TOO_LONG).await;
    assert!(!bench.health.is_healthy());
    bench.kernel.with(|kernel| {
        kernel.lost_replies = 0;
        kernel.refusals.clear();
    });
    bench.until("the next audit has found everything right", |bench| bench.health.is_healthy()).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_served_before_the_addresses_of_the_machine_are_known() {
    let mut kernel = FakeKernel::new();
    kernel.unreadable_addresses = true;
    let bench = Bench::start(kernel);
    bench.tell([service("web", "10.96.0.1", None)]).await;
    bench.tell(synced()).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(bench.kernel.with(|kernel| kernel.state.is_empty()));
    bench.kernel.with(|kernel| kernel.unreadable_addresses = false);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n");
}
