//! Reads envelopes from any bytes: it may refuse them, never panic, and what it reads is written and read as the same.
//!
//! `bytes → from_slice → to_vec → from_slice`
//!
//! How to run it stands in `../Cargo.toml`; the tests of `actors/events/envelope/envelope.rs` check the same on the stable compiler.
#![no_main]

use convoke_actors::{Envelope, EnvelopeLimits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(envelope) = Envelope::from_slice(body) else { return };
    let written = envelope.to_vec();
    // What is written may be longer than what was read: `1e15` has no exponent then.
    let again = Envelope::from_slice_within(&written, EnvelopeLimits::default().bytes(usize::MAX));
    assert_eq!(again.as_ref(), Ok(&envelope));
    assert_eq!(again.map(|again| again.to_vec()), Ok(written));
    // Neither may what is shown of it fail.
    let _ = format!("{envelope:?}");
});
