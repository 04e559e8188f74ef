//! What the handles of one queue and the deliveries from it share: its name, its press, its delay queues, its dead letters.
//!
//! `publish → Desk → the queue, or a delay queue that leads to it`, `a receipt → Desk → the same, or the dead letters`

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ShortString};
use tokio::time::Instant;

use super::declare::QueueKind;
use super::link::{Letter, Line, Patience, Press, TARGET, Taken};
use super::recipe::Recipe;
use super::{buckets, declare, message};
use crate::transport::{DeadLetterRecord, ErrorKind, Packet, TransportError};

/// How long it waits for a delay queue before it tries it again, in milliseconds, and how often.
const PAUSES: [Duration; 6] = {
    let pause = Duration::from_millis;
    [pause(20), pause(50), pause(100), pause(200), pause(500), Duration::ZERO]
};

pub(crate) struct Desk {
    pub(crate) at: Arc<str>,
    /// The queue, and how it is made again.
    pub(crate) recipe: Recipe,
    pub(crate) max_bytes: usize,
    pub(crate) deadline: Duration,
    /// For how long a server is tried that cannot be reached.
    pub(crate) patience: Duration,
    /// For how long a delay queue of a classic queue stays beyond its delay when nothing is put into it.
    pub(crate) idle: Duration,
    pub(crate) line: Arc<Line>,
    pub(crate) press: Press,
    pub(crate) declared: Mutex<HashMap<u64, Instant>>,
}

impl Desk {
    /// Makes a letter to the queue.
    pub(crate) fn letter(&self, properties: BasicProperties, body: Vec<u8>) -> Letter {
        Letter { exchange: ShortString::default(), key: self.recipe.queue.clone(), properties, body }
    }

