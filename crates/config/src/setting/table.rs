//! The list itself, in the order of `--help`.

mod without_effect;

use self::without_effect::{REMOVED, WITHOUT_EFFECT};
use super::{Group, Kind, Setting, heading};

/// All settings; ours first.
pub const GROUPS: &[Group] = &[
    Group { heading: heading::OWN, settings: OWN },
    Group { heading: "API server and node", settings: CLUSTER },
    Group { heading: "Services and traffic", settings: TRAFFIC },
    Group { heading: heading::KERNEL, settings: KERNEL },
    Group { heading: heading::SERVING, settings: SERVING },
    Group { heading: heading::WITHOUT_EFFECT, settings: WITHOUT_EFFECT },
    Group { heading: "Flags that kube-proxy had once, without effect", settings: REMOVED },
];

const OWN: &[Setting] = &[
    both(
        "drain-timeout",
        "kubeIpvs.drainTimeout",
        Kind::Duration,
        "How long a removed endpoint may keep its connections, unless its Service says otherwise by the annotation \
         kube-ipvs.io/drain-timeout; 0s closes them at once",
    )
    .live(),
    both(
        "local-traffic-policy",
        "kubeIpvs.localTrafficPolicy",
        Kind::Text("strict|kube-proxy"),
        "What externalTrafficPolicy Local means on a node without an endpoint: strict drops what comes from outside and \
         serves pods and this node's processes from other nodes; kube-proxy serves all of them",
    )
    .live(),
    both(
        "guard-node-addresses",
        "kubeIpvs.guardNodeAddresses",
        Kind::Bool,
        "Read the addresses of all nodes, so that no Service takes one of them. Every status of every node is then sent \
         to this node; the addresses of API servers are guarded in any case",
    ),
    both(
        "node-address",
        "kubeIpvs.nodeAddresses",
        Kind::List("IP,..."),
        "The addresses of the node, if its Node object is not known or has none",
    ),
    both(
        "max-bound-addresses",
        "kubeIpvs.maxBoundAddresses",
        Kind::Count,
        "How many IPv4 service addresses are bound to kube-ipvs0, where the kernel takes the longer for each the more \
         there are; the others become local by routes. 0 routes all of them",
    ),
    both(
        "max-service-metrics",
        "kubeIpvs.maxServiceMetrics",
        Kind::Count,
        "How many Services have traffic metrics of their own; 0 turns these metrics off",
    ),
];

const CLUSTER: &[Setting] = &[
    both(
        "kubeconfig",
        "clientConnection.kubeconfig",
        Kind::Text("FILE"),
        "Credentials and address of the API server. Without this and --master, those of the pod",
    ),
    flag(
        "master",
        Kind::Text("URL"),
        "The API server's address, instead of the one in the kubeconfig. Without a kubeconfig it is asked without \
         credentials",
    ),
    both(
        "kube-api-content-type",
        "clientConnection.contentType",
        Kind::Text("TYPE"),
        "The form in which the API server is asked for objects: application/vnd.kubernetes.protobuf, or JSON with \
         anything else",
    ),
    field(
        "clientConnection.acceptContentTypes",
        Kind::Text("TYPES"),
        "The same, as a list of which the first counts that is protobuf or application/json; instead of contentType",
    ),
    both(
        "hostname-override",
        "hostnameOverride",
        Kind::Text("NAME"),
        "The name of this node, instead of its host name",
    ),
    both(
        "bind-address",
        "bindAddress",
        Kind::Text("IP"),
        "The node's own address, instead of the one in its Node object; its family is the primary one. Nothing is bound \
         to it. Without meaning if unspecified (0.0.0.0 or ::)",
    ),
];

const TRAFFIC: &[Setting] = &[
    both(
        "proxy-mode",
        "mode",
        Kind::Text("MODE"),
        "The proxy mode: ipvs, or nothing, which means ipvs here",
    ),
    both(
        "ipvs-scheduler",
        "ipvs.scheduler",
        Kind::Text("NAME"),
        "The scheduler of Services that choose none by the annotation kube-ipvs.io/scheduler; nothing means rr",
    )
    .live(),
    both(
        "ipvs-sync-period",
        "ipvs.syncPeriod",
        Kind::Duration,
        "How often the whole kernel state is compared with the plan. From the default upwards it is the least time \
         between two comparisons: one that takes long is repeated only after 300 times as long, so that it does not take \
         more than a third of a percent of a processor, or after an hour if that is less",
    )
    .live(),
    both(
        "ipvs-min-sync-period",
        "ipvs.minSyncPeriod",
        Kind::Duration,
        "The least time between two changes of the kernel; changes that come in between are joined",
    )
    .live(),
    both(
        "ipvs-exclude-cidrs",
        "ipvs.excludeCIDRs",
        Kind::List("CIDR,..."),
        "Networks in which a virtual server that no Service accounts for is left alone, although a proxy made it; one that a \
         Service has there goes with the Service",
    )
    .live(),
    both(
        "masquerade-all",
        "iptables.masqueradeAll",
        Kind::Bool,
        "Masquerade everything that is sent to a cluster IP",
    )
    .live(),
    both(
        "iptables-masquerade-bit",
        "iptables.masqueradeBit",
        Kind::Integer,
        "The bit of the packet mark that asks for masquerading, 0 to 31",
    )
    .live(),
    both(
        "detect-local-mode",
        "detectLocalMode",
        Kind::Text("MODE"),
        "How traffic of this node's pods is recognised: ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix",
    ),
    both(
        "cluster-cidr",
        "clusterCIDR",
        Kind::Text("CIDR[,CIDR]"),
        "The networks of the pods, one for each family, for --detect-local-mode=ClusterCIDR. What comes from elsewhere to \
         a cluster IP is masqueraded",
    )
    .live(),
    both(
        "pod-bridge-interface",
        "detectLocal.bridgeInterface",
        Kind::Text("NAME"),
        "The bridge of the pods, for --detect-local-mode=BridgeInterface",
    )
    .live(),
    both(
        "pod-interface-name-prefix",
        "detectLocal.interfaceNamePrefix",
        Kind::Text("PREFIX"),
        "How the names of pods' interfaces begin, for --detect-local-mode=InterfaceNamePrefix",
    )
    .live(),
    both(
        "nodeport-addresses",
        "nodePortAddresses",
        Kind::List("CIDR,...|primary"),
        "The addresses that serve node ports: networks, or the word primary for the node's own; without this, all \
         addresses of the machine",
    )
    .live(),
    both(
        "feature-gates",
        "featureGates",
        Kind::Gates,
        "Kubernetes' feature gates, of which one does something here: AllowServiceExternalIPs=false serves no external \
         IP. Names that kube-proxy 1.36 does not know are a warning",
    )
    .live(),
];

