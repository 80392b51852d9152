//! The kinds of object that the server has.

use serde_json::Value;

/// A kind of object, by its name in paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// core/v1 Services.
    Services,
    /// discovery.k8s.io/v1 EndpointSlices.
    EndpointSlices,
    /// core/v1 Nodes.
    Nodes,
}

// === impl Resource ===

impl Resource {
    const ALL: [Resource; 3] = [Resource::Services, Resource::EndpointSlices, Resource::Nodes];

    /// The resource that is listed and watched at `path`.
    pub(super) fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.path() == path)
    }

    /// The resource and key of an object.
    pub(super) fn identify(object: &Value) -> Option<(Self, String)> {
        let kind = object.get("kind")?.as_str()?;
        let resource = Self::ALL.into_iter().find(|resource| resource.kind() == kind)?;
        let metadata = object.get("metadata")?;
        let name = metadata.get("name")?.as_str()?;
        let namespace = metadata.get("namespace").and_then(Value::as_str);
        let key = match (resource, namespace) {
            (Resource::Nodes, _) => name.to_owned(),
            (_, Some(namespace)) => format!("{namespace}/{name}"),
            (_, None) => return None,
        };
        Some((resource, key))
    }

    /// The name in paths.
    pub(super) fn name(self) -> &'static str {
        match self {
            Resource::Services => "services",
            Resource::EndpointSlices => "endpointslices",
            Resource::Nodes => "nodes",
        }
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Resource::Services => "Service",
            Resource::EndpointSlices => "EndpointSlice",
            Resource::Nodes => "Node",
        }
    }

    pub(super) fn api_version(self) -> &'static str {
        match self {
            Resource::Services | Resource::Nodes => "v1",
            Resource::EndpointSlices => "discovery.k8s.io/v1",
        }
    }

    /// The fields that the real server can select by.
    pub(super) fn fields(self) -> &'static [&'static str] {
        match self {
            Resource::Services => &["metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type"],
            Resource::EndpointSlices => &["metadata.name", "metadata.namespace"],
            Resource::Nodes => &["metadata.name", "spec.unschedulable"],
        }
    }

    fn path(self) -> &'static str {
        match self {
            Resource::Services => "/api/v1/services",
            Resource::EndpointSlices => "/apis/discovery.k8s.io/v1/endpointslices",
            Resource::Nodes => "/api/v1/nodes",
        }
    }
}