    /// Publishes letters to the queue, each after its bucket of delay.
    pub(crate) async fn send(&self, letters: Vec<(Letter, Option<u64>)>) -> Vec<Taken> {
        if letters.iter().all(|(_, bucket)| bucket.is_none()) {
            return self.press.print(letters.into_iter().map(|(letter, _)| letter).collect()).await;
        }
        let mut taken = vec![Ok(()); letters.len()];
        let mut left: Vec<_> = (0..letters.len()).collect();
        for pause in PAUSES {
            for (at, now) in left.iter().zip(self.send_once(&letters, &left).await) {
                taken[*at] = now;
            }
            // The delay queue was deleted by somebody, or has just been made and has nobody yet to lead it.
            left.retain(|at| {
                letters[*at].1.is_some() && taken[*at].as_ref().is_err_and(|error| self.is_passing(error))
            });
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        taken
    }

    async fn send_once(&self, letters: &[(Letter, Option<u64>)], which: &[usize]) -> Vec<Taken> {
        let mut refused = HashMap::new();
        let mut fates = Vec::with_capacity(which.len());
        let mut good = Vec::with_capacity(which.len());
        for at in which {
            let (letter, bucket) = &letters[*at];
            let mut letter = letter.clone();
            let mut error = None;
            if let Some(bucket) = *bucket {
                letter.key = self.delay_queue(bucket);
                let declared = match refused.entry(bucket) {
                    Entry::Occupied(declared) => declared.into_mut(),
                    Entry::Vacant(first) => first.insert(self.declare(bucket).await.err()),
                };
                error = declared.clone();
            }
            if error.is_none() {
                good.push(letter);
            }
            fates.push((*bucket, error));
        }
        let mut taken = self.press.print(good).await.into_iter();
        let fates = fates.into_iter().map(|(bucket, error)| {
            let taken = error.map_or_else(|| taken.next().unwrap_or(Ok(())), Err);
            if let (Some(bucket), Err(error)) = (bucket, &taken)
                && error.kind() == ErrorKind::Unroutable
            {
                self.lock().remove(&bucket);
            }
            taken
        });
        fates.collect()
    }

    fn is_passing(&self, error: &TransportError) -> bool {
        error.kind() == ErrorKind::Unroutable || *error == self.press.refusal()
    }

    /// Publishes one to the queue once more, after this delay.
    pub(crate) async fn again(&self, letter: Letter, delay: Duration, goes_on: impl Fn() -> bool) -> Taken {
        self.insist((letter, buckets::of(delay)), goes_on).await
    }

    /// Publishes one. If the server cannot be reached, it is tried for a while, as long as that makes sense to whoever asks.
    async fn insist(&self, letter: (Letter, Option<u64>), goes_on: impl Fn() -> bool) -> Taken {
        let mut patience = Patience::new(self.patience);
        let mut is_new = false;
        loop {
            let taken = self.send(vec![letter.clone()]).await.pop().unwrap_or(Ok(()));
            match &taken {
                Err(error) if error.kind() == ErrorKind::Unroutable && !is_new && self.make_again().await => {
                    is_new = true
                }
                Err(error) if self.press.may_pass(error) && goes_on() && patience.pause().await => {}
                _ => return taken,
            }
        }
    }

    /// Makes the queue again, where that is allowed, because nothing gets there; says whether it did.
    pub(crate) async fn make_again(&self) -> bool {
        match self.recipe.again(&self.at, &self.line, self.deadline).await {
            Ok(made) => made,
            Err(error) => {
                log::warn!(target: TARGET, "{error}");
                false
            }
        }
    }

    /// Puts a packet into the queue of dead letters.
    pub(crate) async fn bury(&self, record: DeadLetterRecord, packet: Packet, goes_on: impl Fn() -> bool) -> Taken {
        let Some(dead) = &self.recipe.dead else {
            let text = "there is no queue of dead letters: create one, or say `create_if_missing`";
            return Err(TransportError::new(ErrorKind::Missing, self.at.clone(), text));
        };
        let mut brief = record.clone();
        brief.errors.clear();
        // A header has less room than a packet: the errors go first, and then the record.
        let mut properties = Err(None);
        for (record, packet) in [(Some(record), packet.clone()), (Some(brief), packet.clone()), (None, packet)] {
            let packet = match record {
                Some(record) => record.bury(packet, usize::MAX, self.max_bytes),
                None => packet,
            };
            properties = match message::write(&self.at, &packet, false) {
                Ok(properties) => Ok((properties, packet.body)),
                Err(error) => Err(Some(error)),
            };
            if properties.is_ok() {
                break;
            }
        }
        match properties {
            Ok((properties, body)) => {
                let letter = Letter { exchange: ShortString::default(), key: dead.clone(), properties, body };
                self.insist((letter, None), goes_on).await
            }
            Err(error) => Err(error.unwrap_or_else(|| {
                TransportError::new(ErrorKind::TooLarge, self.at.clone(), "the dead letter is too large")
            })),
        }
    }

    fn delay_queue(&self, bucket: u64) -> ShortString {
        // The name of a queue is short enough for this: the builder has looked.
        ShortString::try_new(format!("{}.retry.{bucket}", self.recipe.queue))
            .unwrap_or_else(|_| self.recipe.queue.clone())
    }

    /// Makes a delay queue, unless that was done a moment ago: to make a classic one once more renews the time after which it
    /// goes. A quorum queue would be deleted when that time has passed since it was made, with what waits in it, so it stays.
    async fn declare(&self, bucket: u64) -> Result<(), TransportError> {
        let stays = self.recipe.kind == QueueKind::Quorum;
        if self.lock().get(&bucket).is_some_and(|at| stays || at.elapsed() < self.idle / 2) {
            return Ok(());
        }
        let number = |milliseconds: u64| AMQPValue::LongLongInt(milliseconds.try_into().unwrap_or(i64::MAX));
        let mut arguments = declare::dead_letters_to(self.recipe.kind, &self.recipe.queue);
        arguments.insert(declare::short("x-message-ttl"), number(bucket));
        if !stays {
            let idle = u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX).max(1000);
            arguments.insert(declare::short("x-expires"), number(bucket.saturating_add(idle)));
        }
        let name = self.delay_queue(bucket);
        let lane = self.line.lane(&self.at, self.deadline).await?;
        match declare::queue(&self.at, &lane, &name, arguments, self.deadline).await {
            // Another application has made it, with another time after which it goes: to ask for it renews that too.
            Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Denied) => {
                declare::find(&self.at, &self.line, &name, self.deadline).await?.ok_or(error)?
            }
            declared => declared?,
        };
        self.lock().insert(bucket, Instant::now());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
