#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bringup::fuzz::ssh_config(data));
