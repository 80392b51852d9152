//! What the tests in a lab cluster share.

pub(crate) mod kernel;
pub(crate) mod manifests;
pub(crate) mod testbed;
pub(crate) mod trace;
