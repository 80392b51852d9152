//! What traffic costs on its way through a node, beside kube-proxy's rules over the same sets and virtual servers.
//!
//! This is for a guest whose clock counts instructions, a nanosecond each, on its only processor: client, server and
//! kernel take turns, so the time between two moments is what all of them have executed, and no neighbour changes it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::namespace::Namespace;
use socket2::SockRef;

use super::Size;
use crate::node::{Node, Setting};
use crate::objects::{cluster_ip, pod_ip};
use crate::process;
use crate::table::{self, median};

/// Rules recorded from kube-proxy, with its pods' network and its only rule for a single address.
const RECORDED: &str = include_str!("../../../plan/src/rules/testdata/node-a.iptables-save.txt");
const RECORDED_PODS: &str = "10.244.0.0/16";
const RECORDED_VIRTUAL_ADDRESS: &str = "--vaddr";

/// Evenly spread Services that are asked in turn, since IPVS looks some up faster than others.
const TARGETS: u32 = 16;
/// Connections to each.
const CONNECTIONS: u32 = 20;
/// Requests over one connection to each.
const REQUESTS: u32 = 40;

const REQUEST: [u8; 64] = [7; 64];
const PORT: u16 = 80;
const POD_PORT: u16 = 8080;

/// How long the loop runs that other work of the kernel interrupts.
const UNDISTURBED: Duration = Duration::from_secs(6);

/// A node with pods and a client.
struct Scene {
    node: Node,
    client: Namespace,
    _pods: Namespace,
}

/// Who sends.
#[derive(Clone, Copy)]
enum Sender {
    Pod,
    Host,
}

/// Instructions of everybody together.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Cost {
    connection: f64,
    request: f64,
}

pub(super) fn measure(setting: &Setting) -> Result<()> {
    table::head(
        "Traffic, in instructions of client, server and kernel together",
        &[
            "Services",
            "from",
            "rules",
            "a connection opened and reset",
            "to kube-proxy's",
            "a request and its answer",
            "to kube-proxy's",
            "a packet, more than without a Service",
        ],
    );
    for services in [1, 1_000, 10_000] {
        measure_with(setting, services)?;
    }
    estimators(setting)
}

fn measure_with(setting: &Setting, services: u32) -> Result<()> {
    let scene = Scene::new(setting, Size::new(services, 10))?;
    let ours = scene.node.namespace.output("iptables-save", &[])?;
    let theirs = kube_proxys_rules();
    let targets: Vec<SocketAddr> =
        (0..TARGETS).map(|index| (cluster_ip(index * services / TARGETS), PORT).into()).collect();
    let pods: Vec<SocketAddr> = (0..TARGETS).map(|index| (pod_ip(index), POD_PORT).into()).collect();
    for (sender, name) in [(Sender::Pod, "a pod"), (Sender::Host, "the node")] {
        let mut costs = [Vec::new(), Vec::new()];
        let mut direct = Vec::new();
        for _ in 0..setting.runs {
            for (rules, costs) in [&ours, &theirs].into_iter().zip(&mut costs) {
                scene.restore(setting, rules)?;
                costs.push(scene.cost(sender, targets.clone())?);
            }
            direct.push(scene.cost(sender, pods.clone())?);
        }
        let [ours, theirs] = costs.map(median).map(|cost| cost.context("nothing was measured"));
        let (ours, theirs) = (ours?, theirs?);
        let direct = median(direct).context("nothing was measured")?;
        for (cost, rules) in [(ours, "kube-ipvs"), (theirs, "kube-proxy")] {
            table::row(&[
                &services.to_string(),
                name,
                rules,
                &format!("{:.0}", cost.connection),
                &format!("{:.2}", cost.connection / theirs.connection),
                &format!("{:.0}", cost.request),
                &format!("{:.2}", cost.request / theirs.request),
                &format!("{:.0}", (cost.request - direct.request) / 2.0),
            ]);
        }
    }
    Ok(())
}

/// What the kernel's estimators of rates take, which walk over all virtual and real servers every two seconds.
fn estimators(setting: &Setting) -> Result<()> {
    let size = Size::new(10_000, 10);
    let scene = Scene::new(setting, size)?;
    let rounds = |on: &str| -> Result<u64> {
        scene.node.namespace.sysctl("net/ipv4/vs/run_estimation", on)?;
        Ok(undisturbed_rounds())
    };
    let (with, without) = (rounds("1")?, rounds("0")?);
    let share = 100.0 * (1.0 - with as f64 / without as f64);
    println!("\nThe kernel's estimators of rates take {share:.2} % of the processor with {size}.");
    Ok(())
}

