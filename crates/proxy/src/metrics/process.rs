//! What Go's client library tells of every process, read from `/proc` for each scrape.

use procfs::process::{LimitValue, Process, Stat};
use prometheus::proto::MetricFamily;

use super::definition::Definition;
use super::{catalogue, number};

/// The largest value of a limit, which stands for none.
const NO_LIMIT: u64 = u64::MAX;

/// As much as can be read.
pub(super) fn families() -> Vec<MetricFamily> {
    let Ok(process) = Process::myself() else { return Vec::new() };
    let mut families = Vec::new();
    let mut tell = |definition: Definition, value: Option<f64>| {
        families.extend(value.map(|value| definition.family([([], value)])));
    };
    let stat = process.stat().ok();
    let stat = stat.as_ref();
    let ticks = ticks_per_second();
    tell(catalogue::PROCESS_CPU, stat.map(|stat| number(stat.utime + stat.stime) / ticks));
    tell(catalogue::PROCESS_RESIDENT, stat.map(|stat| number(stat.rss * procfs::page_size())));
    tell(catalogue::PROCESS_VIRTUAL, stat.map(|stat| number(stat.vsize)));
    tell(catalogue::PROCESS_START, stat.and_then(started));
    tell(catalogue::PROCESS_FDS, process.fd_count().ok().map(number));
    let limits = process.limits().ok();
    let limits = limits.as_ref();
    tell(catalogue::PROCESS_FDS_MAX, limits.map(|limits| limit(limits.max_open_files.soft_limit)));
    tell(catalogue::PROCESS_VIRTUAL_MAX, limits.map(|limits| limit(limits.max_address_space.soft_limit)));
    let [received, sent] = octets(&std::fs::read_to_string("/proc/self/net/netstat").unwrap_or_default());
    tell(catalogue::PROCESS_RECEIVED, received);
    tell(catalogue::PROCESS_SENT, sent);
    families
}

/// When the process started, alone; none if that cannot be read.
pub(super) fn start() -> Option<MetricFamily> {
    let started = started(&Process::myself().ok()?.stat().ok()?)?;
    Some(catalogue::PROCESS_START.family([([], started)]))
}

fn started(stat: &Stat) -> Option<f64> {
    let boot = number(procfs::boot_time_secs().ok()?);
    Some(boot + number(stat.starttime) / ticks_per_second())
}

fn ticks_per_second() -> f64 {
    number(procfs::ticks_per_second())
}

fn limit(value: LimitValue) -> f64 {
    match value {
        LimitValue::Value(value) => number(value),
        LimitValue::Unlimited => number(NO_LIMIT),
    }
}

/// `InOctets` and `OutOctets` of the group `IpExt`: a line of names, and a line of values below it.
fn octets(netstat: &str) -> [Option<f64>; 2] {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    ["InOctets", "OutOctets"].map(|wanted| {
        let mut pairs = names.split_whitespace().zip(values.split_whitespace());
        pairs.find(|(name, _)| *name == wanted)?.1.parse::<u64>().ok().map(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_stand_below_their_names() {
        let netstat =
            "TcpExt: A B\nTcpExt: 1 2\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 970817 965172\n";
        assert_eq!(octets(netstat), [Some(970_817.0), Some(965_172.0)]);
        assert_eq!(octets("IpExt: InOctets\nIpExt: x\n"), [None, None]);
        assert_eq!(octets(""), [None, None]);
    }
}
