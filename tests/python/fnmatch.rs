//! Shell patterns.

use bringup::python::fnmatch::{escape, fnmatch};
use serde_json::json;

use super::{cases, compare, text};

#[test]
fn patterns_fit_as_in_python() {
    compare("fnmatch", cases("fnmatch"), |case| {
        let (pattern, subject) = (text(case, "pattern"), text(case, "text"));
        vec![("fits".to_owned(), json!(fnmatch(pattern, subject))), ("escaped".to_owned(), json!(escape(subject)))]
    });
}

#[test]
fn an_escaped_text_fits_itself_alone() {
    for case in cases("fnmatch") {
        let subject = text(&case, "text");
        assert!(fnmatch(&escape(subject), subject), "{subject:?}");
        assert!(!fnmatch(&escape(subject), &format!("{subject}x")), "{subject:?}");
    }
}
