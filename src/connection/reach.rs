//! What a connection is to those who stand above it: a way to a host, and being there.

use super::{
    context::Context,
    error::Error,
    process::{Process, Reading},
};
use futures::future::BoxFuture;
use std::{any::Any, fmt};
use tokio::io::{AsyncRead, AsyncWrite};

/// The way to a host, made from settings alone: nothing was done yet.
pub trait Reach: Same + fmt::Debug + Send + Sync {
    /// Goes there and looks whether somebody is at home.
    fn connect<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Box<dyn Connection>, Error>>;

    /// Where it ends: two ways with one place may end at the same host.
    fn place(&self) -> String;

    /// As whom it logs in, where that is said.
    fn login(&self) -> Option<String>;

    /// Tells whether it ends on this machine itself, so that nobody has to log in.
    fn is_local(&self) -> bool {
        false
    }
}

/// A host that was reached. Shells, frames, transfers and changes of user stand on it, the same ones on every kind.
pub trait Connection: Send + Sync {
    /// Starts a program: `request` is a line for a shell, the three streams are the program's.
    ///
    /// The program ends by itself when its standard input does. Where the other side allows no more programs at once, `room` may
    /// end one of ours.
    fn start<'a>(
        &'a self,
        request: &'a str,
        reading: Reading,
        room: &'a dyn Room,
    ) -> BoxFuture<'a, Result<Process, Error>>;

    /// Opens a TCP stream to an address as seen from there.
    fn forward<'a>(&'a self, to: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Error>>;

    /// As whom we are logged in; empty where nobody can tell.
    fn user(&self) -> &str;

    /// Tells whether it is gone: then a new one is needed.
    fn is_closed(&self) -> bool {
        false
    }

    /// What the other side said before it was gone.
    fn last_words(&self) -> String {
        String::new()
    }

    /// What the user should know though it is no error.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Why it may be another host than the one meant: then it gets no password.
    fn doubt(&self) -> Option<String> {
        None
    }

    /// Says goodbye.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Who can make room for one more program.
pub trait Room: Send + Sync {
    /// Ends a program that nobody needs just now. False when there is none.
    fn make(&self) -> BoxFuture<'_, bool>;
}

/// A two-way stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Compares ways of whatever kind.
pub trait Same {
    /// Itself, for the comparison.
    fn any(&self) -> &dyn Any;
    /// Tells whether both lead the same way.
    fn same(&self, other: &dyn Any) -> bool;
}

impl<T: PartialEq + 'static> Same for T {
    fn any(&self) -> &dyn Any {
        self
    }

    fn same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<T>() == Some(self)
    }
}
