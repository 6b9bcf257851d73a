#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bringup::fuzz::ini(data));
