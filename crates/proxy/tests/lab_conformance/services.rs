//! `[sig-network] Services` (test/e2e/network/service.go).

#[path = "services/affinity.rs"]
mod affinity;
#[path = "services/cluster_ip.rs"]
mod cluster_ip;
#[path = "services/external_traffic.rs"]
mod external_traffic;
#[path = "services/internal_traffic.rs"]
mod internal_traffic;
#[path = "services/labels.rs"]
mod labels;
#[path = "services/node_port.rs"]
mod node_port;
#[path = "services/pod_ports.rs"]
mod pod_ports;
#[path = "services/restarts.rs"]
mod restarts;
#[path = "services/unready.rs"]
mod unready;
