//! What is true.

use bringup::python::truth::{boolean, truthy};
use serde_json::json;

use super::{cases, compare};

#[test]
fn values_are_true_as_in_python_and_ansible() {
    compare("truth", cases("truth"), |case| {
        let value = &case["value"];
        vec![("bool".to_owned(), json!(truthy(value))), ("boolean".to_owned(), json!(boolean(value)))]
    });
}
