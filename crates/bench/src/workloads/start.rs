//! From nothing to a node that serves, and the same once more.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{NO_AUDITS, Size};
use crate::loaders::State;
use crate::node::{Node, Setting, Start};
use crate::table::{self, median, ratio, seconds};
use crate::{process, recording};

/// With more Services the loaders would take most of the time, mostly for addresses.
const MOST_FOR_LOADERS: u32 = 20_000;

/// Every address is bound to the interface, as kube-proxy does it.
const ALL_BOUND: [&str; 4] = ["--ipvs-sync-period", "1h", "--max-bound-addresses", "1000000"];

/// What was measured of one size: every one a median.
struct Measured {
    cold: Duration,
    sync: Duration,
    restart: Duration,
    discard: Duration,
    replay: Duration,
    peak_kib: u64,
}

/// One round of everything.
struct Run {
    first: Start,
    second: Start,
    discard: Duration,
    replay: Duration,
    peak_kib: u64,
}

pub(super) fn measure(setting: &Setting, sizes: &[Size]) -> Result<()> {
    table::head(
        "Start",
        &[
            "Services × endpoints",
            "first sync",
            "replay",
            "ratio",
            "replay with bound addresses",
            "ratio",
            "ip -batch + ipset restore + ipvsadm -R",
            "ratio",
            "cold start",
            "lists thrown away",
            "(cold − lists) / first sync",
            "restart",
            "ratio",
            "peak memory",
        ],
    );
    for size in sizes {
        measure_one(setting, *size)?;
    }
    Ok(())
}

fn measure_one(setting: &Setting, size: Size) -> Result<()> {
    size.load(setting)?;
    let recorded = recording::record(setting, "start", &NO_AUDITS)?;
    let mut runs = Vec::new();
    let mut loaders = None;
    for run in 0..setting.runs {
        let node = Node::new()?;
        let (proxy, first) = node.start(setting, &NO_AUDITS)?;
        let peak_kib = proxy.peak_kib()?;
        proxy.stop()?;
        let (proxy, second) = node.start(setting, &NO_AUDITS)?;
        proxy.stop()?;
        anyhow::ensure!(second.changes == 0, "a restart sent {} changes", second.changes);
        if run == 0 && size.services <= MOST_FOR_LOADERS {
            loaders = Some(State::of(&node, setting, size.services)?.load()?);
        }
        drop(node);
        let (discard, replay) = (time_discard(setting)?, recording::time_replay(&recorded)?);
        runs.push(Run { first, second, discard, replay, peak_kib });
    }
    let measured = Measured::of(&runs).context("no runs")?;
    let bound = recording::time_replay(&recording::record(setting, "bound", &ALL_BOUND)?)?;
    let lists = measured.cold.saturating_sub(measured.discard);
    table::row(&[
        &size.to_string(),
        &seconds(measured.sync),
        &seconds(measured.replay),
        &ratio(measured.sync, measured.replay),
        &seconds(bound),
        &ratio(measured.sync, bound),
        &loaders.map_or("not measured".to_owned(), |loaders| loaders.to_string()),
        &loaders.map_or(String::new(), |loaders| ratio(measured.sync, loaders.total())),
        &seconds(measured.cold),
        &seconds(measured.discard),
        &ratio(lists, measured.sync),
        &seconds(measured.restart),
        &ratio(measured.restart, measured.sync),
        &format!("{} MiB", measured.peak_kib / 1024),
    ]);
    Ok(())
}

// === impl Measured ===

impl Measured {
    fn of(runs: &[Run]) -> Option<Measured> {
        let of = |value: fn(&Run) -> Duration| median(runs.iter().map(value).collect());
        Some(Measured {
            cold: of(|run| run.first.cold)?,
            sync: of(|run| run.first.sync)?,
            restart: of(|run| run.second.sync)?,
            discard: of(|run| run.discard)?,
            replay: of(|run| run.replay)?,
            peak_kib: median(runs.iter().map(|run| run.peak_kib).collect())?,
        })
    }
}

/// How long the server needs to send its lists to a client that throws them away.
fn time_discard(setting: &Setting) -> Result<Duration> {
    let node = Node::new()?;
    let report = process::repeat_in(&node.namespace, &["discard", &setting.api.to_string()])?;
    let milliseconds = report.split_whitespace().next().context("nothing was reported")?;
    Ok(Duration::from_millis(milliseconds.parse()?))
}
