//! What is measured.

mod change;
mod idle;
mod memory;
mod start;
mod traffic;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::api;
use crate::node::Setting;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The address of `bench serve`
    #[arg(long)]
    api: SocketAddr,
    /// The program to measure
    #[arg(long, value_name = "FILE")]
    kube_ipvs: PathBuf,
    /// A folder for logs and recordings
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// How often each thing is measured; the median counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds to watch an idle proxy
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    idle: u64,
    /// Services and endpoints of each, as in 1000x10, for the measurement `start`
    #[arg(long, value_name = "SxE", value_parser = Size::parse, default_values = ["1000x10", "10000x10", "50000x2"])]
    sizes: Vec<Size>,
    /// What to measure [default: everything]
    #[arg(value_enum)]
    what: Vec<Workload>,
}

/// Audits would disturb what is measured.
const NO_AUDITS: [&str; 2] = ["--ipvs-sync-period", "1h"];

/// Something to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Cold start, first sync and restart.
    Start,
    /// One endpoint more.
    Change,
    /// All endpoints of a large Service replaced.
    RollingUpdate,
    /// Many changes for a minute.
    Churn,
    /// Nothing at all.
    Idle,
    /// Memory of a large cluster.
    Memory,
    /// What traffic costs; only when asked for, since it needs a guest whose clock counts instructions.
    Traffic,
}

/// A number of Services, and how many endpoints each has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) services: u32,
    pub(crate) endpoints: u32,
}

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let setting = Setting {
        kube_ipvs: arguments.kube_ipvs.clone(),
        api: arguments.api,
        folder: arguments.folder.clone(),
        runs: arguments.runs,
    };
    setting.prepare()?;
    let bytes = fs::metadata(&setting.kube_ipvs).context("there is no kube-ipvs")?.len();
    println!("kube-ipvs: {:.1} MiB", bytes as f64 / 1048576.0);
    let wants = |workload| arguments.what.is_empty() || arguments.what.contains(&workload);
    if wants(Workload::Start) {
        start::measure(&setting, &arguments.sizes)?;
    }
    if wants(Workload::Change) {
        change::one_endpoint(&setting)?;
    }
    if wants(Workload::RollingUpdate) {
        change::rolling_update(&setting)?;
    }
    if wants(Workload::Churn) {
        change::churn(&setting)?;
    }
    if wants(Workload::Idle) {
        idle::measure(&setting, arguments.idle)?;
    }
    if wants(Workload::Memory) {
        memory::measure(&setting)?;
    }
    if arguments.what.contains(&Workload::Traffic) {
        traffic::measure(&setting)?;
    }
    Ok(())
}

// === impl Size ===

impl Size {
    pub(crate) const fn new(services: u32, endpoints: u32) -> Size {
        Size { services, endpoints }
    }

    /// Fills the API server.
    pub(crate) fn load(self, setting: &Setting) -> Result<()> {
        let Size { services, endpoints } = self;
        api::command(setting.api, &format!("reset?services={services}&endpoints={endpoints}"))
    }

    fn parse(text: &str) -> Result<Size, String> {
        let parsed =
            text.split_once('x').and_then(|(s, e)| Some(Size::new(s.parse().ok()?, e.parse().ok()?)));
        parsed.ok_or_else(|| format!("{text:?} is no size such as 1000x10"))
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {}", self.services, self.endpoints)
    }
}
