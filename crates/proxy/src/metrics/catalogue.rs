//! Every metric, in the order of the documentation (`docs/metrics.md`, which is made from this).
//!
//! Names that begin with `kubeproxy_` are kube-proxy's and mean the same; those that begin with `kubeipvs_` are ours;
//! the others are those of the libraries under kube-proxy, which public dashboards use as well.

use super::definition::Buckets::{Programming, Request, Sync};
use super::definition::Definition;
use super::definition::Kind::{Counter, Gauge, Histogram};

/// Declares metrics, and a list of them.
macro_rules! metrics {
    ($list:ident: $($id:ident = $name:literal $kind:expr, [$($label:literal),*], $help:literal;)+) => {
        $(pub(super) const $id: Definition =
            Definition { name: $name, kind: $kind, labels: &[$($label),*], help: $help };)+
        #[cfg(test)]
        pub(super) const $list: &[Definition] = &[$($id),+];
    };
}

metrics! { KUBE_PROXY:
SYNC_DURATION = "kubeproxy_sync_proxy_rules_duration_seconds" Histogram(Sync), ["ip_family"],
    "How long it took to bring the kernel to the plan: the first time, after changes, and at the end of audits";
LAST_QUEUED = "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds" Gauge, ["ip_family"],
    "When a change last asked for the kernel to be changed, in seconds since 1970";
LAST_SYNC = "kubeproxy_sync_proxy_rules_last_timestamp_seconds" Gauge, ["ip_family"],
    "When the kernel was last brought to the plan, in seconds since 1970";
ENDPOINT_CHANGES_PENDING = "kubeproxy_sync_proxy_rules_endpoint_changes_pending" Gauge, [],
    "Changes of EndpointSlices that are not in the kernel yet";
ENDPOINT_CHANGES = "kubeproxy_sync_proxy_rules_endpoint_changes_total" Counter, [],
    "Changes of EndpointSlices";
SERVICE_CHANGES_PENDING = "kubeproxy_sync_proxy_rules_service_changes_pending" Gauge, [],
    "Changes of Services that are not in the kernel yet";
SERVICE_CHANGES = "kubeproxy_sync_proxy_rules_service_changes_total" Counter, [],
    "Changes of Services";
PROGRAMMING_DURATION = "kubeproxy_network_programming_duration_seconds" Histogram(Programming), ["ip_family"],
    "From the change of a pod or Service, as its EndpointSlice tells it, to the kernel";
NO_LOCAL_ENDPOINTS = "kubeproxy_sync_proxy_rules_no_local_endpoints_total" Gauge, ["traffic_policy", "ip_family"],
    "Services with a traffic policy of Local and without an endpoint on this node";
RESTORE_FAILURES = "kubeproxy_sync_proxy_rules_iptables_restore_failures_total" Counter, ["ip_family"],
    "Runs of iptables-restore or ip6tables-restore that failed";
CONNTRACK_DURATION = "kubeproxy_conntrack_reconciler_sync_duration_seconds" Histogram(Sync), ["ip_family"],
    "How long it took to look through conntrack for stale UDP flows";
CONNTRACK_DELETED = "kubeproxy_conntrack_reconciler_deleted_entries_total" Counter, ["ip_family"],
    "Tracked UDP flows that were deleted because they led to where no endpoint is any more";
HEALTHZ = "kubeproxy_proxy_healthz_total" Counter, ["code"],
    "Answers of /healthz by HTTP status";
LIVEZ = "kubeproxy_proxy_livez_total" Counter, ["code"],
    "Answers of /livez by HTTP status";
}

