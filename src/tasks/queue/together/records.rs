//! What stands in rows of a batch.
//!
//! `Together → Opening → an outbox`, `a job with a Seat ends → Ended → the same outbox → speech → what is said to its round`

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Codec, Wire};
use crate::durable::{Shape, Speech, Word, limits};
use crate::tasks::queue::{Cause, Follows};
use crate::tasks::{Due, Hold, NewJob};
use crate::transport::Packet;
use crate::{Envelope, Metadata, Uuid};

/// The party that says how the batch opened; those of its jobs are called by their places.
const HEAD: &str = "batch";

/// How many bytes the results of a batch may have together, as JSON.
pub(super) const ROOM: usize = 1 << 20;

/// For how long nobody enqueues the job that follows a batch once more, though that is over.
const ONCE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A job of a batch: its number, its task, and whether it was there before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::tasks) struct Entry(
    pub(in crate::tasks) i64,
    pub(in crate::tasks) String,
    #[serde(default)] pub(in crate::tasks) bool,
);

/// The job that follows a batch, before there is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::tasks) struct Follower {
    task: String,
    queue: String,
    payload: String,
    attempts: u32,
    head_start: Duration,
    #[serde(default)]
    expires: Option<Duration>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    cause: Option<String>,
}

impl Follower {
    pub(super) fn of(job: NewJob) -> Self {
        let NewJob { task, queue, payload, attempts, head_start, expires, key, cause, .. } = job;
        let (task, queue) = (task.to_string(), queue.to_string());
        Self { task, queue, payload, attempts, head_start, expires, key, cause }
    }

    pub(super) fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// The job, which is there once however often it is enqueued.
    pub(in crate::tasks) fn job(&self, follows: Follows) -> NewJob {
        let mut cause = Cause::read(self.cause.as_deref());
        cause.follows = Some(follows);
        let key = format!("convoke: behind batch {}", follows.batch);
        NewJob {
            task: self.task.as_str().into(),
            queue: self.queue.as_str().into(),
            payload: self.payload.clone(),
            attempts: self.attempts,
            due: Due::After(Duration::ZERO),
            head_start: self.head_start,
            expires: self.expires,
            unique: Some(Hold { key, time: Some(ONCE), running: true }),
            key: self.key.clone(),
            cause: cause.write(),
        }
    }
}

/// How a batch opens: all that is to be known of it. It is the first signal of its round, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::tasks) struct Opening {
    pub(in crate::tasks) batch: Uuid,
    /// How many have to succeed.
    pub(in crate::tasks) needed: usize,
    pub(in crate::tasks) deadline: Duration,
    /// By their places.
    pub(in crate::tasks) jobs: Vec<Entry>,
    #[serde(default)]
    pub(in crate::tasks) then: Option<Follower>,
    #[serde(default)]
    pub(in crate::tasks) otherwise: Option<Follower>,
    /// Whether those that have not ended when it closes are cancelled.
    #[serde(default)]
    pub(in crate::tasks) cancels_rest: bool,
}

impl Opening {
    /// Reads the first signal of a round.
    ///
    /// # Errors
    ///
    /// If a later program has written it.
    pub(in crate::tasks) fn read(first: &str) -> Result<Self, String> {
        serde_json::from_str(first).map_err(|error| format!("how the batch opened cannot be read: {error}"))
    }

    /// How much of each result is kept.
    pub(in crate::tasks) fn room(&self) -> usize {
        room(self.jobs.len())
    }

    fn shape(&self) -> Shape {
        let parties = std::iter::once(HEAD.into()).chain((0..self.jobs.len()).map(name_of)).collect();
        Shape { parties, quorum: self.needed.saturating_add(1), deadline: self.deadline }
    }

    fn first(&self) -> Word {
        // Texts and numbers can always be written.
        let payload = serde_json::to_string(self).unwrap_or_default();
        Word::Yes { name: HEAD.into(), token: Uuid::now_v7(), payload }
    }
}

/// How much of each result is kept of so many.
pub(super) fn room(jobs: usize) -> usize {
    ROOM / jobs.max(1)
}

fn name_of(place: usize) -> Arc<str> {
    place.to_string().into()
}

/// How a job has ended, as far as its batch has to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::tasks) enum Ended {
    Done {
        /// What was returned, as JSON.
        #[serde(default)]
        result: Option<String>,
        /// How many bytes that has, if there is no room for it.
        #[serde(default)]
        left_out: usize,
    },
    Failed {
        code: String,
        detail: String,
    },
}

impl Ended {
    pub(in crate::tasks) fn done(text: Option<&str>, room: usize) -> Self {
        match text {
            Some(text) if text.len() > room => Self::Done { result: None, left_out: text.len() },
            text => Self::Done { result: text.map(str::to_owned), left_out: 0 },
        }
    }

