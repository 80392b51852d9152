//! What a health check answers, byte for byte as kube-proxy 1.36 does.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use model::ObjectKey;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::http::{self, Answer};

/// The header from which a load balancer may take a weight: the number of local endpoints.
const WEIGHT: HeaderName = HeaderName::from_static("x-load-balancing-endpoint-weight");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    service: ServiceName<'a>,
    local_endpoints: usize,
    service_proxy_healthy: bool,
}

#[derive(Serialize)]
struct ServiceName<'a> {
    namespace: &'a str,
    name: &'a str,
}

/// The answer for `service` with this many local endpoints: 200 if there are any and the proxy is healthy,
/// else 503.
pub(super) fn answer(service: &ObjectKey, local_endpoints: usize, proxy_is_healthy: bool) -> Answer {
    let body = Body {
        service: ServiceName { namespace: &service.namespace, name: &service.name },
        local_endpoints,
        service_proxy_healthy: proxy_is_healthy,
    };
    let mut text = Vec::new();
    let mut json = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"\t"));
    let status = match body.serialize(&mut json) {
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Ok(()) if local_endpoints > 0 && proxy_is_healthy => StatusCode::OK,
        Ok(()) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut answer = http::answer(status, http::JSON, text);
    answer.headers_mut().insert(WEIGHT, HeaderValue::from(local_endpoints));
    answer
}
