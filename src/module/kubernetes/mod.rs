//! `kubernetes.core`.
