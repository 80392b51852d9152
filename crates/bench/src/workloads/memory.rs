//! How much memory a large cluster needs.

use anyhow::Result;

use super::Size;
use crate::node::{Node, Setting};
use crate::table;

pub(super) fn measure(setting: &Setting) -> Result<()> {
    table::head("Memory, first sync included", &["Services × endpoints", "peak", "first sync"]);
    for size in [Size::new(10_000, 10), Size::new(100_000, 10)] {
        size.load(setting)?;
        let node = Node::new()?;
        let (proxy, start) = node.start(setting, &[])?;
        table::row(&[
            &size.to_string(),
            &format!("{} MiB", proxy.peak_kib()? / 1024),
            &table::seconds(start.sync),
        ]);
        proxy.stop()?;
    }
    Ok(())
}
