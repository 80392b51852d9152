//! Errors as an API server tells them: `k8s.io.apimachinery.pkg.apis.meta.v1.Status`.

use bytes::Bytes;
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

/// The status that an answer with an HTTP error carries. Some answers, such as those of something in between, have
/// none: they are one of their own.
pub(super) fn of_answer(encoding: Encoding, code: u16, body: Bytes) -> Status {
    let told: Option<Status> = match encoding {
        Encoding::Json => serde_json::from_slice(&body).ok(),
        Encoding::Protobuf => protobuf::open(body.clone()).ok().and_then(|(_, message)| read(message).ok()),
    };
    told.unwrap_or_else(|| {
        Status::failure(String::from_utf8_lossy(&body).trim(), "not a Status").with_code(code)
    })
}

/// Reads a status in protobuf, without its envelope.
pub(super) fn read(message: Bytes) -> Result<Status, DecodeError> {
    let ProtobufStatus { message, reason, details, code } = ProtobufStatus::decode(message)?;
    let details = details.map(|Details { retry_after_seconds }| StatusDetails {
        retry_after_seconds,
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes: Vec::new(),
    });
    let code = u16::try_from(code).unwrap_or_default();
    Ok(Status { details, ..Status::failure(&message, &reason).with_code(code) })
}