metrics! { LIBRARIES:
PROCESS_CPU = "process_cpu_seconds_total" Counter, [],
    "Processor time in seconds";
PROCESS_RESIDENT = "process_resident_memory_bytes" Gauge, [],
    "Resident memory in bytes";
PROCESS_VIRTUAL = "process_virtual_memory_bytes" Gauge, [],
    "Virtual memory in bytes";
PROCESS_VIRTUAL_MAX = "process_virtual_memory_max_bytes" Gauge, [],
    "The limit of virtual memory in bytes; 2^64 if there is none";
PROCESS_FDS = "process_open_fds" Gauge, [],
    "Open files";
PROCESS_FDS_MAX = "process_max_fds" Gauge, [],
    "The limit of open files";
PROCESS_START = "process_start_time_seconds" Gauge, [],
    "When the process started, in seconds since 1970";
PROCESS_RECEIVED = "process_network_receive_bytes_total" Counter, [],
    "Bytes that the network namespace of the process received over IPv4";
PROCESS_SENT = "process_network_transmit_bytes_total" Counter, [],
    "Bytes that the network namespace of the process sent over IPv4";
BUILD_INFO = "kubernetes_build_info" Gauge,
    ["major", "minor", "git_version", "git_commit", "git_tree_state", "build_date", "go_version", "compiler", "platform"],
    "1; the labels tell the version of kube-proxy whose interface this is, with our version behind the plus sign";
REQUESTS = "rest_client_requests_total" Counter, ["code", "method", "host"],
    "Requests to the API server by HTTP status, which is <error> if there was no answer";
REQUEST_DURATION = "rest_client_request_duration_seconds" Histogram(Request), ["verb", "host"],
    "How long the API server took to begin its answer, watches left out";
}

metrics! { OWN:
OWN_BUILD_INFO = "kubeipvs_build_info" Gauge, ["version"],
    "1; the label tells the version of kube-ipvs";
SYNCED = "kubeipvs_synced" Gauge, [],
    "1 once the kernel has been brought to the plan for the first time, which is what /readyz tells; else 0";
OLDEST_CHANGE = "kubeipvs_oldest_unapplied_change_seconds" Gauge, [],
    "The age of the oldest change that is not in the kernel; 0 if there is none";
VIRTUAL_SERVERS = "kubeipvs_virtual_servers" Gauge, ["ip_family", "state"],
    "Virtual servers that are planned, with_endpoints or without_endpoints";
REAL_SERVERS = "kubeipvs_real_servers" Gauge, ["ip_family", "state"],
    "Real servers: active, with a planned weight of 0 (zero_weight), or removed ones that keep their connections (draining)";
SET_ENTRIES = "kubeipvs_set_entries" Gauge, ["ip_family", "set"],
    "Entries of each set, as the kernel counts them";
REPAIRS = "kubeipvs_repairs_total" Counter, ["kind"],
    "What audits found to differ from the plan and put right";
FOREIGN_SERVERS = "kubeipvs_foreign_virtual_servers" Gauge, [],
    "Virtual servers that are not a Kubernetes proxy's, firewall marks included, as the last audit found them; they are left alone";
FOREIGN_ADDRESSES = "kubeipvs_foreign_addresses" Gauge, [],
    "Addresses on kube-ipvs0 that are not a Kubernetes proxy's, as the last audit found them; they are left alone";
FAILED_OPERATIONS = "kubeipvs_failed_operations_total" Counter, ["operation"],
    "Operations on single elements that the kernel refused";
FAILED_STEPS = "kubeipvs_failed_steps_total" Counter, ["kind"],
    "Steps that failed as a whole, by what they were about";
MESSAGES = "kubeipvs_netlink_messages_total" Counter, ["subsystem"],
    "Messages sent to the kernel";
CONFLICTS = "kubeipvs_conflicts" Gauge, [],
    "Combinations of address, port and protocol that several Services claim; the oldest Service is served";
GUARDED_ADDRESSES = "kubeipvs_guarded_addresses" Gauge, ["namespace", "service", "address", "owner"],
    "1 for each address of a Service that is not served because another machine has it";
DROPPED_EVENTS = "kubeipvs_dropped_events_total" Counter, [],
    "Events that were not recorded because too many waited";
SERVICE_CONNECTIONS = "kubeipvs_service_connections_total" Counter, ["namespace", "service"],
    "Connections, and flows of UDP, that IPVS has scheduled for a Service";
SERVICE_PACKETS = "kubeipvs_service_packets_total" Counter, ["namespace", "service", "direction"],
    "Packets of a Service, in from clients or out to them";
SERVICE_BYTES = "kubeipvs_service_bytes_total" Counter, ["namespace", "service", "direction"],
    "Bytes of a Service, in from clients or out to them, IP headers included";
SERVICE_ACTIVE = "kubeipvs_service_active_connections" Gauge, ["namespace", "service"],
    "Established connections of a Service";
SERVICES_LEFT_OUT = "kubeipvs_services_without_traffic_metrics" Gauge, [],
    "Services whose traffic is not shown, because --max-service-metrics others had more";
}
