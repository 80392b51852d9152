//! A cluster with servers in its pods, a folder of manifests, and kube-ipvs on its nodes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use lab::cluster::{Cluster, Node, Pod, Size};
use lab::namespace::Namespace;
use lab::program::Program;
use lab::traffic::{Client, Protocol, Server};
use lab::{Need, require, wait};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::manifests::{Condition, Endpoint, Manifests, Service, ports};

pub(crate) const KUBE_IPVS: &str = env!("CARGO_BIN_EXE_kube-ipvs");

/// The pods of a cluster with two on each of its two nodes: the first two are on `node-1`.
pub(crate) const PODS: [&str; 4] = ["pod-1", "pod-2", "pod-3", "pod-4"];

/// When a test gives up waiting.
const LIMIT: Duration = Duration::from_secs(300);

/// Two nodes, their pods, and a host outside.
pub(crate) struct Testbed {
    pub(crate) cluster: Cluster,
    pub(crate) manifests: Manifests,
    /// The arguments that say where Services come from.
    pub(crate) source: Vec<String>,
    /// For logs and other files.
    pub(crate) folder: TempDir,
    started: AtomicU32,
    _servers: Vec<Server>,
}

/// kube-ipvs on a node. It is killed when this is dropped, and shows its log if the test has failed.
pub(crate) struct Proxy {
    node: String,
    log: PathBuf,
    program: Option<Program>,
}

// === impl Testbed ===

impl Testbed {
    /// Builds a cluster in which every pod serves TCP; none if this machine cannot, which is counted.
    #[track_caller]
    pub(crate) fn build() -> Option<Testbed> {
        Testbed::serving(&[Protocol::Tcp])
    }

    /// Builds a cluster in which every pod serves some protocols.
    #[track_caller]
    pub(crate) fn serving(protocols: &[Protocol]) -> Option<Testbed> {
        Testbed::sized(Size { nodes: 2, pods_per_node: 2, hosts: 1 }, protocols)
    }

    /// The same in a cluster of another size.
    #[track_caller]
    pub(crate) fn sized(size: Size, protocols: &[Protocol]) -> Option<Testbed> {
        let programs = ["ipset", "ipvsadm", "iptables-save", "ip6tables-save"].map(Need::Program);
        if !require(Need::Ipvs) || !programs.into_iter().all(require) {
            return None;
        }
        let cluster = Cluster::build(size).unwrap();
        let serve = |pod: &Pod, protocol| {
            let (_, port) = ports(protocol);
            Server::start(&pod.namespace, &pod.name, protocol, port).unwrap()
        };
        let servers = cluster
            .pods()
            .into_iter()
            .flat_map(|pod| protocols.iter().map(|protocol| serve(pod, *protocol)))
            .collect();
        let manifests = Manifests::create();
        Some(Testbed {
            cluster,
            source: vec!["--manifests".to_owned(), manifests.path().to_string_lossy().into_owned()],
            manifests,
            folder: TempDir::with_prefix("kube-ipvs-test-").unwrap(),
            started: AtomicU32::new(0),
            _servers: servers,
        })
    }

    /// The first node, `node-1`, where most tests look.
    pub(crate) fn node(&self) -> &Node {
        &self.cluster.nodes[0]
    }

    pub(crate) fn pod(&self, name: &str) -> &Pod {
        self.cluster.pod(name).unwrap()
    }

    /// Ready endpoints for pods.
    pub(crate) fn endpoints(&self, pods: &[&str]) -> Vec<Endpoint> {
        pods.iter().map(|pod| self.endpoint(pod)).collect()
    }

    fn endpoint(&self, name: &str) -> Endpoint {
        let node = self.cluster.nodes.iter().find(|node| node.pods.iter().any(|pod| pod.name == name));
        Endpoint {
            pod: name.to_owned(),
            node: node.unwrap().name.clone(),
            addresses: self.pod(name).addresses,
            zone: None,
            condition: Condition::Ready,
            hints: None,
        }
    }

