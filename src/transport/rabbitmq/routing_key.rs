//! Topics as RabbitMQ routes by them, and patterns as it binds by them.
//!
//! `orders/placed → orders.placed`, `orders/** → orders.#`

use lapin::types::ShortString;

use crate::Pattern;

/// Makes the routing key of a topic: segments are words, and `.`, `%`, `#` and `*` within one are written as `%2E`,
/// `%25`, `%23` and `%2A`. `None` if it is beyond 255 bytes, which is all that AMQP takes.
pub(super) fn of_topic(topic: &str) -> Option<ShortString> {
    let words = topic.split('/').map(word);
    ShortString::try_new(join(words)).ok()
}

/// Makes the binding key of a pattern: `*` stays, and `**` is `#`.
pub(super) fn of_pattern(pattern: &Pattern) -> Option<ShortString> {
    let words = pattern.as_str().split('/').map(|segment| match segment {
        "*" => "*".to_owned(),
        "**" => "#".to_owned(),
        segment => word(segment),
    });
    ShortString::try_new(join(words)).ok()
}

fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(".")
}

fn word(segment: &str) -> String {
    let mut word = String::with_capacity(segment.len());
    for letter in segment.chars() {
        match letter {
            '.' => word.push_str("%2E"),
            '%' => word.push_str("%25"),
            '#' => word.push_str("%23"),
            '*' => word.push_str("%2A"),
            letter => word.push(letter),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_patterns_become_keys() {
        let key = |topic: &str| of_topic(topic).map(|key| key.to_string());
        assert_eq!(key("orders/placed").as_deref(), Some("orders.placed"));
        assert_eq!(key("").as_deref(), Some(""));
        assert_eq!(key("v1.2/100%/a#b/ü").as_deref(), Some("v1%2E2.100%25.a%23b.ü"));
        assert_eq!(key(&"a".repeat(255)).map(|key| key.len()), Some(255));
        assert_eq!(key(&"a".repeat(256)), None);
        assert_eq!(key(&".".repeat(86)), None);

        let bound = |pattern| of_pattern(&Pattern::new(pattern).unwrap()).unwrap().to_string();
        assert_eq!(bound("orders/*"), "orders.*");
        assert_eq!(bound("**/late"), "#.late");
        assert_eq!(bound("a.b/**"), "a%2Eb.#");
    }

    #[test]
    fn different_topics_have_different_keys() {
        let topics = ["a/b", "a.b", "a%2Eb", "a%b", "a#b", "a*b", "a%25b"];
        let keys: std::collections::BTreeSet<_> = topics.iter().map(|topic| of_topic(topic).unwrap()).collect();
        assert_eq!(keys.len(), topics.len());
    }
}
