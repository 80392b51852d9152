//! How much memory a large cluster needs.

use std::time::Instant;

use anyhow::Result;

use super::Size;
use crate::node::{Node, Setting};
use crate::table;

pub(super) fn measure(setting: &Setting) -> Result<()> {
    table::head("Memory, first sync included", &["Services × endpoints", "peak", "cold start"]);
    for size in [Size::new(10_000, 10), Size::new(100_000, 10)] {
        size.load(setting)?;
        let node = Node::new()?;
        let began = Instant::now();
        let mut proxy = node.launch(setting, None, &[])?;
        let cold = proxy.wait_for_end_of_sync(began)?;
        table::row(&[&size.to_string(), &format!("{} MiB", proxy.peak_kib()? / 1024), &table::seconds(cold)]);
        proxy.stop()?;
    }
    Ok(())
}
