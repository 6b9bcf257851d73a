//! A test file nobody names would never run.

use std::{fs, path::Path};

#[test]
fn every_test_file_is_listed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect(name);
    let listed = read("main.rs") + &read("cases.rs");
    for entry in fs::read_dir(&dir).expect("tests/") {
        let path = entry.expect("entry").path();
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        let is_module = path.extension().is_some_and(|e| e == "rs") || path.join("mod.rs").exists();
        if is_module && !["main", "cases"].contains(&stem.as_str()) {
            let named = listed.contains(&format!("mod {stem};"));
            assert!(named, "tests/{stem} is named neither in tests/main.rs nor in tests/cases.rs");
        }
    }
}