/// How often a loop runs in a fixed time.
fn undisturbed_rounds() -> u64 {
    let began = Instant::now();
    let mut rounds = 0;
    while began.elapsed() < UNDISTURBED {
        rounds = std::hint::black_box(rounds + 1);
    }
    rounds
}

/// The recorded rules for the pods' network here.
fn kube_proxys_rules() -> String {
    let lines = RECORDED.lines().filter(|line| !line.contains(RECORDED_VIRTUAL_ADDRESS));
    lines.flat_map(|line| [line, "\n"]).collect::<String>().replace(RECORDED_PODS, "10.128.0.0/9")
}

// === impl Scene ===

impl Scene {
    /// A node that has the state of `size` from kube-ipvs, which has ended again.
    fn new(setting: &Setting, size: Size) -> Result<Scene> {
        size.load(setting)?;
        let node = Node::new()?;
        let (proxy, _) = node.start(setting, &[])?;
        proxy.stop()?;
        let pods = connect(&node, "pods", Ipv4Addr::new(10, 254, 0, 1))?;
        // All pods are one machine, which takes every address for its own.
        pods.ip(["route add local 10.128.0.0/10 dev lo"])?;
        node.namespace.ip(["route add 10.128.0.0/10 via 10.254.0.2"])?;
        let client = connect(&node, "client", Ipv4Addr::new(10, 255, 0, 1))?;
        let listener = pods.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, POD_PORT)))??;
        thread::spawn(move || serve(&listener));
        Ok(Scene { node, client, _pods: pods })
    }

    /// Replaces all rules of the node.
    fn restore(&self, setting: &Setting, rules: &str) -> Result<()> {
        let file = setting.file("rules");
        fs::write(&file, rules).with_context(|| format!("cannot write {}", file.display()))?;
        for table in ["mangle", "nat", "filter"] {
            self.node.namespace.output("iptables", &["-t", table, "-F"])?;
        }
        process::time_in(&self.node.namespace, &["iptables-restore"], Some(&file))?;
        Ok(())
    }

    fn cost(&self, sender: Sender, targets: Vec<SocketAddr>) -> Result<Cost> {
        let namespace = match sender {
            Sender::Pod => &self.client,
            Sender::Host => &self.node.namespace,
        };
        namespace.run(move || {
            // What is only done once is not counted.
            connections(&targets)?;
            let connection = connections(&targets)?;
            Ok(Cost { connection, request: requests(&targets)? })
        })?
    }
}

/// A namespace behind the node, at the address after `gateway`.
fn connect(node: &Node, name: &str, gateway: Ipv4Addr) -> Result<Namespace> {
    let namespace = Namespace::create(format!("{name}-{}", node.namespace.name()))?;
    let peer = namespace.name();
    node.namespace.ip([
        format!("link add {name} type veth peer name eth0 netns {peer}").as_str(),
        &format!("address add {gateway}/30 dev {name}"),
        &format!("link set {name} up"),
    ])?;
    let address = Ipv4Addr::from(u32::from(gateway) + 1);
    namespace.ip([
        format!("address add {address}/30 dev eth0").as_str(),
        "link set eth0 up",
        &format!("route add default via {gateway}"),
    ])?;
    Ok(namespace)
}

/// Answers one connection after the other.
fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let mut request = REQUEST;
        // The client ends connections by a reset.
        while stream.read_exact(&mut request).is_ok() && stream.write_all(&request).is_ok() {}
    }
}

/// Opens connections and resets them. Gives the nanoseconds for each.
fn connections(targets: &[SocketAddr]) -> Result<f64> {
    let began = Instant::now();
    for target in targets {
        for _ in 0..CONNECTIONS {
            drop(open(target)?);
        }
    }
    Ok(each(began.elapsed(), targets, CONNECTIONS))
}

/// Asks and waits for the answer, over and over. Gives the nanoseconds for each request.
fn requests(targets: &[SocketAddr]) -> Result<f64> {
    let mut taken = Duration::ZERO;
    for target in targets {
        let mut stream = open(target)?;
        let mut answer = REQUEST;
        let mut ask = || stream.write_all(&REQUEST).and_then(|()| stream.read_exact(&mut answer));
        ask().with_context(|| format!("no answer from {target}"))?;
        let began = Instant::now();
        for _ in 0..REQUESTS {
            ask()?;
        }
        taken += began.elapsed();
    }
    Ok(each(taken, targets, REQUESTS))
}

fn open(target: &SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(target).with_context(|| format!("cannot connect to {target}"))?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}

fn each(taken: Duration, targets: &[SocketAddr], count: u32) -> f64 {
    taken.as_secs_f64() * 1e9 / targets.len() as f64 / f64::from(count)
}
