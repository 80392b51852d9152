//! `cargo xtask bench`: measure kube-ipvs in the guest, beside other programs, with an API server outside of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::equipment::{Equipment, Place};
use crate::{cargo, process, progress};

/// Where the guest reaches servers of this machine.
const HOST: &str = "10.0.2.2";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The program to measure [default: a release build of this source]
    #[arg(long, value_name = "FILE")]
    kube_ipvs: Option<PathBuf>,
    /// Measure in a guest whose clock counts instructions, a nanosecond each, on one processor
    #[arg(long)]
    count_instructions: bool,
    /// Seconds after which everything is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 7200)]
    time_limit: u64,
    /// What to measure and how: `cargo xtask bench -- --help` tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    rest: Vec<String>,
}

/// A running API server. It is killed when this is dropped.
struct Server(Child);

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    progress::step("build kube-ipvs and the benchmarks");
    let kube_ipvs = match &arguments.kube_ipvs {
        Some(file) => file.canonicalize().with_context(|| format!("cannot find {}", file.display()))?,
        None => cargo::build_release_binary("proxy", "kube-ipvs")?,
    };
    let bench = cargo::build_release_binary("bench", "bench")?.to_string_lossy().into_owned();
    // Elsewhere there is nothing to compare with, and the machine's own namespace would have to be changed.
    let equipment = Equipment::prepare(Some(Place::Guest))?;
    let folder = cargo::fresh_folder("bench")?;
    let (server, port) = Server::start(&bench)?;

    progress::step("boot a kernel with IPVS under QEMU and measure");
    let [share, seen] = [folder.as_path(), equipment.seen(&folder)].map(|path| path.to_string_lossy());
    let limit = arguments.time_limit.to_string();
    let api = format!("{HOST}:{port}");
    let kube_ipvs = kube_ipvs.to_string_lossy();
    let mut program =
        vec![bench.as_str(), "run", "--api", &api, "--kube-ipvs", &kube_ipvs, "--folder", &seen];
    program.extend(arguments.rest.iter().map(String::as_str));
    let mut options = vec!["--share", &share, "--memory", "4096", "--time-limit", &limit];
    if arguments.count_instructions {
        options.push("--count-instructions");
    }
    let mut report = String::new();
    let status = process::lines(&mut equipment.command(&options, &program), |line| {
        println!("{line}");
        report.push_str(&format!("{line}\n"));
    })?;
    drop(server);
    let path = folder.join("report.md");
    fs::write(&path, report).with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nThe report and what was recorded are in {}.", folder.display());
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

// === impl Server ===

impl Server {
    fn start(bench: &str) -> Result<(Server, u16)> {
        let mut command = process::command(bench);
        let child = command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut server = Server(child.with_context(|| format!("cannot start {bench} serve"))?);
        let mut line = String::new();
        if let Some(output) = server.0.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        match line.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok()) {
            Some(port) => Ok((server, port)),
            None => bail!("{bench} serve did not say where it listens"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
