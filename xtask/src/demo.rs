//! `cargo xtask demo` and `cargo xtask lab`: build everything, get a kernel with IPVS, and run kube-ipvs in a cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::equipment::{Equipment, Place};
use crate::progress::{self, Progress};
use crate::{cargo, process};

#[derive(clap::Args)]
pub(crate) struct DemoArguments {
    #[command(flatten)]
    place: PlaceArguments,
}

#[derive(clap::Args)]
pub(crate) struct LabArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// The folder of manifests
    #[arg(long, value_name = "FOLDER", default_value = "examples")]
    manifests: PathBuf,
    /// What every pod serves, as in tcp:8080; may be given several times [default: tcp:8080 udp:5353 sctp:38412]
    #[arg(long, value_name = "PROTOCOL:PORT")]
    serve: Vec<String>,
    /// A command to run once kube-ipvs has programmed the nodes: `ip netns exec node-1 ipvsadm -Ln`, or a script.
    /// "$LAB" ask --from pod-1 10.96.0.10:80 sends a request. Without a command, what was programmed is printed.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

#[derive(clap::Args)]
struct PlaceArguments {
    /// Where it runs [default: here if this kernel has IPVS and the user is root, else in a guest]
    #[arg(long, value_enum)]
    place: Option<Place>,
}

/// What the lab's program writes at the beginning of a line that says what is done now.
const HEADLINE: &str = "== ";

/// Shows the main job with the examples.
pub(crate) fn demo(arguments: &DemoArguments) -> Result<ExitCode> {
    let examples = cargo::workspace().join("examples");
    run("demo", arguments.place.place, vec!["--manifests".into(), examples.to_string_lossy().into()])
}

/// Runs a cluster with somebody's own manifests.
pub(crate) fn lab(arguments: &LabArguments) -> Result<ExitCode> {
    let manifests = &arguments.manifests;
    let manifests =
        manifests.canonicalize().with_context(|| format!("cannot find {}", manifests.display()))?;
    let mut options = vec!["--manifests".to_owned(), manifests.to_string_lossy().into()];
    for serve in &arguments.serve {
        options.extend(["--serve".to_owned(), serve.clone()]);
    }
    options.push("--".to_owned());
    options.extend(arguments.command.iter().cloned());
    run("cluster", arguments.place.place, options)
}

/// Runs a command of the lab's program where IPVS is, and shows its lines as they come.
fn run(command: &str, place: Option<Place>, options: Vec<String>) -> Result<ExitCode> {
    progress::step("build kube-ipvs");
    let kube_ipvs = cargo::build_binary("proxy", "kube-ipvs")?;
    let equipment = Equipment::prepare(place)?;
    let logs = cargo::fresh_folder(command)?;
    let announcement = match equipment.place {
        Place::Here => "this kernel has IPVS: run in network namespaces on it",
        Place::Guest => "this kernel has no IPVS for you: boot Debian's kernel under QEMU",
    };

    let [lab, kube_ipvs, seen_logs] =
        [&equipment.lab, &kube_ipvs, equipment.seen(&logs)].map(|path| path.to_string_lossy());
    let mut program = vec![lab.as_ref(), command, "--kube-ipvs", &kube_ipvs, "--logs", &seen_logs];
    program.extend(options.iter().map(String::as_str));
    let mut command = equipment.command(&["--share", &logs.to_string_lossy()], &program);

    progress::step(announcement);
    let progress = Progress::start("starting");
    let status = process::lines(&mut command, |line| {
        progress.line(line);
        if let Some(headline) = line.strip_prefix(HEADLINE) {
            progress.set(headline);
        }
    })?;
    drop(progress);
    println!("The logs of kube-ipvs are in {}.", logs.display());
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
