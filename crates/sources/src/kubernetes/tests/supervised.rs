//! Followers and their supervision.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::kubernetes::supervise;

/// Half of what there is must not be taken for all.
#[tokio::test]
async fn a_follower_that_fails_ends_the_changes() {
    let (sender, mut changes) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    let healthy = sender.clone();
    tasks.spawn(async move { healthy.closed().await });
    tasks.spawn(async { panic!("on purpose") });
    tokio::spawn(supervise(tasks, sender));
    let change = tokio::time::timeout(PATIENCE, changes.recv()).await.unwrap();
    assert_eq!(change, None);
}
