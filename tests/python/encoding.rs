//! Encodings by their names.

use bringup::python::encoding::Encoding;
use serde_json::{Value as Json, json};

use super::{cases, compare};

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn encodings_are_those_of_python() {
    compare("encoding", cases("encoding"), |case| {
        let name = super::text(case, "name");
        let encoding = Encoding::named(name).unwrap_or_else(|| panic!("there is no {name}"));
        if case.get("table").is_some() {
            let table: Vec<Json> = (0..=255).map(|byte| json!(encoding.decode(&[byte]))).collect();
            return vec![("table".to_owned(), json!(table))];
        }
        let text = super::text(case, "text");
        let bytes = encoding.encode(text).ok();
        if let Some(bytes) = &bytes {
            assert_eq!(encoding.decode(bytes).as_deref(), Some(text), "{name}");
        }
        vec![("bytes".to_owned(), json!(bytes.as_deref().map(hexadecimal)))]
    });
}
