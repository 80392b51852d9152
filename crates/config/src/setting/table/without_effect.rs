//! What is accepted because kube-proxy has it, and does nothing here.

use super::{both, field, flag};
use crate::setting::{Kind, Setting};

const OTHER_MODES: &str = "it is for another proxy mode";
const WINDOWS: &str = "it is for Windows";
const NO_LIMIT: &str = "requests to the API server are few and not limited here";
const OLD: &str = "kube-proxy does not have it any more either";
const NO_FILES: &str = "no machine or boot identity is used";
const UNBUFFERED: &str = "log lines go to standard error at once";

pub(super) const WITHOUT_EFFECT: &[Setting] = &[
    both("kube-api-qps", "clientConnection.qps", Kind::Number, "Requests a second to the API server")
        .without_effect(NO_LIMIT),
    both("kube-api-burst", "clientConnection.burst", Kind::Integer, "Requests at once to the API server")
        .without_effect(NO_LIMIT),
    both(
        "config-sync-period",
        "configSyncPeriod",
        Kind::Duration,
        "How often all objects are looked at again",
    )
    .without_effect("changes are watched, and the kernel is compared every --ipvs-sync-period"),
    both(
        "show-hidden-metrics-for-version",
        "showHiddenMetricsForVersion",
        Kind::Text("MAJOR.MINOR"),
        "Show metrics that this version hides",
    )
    .without_effect("no metric is hidden"),
    both(
        "iptables-localhost-nodeports",
        "iptables.localhostNodePorts",
        Kind::Bool,
        "Serve node ports on 127.0.0.1 in mode iptables",
    )
    .without_effect(OTHER_MODES),
    both("profiling", "enableProfiling", Kind::Bool, "Serve /debug/pprof and /debug/flags/v")
        .without_effect("they are tools for programs in Go"),
    both(
        "iptables-sync-period",
        "iptables.syncPeriod",
        Kind::Duration,
        "--ipvs-sync-period of mode iptables",
    )
    .without_effect(OTHER_MODES),
    both(
        "iptables-min-sync-period",
        "iptables.minSyncPeriod",
        Kind::Duration,
        "--ipvs-min-sync-period of mode iptables",
    )
    .without_effect(OTHER_MODES),
    field("nftables.masqueradeBit", Kind::Integer, "--iptables-masquerade-bit of mode nftables")
        .without_effect(OTHER_MODES),
    field("nftables.masqueradeAll", Kind::Bool, "--masquerade-all of mode nftables")
        .without_effect(OTHER_MODES),
    field("nftables.syncPeriod", Kind::Duration, "--ipvs-sync-period of mode nftables")
        .without_effect(OTHER_MODES),
    field("nftables.minSyncPeriod", Kind::Duration, "--ipvs-min-sync-period of mode nftables")
        .without_effect(OTHER_MODES),
    both("vmodule", "logging.vmodule", Kind::Patterns, "Verbosities of source files of kube-proxy")
        .without_effect("the verbosity is the same for all files"),
    both("log-flush-frequency", "logging.flushFrequency", Kind::Duration, "How often log lines are written")
        .without_effect(UNBUFFERED),
    both(
        "log-text-split-stream",
        "logging.options.text.splitStream",
        Kind::Bool,
        "Write errors and other lines to different streams (gate LoggingAlphaOptions)",
    )
    .without_effect(UNBUFFERED),
    both(
        "log-text-info-buffer-size",
        "logging.options.text.infoBufferSize",
        Kind::Text("SIZE"),
        "How much to keep before it is written (gate LoggingAlphaOptions)",
    )
    .without_effect(UNBUFFERED),
    both(
        "log-json-split-stream",
        "logging.options.json.splitStream",
        Kind::Bool,
        "Write errors and other lines to different streams (gate LoggingAlphaOptions)",
    )
    .without_effect(UNBUFFERED),
    both(
        "log-json-info-buffer-size",
        "logging.options.json.infoBufferSize",
        Kind::Text("SIZE"),
        "How much to keep before it is written (gate LoggingAlphaOptions)",
    )
    .without_effect(UNBUFFERED),
    flag("boot-id-file", Kind::Text("FILE,..."), "Where the boot's identity is read")
        .without_effect(NO_FILES),
    flag("machine-id-file", Kind::Text("FILE,..."), "Where the machine's identity is read")
        .without_effect(NO_FILES),
    field("portRange", Kind::Text("RANGE"), "The ports of mode userspace").without_effect(OLD),
    both("windows-service", "windowsRunAsService", Kind::Bool, "Run as a service of Windows")
        .without_effect(WINDOWS),
    both("source-vip", "winkernel.sourceVip", Kind::Text("IP"), "The source address of forwarded packets")
        .without_effect(WINDOWS),
    both(
        "network-name",
        "winkernel.networkName",
        Kind::Text("NAME"),
        "The network of Windows' host network service",
    )
    .without_effect(WINDOWS),
    both("enable-dsr", "winkernel.enableDSR", Kind::Bool, "Return packets directly").without_effect(WINDOWS),
    both(
        "root-hnsendpoint-name",
        "winkernel.rootHnsEndpointName",
        Kind::Text("NAME"),
        "The endpoint of the root network namespace",
    )
    .without_effect(WINDOWS),
    both(
        "forward-healthcheck-vip",
        "winkernel.forwardHealthCheckVip",
        Kind::Bool,
        "Forward health checks to service addresses",
    )
    .without_effect(WINDOWS),
];

/// Of those that release 1.36 refuses, the ones that still stand in manifests.
pub(super) const REMOVED: &[Setting] = &[
    removed("proxy-port-range", Kind::Text("RANGE")),
    removed("cleanup-ipvs", Kind::Bool),
    removed("cleanup-iptables", Kind::Bool),
    removed("conntrack-max", Kind::Integer),
    removed("google-json-key", Kind::Text("FILE")),
    removed("udp-timeout", Kind::Duration),
    removed("resource-container", Kind::Text("NAME")),
    removed("logtostderr", Kind::Bool),
    removed("alsologtostderr", Kind::Bool),
    removed("stderrthreshold", Kind::Text("LEVEL")),
    removed("log-backtrace-at", Kind::Text("FILE:LINE")),
    removed("log-dir", Kind::Text("DIR")),
    removed("log-file", Kind::Text("FILE")),
    removed("log-file-max-size", Kind::Text("MEGABYTES")),
    removed("one-output", Kind::Bool),
    removed("add-dir-header", Kind::Bool),
    removed("skip-headers", Kind::Bool),
    removed("skip-log-headers", Kind::Bool),
];

const fn removed(flag: &'static str, kind: Kind) -> Setting {
    Setting::new(Some(flag), None, kind, "").without_effect(OLD)
}
