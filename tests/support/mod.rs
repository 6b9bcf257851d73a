//! What the tests share: a stand-in for a host, a workstation, servers, and a runner for cases that are data.

pub mod case;
pub mod controller;
pub mod diagnostic;
pub mod loader;
pub mod machine;
pub mod server;
pub mod skip;
pub mod system;
pub mod trial;
pub mod world;
