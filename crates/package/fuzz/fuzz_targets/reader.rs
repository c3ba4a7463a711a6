//! Whatever the bytes: the reader ends, within its limits, and sees the same twice.

#![no_main]

#[path = "../../tests/examined/mod.rs"]
mod examined;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = examined::examined_within(bytes, &examined::tight());
});