const KERNEL: &[Setting] = &[
    both("ipvs-strict-arp", "ipvs.strictARP", Kind::Bool, "Do not answer ARP requests for service addresses")
        .live(),
    both(
        "ipvs-tcp-timeout",
        "ipvs.tcpTimeout",
        Kind::Duration,
        "How long IPVS remembers an idle TCP connection; 0s leaves the kernel's value",
    )
    .live(),
    both(
        "ipvs-tcpfin-timeout",
        "ipvs.tcpFinTimeout",
        Kind::Duration,
        "How long IPVS remembers a TCP connection after a FIN; 0s leaves the kernel's value",
    )
    .live(),
    both(
        "ipvs-udp-timeout",
        "ipvs.udpTimeout",
        Kind::Duration,
        "How long IPVS remembers an idle UDP flow; 0s leaves the kernel's value",
    )
    .live(),
    both(
        "conntrack-max-per-core",
        "conntrack.maxPerCore",
        Kind::Integer,
        "Connections to track per processor; 0 leaves the kernel's limit and ignores --conntrack-min",
    )
    .live(),
    both("conntrack-min", "conntrack.min", Kind::Integer, "The least number of connections to track").live(),
    both(
        "conntrack-tcp-timeout-established",
        "conntrack.tcpEstablishedTimeout",
        Kind::Duration,
        "How long an idle TCP connection is tracked; 0s leaves the kernel's value",
    )
    .live(),
    both(
        "conntrack-tcp-timeout-close-wait",
        "conntrack.tcpCloseWaitTimeout",
        Kind::Duration,
        "How long a TCP connection in CLOSE_WAIT is tracked; 0s leaves the kernel's value",
    )
    .live(),
    both(
        "conntrack-tcp-be-liberal",
        "conntrack.tcpBeLiberal",
        Kind::Bool,
        "Let TCP packets outside of the window pass",
    )
    .live(),
    both(
        "conntrack-udp-timeout",
        "conntrack.udpTimeout",
        Kind::Duration,
        "How long an unanswered UDP flow is tracked; 0s leaves the kernel's value",
    )
    .live(),
    both(
        "conntrack-udp-timeout-stream",
        "conntrack.udpStreamTimeout",
        Kind::Duration,
        "How long an answered UDP flow is tracked; 0s leaves the kernel's value",
    )
    .live(),
    both(
        "oom-score-adj",
        "oomScoreAdj",
        Kind::Integer,
        "How much rather than others this process is killed when memory runs out, -1000 to 1000",
    ),
];

const SERVING: &[Setting] = &[
    both(
        "healthz-bind-address",
        "healthzBindAddress",
        Kind::Text("IP[:PORT]"),
        "Where /healthz and /livez are served, with port 10256 unless another one follows. As a flag, nowhere if empty; \
         in the file, empty is the default",
    ),
    both(
        "metrics-bind-address",
        "metricsBindAddress",
        Kind::Text("IP[:PORT]"),
        "Where metrics are served, with port 10249 unless another one follows. As a flag, nowhere if empty; in the file, \
         empty is the default",
    ),
    both(
        "bind-address-hard-fail",
        "bindAddressHardFail",
        Kind::Bool,
        "End if the address for health checks or metrics cannot be had, instead of trying again",
    ),
    flag(
        "healthz-port",
        Kind::Integer,
        "Deprecated: the port of --healthz-bind-address, if that has none; 0 serves nothing",
    ),
    flag(
        "metrics-port",
        Kind::Integer,
        "Deprecated: the port of --metrics-bind-address, if that has none; 0 serves nothing",
    ),
    both(
        "v",
        "logging.verbosity",
        Kind::Count,
        "How much is logged: 0 to 3 what an operator needs, 4 and 5 every change, 6 and more everything",
    )
    .live(),
    both("logging-format", "logging.format", Kind::Text("text|json"), "The form of log lines: text or json"),
];

const fn both(flag: &'static str, field: &'static str, kind: Kind, meaning: &'static str) -> Setting {
    Setting::new(Some(flag), Some(field), kind, meaning)
}

const fn flag(flag: &'static str, kind: Kind, meaning: &'static str) -> Setting {
    Setting::new(Some(flag), None, kind, meaning)
}

const fn field(field: &'static str, kind: Kind, meaning: &'static str) -> Setting {
    Setting::new(None, Some(field), kind, meaning)
}
