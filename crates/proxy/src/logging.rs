//! Log lines: to standard error, one for each event that matters, with fields.

use std::io;

use config::configuration::LogFormat;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt};

/// The crates whose lines are ours. The libraries below them say at their debug levels what nobody asked for.
const OUR_CRATES: [&str; 3] = ["kube_ipvs", "config", "sources"];

/// From this verbosity on, libraries may say everything as well.
const EVERYTHING: u32 = 6;

/// How much is logged, which can be changed while the program runs.
#[derive(Clone, Debug)]
pub(crate) struct Verbosity(Handle<Targets, Registry>);

// === impl Verbosity ===

impl Verbosity {
    /// Logs as much as kube-proxy's verbosity `v` asks for.
    pub(crate) fn set(&self, v: u32) {
        // Fails only where there is no logger any more, which has nothing to log then either.
        let _ = self.0.reload(filter(v));
    }
}

/// Starts logging at kube-proxy's verbosity `v`.
pub(crate) fn start(v: u32, format: LogFormat) -> Verbosity {
    let (filter, handle) = reload::Layer::new(filter(v));
    let lines = fmt::layer().with_writer(io::stderr).with_target(v >= EVERYTHING);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start, which only tests make, keeps the first logger.
    let _ = match format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    Verbosity(handle)
}

/// Starts logging for commands that print a result: warnings only.
pub(crate) fn start_quiet() {
    let lines = fmt().with_writer(io::stderr).with_max_level(LevelFilter::WARN).with_ansi(false);
    let _ = lines.with_target(false).without_time().try_init();
}

fn filter(v: u32) -> Targets {
    let level = match v {
        0..=3 => LevelFilter::INFO,
        4..EVERYTHING => LevelFilter::DEBUG,
        EVERYTHING.. => LevelFilter::TRACE,
    };
    let others = if v < EVERYTHING { LevelFilter::WARN } else { LevelFilter::TRACE };
    let ours = OUR_CRATES.into_iter().fold(Targets::new(), |filter, ours| filter.with_target(ours, level));
    ours.with_default(others)
}
