//! State from Kubernetes' API server: list and watch of Services, EndpointSlices and this Node.
