//! The daemon's start: everything is opened and checked here, then the loop takes over.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, bail};
use dataplane::linux::{self, Linux, Watch};
use dataplane::{Dataplane, Sighting};
use model::{Change, Cluster, Family};
use plan::{LocalPolicy, Options, Planner};
use sources::Changes;
use sources::kubernetes::recorder::Recorder;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, Receiver};
use tracing::{info, warn};

use crate::daemon::{Daemon, Outlets, Periods};
use crate::flags::{PlanningFlags, RunFlags, SourceFlags};
use crate::health_checks::{HealthChecks, ListenFailure, ProxyHealth};
use crate::metrics::{self, Metrics};
use crate::{config, logging};

/// How many sightings may wait for the loop; the kernel keeps a few thousand more.
const SIGHTINGS_WAITING: usize = 256;

/// How many health-check ports that cannot be listened on may wait to be told of.
const FAILURES_WAITING: usize = 256;

pub(crate) fn run(flags: &RunFlags) -> anyhow::Result<ExitCode> {
    logging::start(flags.v, flags.logging_format);
    let name = config::node_name(flags.hostname_override.as_deref())?;
    let periods = Periods { audit: flags.ipvs_sync_period, changes: flags.ipvs_min_sync_period };
    periods.check()?;
    let kernel = Linux::open()?.binding_at_most(flags.kernel.max_bound_addresses);
    let options = wanted_options(&flags.planning, families()?)?;
    let settings = config::settings(&flags.kernel, &linux::kernel_release());
    info!(
        version = env!("CARGO_PKG_VERSION"),
        node = name,
        scheduler = %options.scheduler,
        kernel = linux::kernel_release(),
        "starting"
    );
    let mut cluster = Cluster::new(name.as_str());
    cluster.apply(Change::NodeApplied(config::node_from_flags(&name, &flags.planning)));
    say_where_local_is_not_kept(&options);
    let planner = Planner::new(options);
    // One worker for the sources; the loop has this thread to itself, since it waits for the kernel.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let changes = open_source(&flags.source, &name).await?;
        let metrics = Metrics::new();
        let _metrics_server = flags
            .metrics_bind_address
            .0
            .map(|address| metrics::endpoint::serve(&Handle::current(), address, metrics.clone()));
        let (outlets, failures) = open_outlets(&flags.source, &name, &periods, metrics).await?;
        let dataplane = Dataplane::new(kernel, settings);
        let daemon = Daemon::new(cluster, planner, dataplane, periods, outlets)
            .guarding_nodes(flags.source.guard_node_addresses);
        let sightings = watch_interface()?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let reason = daemon.run(changes, sightings, failures, stop).await?;
        info!(reason, "stopping; the kernel keeps what is programmed");
        Ok(ExitCode::SUCCESS)
    })
}

/// The families that this node can serve.
///
/// # Errors
/// If it can serve none.
pub(crate) fn families() -> anyhow::Result<BTreeSet<Family>> {
    let supported = linux::supported_families();
    let mut families = BTreeSet::new();
    let mut reasons = Vec::new();
    for family in Family::ALL {
        match supported.get(family) {
            Ok(()) => drop(families.insert(family)),
            Err(error) => reasons.push(format!("{family}: {error}")),
        }
    }
    if families.is_empty() {
        bail!("no address family can be served: {}", reasons.join("; "));
    }
    for reason in reasons {
        warn!(reason, "an address family is not served");
    }
    Ok(families)
}

/// The planning options for this machine.
pub(crate) fn wanted_options(flags: &PlanningFlags, families: BTreeSet<Family>) -> anyhow::Result<Options> {
    config::planning_options(flags, families, linux::has_bridge_netfilter())
}

/// The API server that the flags name, as the node `node_name` asks it.
pub(crate) fn api_server(flags: &SourceFlags, node_name: &str) -> sources::kubernetes::Config {
    sources::kubernetes::Config {
        kubeconfig: flags.kubeconfig.clone(),
        master: flags.master.clone(),
        all_nodes: flags.guard_node_addresses,
        ..sources::kubernetes::Config::in_cluster(node_name)
    }
}

/// Follows what happens to `kube-ipvs0`, on a thread of its own that ends with the process.
fn watch_interface() -> anyhow::Result<Receiver<Sighting>> {
    let mut watch = Watch::open()?;
    let (sender, sightings) = mpsc::channel(SIGHTINGS_WAITING);
    let follow = move || while sender.blocking_send(watch.wait()).is_ok() {};
    thread::Builder::new().name("watch".to_owned()).spawn(follow).context("cannot start a thread")?;
    Ok(sightings)
}

/// Prepares to tell of the daemon's work.
async fn open_outlets(
    flags: &SourceFlags,
    node_name: &str,
    periods: &Periods,
    metrics: Metrics,
) -> anyhow::Result<(Outlets, Receiver<ListenFailure>)> {
    let recorder = match flags.manifests {
        Some(_) => None,
        None => Some(Recorder::start(api_server(flags, node_name)).await?),
    };
    let health = Arc::new(ProxyHealth::new(periods.audit * 2));
    let (sender, failures) = mpsc::channel(FAILURES_WAITING);
    let tell = move |failure| {
        // With so many at once the log has to do: it names them all.
        let _ = sender.try_send(failure);
    };
    let health_checks = HealthChecks::start(&Handle::current(), Arc::clone(&health), tell);
    Ok((Outlets::new(health, health_checks, metrics, recorder), failures))
}

/// Without a way to tell pods from the outside, policy Local is what kube-proxy makes of it.
fn say_where_local_is_not_kept(options: &Options) {
    for family in options.families.iter().filter(|family| !options.keeps_local_policy(**family)) {
        if options.local_policy == LocalPolicy::Strict {
            warn!(
                %family,
                "pods cannot be told from the outside without --cluster-cidr, so clients outside are not kept \
                 from Services with externalTrafficPolicy Local that have no endpoint on this node"
            );
        }
    }
}

async fn open_source(flags: &SourceFlags, node_name: &str) -> anyhow::Result<Changes> {
    match &flags.manifests {
        Some(folder) => sources::manifests::watch(folder, sources::manifests::Options::default())
            .with_context(|| format!("the folder {} cannot be watched", folder.display())),
        None => Ok(sources::kubernetes::watch(api_server(flags, node_name)).await?),
    }
}
