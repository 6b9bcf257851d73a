//! Numbers and their notation.

use bringup::python::number::{float, int, repr};
use serde_json::{Value as Json, json};

use super::{cases, compare, text};

fn answer(case: &Json) -> Vec<(String, Json)> {
    if case.get("bits").is_some() {
        let bits = u64::from_str_radix(text(case, "bits"), 16).unwrap();
        return vec![("repr".to_owned(), json!(repr(f64::from_bits(bits))))];
    }
    let number = if case.get("int").is_some() {
        let base = case["base"].as_u64().and_then(|base| u32::try_from(base).ok()).unwrap();
        int(text(case, "int"), base).map(|number| number.to_string())
    } else {
        float(text(case, "float")).map(repr)
    };
    vec![("number".to_owned(), json!(number))]
}

#[test]
fn numbers_are_read_and_written_as_in_python() {
    compare("number", cases("number"), answer);
}
