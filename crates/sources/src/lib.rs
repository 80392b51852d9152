//! Where state comes from: Kubernetes' API ([`kubernetes`]) or a folder of manifests ([`manifests`]).
//!
//! Both give the same stream of [`Change`](model::Change)s, whose meaning is documented there. A source keeps
//! no objects, only a fingerprint of each that it has told of; that is enough to tell after a break what is
//! new and what is gone.
//!
//! This crate does not know the kernel, and what reads its streams does not know Kubernetes' API.

mod decode;
pub mod kubernetes;
pub mod manifests;
mod pool;
#[cfg(test)]
mod show;
mod told;

/// The changes that a source tells, in order. The channel is bounded: a reader that is slow slows the source
/// down. It ends when the source has failed for good, and dropping it ends the source.
pub type Changes = tokio::sync::mpsc::Receiver<model::Change>;

/// How many changes may wait for the reader: some thousands, since a start has other work while the lists arrive.
const QUEUE_LENGTH: usize = 8192;