    /// Somebody in a pod who talks to a Service over TCP and IPv4.
    pub(crate) fn client(&self, pod: &str, service: &Service) -> Client<'_> {
        Client::new(&self.pod(pod).namespace, Protocol::Tcp, service.address())
    }

    /// Starts kube-ipvs on `node-1` and waits until it has programmed the kernel.
    #[track_caller]
    pub(crate) fn run(&self, flags: &[&str]) -> Proxy {
        self.run_on(self.node(), flags)
    }

    /// Starts kube-ipvs on every node and waits until they have programmed their kernels.
    #[track_caller]
    pub(crate) fn run_everywhere(&self, flags: &[&str]) -> Vec<Proxy> {
        let nodes = self.cluster.nodes.iter();
        let mut proxies: Vec<Proxy> =
            nodes.map(|node| self.spawn(node, Path::new(KUBE_IPVS), &[], flags)).collect();
        proxies.iter_mut().for_each(|proxy| proxy.wait_for_log("first sync done"));
        proxies
    }

    /// Starts kube-ipvs on a node and waits until it has programmed the kernel.
    #[track_caller]
    pub(crate) fn run_on(&self, node: &Node, flags: &[&str]) -> Proxy {
        let mut proxy = self.spawn(node, Path::new(KUBE_IPVS), &[], flags);
        proxy.wait_for_log("first sync done");
        proxy
    }

    /// Starts kube-ipvs on a node by `program`, which may be another one that starts it, and does not wait.
    pub(crate) fn spawn(&self, node: &Node, program: &Path, before: &[&str], flags: &[&str]) -> Proxy {
        let mut arguments: Vec<String> = before.iter().map(|&argument| argument.to_owned()).collect();
        arguments.extend(self.source.iter().cloned());
        arguments.extend(["--hostname-override".to_owned(), node.name.clone()]);
        arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        let log = self.file(&format!("{}.log", node.name));
        let program = Program::start(&node.namespace, program, arguments, &log).unwrap();
        Proxy { node: node.name.clone(), log, program: Some(program) }
    }

    /// A file that nothing else in this test has.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("{number}-{name}"))
    }

    /// Runs a command of kube-ipvs on a node: its exit code and what it printed.
    pub(crate) fn command(&self, node: &Node, command: &str, flags: &[&str]) -> (Option<i32>, String) {
        let mut kube_ipvs = node.namespace.command(KUBE_IPVS).unwrap();
        kube_ipvs.arg(command).args(&self.source).args(["--node", &node.name]).args(flags);
        if !flags.iter().any(|flag| flag.starts_with("--config=")) {
            // It can be set in the machine's first network namespace only, so that it would always be missing.
            kube_ipvs.arg("--conntrack-max-per-core=0");
        }
        let output = kube_ipvs.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    /// Waits until `kube-ipvs diff` finds nothing on `node-1`.
    #[track_caller]
    pub(crate) fn wait_until_equal(&self, flags: &[&str]) {
        let mut last = String::new();
        let is_equal = wait::until(LIMIT, || {
            let (code, text) = self.command(self.node(), "diff", flags);
            last = text;
            code == Some(0)
        });
        assert!(is_equal, "kube-ipvs diff still finds:\n{last}");
    }
}

// === impl Proxy ===

impl Proxy {
    /// The number of the process that was started.
    pub(crate) fn id(&self) -> u32 {
        self.program.as_ref().unwrap().id()
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said something.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let has_said_so = self.program.as_mut().unwrap().wait_for_log(text, LIMIT);
        assert!(has_said_so, "kube-ipvs on {} did not say {text:?}", self.node);
    }

    /// How it ends by a signal, and what it had said.
    pub(crate) fn stop(mut self, signal: Signal) -> (ExitStatus, String) {
        let status = self.program.take().unwrap().stop(signal).unwrap();
        (status, self.log())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("kube-ipvs on {}:\n{}", self.node, self.log());
        }
    }
}

/// Waits for something to come true.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait::until(LIMIT, condition), "waited in vain until {what}");
}

/// Runs a line of shell in a namespace.
#[track_caller]
pub(crate) fn shell(namespace: &Namespace, line: &str) -> String {
    namespace.output("sh", &["-c", line]).unwrap_or_else(|error| panic!("{error}"))
}
