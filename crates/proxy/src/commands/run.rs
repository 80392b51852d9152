//! The daemon's start: everything is opened and checked here, then the loop takes over.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::thread;

use ::config::configuration::{LocalMode, LogFormat};
use ::config::{Configuration, Naming};
use anyhow::{Context as _, bail};
use dataplane::linux::{self, IptablesVariant, Linux, Machine, Tables, Watch};
use dataplane::{Dataplane, Sighting};
use model::{Change, Cluster, Family, PerFamily};
use plan::{LocalPolicy, Options, Planner};
use sources::Changes;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{cleanup, init};
use crate::config;
use crate::daemon::{Daemon, Reconfiguration};
use crate::flags::{ConfigurationFlags, RunFlags, SourceFlags};
use crate::logging::{self, Verbosity};
use crate::metrics::Metrics;
use crate::node::Identity;
use crate::reload::{Outcomes, Reload};
use crate::reporting::Reporting;

/// How many sightings may wait for the loop; the kernel keeps a few thousand more.
const SIGHTINGS_WAITING: usize = 256;

/// A kernel that is ready for what is to be served.
struct Ground {
    kernel: Linux,
    families: BTreeSet<Family>,
    machine: Machine,
}

pub(crate) fn run(flags: &RunFlags) -> anyhow::Result<ExitCode> {
    let (configuration, verbosity) = configure(flags)?;
    if let Some(path) = flags.write_config_to() {
        ::config::write(&configuration, path)?;
        info!(path = %path.display(), "configuration written");
        return Ok(ExitCode::SUCCESS);
    }
    if flags.cleanup {
        return cleanup::remove(&configuration, true);
    }
    if flags.init_only {
        return init::init_only(&configuration);
    }
    let name = config::node_name(configuration.hostname_override.as_deref())?;
    // Two workers, for Services and EndpointSlices are read at the same time; the loop has this thread to itself, since
    // it waits for the kernel.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = serve(flags, &configuration, verbosity, &name, runtime.handle());
    // A name that is still looked up would keep the process for as long as that takes.
    runtime.shutdown_background();
    ended
}

/// Serves until the process is told to end. The kernel is made ready while what is to be served is on its way.
fn serve(
    flags: &RunFlags,
    configuration: &Configuration,
    verbosity: Verbosity,
    name: &str,
    runtime: &Handle,
) -> anyhow::Result<ExitCode> {
    let metrics = Metrics::new()?;
    let changes = runtime.block_on(open_source(&flags.source, configuration, name, &metrics))?;
    let Ground { kernel, families, machine } = make_ready(flags, configuration)?;
    let Reconfiguration { options, settings, periods } = wanted(configuration, families.clone(), &machine);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        node = name,
        scheduler = %options.scheduler,
        kernel = machine.kernel_release,
        iptables = %IptablesVariant::Chosen.resolved(),
        "starting"
    );
    let mut cluster = Cluster::new(name);
    let identity = Identity::new(name, configuration);
    cluster.apply(Change::NodeApplied(identity.node()));
    if configuration.local_mode != LocalMode::NodeCidr {
        say_where_local_is_not_kept(&options, &flags.configuration.naming());
    }
    let (in_force, reconfigurations, mut restart) =
        follow_configuration(&flags.configuration, configuration, &families, machine, verbosity)?;
    let planner = Planner::new(options);
    runtime.block_on(async {
        let asks_api_server = flags.source.manifests.is_none();
        let Reporting { outlets, inquiries, servers: _servers } =
            Reporting::start(in_force, name, families, metrics, asks_api_server).await?;
        let dataplane = Dataplane::new(kernel, settings);
        let daemon = Daemon::new(cluster, planner, dataplane, periods, outlets).known_as(identity);
        let sightings = watch_interface()?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                Some(()) = restart.recv() => "the configuration file changed",
            }
        };
        let reason = daemon.run(changes, sightings, inquiries, reconfigurations, stop).await?;
        info!(reason, "stopping; the kernel keeps what is programmed");
        Ok(ExitCode::SUCCESS)
    })
}

/// Opens the kernel and creates what everything else stands in.
fn make_ready(flags: &RunFlags, configuration: &Configuration) -> anyhow::Result<Ground> {
    init::prepare(configuration)?;
    let kernel = Linux::open()?.binding_at_most(configuration.own.max_bound_addresses);
    let (families, rules) = families(Tables::Needed)?;
    let mut kernel = kernel.knowing_rules(rules);
    for warning in ::config::families::check(configuration, &families, flags.configuration.naming())? {
        warn!(%warning, "configuration");
    }
    init::lay_foundations(&mut kernel, &families)?;
    Ok(Ground { kernel, families, machine: Machine::observe() })
}

