//! A node for one measurement: a network namespace that reaches the API server, and kube-ipvs in it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::namespace::Namespace;
use lab::program::Program;
use nix::sys::signal::Signal;
use procfs::process::Process;

use crate::process;

/// How long a sync may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(1200);

/// What kube-ipvs writes when it has brought the kernel to the plan for the first time.
const READY: &str = "first sync done";

/// What it writes then too where the kernel refused something, as it does beyond 65,536 entries of a set.
const ENDED: &str = "first sync ";

/// What all measurements share.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) kube_ipvs: PathBuf,
    pub(crate) api: SocketAddr,
    /// For logs and recordings.
    pub(crate) folder: PathBuf,
    /// How often each thing is measured.
    pub(crate) runs: usize,
}

/// A network namespace with a way to the API server.
pub(crate) struct Node {
    pub(crate) namespace: Namespace,
}

/// A running kube-ipvs.
pub(crate) struct Proxy {
    program: Program,
}

/// How kube-ipvs got ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// From exec to ready.
    pub(crate) cold: Duration,
    /// The first sync alone, as kube-ipvs tells it.
    pub(crate) sync: Duration,
    /// How many changes it sent to the kernel.
    pub(crate) changes: u64,
}

// === impl Setting ===

impl Setting {
    /// Lets nodes reach the API server through this machine.
    pub(crate) fn prepare(&self) -> Result<()> {
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot turn on forwarding")?;
        let rule = ["-t", "nat", "-A", "POSTROUTING", "-s", "10.3.0.0/16", "-j", "MASQUERADE"];
        process::run(&[&["iptables"][..], &rule].concat())?;
        Ok(())
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

// === impl Node ===

impl Node {
    /// A fresh node: what an earlier one left in the kernel is not seen there.
    pub(crate) fn new() -> Result<Node> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let (high, low) = (count / 64, count % 64 * 4);
        let name = format!("bench-{count}");
        let namespace = Namespace::create(name.as_str())?;
        let outer = format!("outer-{count}");
        let peer = ["type", "veth", "peer", "name", "eth0", "netns", &name];
        process::run(&[&["ip", "link", "add", &outer][..], &peer].concat())?;
        process::run(&["ip", "address", "add", &format!("10.3.{high}.{}/30", low + 1), "dev", &outer])?;
        process::run(&["ip", "link", "set", &outer, "up"])?;
        namespace.ip([
            format!("address add 10.3.{high}.{}/30 dev eth0", low + 2).as_str(),
            "link set eth0 up",
            &format!("route add default via 10.3.{high}.{}", low + 1),
        ])?;
        Ok(Node { namespace })
    }

    /// Starts kube-ipvs and waits until it is ready.
    pub(crate) fn start(&self, setting: &Setting, more: &[&str]) -> Result<(Proxy, Start)> {
        let began = Instant::now();
        let mut proxy = self.launch(setting, None, more)?;
        let start = proxy.wait(began)?;
        Ok((proxy, start))
    }

    /// Starts kube-ipvs, perhaps under another program, which is given with its own arguments.
    pub(crate) fn launch(
        &self,
        setting: &Setting,
        under: Option<(&Path, &[&str])>,
        more: &[&str],
    ) -> Result<Proxy> {
        let log = setting.file(&format!("{}.log", self.namespace.name()));
        let server = format!("http://{}", setting.api);
        let kube_ipvs = setting.kube_ipvs.to_string_lossy();
        let flags = ["--master", &server, "--hostname-override", "node-1", "--cluster-cidr", "10.128.0.0/9"];
        let (program, before) = match under {
            Some((program, arguments)) => (program, [arguments, &[kube_ipvs.as_ref()]].concat()),
            None => (setting.kube_ipvs.as_path(), Vec::new()),
        };
        let words = before.into_iter().chain(flags).chain(more.iter().copied());
        Ok(Proxy { program: Program::start(&self.namespace, program, words, &log)? })
    }
}

// === impl Proxy ===

impl Proxy {
    /// Waits until it is ready.
    pub(crate) fn wait(&mut self, began: Instant) -> Result<Start> {
        let cold = self.wait_for(READY, began)?;
        let log = self.program.log();
        let number = |field: &str| field_of(&log, field).with_context(|| format!("no {field} in:\n{log}"));
        let (sync, changes) = (Duration::from_millis(number("took_ms")?), number("changes")?);
        Ok(Start { cold, sync, changes })
    }

    /// Waits until its first sync has ended, whatever was refused, and gives the time since `began`.
    pub(crate) fn wait_for_end_of_sync(&mut self, began: Instant) -> Result<Duration> {
        self.wait_for(ENDED, began)
    }

    fn wait_for(&mut self, words: &str, began: Instant) -> Result<Duration> {
        if !self.program.wait_for_log(words, PATIENCE) {
            bail!("kube-ipvs did not write {words:?}; its log:\n{}", self.program.log());
        }
        Ok(began.elapsed())
    }

    /// The process of kube-ipvs itself.
    pub(crate) fn id(&self) -> u32 {
        self.program.id()
    }

    /// Most memory that it ever had, in KiB.
    pub(crate) fn peak_kib(&self) -> Result<u64> {
        self.process()?.status()?.vmhwm.context("the kernel tells no VmHWM of kube-ipvs")
    }

    /// Processor time that it and the programs it started have used.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = self.process()?.stat()?;
        let of_programs = u64::try_from(stat.cutime)? + u64::try_from(stat.cstime)?;
        let milliseconds = (stat.utime + stat.stime + of_programs) * 1000 / procfs::ticks_per_second();
        Ok(Duration::from_millis(milliseconds))
    }

    /// Ends it; the kernel keeps what is programmed.
    pub(crate) fn stop(self) -> Result<()> {
        self.program.stop(Signal::SIGTERM)?;
        Ok(())
    }

    /// Ends it and then the program under which it was launched.
    pub(crate) fn stop_launched(mut self) -> Result<()> {
        // strace, for one, takes no signal while what it traces runs.
        process::run(&["pkill", "-TERM", "-P", &self.id().to_string()])?;
        if !lab::wait::until(PATIENCE, || !self.program.is_running()) {
            bail!("what was started did not end");
        }
        Ok(())
    }

    fn process(&self) -> Result<Process> {
        Ok(Process::new(i32::try_from(self.id())?)?)
    }
}

/// A number in the line that says that the first sync is done.
fn field_of(log: &str, field: &str) -> Option<u64> {
    let line = log.lines().find(|line| line.contains(READY))?;
    let (_, rest) = line.split_once(&format!("{field}="))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_line_are_found() {
        let log = "x starting\nx first sync done virtual_servers=3 changes=12 took_ms=45\n";
        assert_eq!((field_of(log, "changes"), field_of(log, "took_ms")), (Some(12), Some(45)));
        assert_eq!(field_of(log, "other"), None);
    }
}
