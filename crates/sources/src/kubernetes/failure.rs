//! What can go wrong in the conversation with an API server, sorted by what it asks for.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::time::Duration;

use http::StatusCode;
use kube::core::Status;

/// Why a reading or a watch came to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The watch has ended, as it does every few minutes, or its connection broke.
    #[error("the watch has ended")]
    Ended,
    /// In a watch nothing was heard for too long.
    #[error("nothing was heard for {0:?}")]
    Silent(Duration),
    /// A request was not answered in time.
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    /// The streaming list did not come to its end.
    #[error("the streaming list did not end")]
    EndlessList,
    /// The server has forgotten the version to go on from (410).
    #[error("the server has forgotten the version to go on from")]
    Expired,
    /// The versions of the server have gone back, as after its database was restored from a backup.
    #[error("the versions of the server have gone back, as after a backup was restored")]
    WentBack,
    /// The server answered with an error.
    #[error("{}", describe_status(.0))]
    Refused(Box<Status>),
    /// The server ended the watch with an error.
    #[error("the server ended the watch: {}", describe_status(.0))]
    Aborted(Box<Status>),
    /// The request or its answer did not arrive.
    #[error("{}", describe_transport(.0))]
    Transport(#[source] kube::Error),
    /// The answer cannot be understood.
    #[error("the answer is not one of an API server: {0}")]
    Garbage(String),
    /// Nobody reads the changes any more.
    #[error("the reader of the changes is gone")]
    ReaderGone,
}

// === impl Failure ===

impl Failure {
    /// An error status as the answer to a request.
    fn from_answer(status: Box<Status>) -> Self {
        match code(&status) {
            StatusCode::GONE => Failure::Expired,
            _ => Failure::Refused(status),
        }
    }

    /// An error status as an event.
    pub(super) fn from_event(status: Box<Status>) -> Self {
        match code(&status) {
            StatusCode::GONE => Failure::Expired,
            _ => Failure::Aborted(status),
        }
    }

    /// An answer that cannot be read.
    pub(super) fn garbage(error: impl Display) -> Self {
        Failure::Garbage(error.to_string())
    }

    /// A connection that broke while a watch was under way.
    pub(super) fn from_broken_stream(error: &io::Error) -> Self {
        tracing::debug!(error = describe(error), "the connection of a watch broke");
        Failure::Ended
    }

    /// A connection that broke while an answer was under way, or an answer that ends too early.
    pub(super) fn from_broken_answer(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Failure::Garbage("it is cut off".to_owned()),
            _ => Failure::Transport(kube::Error::Service(error.into())),
        }
    }

    /// Whether the server does not know the field of the selector.
    pub(super) fn is_unknown_field(&self) -> bool {
        let Failure::Refused(status) = self else { return false };
        code(status) == StatusCode::BAD_REQUEST && status.message.contains("field label not supported")
    }

    /// The HTTP status of a refusal.
    pub(super) fn code(&self) -> Option<StatusCode> {
        match self {
            Failure::Refused(status) => Some(code(status)),
            _ => None,
        }
    }

    /// Whether the server did not like the form of the request. For a streaming list that means that it has
    /// none: 422 with the feature gate off, 400 where something in between is stricter.
    pub(super) fn is_bad_request(&self) -> bool {
        matches!(self.code(), Some(StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY))
    }

    /// Whether a list as new as was asked for cannot be had at present: the server has forgotten that version, or lags
    /// behind it.
    pub(super) fn is_out_of_reach(&self) -> bool {
        matches!(self, Failure::Expired) || self.code() == Some(StatusCode::GATEWAY_TIMEOUT)
    }

    /// Whether the server was not reached at all, for whatever reason.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Failure::Ended | Failure::Silent(_) | Failure::NoAnswer(_) | Failure::Transport(_))
    }

    /// Whether new credentials, certificates or a new connection may help.
    pub(super) fn asks_for_reconnection(&self) -> bool {
        match self {
            Failure::Refused(status) => code(status) == StatusCode::UNAUTHORIZED,
            Failure::Ended => false,
            failure => failure.is_unreachable(),
        }
    }

    /// What helps, as far as the reason tells.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Failure::Refused(status) => match code(status) {
                StatusCode::UNAUTHORIZED => {
                    "the token or client certificate has expired or is another cluster's: renew it in the kubeconfig, or \
                     see to the pod's ServiceAccount"
                }
                StatusCode::FORBIDDEN => {
                    "its account may not read this: bind the ClusterRole system:node-proxier to it"
                }
                code if code.is_redirection() => "this is not the address of an API server: correct it",
                _ => "see the log of the API server",
            },
            Failure::Transport(error) => advice_on_transport(&describe_transport(error)),
            _ => "see whether the API server is up and what lies between",
        }
    }

    /// How long the server wants to be left alone.
    pub(super) fn retry_after(&self) -> Duration {
        let details = match self {
            Failure::Refused(status) => status.details.as_ref(),
            _ => None,
        };
        Duration::from_secs(details.map_or(0, |details| details.retry_after_seconds.into()))
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Failure::from_answer(status),
            kube::Error::FromUtf8(_) | kube::Error::SerdeError(_) => Failure::Garbage(describe(&error)),
            error => Failure::Transport(error),
        }
    }
}

