//! Plain data that every other room speaks in: Services, EndpointSlices, Nodes, the changes that sources
//! send, the store that collects them, and the rules that say which endpoints a node uses.
//!
//! This crate does no I/O, reads no clock, and knows neither Kubernetes' client nor the kernel.

pub mod address;
pub mod change;
pub mod cluster;
pub mod duration;
pub mod endpoint;
pub mod family;
pub mod key;
pub mod node;
pub mod selection;
pub mod service;

pub use change::{Change, Kind, Problem};
pub use cluster::{AddressOwner, Cluster, Effect};
pub use endpoint::{Endpoint, EndpointSlice, SlicePort, Topology};
pub use family::{Family, PerFamily};
pub use key::ObjectKey;
pub use node::Node;
pub use selection::{Candidate, Selection, Vantage};
pub use service::{Protocol, SchedulingHints, Service, ServiceKind, ServicePort, TrafficPolicy};
