//! What the tests of modules need: a stand-in for a host, a workstation, and a runner for cases that are data.

pub mod case;
pub mod controller;
pub mod machine;
<<<<<<< HEAD
pub mod system;
=======
pub mod server;
>>>>>>> 66bb7af (Add uri, get_url, unarchive, wait_for, reboot, pause and hosts added while running)
pub mod trial;
