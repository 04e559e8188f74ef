//! A key as somebody types it: a number and the text of its digits are two keys.

use convoke::{RoundKey, Uuid};

/// What a word may mean. Nothing means the rounds without a key.
pub(super) fn keys(word: &str) -> Vec<RoundKey> {
    let mut keys = Vec::new();
    let number = word.parse::<u64>().map(RoundKey::from).or_else(|_| word.parse::<i64>().map(RoundKey::from));
    // As they are written alone: `+7` and `007` are texts.
    keys.extend(number.ok().filter(|number| number.to_string() == word));
    let uuid = Uuid::parse_str(word).ok().filter(|uuid| uuid.to_string() == word.to_ascii_lowercase());
    keys.extend(uuid.map(RoundKey::from));
    keys.push(RoundKey::from(word));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_may_be_two_keys_and_is_always_a_text() {
        assert_eq!(keys("7"), [RoundKey::from(7), RoundKey::from("7")]);
        assert_eq!(keys("-7"), [RoundKey::from(-7), RoundKey::from("-7")]);
        for text in ["007", "+7", "order-7", "7.0", " 7", ""] {
            assert_eq!(keys(text), [RoundKey::from(text)], "{text}");
        }
        let uuid = "0190163d-8694-739b-aea5-966c26f8ad91";
        assert_eq!(keys(uuid), [RoundKey::from(uuid.parse::<Uuid>().unwrap()), RoundKey::from(uuid)]);
    }
}
