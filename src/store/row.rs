//! A record as a row: what is written, and whether what is read is what was written.
//!
//! `Envelope → Entry (digest) → a database: position, time, before → Row → check → Recorded`

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Metadata;

/// Beyond this the name of an entity is kept as its digest: an index takes no more.
const MAX_ENTITY: usize = 200;

/// Between the kind of an entity and its id, where neither has it.
const BETWEEN: char = '\u{1f}';

/// The digest leaves room for what is added to it.
const DIGEST_BITS: u32 = 61;

/// What is to be added.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) topic: String,
    /// See [`entity_of`].
    pub(crate) entity: Option<String>,
    /// Which of those that come with it was the last of its entity, from 1; 0 for none.
    pub(crate) earlier: u32,
    /// Of all of this, and of the store.
    pub(crate) digest: i64,
    pub(crate) body: Vec<u8>,
}

impl Entry {
    pub(crate) fn new(tag: u32, metadata: &Metadata, topic: String, body: Vec<u8>) -> Self {
        let entity = metadata.entity_id.as_deref().map(|id| entity_of(&metadata.entity, id));
        let digest = digest(tag, &topic, entity.as_deref(), &body);
        Self { topic, entity, earlier: 0, digest, body }
    }
}

/// Says of each entry which of those before it is the last of the same entity.
pub(crate) fn chain(entries: &mut [Entry]) {
    if entries.len() < 2 {
        entries.iter_mut().for_each(|entry| entry.earlier = 0);
        return;
    }
    let mut last = HashMap::<String, u32>::new();
    for (place, entry) in (1..).zip(entries) {
        entry.earlier = match &entry.entity {
            None => 0,
            Some(entity) => match last.get_mut(entity) {
                Some(earlier) => std::mem::replace(earlier, place),
                None => {
                    last.insert(entity.clone(), place);
                    0
                }
            },
        };
    }
}

/// What is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) position: u64,
    /// In µs since 1970, by the clock of the database.
    pub(crate) at: i64,
    /// The position of the last record of the same entity, or 0.
    pub(crate) before: u64,
    pub(crate) checksum: i64,
    pub(crate) topic: String,
    pub(crate) entity: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Row {
    /// Whether it is what was written, at the place where it was written.
    pub(crate) fn is_whole(&self, tag: u32) -> bool {
        let digest = digest(tag, &self.topic, self.entity.as_deref(), &self.body);
        self.checksum == checksum(digest, self.position, self.before, self.at)
    }
}

/// What the databases add by SQL. It is a sum, for SQLite knows no exclusive or; each part has room for all of its values, so
/// that one that is changed changes the sum.
pub(crate) fn checksum(digest: i64, position: u64, before: u64, at: i64) -> i64 {
    let before = before.cast_signed().wrapping_shl(20);
    digest.wrapping_add(position.cast_signed()).wrapping_add(before).wrapping_add(at.wrapping_shl(8))
}

/// The same in every process and every release: it is written.
fn digest(tag: u32, topic: &str, entity: Option<&str>, body: &[u8]) -> i64 {
    let hash = xxh3_64_with_seed(topic.as_bytes(), tag.into());
    let hash = match entity {
        Some(entity) => xxh3_64_with_seed(entity.as_bytes(), hash),
        None => !hash,
    };
    (xxh3_64_with_seed(body, hash) >> (64 - DIGEST_BITS)).cast_signed()
}

/// Of several texts, each in its place. The same in every process and every release: it is written.
pub(crate) fn digest_of<const N: usize>(texts: [&str; N]) -> i64 {
    texts.iter().fold(0, |hash, text| xxh3_64_with_seed(text.as_bytes(), hash)).cast_signed()
}

