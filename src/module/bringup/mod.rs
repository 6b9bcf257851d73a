//! `bringup`: modules that nobody else has.
