//! What will not be tried again: why, where that is written down, and how it gets another chance.
//!
//! `Delivery → DeadLetterRecord → an attribute → the dead-letter queue → redrive → the queue`

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::delivery::Delivery;
use super::error::{ErrorKind, TransportError};
use super::packet::{Attribute, Hidden, Packet};
use super::publisher::Publisher;
use super::source::Source;
use crate::__private::Shown;

/// The name of the attribute in which a dead letter carries its [record](DeadLetterRecord), as JSON.
pub const DEAD_LETTER: &str = "convokeDeadLetter";

/// How many errors a record names, and how many bytes of each: enough for a chain of causes, and small beside what servers
/// take.
const MAX_ERRORS: usize = 16;
const MAX_ERROR_BYTES: usize = 1024;

/// How long a record may be that is read: as much as any server takes that counts attributes.
const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// How many dead letters are redriven at a time.
const REDRIVE_BATCH: usize = 10;

/// How many that the server does not take are held back meanwhile, so that those behind them have their turn.
const MOST_KEPT: usize = 90;

/// The reason why a delivery is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum DeadReason {
    /// All attempts of the delivery have failed.
    Exhausted,
    /// The delivery failed with an error that another attempt would not change.
    Permanent,
    /// No listener knows the event.
    Unknown,
    /// The bytes are no event.
    Broken,
    /// The application rejected the delivery.
    Rejected,
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "no attempt is left",
            Self::Permanent => "it failed for good",
            Self::Unknown => "nobody knows the event",
            Self::Broken => "it is no event",
            Self::Rejected => "it was rejected",
        })
    }
}

/// The record of a dead letter: why it died, when and where.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeadLetterRecord {
    /// Why the delivery is dead.
    pub reason: DeadReason,
    /// The errors of the last attempt, the outermost first; at most 16, of 1 KiB each.
    #[serde(default)]
    pub errors: Vec<String>,
    /// The number of attempts.
    pub attempts: u32,
    /// The name of the source that the delivery came from.
    pub source: String,
    /// When the delivery died, in milliseconds since 1970.
    pub time: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    topic: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    priority: u8,
    /// Attributes for which the server has no room beside this one: name, type, text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(String, String, String)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(priority: &u8) -> bool {
    *priority == 0
}

impl DeadLetterRecord {
    /// Creates the record of a packet that has just died. `source` is the name of the source that the packet came from.
    pub fn new(source: &str, packet: &Packet, attempts: u32, reason: DeadReason, errors: Vec<String>) -> Self {
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            reason,
            errors: few(errors),
            attempts,
            source: source.to_owned(),
            time: time.as_millis().try_into().unwrap_or(u64::MAX),
            key: packet.key.clone(),
            topic: packet.topic.clone(),
            priority: packet.priority,
            attributes: Vec::new(),
        }
    }

    /// Reads the record of a dead letter. Returns `None` if the packet has no record, or one of more than 1 MiB.
    pub fn of(packet: &Packet) -> Option<Self> {
        Self::read(packet.attributes.text(DEAD_LETTER))
    }

    /// Reads a record from where it stands by itself.
    pub(crate) fn read(text: Option<&str>) -> Option<Self> {
        let record: Self = serde_json::from_str(text.filter(|text| text.len() <= MAX_RECORD_BYTES)?).ok()?;
        // Somebody else may have written it.
        Some(Self { errors: few(record.errors), ..record })
    }

    /// What is said of a letter whose record nobody can read.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn unread(source: &str, packet: &Packet) -> Self {
        let errors = vec!["its record cannot be read".to_owned()];
        Self { time: 0, ..Self::new(source, packet, 0, DeadReason::Broken, errors) }
    }

    /// Makes the dead letter: the packet with this record as an attribute, within the limits of the server. If the
    /// server has no room for everything, the errors are left out first, and then the record. The packet itself stays
    /// whole.
    pub fn bury(mut self, mut packet: Packet, max_attributes: usize, max_bytes: usize) -> Packet {
        packet.delay = std::time::Duration::ZERO;
        // A letter that dies once more: its first record says less than this one.
        packet.attributes.remove(DEAD_LETTER);
        let whole = packet.clone();
        while packet.attributes.len() >= max_attributes.max(1) {
            let Some(last) = packet.attributes.iter().last().map(|(name, _)| name.to_owned()) else { break };
            if let Some(value) = packet.attributes.remove(&last) {
                self.attributes.push((last, value.kind().to_owned(), value.text()));
            }
        }
        for errors in [std::mem::take(&mut self.errors), Vec::new()] {
            self.errors = errors;
            let record = serde_json::to_string(&self).unwrap_or_default();
            packet.attributes.insert(DEAD_LETTER, record);
            if packet.bytes() <= max_bytes {
                return packet;
            }
        }
        whole
    }

    /// Turns a dead letter back into the packet that it was. Any other packet stays as it is.
    pub fn revive(packet: Packet) -> Packet {
        Self::apart(packet).0
    }

    /// The packet that a dead letter was, and its record, which is read once.
    pub(crate) fn apart(mut packet: Packet) -> (Packet, Option<Self>) {
        let read = Self::of(&packet);
        if let Some(record) = read.clone() {
            packet.attributes.remove(DEAD_LETTER);
            let there = std::mem::take(&mut packet.attributes);
            // Of several of one name the first counts, and before it what is there.
            let recorded = record.attributes.into_iter().rev().filter(|(name, ..)| name != DEAD_LETTER);
            packet.attributes = recorded.map(|(name, kind, text)| (name, Attribute::read(&kind, &text))).collect();
            packet.attributes.extend(there);
            packet.key = packet.key.or(record.key);
            packet.priority = packet.priority.max(record.priority);
            if packet.topic.is_empty() {
                packet.topic = record.topic;
            }
        }
        (packet, read)
    }
}

