#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bringup::fuzz::vault(data));
