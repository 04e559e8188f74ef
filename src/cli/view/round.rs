//! What a durable round is about, and how it is, in a word.

use convoke::{DurableRound, DurableState, RoundKey};

use super::figures::UNKNOWN;

/// What it is about, as it is: a key that is empty is two quotes.
pub(crate) fn round_key(round: &DurableRound) -> String {
    match &round.key {
        Some(RoundKey::Text(text)) if text.is_empty() => "''".to_owned(),
        Some(RoundKey::Text(text)) => text.to_string(),
        Some(key) => key.to_string(),
        None => UNKNOWN.to_owned(),
    }
}

pub(crate) fn round_state(round: &DurableRound) -> &'static str {
    match &round.state {
        DurableState::Awaited => "awaited",
        DurableState::Open => "open",
        DurableState::Aside(_) => "aside",
        DurableState::Resolved => "resolved",
        DurableState::Cancelled(_) => "cancelled",
        _ => UNKNOWN,
    }
}
