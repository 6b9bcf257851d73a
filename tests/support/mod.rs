//! What the tests of modules need: a stand-in for a host, a workstation, and a runner for cases that are data.

pub mod case;
pub mod controller;
pub mod machine;
pub mod returns;
pub mod server;
pub mod system;
pub mod trial;
