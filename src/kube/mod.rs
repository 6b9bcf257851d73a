//! Kubernetes objects through the API server, tunnelled over SSH.
