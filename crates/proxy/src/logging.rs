//! Log lines: to standard error, one for each event that matters, with fields.

use std::io;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::flags::LoggingFormat;

/// Starts logging at kube-proxy's verbosity `v`.
pub(crate) fn start(v: u8, format: LoggingFormat) {
    let level = match v {
        0..=3 => LevelFilter::INFO,
        4..=5 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let lines = fmt().with_writer(io::stderr).with_max_level(level).with_target(v > 5);
    // A second start, which only tests make, keeps the first logger.
    let _ = match format {
        LoggingFormat::Text => lines.with_ansi(false).try_init(),
        LoggingFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// Starts logging for commands that print a result: warnings only.
pub(crate) fn start_quiet() {
    let _ = fmt().with_writer(io::stderr).with_max_level(LevelFilter::WARN).with_ansi(false).try_init();
}
