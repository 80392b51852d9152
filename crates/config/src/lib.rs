//! What the operator asked for: kube-proxy's flags and its `KubeProxyConfiguration` file become one checked
//! [`Configuration`].
//!
//! [`Setting`]s are the list of everything that can be set: they make the flags, say which flag stands for
//! which field of the file, what has an effect, and what can be changed while the daemon runs. [`document`] has
//! the file's types. [`load()`] combines both by kube-proxy's rules of precedence and checks the result. [`follow()`]
//! hears of changes of the file, and a [`Difference`] says what they change.
//!
//! This crate knows no kernel and no cluster, and reads and writes no file but the one it is given.

pub mod configuration;
pub mod difference;
pub mod document;
pub mod error;
pub mod families;
pub mod flags;
pub mod follow;
pub mod setting;

mod check;
mod decode;
mod feature_gates;
mod load;

pub use check::{Naming, Purpose, SchedulerCheck, node_name};
pub use configuration::Configuration;
pub use difference::Difference;
pub use document::KubeProxyConfiguration;
pub use error::Error;
pub use flags::ConfigFlags;
pub use follow::follow;
pub use load::{load, write};
pub use setting::{Effect, Setting};
