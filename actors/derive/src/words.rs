//! The words of a name: what an event is about is its name without the last of them.
//!
//! `UserRegistered → User`

/// Returns the name without its last word, or all of it if it has only one.
///
/// A word begins with a capital that follows something else, or that begins a word after others (`HTTP|Request|Seen`),
/// and after whatever is neither letter nor digit. Digits belong to the word before them, and so does a version
/// (`Order|PlacedV2`).
pub(crate) fn without_last(name: &str) -> &str {
    let last = starts(name).into_iter().rev().find(|start| !is_version(&name[*start..])).unwrap_or(0);
    let rest = name[..last].trim_end_matches(|c: char| !c.is_alphanumeric());
    if rest.is_empty() { name } else { rest }
}

/// Where the words begin, in bytes.
fn starts(name: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut before = None;
    let mut rest = name.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let after = rest.peek().map(|(_, c)| *c);
        let begins = match before {
            None => c.is_alphanumeric(),
            Some(before) if c.is_uppercase() => !char::is_uppercase(before) || after.is_some_and(char::is_lowercase),
            Some(before) => c.is_alphanumeric() && !char::is_alphanumeric(before),
        };
        if begins {
            starts.push(at);
        }
        before = Some(c);
    }
    starts
}

fn is_version(word: &str) -> bool {
    word.strip_prefix(['V', 'v']).is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_name_says_what_happened() {
        for (name, entity) in [
            ("UserRegistered", "User"),
            ("OrderItemAdded", "OrderItem"),
            ("HTTPRequestSeen", "HTTPRequest"),
            ("UserSeenByAPI", "UserSeenBy"),
            ("ABTestEnded", "ABTest"),
            ("ÄnderungGespeichert", "Änderung"),
            ("orderPlaced", "order"),
            ("order_placed", "order"),
            ("order.item-added", "order.item"),
            ("Order__Placed_", "Order"),
        ] {
            assert_eq!(without_last(name), entity, "{name}");
        }
    }

    #[test]
    fn digits_and_versions_belong_to_the_word_before() {
        for (name, entity) in [
            ("Order2Placed", "Order2"),
            ("OAuth2TokenIssued", "OAuth2Token"),
            ("Http2Seen", "Http2"),
            ("HTTP2Seen", "HTTP2"),
            ("S3ObjectStored", "S3Object"),
            ("OrderPlaced2", "Order"),
            ("OrderPlacedV2", "Order"),
            ("order_placed_v2", "order"),
            ("OrderMovedVault", "OrderMoved"),
        ] {
            assert_eq!(without_last(name), entity, "{name}");
        }
    }

    #[test]
    fn a_name_of_one_word_is_its_own_entity() {
        for name in ["Tick", "tick", "T", "TICK", "TickV2", "V2", "Tick1", "_Tick", "__", "日付"] {
            assert_eq!(without_last(name), name);
        }
    }
}