/// The entity in the column by which it is found: no more than an index takes, and no character that PostgreSQL refuses.
pub(crate) fn entity_of(kind: &str, id: &str) -> String {
    let is_plain = |text: &str| !text.contains(['\0', BETWEEN]);
    if kind.len() + id.len() < MAX_ENTITY && is_plain(kind) && is_plain(id) {
        return format!("{kind}{BETWEEN}{id}");
    }
    let (of_kind, of_id) = (xxh3_64_with_seed(kind.as_bytes(), 0), xxh3_64_with_seed(id.as_bytes(), 1));
    let both = xxh3_64_with_seed(id.as_bytes(), of_kind);
    format!("{BETWEEN}{of_kind:016x}{of_id:016x}{both:016x}")
}

/// The kind of an entity; none if only its digest is kept.
pub(crate) fn kind_of(entity: &str) -> Option<&str> {
    entity.split_once(BETWEEN).map(|(kind, _)| kind).filter(|kind| !kind.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let entity = Some(entity_of("Order", "7"));
        let body = b"{\"metadata\":{},\"payload\":1}".to_vec();
        let digest = digest(9, "orders/placed", entity.as_deref(), &body);
        let (position, at, before) = (1_000, 1_800_000_000_000_000, 17);
        let checksum = checksum(digest, position, before, at);
        Row { position, at, before, checksum, topic: "orders/placed".into(), entity, body }
    }

    #[test]
    fn whatever_is_changed_is_seen() {
        assert!(row().is_whole(9));
        assert!(!row().is_whole(8), "another store");
        let changes: [fn(&mut Row); 9] = [
            |row| row.position += 1,
            |row| row.at += 1,
            |row| row.before += 1,
            |row| row.checksum ^= 1 << 62,
            |row| row.topic.push('x'),
            |row| row.entity = None,
            |row| row.entity = Some(entity_of("Order", "8")),
            |row| row.body[3] ^= 1,
            |row| row.body.truncate(3),
        ];
        for (place, change) in changes.iter().enumerate() {
            let mut row = row();
            change(&mut row);
            assert!(!row.is_whole(9), "change {place}");
        }
    }

    #[test]
    fn every_bit_of_a_body_counts() {
        for bit in 0..row().body.len() * 8 {
            let mut row = row();
            row.body[bit / 8] ^= 1 << (bit % 8);
            assert!(!row.is_whole(9), "bit {bit}");
        }
    }

    /// These stand in files.
    #[test]
    fn a_digest_stays_as_it_is() {
        assert_eq!(digest(9, "orders/placed", None, b"body"), 378_470_400_262_240_278);
        assert_eq!(digest_of(["orders/*", ""]), -1_299_834_682_383_609_815);
        assert_eq!(digest(9, "orders/placed", Some("Order\u{1f}7"), b"body"), 1_585_812_836_788_786_516);
    }

    #[test]
    fn entities_that_differ_are_kept_apart() {
        let long = "x".repeat(300);
        let all = [
            entity_of("Order", "7"),
            entity_of("Order7", ""),
            entity_of("Ord", "er7"),
            entity_of("Order", &long),
            entity_of(&long, "Order"),
            entity_of("Order\u{1f}7", ""),
            entity_of("Order", "\u{1f}7"),
            entity_of("Order", "\0"),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(one.len() <= MAX_ENTITY && !one.contains('\0'), "{one}");
            assert!(all[..place].iter().all(|other| other != one), "{one}");
        }
        assert_eq!(
            all.iter().map(|one| kind_of(one)).collect::<Vec<_>>()[..4],
            [Some("Order"), Some("Order7"), Some("Ord"), None]
        );
    }

    #[test]
    fn each_entry_knows_the_one_before_it() {
        let entry = |entity: Option<&str>| Entry {
            topic: String::new(),
            entity: entity.map(str::to_owned),
            earlier: 9,
            digest: 0,
            body: Vec::new(),
        };
        let mut entries = [entry(Some("a")), entry(None), entry(Some("b")), entry(Some("a")), entry(Some("a"))];
        chain(&mut entries);
        assert_eq!(entries.map(|entry| entry.earlier), [0, 0, 0, 1, 4]);
    }
}