/// Reads the configuration and starts logging as it asks for.
fn configure(flags: &RunFlags) -> anyhow::Result<(Configuration, Verbosity)> {
    let mut warnings = Vec::new();
    let configuration = flags.load(&mut warnings);
    let verbosity = match &configuration {
        Ok(configuration) => logging::start(configuration.verbosity, configuration.log_format),
        Err(_) => logging::start(0, LogFormat::Text),
    };
    for warning in warnings {
        warn!(%warning, "configuration");
    }
    Ok((configuration?, verbosity))
}

/// Follows the configuration file, if there is one. Gives what is in force, what is to be changed while
/// the daemon runs, and when it has to end to be started again.
fn follow_configuration(
    flags: &ConfigurationFlags,
    configuration: &Configuration,
    families: &BTreeSet<Family>,
    machine: Machine,
    verbosity: Verbosity,
) -> anyhow::Result<(watch::Receiver<Configuration>, Receiver<Reconfiguration>, Receiver<()>)> {
    let (apply, reconfigurations) = mpsc::channel(1);
    let (restart, restarts) = mpsc::channel(1);
    let (current, in_force) = watch::channel(configuration.clone());
    if let Some(path) = flags.file() {
        let reload = Reload {
            flags: flags.clone(),
            families: families.clone(),
            machine,
            verbosity,
            current,
            outcomes: Outcomes { apply, restart },
            told: None,
        };
        reload.follow(path)?;
    }
    Ok((in_force, reconfigurations, restarts))
}

/// The families that this node can serve, and the rules that it had for them.
///
/// # Errors
/// If it can serve none.
pub(crate) fn families(tables: Tables) -> anyhow::Result<(BTreeSet<Family>, PerFamily<Option<String>>)> {
    let mut supported = linux::rules_by_family(tables);
    let mut rules = PerFamily::default();
    let mut families = BTreeSet::new();
    let mut reasons = Vec::new();
    for family in Family::ALL {
        match supported.get_mut(family) {
            Ok(saved) => {
                families.insert(family);
                *rules.get_mut(family) = Some(std::mem::take(saved));
            }
            Err(error) => reasons.push(format!("{family}: {error}")),
        }
    }
    if families.is_empty() {
        bail!("no address family can be served: {}", reasons.join("; "));
    }
    for reason in reasons {
        warn!(reason, "an address family is not served");
    }
    Ok((families, rules))
}

/// What the daemon is to do on this machine, which serves `families`.
pub(crate) fn wanted(
    configuration: &Configuration,
    families: BTreeSet<Family>,
    machine: &Machine,
) -> Reconfiguration {
    Reconfiguration {
        options: wanted_options(configuration, families),
        settings: config::settings(configuration, machine),
        periods: config::periods(configuration),
    }
}

/// The planning options for this machine.
pub(crate) fn wanted_options(configuration: &Configuration, families: BTreeSet<Family>) -> Options {
    config::planning_options(configuration, families, linux::has_bridge_netfilter())
}

/// Follows what happens to `kube-ipvs0`, on a thread of its own that ends with the process.
fn watch_interface() -> anyhow::Result<Receiver<Sighting>> {
    let mut watch = Watch::open()?;
    let (sender, sightings) = mpsc::channel(SIGHTINGS_WAITING);
    let follow = move || while sender.blocking_send(watch.wait()).is_ok() {};
    thread::Builder::new().name("watch".to_owned()).spawn(follow).context("cannot start a thread")?;
    Ok(sightings)
}

/// Without a way to tell pods from the outside, policy Local is what kube-proxy makes of it. A family of which
/// nothing is configured while the other one is complete may well be one that the cluster has not.
fn say_where_local_is_not_kept(options: &Options, naming: &Naming) {
    if options.local_policy != LocalPolicy::Strict {
        return;
    }
    let (kept, lost): (Vec<Family>, Vec<Family>) =
        options.families.iter().partition(|family| options.keeps_local_policy(**family));
    let families = lost.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let setting = match naming {
        Naming::Flags => "--cluster-cidr",
        Naming::Fields(_) => "clusterCIDR",
    };
    match (kept.is_empty(), lost.is_empty()) {
        (_, true) => {}
        (false, false) => {
            info!(families, "{setting} has no network of this family, which is right if no pod is of it");
        }
        (true, false) => warn!(
            families,
            "pods cannot be told from the outside without {setting}, so clients outside are not kept from Services with \
             externalTrafficPolicy Local that have no endpoint on this node"
        ),
    }
}

async fn open_source(
    flags: &SourceFlags,
    configuration: &Configuration,
    node_name: &str,
    metrics: &Metrics,
) -> anyhow::Result<Changes> {
    match &flags.manifests {
        Some(folder) => sources::manifests::watch(folder, sources::manifests::Options::default())
            .with_context(|| format!("the folder {} cannot be watched", folder.display())),
        None => {
            let server = config::api_server(configuration, node_name);
            let observer = Some(metrics.requests.observer());
            Ok(sources::kubernetes::watch(sources::kubernetes::Config { observer, ..server }).await?)
        }
    }
}