    pub(in crate::tasks) fn failed(code: &str, detail: &str) -> Self {
        // No database keeps a character of the code 0 everywhere.
        let kept = |text: &str| text.replace('\0', "");
        Self::Failed { code: kept(code), detail: kept(detail) }
    }

    /// Reads what a party of a round has said.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn word(&self, place: usize) -> Word {
        let (name, token) = (name_of(place), Uuid::now_v7());
        let text = serde_json::to_string(self).unwrap_or_default();
        match self {
            Self::Done { .. } => Word::Yes { name, token, payload: text },
            Self::Failed { .. } => Word::No { name, token, reason: text },
        }
    }
}

/// What stands in the outbox of batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::tasks) enum Record {
    Opened(Box<Opening>),
    Ended { batch: Uuid, job: i64, how: Ended },
}

impl Record {
    pub(in crate::tasks) fn batch(&self) -> Uuid {
        match self {
            Self::Opened(opening) => opening.batch,
            Self::Ended { batch, .. } => *batch,
        }
    }

    /// Those of a batch leave in the order in which they have committed.
    pub(in crate::tasks) fn packet(&self) -> Packet {
        let mut metadata = Metadata::new(match self {
            Self::Opened(_) => "BatchOpened",
            Self::Ended { .. } => "BatchJobEnded",
        });
        metadata.publisher = super::hall::ENDS.into();
        metadata.topic = "tasks/together".into();
        // Payloads and results may be anything.
        metadata.contains_personal_data = true;
        let payload = serde_json::to_value(self).unwrap_or_default();
        let mut packet = Wire.write(&Envelope::new(metadata, payload));
        packet.key = Some(self.batch().to_string());
        packet
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// If a later program has written it.
    pub(in crate::tasks) fn read(packet: &Packet) -> Result<Self, String> {
        let envelope = codec::read(packet, limits()).map_err(|error| error.to_string())?;
        Self::deserialize(&envelope.payload).map_err(|error| error.to_string())
    }
}

/// What is said to the round of a batch: how it opens, if it does, and how these jobs of it have ended. A job may have several
/// places, if two of a batch have one unique key.
pub(in crate::tasks) fn speech(batch: Uuid, opening: Option<&Opening>, ends: Vec<(i64, Ended)>) -> Speech {
    let words = move |first: &str| {
        let Ok(opening) = Opening::read(first) else { return Vec::new() };
        let places = |job: i64| {
            let entries = opening.jobs.iter().enumerate();
            entries.filter(move |(_, entry)| entry.0 == job).map(|(place, _)| place).collect::<Vec<_>>()
        };
        ends.iter().flat_map(|(job, how)| places(*job).into_iter().map(|place| how.word(place))).collect()
    };
    Speech { key: batch, opens: opening.map(|opening| (opening.shape(), opening.first())), words: Box::new(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        Opening {
            batch: Uuid::now_v7(),
            needed: 2,
            deadline: Duration::from_secs(60),
            jobs: vec![Entry(7, "Mail".into(), false), Entry(8, "Mail".into(), true), Entry(7, "Mail".into(), true)],
            then: None,
            otherwise: None,
            cancels_rest: false,
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let opening = opening();
        let how = Ended::failed("no\0t_found", "nobody");
        assert_eq!(how, Ended::failed("not_found", "nobody"));
        for record in [Record::Opened(opening.clone().into()), Record::Ended { batch: opening.batch, job: 7, how }] {
            let packet = record.packet();
            assert_eq!(packet.key, Some(opening.batch.to_string()));
            assert_eq!(Record::read(&packet), Ok(record));
        }
    }

    #[test]
    fn a_job_that_has_two_places_speaks_for_both_and_a_stranger_for_none() {
        let opening = opening();
        let ends = vec![(7, Ended::done(Some("1"), 10)), (9, Ended::done(None, 10))];
        let speech = speech(opening.batch, Some(&opening), ends);
        let (shape, Word::Yes { payload, .. }) = speech.opens.unwrap() else { panic!("a batch opens by a yes") };
        assert_eq!((shape.parties.len(), shape.quorum), (4, 3));
        let names = (speech.words)(&payload).into_iter().map(|word| match word {
            Word::Yes { name, .. } => name.to_string(),
            Word::No { .. } | Word::End(_) => panic!("it is done"),
        });
        assert_eq!(names.collect::<Vec<_>>(), ["0", "2"]);
    }

    #[test]
    fn a_result_without_room_is_left_out_and_said_to_be() {
        assert_eq!(Ended::done(Some("12345"), 5), Ended::Done { result: Some("12345".into()), left_out: 0 });
        assert_eq!(Ended::done(Some("123456"), 5), Ended::Done { result: None, left_out: 6 });
        assert_eq!((room(0), room(1_000)), (ROOM, ROOM / 1_000));
    }
}