impl From<kube::core::request::Error> for Failure {
    fn from(error: kube::core::request::Error) -> Self {
        Failure::Transport(kube::Error::BuildRequest(error))
    }
}

/// An error with its causes, each of which says more than the one before.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

fn describe_transport(error: &kube::Error) -> String {
    match error {
        kube::Error::Service(error) => describe(error.as_ref()),
        error => describe(error),
    }
}

/// What helps against an error of the connection, known by words in it.
fn advice_on_transport(said: &str) -> &'static str {
    const KNOWN: [(&str, &str); 8] = [
        (
            "tunnel error",
            "the proxy on the way does not answer or does not let this through: see to it, or name the API server in \
             NO_PROXY",
        ),
        (
            "UnknownIssuer",
            "the certificate authority in the kubeconfig is not the server's, or there is none and this machine does not \
             know the server's: correct or add certificate-authority-data",
        ),
        ("Expired", "a certificate has expired, or this machine's clock is wrong"),
        ("NotValidForName", "the server's certificate is not for this name or address: use one that it has"),
        (
            "dns error",
            "the name cannot be resolved; cluster DNS may need this very proxy, so use an address, or a name that the \
             node itself knows",
        ),
        (
            "Connection refused",
            "no API server listens there: start it, or correct the address (server in the kubeconfig)",
        ),
        ("unreachable", "there is no route to the API server from this node"),
        ("No route to host", "there is no route to the API server from this node"),
    ];
    let known = KNOWN.into_iter().find(|(words, _)| said.contains(words));
    known.map_or("see whether the API server is up and what lies between", |(_, advice)| advice)
}

fn code(status: &Status) -> StatusCode {
    StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn describe_status(status: &Status) -> String {
    format!(
        "HTTP {} {}",
        status.code,
        if status.message.is_empty() { &status.reason } else { &status.message }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(failure: &Failure, expected: &str) {
        assert!(failure.advice().contains(expected), "{failure}: {}", failure.advice());
    }

    fn refused(code: u16) -> Failure {
        Failure::from_answer(Box::new(Status { code, ..Status::default() }))
    }

    #[test]
    fn what_helps_depends_on_what_was_said() {
        check(&refused(401), "renew it");
        check(&refused(403), "system:node-proxier");
        check(&Failure::NoAnswer(Duration::from_secs(5)), "is up");
        let transport = |said: &str| Failure::Transport(kube::Error::Service(said.into()));
        check(&transport("invalid peer certificate: UnknownIssuer"), "certificate authority");
        check(&transport("tcp connect error: Connection refused (os error 111)"), "no API server listens");
        check(&transport("dns error: failed to lookup"), "cannot be resolved");
        check(
            &transport("tunnel error: failed to create underlying connection: Connection refused"),
            "NO_PROXY",
        );
        check(&transport("something new"), "is up");
    }
}
