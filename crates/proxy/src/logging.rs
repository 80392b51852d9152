//! Log lines: to standard error, one for each event that matters, with fields.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::flags::LoggingFormat;

/// The crates whose lines are ours. The libraries below them say at their debug levels what nobody asked for.
const OUR_CRATES: [&str; 5] = ["kube_ipvs", "sources", "plan", "dataplane", "netlink"];

/// From this verbosity on, libraries may say everything as well.
const EVERYTHING: u8 = 6;

/// Starts logging at kube-proxy's verbosity `v`.
pub(crate) fn start(v: u8, format: LoggingFormat) {
    let level = match v {
        0..=3 => LevelFilter::INFO,
        4..EVERYTHING => LevelFilter::DEBUG,
        EVERYTHING.. => LevelFilter::TRACE,
    };
    let others = if v < EVERYTHING { LevelFilter::WARN } else { LevelFilter::TRACE };
    let filter = OUR_CRATES.into_iter().fold(Targets::new(), |filter, ours| filter.with_target(ours, level));
    let lines = fmt::layer().with_writer(io::stderr).with_target(v >= EVERYTHING);
    let registry = tracing_subscriber::registry().with(filter.with_default(others));
    // A second start, which only tests make, keeps the first logger.
    let _ = match format {
        LoggingFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
        LoggingFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}

/// Starts logging for commands that print a result: warnings only.
pub(crate) fn start_quiet() {
    let lines = fmt().with_writer(io::stderr).with_max_level(LevelFilter::WARN).with_ansi(false);
    let _ = lines.with_target(false).without_time().try_init();
}
