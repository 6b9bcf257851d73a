//! What cannot be tested on this machine: it is told with its reason and counted as skipped, never as passed.
//!
//! With `TESTS_REQUIRE=all` it is a failure: `tests/run` sets that, where everything is meant to be there. With
//! `TESTS_REQUIRE='all but ansible'` a reason that has this word may stand.

use std::{io::Write as _, path::Path};

use libtest_mimic::{Completion, Trial};

/// What is wrong with a reason, where everything is meant to be there.
fn refused(reason: &str) -> Option<String> {
    let required = std::env::var("TESTS_REQUIRE").ok()?;
    let but = required.strip_prefix("all but ").unwrap_or_default();
    let may_stand = but.split(',').map(str::trim).any(|word| !word.is_empty() && reason.contains(word));
    (!may_stand).then(|| format!("{reason}, and with TESTS_REQUIRE={required} that is not to be skipped"))
}

/// Ends an ordinary test that cannot be done here: `skip!("sudo is not installed")`.
macro_rules! skip {
    ($($reason:tt)+) => {{
        $crate::support::skip::tell("skipped", &format!($($reason)+));
        return;
    }};
}

/// Says that a part of an ordinary test cannot be done here: `skip_part!("zsh is not installed")`.
macro_rules! skip_part {
    ($($reason:tt)+) => {
        $crate::support::skip::tell("skipped in part", &format!($($reason)+))
    };
}

pub(crate) use {skip, skip_part};

/// Tells of an ordinary test what is not done, past the harness, which would show it only if the test failed.
pub fn tell(what: &str, reason: &str) {
    if let Some(wrong) = refused(reason) {
        panic!("{wrong}");
    }
    let line = format!("test {} ... {what}, {reason}\n", std::thread::current().name().unwrap_or("?"));
    // Nobody is there to be told that nobody listens.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A test by name that runs unless something is missing here.
pub fn trial(
    name: impl Into<String>,
    missing: impl FnOnce() -> Option<String> + Send + 'static,
    run: impl FnOnce() + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || match missing() {
        Some(reason) => {
            refused(&reason).map_or_else(|| Ok(Completion::ignored_with(reason)), |wrong| Err(wrong.into()))
        }
        None => {
            run();
            Ok(Completion::Completed)
        }
    })
}

/// A test by name that runs everywhere.
pub fn always(name: impl Into<String>, run: impl FnOnce() + Send + 'static) -> Trial {
    trial(name, || None, run)
}

/// What is said of a test that only root can do, unless this is root.
pub fn root() -> Option<String> {
    (!is_root()).then(|| "it takes root".to_owned())
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    user() == "root"
}

/// Who runs the tests.
pub fn user() -> String {
    let output = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What is said of a test for a program that is in none of the usual places.
pub fn program(name: &str) -> Option<String> {
    let mut places = ["/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin"].iter();
    let found = places.any(|place| Path::new(place).join(name).exists());
    (!found).then(|| format!("{name} is not installed"))
}

/// A sentence as a part of a test's name.
pub fn slug(sentence: &str) -> String {
    let mut slug = String::new();
    for letter in sentence.to_lowercase().chars() {
        match letter.is_alphanumeric() {
            true => slug.push(letter),
            false if slug.ends_with('_') || slug.is_empty() => {}
            false => slug.push('_'),
        }
    }
    slug.trim_end_matches('_').to_owned()
}
