//! HTTP requests made by the host, and what several modules take of them.

mod options;

pub use crate::http::{Request, Response, name, parse};
pub use options::{Options, plain};
