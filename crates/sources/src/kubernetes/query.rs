//! Which objects are asked for.

use kube::api::{ListParams, WatchParams};
use kube::core::Request;

use super::failure::Failure;
use super::timing::Timing;

/// Objects in a page, as client-go asks for.
const PAGE_SIZE: u32 = 500;

/// The resource, and the selectors by which kube-proxy 1.36 restricts it. What they leave out is recognised
/// when decoding too, for servers that are older than a selector.
#[derive(Clone, Debug)]
pub(super) struct Query {
    path: &'static str,
    /// The `kind` of a list of these.
    pub(super) list_kind: &'static str,
    labels: Option<&'static str>,
    fields: Option<String>,
}

// === impl Query ===

impl Query {
    /// Services that are not another proxy's and not headless.
    pub(super) fn services() -> Self {
        Query {
            path: "/api/v1/services",
            list_kind: "ServiceList",
            labels: Some("!service.kubernetes.io/service-proxy-name"),
            fields: Some("spec.clusterIP!=None".to_owned()),
        }
    }

    /// EndpointSlices that do not belong to headless Services.
    pub(super) fn endpoint_slices() -> Self {
        Query {
            path: "/apis/discovery.k8s.io/v1/endpointslices",
            list_kind: "EndpointSliceList",
            labels: Some("!service.kubernetes.io/headless"),
            fields: None,
        }
    }

    /// Every Node.
    pub(super) fn nodes() -> Self {
        Query { path: "/api/v1/nodes", list_kind: "NodeList", labels: None, fields: None }
    }

    /// One Node.
    pub(super) fn node(name: &str) -> Self {
        Query { fields: Some(format!("metadata.name={name}")), ..Query::nodes() }
    }

    /// Gives up selecting by a field. Servers before 1.31 cannot select Services by theirs. Returns whether
    /// there was something to give up.
    pub(super) fn drop_field_selector(&mut self) -> bool {
        self.fields.take().is_some()
    }

    /// A page of a plain list. It asks for the newest state, not for any that a cache holds: a second server
    /// that lags behind would take back what the first one has told.
    pub(super) fn list(&self, paged: bool, token: Option<String>) -> Result<http::Request<Vec<u8>>, Failure> {
        let params = ListParams {
            label_selector: self.labels.map(str::to_owned),
            field_selector: self.fields.clone(),
            limit: paged.then_some(PAGE_SIZE),
            continue_token: token,
            ..ListParams::default()
        };
        Request::new(self.path).list(&params).map_err(Failure::from)
    }

    /// A watch that goes on after `version`.
    pub(super) fn watch(&self, timing: &Timing, version: &str) -> Result<http::Request<Vec<u8>>, Failure> {
        Request::new(self.path).watch(&self.watch_params(timing), version).map_err(Failure::from)
    }

    /// A watch that begins with everything there is: a streaming list.
    pub(super) fn stream(&self, timing: &Timing) -> Result<http::Request<Vec<u8>>, Failure> {
        let params = WatchParams { send_initial_events: true, ..self.watch_params(timing) };
        Request::new(self.path).watch(&params, "").map_err(Failure::from)
    }

    fn watch_params(&self, timing: &Timing) -> WatchParams {
        WatchParams {
            label_selector: self.labels.map(str::to_owned),
            field_selector: self.fields.clone(),
            timeout: u32::try_from(timing.watch.as_secs()).ok(),
            bookmarks: true,
            send_initial_events: false,
        }
    }
}
