//! In which form objects travel.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

/// Kubernetes' name for objects in protobuf.
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The form in which objects are asked for, or in which they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Kubernetes' protobuf: smaller, and cheaper for both sides. A server that does not have it answers in JSON.
    #[default]
    Protobuf,
    /// JSON.
    Json,
}

// === impl Encoding ===

impl Encoding {
    /// The first of some content types that is known, as `clientConnection.acceptContentTypes` names them; JSON if
    /// none is.
    pub fn named(content_types: &str) -> Self {
        let known = |name: &str| match name.split(';').next().map(str::trim) {
            Some(PROTOBUF) => Some(Encoding::Protobuf),
            Some("application/json") => Some(Encoding::Json),
            _ => None,
        };
        content_types.split(',').find_map(known).unwrap_or(Encoding::Json)
    }

    /// What asks for it.
    pub(super) fn accepted(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Encoding::Protobuf => "application/vnd.kubernetes.protobuf,application/json",
            Encoding::Json => "application/json",
        })
    }

    /// The form of an answer.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        headers.get(CONTENT_TYPE).and_then(|name| name.to_str().ok()).map_or(Encoding::Json, Encoding::named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_known_counts() {
        assert_eq!(Encoding::named("application/vnd.kubernetes.protobuf;stream=watch"), Encoding::Protobuf);
        assert_eq!(Encoding::named("application/cbor, application/json"), Encoding::Json);
        assert_eq!(Encoding::named("application/json,application/vnd.kubernetes.protobuf"), Encoding::Json);
        assert_eq!(Encoding::named("text/html; charset=utf-8"), Encoding::Json);
        assert_eq!(Encoding::of(&HeaderMap::new()), Encoding::Json);
    }
}
