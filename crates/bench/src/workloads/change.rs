//! What changes cost.

use std::fs;
use std::io::BufReader;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use netlink::ipvs::{Ipvs, VirtualServerId};

use super::{NO_AUDITS, Size};
use crate::node::{Node, Setting};
use crate::objects::cluster_ip;
use crate::syscalls::Tracing;
use crate::table::{self, median, ratio, seconds};
use crate::{api, recording};

/// How many single changes are measured.
const CHANGES: u32 = 25;

/// Longer than any change takes.
const SETTLED: Duration = Duration::from_millis(200);

/// One endpoint more, with few and with many Services present.
pub(super) fn one_endpoint(setting: &Setting) -> Result<()> {
    table::head(
        "One endpoint added",
        &[
            "Services present",
            "event received to kernel acknowledged",
            "worst",
            "to that with 10",
            "system calls",
        ],
    );
    let mut with_ten = None;
    for services in [10, 1_000, 10_000] {
        let size = Size::new(services, 10);
        size.load(setting)?;
        let node = Node::new()?;
        let (proxy, _) = node.start(setting, &NO_AUDITS)?;
        let tracing = Tracing::start(proxy.id())?;
        let mut changes = Vec::new();
        for change in 0..CHANGES {
            let service = change.wrapping_mul(7919) % services;
            tracing.clear()?;
            let (first, count) = (service * size.endpoints, size.endpoints + 1 + change);
            api::command(setting.api, &format!("pods?service={service}&first={first}&count={count}"))?;
            thread::sleep(SETTLED);
            changes.extend(tracing.change()?);
        }
        anyhow::ensure!(changes.len() == CHANGES as usize, "only {} changes were seen", changes.len());
        let latencies: Vec<Duration> = changes.iter().map(|change| change.latency).collect();
        let middle = median(latencies.clone()).context("no changes")?;
        let worst = latencies.into_iter().max().context("no changes")?;
        let calls = median(changes.iter().map(|change| change.calls).collect()).context("no changes")?;
        let reference = *with_ten.get_or_insert(middle);
        table::row(&[
            &services.to_string(),
            &seconds(middle),
            &seconds(worst),
            &ratio(middle, reference),
            &calls.to_string(),
        ]);
        drop(tracing);
        proxy.stop()?;
    }
    Ok(())
}

/// A Service with 1,000 endpoints gets others, a hundred at a time.
pub(super) fn rolling_update(setting: &Setting) -> Result<()> {
    const ENDPOINTS: u32 = 1_000;
    Size::new(10_000, 10).load(setting)?;
    let pods = |first: u32| format!("pods?service=0&first={first}&count={ENDPOINTS}");
    let before = 200_000;
    api::command(setting.api, &pods(before))?;
    let node = Node::new()?;
    let (proxy, trace) = recording::start_traced(&node, setting, "rolling", &NO_AUDITS)?;
    let begin = fs::metadata(&trace)?.len();
    for step in 1..=10 {
        api::command(setting.api, &pods(before + step * ENDPOINTS / 10))?;
        thread::sleep(Duration::from_secs(1));
    }
    proxy.stop_launched()?;
    let mut file = fs::File::open(&trace)?;
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(begin))?;
    let messages = recording::count_messages(BufReader::new(file))?;
    table::head(
        "Rolling update of 1,000 endpoints, 100 at a time, with 10,000 × 10 present",
        &["netlink messages that change something", "questions"],
    );
    table::row(&[&messages.changes.to_string(), &messages.questions.to_string()]);
    Ok(())
}

/// 10,000 changes in a minute, and how long a further one takes meanwhile.
pub(super) fn churn(setting: &Setting) -> Result<()> {
    const SECONDS: u32 = 60;
    const PER_MINUTE: u32 = 10_000;
    let size = Size::new(10_000, 10);
    size.load(setting)?;
    let node = Node::new()?;
    let (proxy, _) = node.start(setting, &[])?;
    let quiet = probes(setting, &node, size, 20)?;
    let before = proxy.processor_time()?;
    api::command(setting.api, &format!("churn?changes={PER_MINUTE}&seconds={SECONDS}"))?;
    let began = Instant::now();
    let busy = probes(setting, &node, size, 40)?;
    thread::sleep(Duration::from_secs(SECONDS.into()).saturating_sub(began.elapsed()));
    let used = proxy.processor_time()?.saturating_sub(before);
    table::head(
        "10,000 endpoint changes per minute, 10,000 × 10 present",
        &["latency of a change, quiet", "meanwhile", "worst", "processor"],
    );
    let worst = |latencies: &[Duration]| latencies.iter().copied().max().unwrap_or_default();
    table::row(&[
        &seconds(median(quiet).unwrap_or_default()),
        &seconds(median(busy.clone()).unwrap_or_default()),
        &seconds(worst(&busy)),
        &format!("{:.0} %", used.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0),
    ]);
    proxy.stop()
}

/// Gives one Service an endpoint more, again and again, and waits until the kernel has it: from the command to the
/// API server to the sight of it in the IPVS table.
fn probes(setting: &Setting, node: &Node, size: Size, count: u32) -> Result<Vec<Duration>> {
    // One that the churn does not come to in a minute.
    let service = size.services - 1;
    let id = VirtualServerId::Address { address: cluster_ip(service).into(), port: 80, protocol: 6 };
    let mut ipvs = node.namespace.run(Ipvs::open)??;
    let mut latencies = Vec::new();
    for _ in 0..count {
        let present = ipvs.real_servers(&id)?.len();
        let (first, wanted) = (service * size.endpoints, u32::try_from(present)? + 1);
        let began = Instant::now();
        api::command(setting.api, &format!("pods?service={service}&first={first}&count={wanted}"))?;
        while ipvs.real_servers(&id)?.len() == present {
            if began.elapsed() > Duration::from_secs(60) {
                bail!("a change has not reached the kernel within a minute");
            }
            thread::sleep(Duration::from_millis(1));
        }
        latencies.push(began.elapsed());
        thread::sleep(Duration::from_secs(1));
    }
    Ok(latencies)
}
