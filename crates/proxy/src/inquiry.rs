//! What others want of the loop, which alone knows everything.

use model::ObjectKey;
use plan::VirtualServerKey;
use tokio::sync::oneshot;

use crate::health_checks::ListenFailure;

/// Something to do for somebody else.
#[derive(Debug)]
pub(crate) enum Inquiry {
    /// A health-check port cannot be had, which the owner of the Service should hear.
    NotListening(ListenFailure),
    /// Somebody wants to know whose virtual servers these are.
    Owners(Owners),
}

/// Which Services have these virtual servers?
#[derive(Debug)]
pub(crate) struct Owners {
    pub(crate) of: Vec<VirtualServerKey>,
    /// The Service for each of them; none for one that is not planned.
    pub(crate) answer: oneshot::Sender<Vec<Option<ObjectKey>>>,
}
