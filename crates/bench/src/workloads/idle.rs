//! What it costs when nothing happens.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Size;
use crate::node::{Node, Setting};
use crate::table;

pub(super) fn measure(setting: &Setting, seconds: u64) -> Result<()> {
    let size = Size::new(10_000, 10);
    size.load(setting)?;
    let node = Node::new()?;
    let (proxy, _) = node.start(setting, &[])?;
    let (before, began) = (proxy.processor_time()?, Instant::now());
    thread::sleep(Duration::from_secs(seconds));
    let used = proxy.processor_time()?.saturating_sub(before);
    let of_machine = used.as_secs_f64() / began.elapsed().as_secs_f64() / processors()? * 100.0;
    table::head(
        "Idle, audits included",
        &["Services × endpoints", "watched for", "processor time", "of the guest's processors"],
    );
    table::row(&[
        &size.to_string(),
        &table::seconds(began.elapsed()),
        &table::seconds(used),
        &format!("{of_machine:.2} %"),
    ]);
    proxy.stop()
}

fn processors() -> Result<f64> {
    Ok(u32::try_from(thread::available_parallelism()?.get())?.into())
}
