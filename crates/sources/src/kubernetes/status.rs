//! Errors as an API server tells them: `k8s.io.apimachinery.pkg.apis.meta.v1.Status`.

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, LOCATION, RETRY_AFTER};
use kube::core::Status;
use kube::core::response::StatusDetails;
use prost::{DecodeError, Message};

use super::Encoding;
use crate::decode::protobuf;

/// What is used of a status in protobuf.
#[derive(Clone, PartialEq, Message)]
struct ProtobufStatus {
    #[prost(string, tag = "3")]
    message: String,
    #[prost(string, tag = "4")]
    reason: String,
    #[prost(message, optional, tag = "5")]
    details: Option<Details>,
    #[prost(uint32, tag = "6")]
    code: u32,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Details {
    #[prost(uint32, tag = "5")]
    retry_after_seconds: u32,
}

/// What of a foreign answer is kept.
const LONGEST_MESSAGE: usize = 500;

/// The status that an answer which is no success carries. Some answers, such as those of something in between, have
/// none: they are one of their own.
pub(super) fn of_answer(code: StatusCode, headers: &HeaderMap, body: Bytes) -> Status {
    let told: Option<Status> = match Encoding::of(headers) {
        Encoding::Json => serde_json::from_slice(&body).ok(),
        Encoding::Protobuf => protobuf::open(body.clone()).ok().and_then(|(_, message)| read(message).ok()),
    };
    // Any JSON object can be read as a Status, but only a Status has a code.
    let mut status = told.filter(|status| status.code != 0).unwrap_or_else(|| {
        let message = match headers.get(LOCATION).filter(|_| code.is_redirection()) {
            Some(location) => format!("redirected to {}", String::from_utf8_lossy(location.as_bytes())),
            None => String::from_utf8_lossy(&body).trim().chars().take(LONGEST_MESSAGE).collect(),
        };
        let reason = code.canonical_reason().unwrap_or("not a Status");
        Status::failure(&message, reason).with_code(code.as_u16())
    });
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if let Some(seconds) = seconds {
        let details = status.details.get_or_insert_with(|| details(0));
        details.retry_after_seconds = details.retry_after_seconds.max(seconds);
    }
    status
}

/// Reads a status in protobuf, without its envelope.
pub(super) fn read(message: Bytes) -> Result<Status, DecodeError> {
    let ProtobufStatus { message, reason, details, code } = ProtobufStatus::decode(message)?;
    let details = details.map(|Details { retry_after_seconds }| self::details(retry_after_seconds));
    let code = u16::try_from(code).unwrap_or_default();
    Ok(Status { details, ..Status::failure(&message, &reason).with_code(code) })
}

fn details(retry_after_seconds: u32) -> StatusDetails {
    StatusDetails {
        retry_after_seconds,
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    #[track_caller]
    fn check(
        code: u16,
        headers: &[(HeaderName, &'static str)],
        body: &'static str,
        expected: (u16, &str, u32),
    ) {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let code = StatusCode::from_u16(code).unwrap();
        let status = of_answer(code, &headers.collect(), Bytes::from_static(body.as_bytes()));
        let retry_after = status.details.map_or(0, |details| details.retry_after_seconds);
        assert_eq!((status.code, &*status.message, retry_after), expected);
    }

    #[test]
    fn an_answer_of_something_in_between() {
        check(
            503,
            &[],
            r#"{"error": "no healthy upstream"}"#,
            (503, r#"{"error": "no healthy upstream"}"#, 0),
        );
        check(502, &[], "<html>Bad Gateway</html>", (502, "<html>Bad Gateway</html>", 0));
        check(
            302,
            &[(LOCATION, "https://login.example/")],
            "",
            (302, "redirected to https://login.example/", 0),
        );
        check(429, &[(RETRY_AFTER, "7")], "", (429, "", 7));
        check(429, &[(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT")], "", (429, "", 0));
    }

    #[test]
    fn a_status_says_more() {
        let body =
            r#"{"kind": "Status", "code": 429, "message": "later", "details": {"retryAfterSeconds": 3}}"#;
        check(429, &[(RETRY_AFTER, "1")], body, (429, "later", 3));
    }
}
