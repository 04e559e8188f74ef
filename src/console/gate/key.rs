//! Keys: bytes that nobody guesses, and what is derived from the one of this process.

use std::fmt::Write;
use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// As many bytes has a key.
const BYTES: usize = 32;

/// From what everything is derived that has to be known again. Each start of the process has another, and none leaves it.
static SECRET: OnceLock<Option<[u8; BYTES]>> = OnceLock::new();

fn bytes() -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Some(bytes),
        Err(error) => {
            log::error!(target: "convoke::console", "the system gives no random bytes, so that nobody is let in to write: {error}");
            None
        }
    }
}

/// A new key, as text; nothing where the system gives no random bytes.
pub(crate) fn new_key() -> Option<String> {
    bytes().map(|bytes| hex(&bytes))
}

/// What this process alone says of these words, for this use alone; nothing where the system gives no random bytes.
pub(crate) fn derived(purpose: &str, words: &[&str]) -> Option<String> {
    let secret = SECRET.get_or_init(bytes).as_ref()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    for word in [purpose].iter().chain(words) {
        // Or the words of one could be those of another, cut elsewhere.
        mac.update(&(word.len() as u64).to_le_bytes());
        mac.update(word.as_bytes());
    }
    Some(hex(&mac.finalize().into_bytes()))
}

/// Whether two are the same, in a time that does not say where they differ.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Whether a text has the form of a key.
pub(crate) fn is_key(text: &str) -> bool {
    text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Into a string nothing fails.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_is_known_again_and_of_its_words_alone() {
        let one = derived("form", &["ab", "c"]);
        assert_eq!(one, derived("form", &["ab", "c"]));
        for other in [derived("form", &["a", "bc"]), derived("sure", &["ab", "c"]), derived("form", &["ab", "c", ""])] {
            assert_ne!(one, other);
        }
        assert!(one.is_some_and(|one| is_key(&one)));
    }

    #[test]
    fn a_key_is_new_each_time_and_compared_as_a_whole() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());
        assert!(is_key(&one) && is_key(&other) && is_same(&one, &one.clone()));
        assert!(!is_same(&one, &other) && !is_same(&one, &one[1..]) && !is_same(&one, ""));
        assert!(!is_key(&one[1..]) && !is_key(&one.to_uppercase().replace(|sign: char| sign.is_ascii_digit(), "A")));
    }
}
