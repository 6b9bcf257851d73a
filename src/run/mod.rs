//! The executor: batches of probes, changes, handlers, host state.