/// Shows only the names of the attributes that the record keeps, and not the key, as with a packet.
impl fmt::Debug for DeadLetterRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.attributes.iter().map(|(name, ..)| Shown::name(name)).collect();
        let errors: Vec<_> = self.errors.iter().map(|error| Shown::text(error)).collect();
        f.debug_struct("DeadLetterRecord")
            .field("reason", &self.reason)
            .field("errors", &errors)
            .field("attempts", &self.attempts)
            .field("source", &Shown::name(&self.source))
            .field("time", &self.time)
            .field("key", &self.key.as_ref().map(|_| Hidden))
            .field("topic", &Shown::name(&self.topic))
            .field("attributes", &names)
            .finish_non_exhaustive()
    }
}

fn few(errors: Vec<String>) -> Vec<String> {
    errors.into_iter().take(MAX_ERRORS).map(cut).collect()
}

fn cut(mut text: String) -> String {
    // One that was cut is not cut again.
    if text.len() > MAX_ERROR_BYTES + '…'.len_utf8() || text.len() > MAX_ERROR_BYTES && !text.ends_with('…') {
        let end = (0..=MAX_ERROR_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The result of a [`redrive`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redriven {
    /// How many dead letters were moved back. They are new packets there: their attempts count from 1.
    pub moved: usize,
    /// How many dead letters stayed, because the server did not take them.
    pub kept: usize,
}

/// Gives dead letters another chance: moves up to `most` of them from a dead-letter queue back to the queue that they
/// came from.
///
/// This returns when there are no more letters, when the server is away, or when the server has refused 90 letters. It
/// learns that there are no more from a [`receive`](Source::receive) that returns nothing, which takes a second with
/// memory and 9 s with SQS.
///
/// If the redrive is interrupted at a letter, that letter may be in both queues. If the server de-duplicates, each
/// letter gets a new [packet id](Packet::id): with the old one, the server would not deliver a letter that it has had a
/// moment ago. The event in the letter keeps its own id.
///
/// # Errors
///
/// - An error of the dead-letter queue if it cannot be opened or read. Letters that were moved before stay moved.
/// - `Unsupported` if both queues have the same name, because a letter would come again and again.
pub async fn redrive(
    dead: &mut (impl Source + ?Sized),
    to: &(impl Publisher + ?Sized),
    most: usize,
) -> Result<Redriven, TransportError> {
    let mut redriven = Redriven::default();
    if dead.name() == to.name() {
        let text = "it would be redriven into itself, round and round: name the queue in which its letters were before they died";
        return Err(TransportError::new(ErrorKind::Unsupported, dead.name(), text));
    }
    dead.open(REDRIVE_BATCH + MOST_KEPT).await?;
    let mut kept = Vec::new();
    while redriven.moved + redriven.kept < most {
        let room = (most - redriven.moved - redriven.kept).min(REDRIVE_BATCH);
        let letters = dead.receive(room).await?;
        if letters.is_empty() {
            break;
        }
        let revive = |letter: &Delivery| {
            let mut packet = DeadLetterRecord::revive(letter.packet().clone());
            if to.abilities().deduplicates {
                // It was there a moment ago: by the same id it would be taken, and delivered to nobody.
                packet.id = crate::Uuid::now_v7().to_string();
            }
            packet
        };
        let packets: Vec<_> = letters.iter().map(revive).collect();
        let taken = to.publish(&packets).await;
        let mut is_away = false;
        for (letter, taken) in letters.into_iter().zip(taken) {
            match taken {
                Ok(()) => {
                    letter.ack().await?;
                    redriven.moved += 1;
                }
                Err(error) => {
                    log::warn!(target: "convoke::transport", "a dead letter stays: {error}");
                    redriven.kept += 1;
                    is_away |= error.is_temporary();
                    kept.push(letter);
                }
            }
        }
        if is_away || kept.len() >= MOST_KEPT {
            break;
        }
    }
    // Not before: what is given back comes again at once.
    for letter in kept {
        match letter.release().await {
            // It was held for longer than its lease, and is back already.
            Err(error) if error.kind() == ErrorKind::Lost => {}
            released => released?,
        }
    }
    dead.close().await?;
    Ok(redriven)
}
