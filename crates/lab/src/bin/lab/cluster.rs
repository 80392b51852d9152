//! `lab cluster`: the demo's cluster with somebody's own manifests, for as long as a command of theirs runs.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lab::cluster::{Cluster, Size};
use lab::traffic::{Protocol, Server};
use lab::{Error, wait};

use crate::proxies::Proxies;

/// What is shown if no command is given.
const STATE: [(&str, &[&str]); 5] = [
    ("ipvsadm", &["-Sn"]),
    ("ipset", &["save"]),
    ("ip", &["addr", "show", "dev", "kube-ipvs0"]),
    ("iptables-save", &[]),
    ("ip6tables-save", &[]),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The kube-ipvs program
    #[arg(long, value_name = "PROGRAM")]
    kube_ipvs: PathBuf,
    /// The folder of manifests
    #[arg(long, value_name = "FOLDER")]
    manifests: PathBuf,
    /// The folder for the logs of kube-ipvs
    #[arg(long, value_name = "FOLDER")]
    logs: PathBuf,
    /// What every pod serves, as in tcp:8080; may be given several times
    #[arg(long, value_name = "PROTOCOL:PORT", value_parser = protocol_and_port, default_values = ["tcp:8080", "udp:5353", "sctp:38412"])]
    serve: Vec<(Protocol, u16)>,
    /// Number of nodes
    #[arg(long, value_name = "N", default_value_t = 2)]
    nodes: u8,
    /// Number of pods on each node
    #[arg(long, value_name = "N", default_value_t = 3)]
    pods_per_node: u8,
    /// A command to run once kube-ipvs has programmed the nodes. The namespaces are node-1, pod-1, host-1 and so on
    /// (ip netns exec node-1 ipvsadm -Ln); "$LAB" ask --from pod-1 10.96.0.10:80 sends requests. Without a command,
    /// what was programmed is printed.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    println!("== building a cluster");
    let cluster = Cluster::build_as(
        "",
        Size { nodes: arguments.nodes, pods_per_node: arguments.pods_per_node, hosts: 1 },
    )?;
    if let (Some(host), Some(node)) = (cluster.hosts.first(), cluster.nodes.first()) {
        host.route_services_via(node)?;
    }
    let mut servers = Vec::new();
    for pod in cluster.pods() {
        println!("   {} on {}", pod.name, pod.addresses);
        for (protocol, port) in &arguments.serve {
            servers.push(Server::start(&pod.namespace, &pod.name, *protocol, *port)?);
        }
    }
    println!("== kube-ipvs programs the nodes");
    let mut proxies = Proxies::start(&cluster, &arguments.kube_ipvs, &arguments.manifests, &arguments.logs)?;
    wait_until_steady(&cluster, &mut proxies)?;
    if !proxies.all_run() {
        proxies.show_logs(&arguments.logs);
        return Ok(ExitCode::FAILURE);
    }
    match arguments.command.split_first() {
        Some((program, rest)) => run_command(program, rest),
        None => show_state(&cluster).map(|()| ExitCode::SUCCESS),
    }
}

/// Waits until the nodes' virtual servers have stayed the same for a second.
fn wait_until_steady(cluster: &Cluster, proxies: &mut Proxies) -> Result<(), Error> {
    let look = || cluster.nodes.iter().map(|node| node.ipvs()).collect::<Result<Vec<_>, _>>();
    let mut seen = look()?;
    for _ in 0..30 {
        let empty = seen.iter().all(|ipvs| ipvs.trim().is_empty());
        // Nothing at all is more likely a slow start than the end.
        let patience = Duration::from_secs(if empty { 5 } else { 1 });
        let changed = wait::until(patience, || look().is_ok_and(|new| new != seen) || !proxies.all_run());
        if !changed || !proxies.all_run() {
            break;
        }
        seen = look()?;
    }
    Ok(())
}

fn run_command(program: &OsString, arguments: &[OsString]) -> Result<ExitCode, Error> {
    println!("== {}", program.to_string_lossy());
    let lab = env::current_exe().map_err(Error::io(|| "find this program"))?;
    let status = lab::program::run_visibly(program, arguments, &[("LAB".into(), lab.into())])?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

fn show_state(cluster: &Cluster) -> Result<(), Error> {
    for node in &cluster.nodes {
        for (program, arguments) in STATE {
            println!("== {}: {program} {}", node.name, arguments.join(" "));
            print!("{}", node.namespace.output(program, arguments)?);
        }
    }
    Ok(())
}

fn protocol_and_port(text: &str) -> Result<(Protocol, u16), String> {
    let (protocol, port) = text.split_once(':').ok_or("write it as tcp:8080")?;
    Ok((protocol.parse()?, port.parse().map_err(|_| format!("{port} is not a port"))?))
}
