//! Which objects are asked for.

use std::time::Duration;

use kube::api::{ListParams, VersionMatch, WatchParams};
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

/// How new a list has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// What the server has in memory, however old. It gives all of it at once, whatever the limit: pages would cost it
    /// a reading of its database for each node of the cluster, as long as it is older than 1.31.
    Any,
    /// The same, unless it is older than this version: a server that lags behind must not take back what another has
    /// told.
    NotOlderThan(String),
    /// The newest there is.
    Newest,
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

    /// A page of a plain list. `token` leads from one page to the next; `paged` asks for pages where the server has
    /// to read its database.
    pub(super) fn list(
        &self,
        age: &Age,
        paged: bool,
        token: Option<String>,
    ) -> Result<http::Request<Vec<u8>>, Failure> {
        let (resource_version, version_match) = match age {
            Age::Any => (Some("0".to_owned()), None),
            Age::NotOlderThan(version) => (Some(version.clone()), Some(VersionMatch::NotOlderThan)),
            Age::Newest => (None, None),
        };
        let in_pages = paged && (*age == Age::Newest || token.is_some());
        let params = ListParams {
            label_selector: self.labels.map(str::to_owned),
            field_selector: self.fields.clone(),
            limit: in_pages.then_some(PAGE_SIZE),
            continue_token: token,
            resource_version,
            version_match,
            ..ListParams::default()
        };
        Request::new(self.path).list(&params).map_err(Failure::from)
    }

    /// The shortest list, for the sake of its version.
    pub(super) fn version(&self) -> Result<http::Request<Vec<u8>>, Failure> {
        let params = ListParams { limit: Some(1), ..ListParams::default() };
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
            timeout: u32::try_from(spread(timing.watch, fastrand::u16(..)).as_secs()).ok(),
            bookmarks: true,
            send_initial_events: false,
        }
    }
}

/// A time between `least` and twice as much. The watches of all nodes begin together when a server starts; they should
/// not end together too.
fn spread(least: Duration, random: u16) -> Duration {
    least + least * u32::from(random) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_lasts_once_to_twice_as_long() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(spread(minutes(5), 0), minutes(5));
        assert_eq!(spread(minutes(5), u16::MAX), minutes(10));
        let urls: std::collections::BTreeSet<String> = (0..100)
            .map(|_| Query::nodes().watch(&Timing::default(), "1").unwrap().uri().to_string())
            .collect();
        assert!(urls.len() > 1, "{urls:?}");
    }
}
