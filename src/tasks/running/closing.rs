//! What is in the outboxes of batches, and where it goes.
//!
//! `an outbox → relay → ToRounds: how batches open, how their jobs have ended → their rounds`
//! `a round has closed → an outbox → relay → ToNext: what follows it is a job`

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use crate::Uuid;
use crate::durable::{Gathering, Heard, Tally};
use crate::tasks::queue::{BatchOutcome, Ended, Follows, Opening, Record, speech};
use crate::tasks::{BatchState, Jobs};
use crate::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};

/// How many rounds are told something by one transaction.
const AT_ONCE: usize = 64;

/// Takes all that an outbox of ours may have.
fn abilities() -> Abilities {
    let mut abilities = Abilities::default();
    (abilities.max_bytes, abilities.max_batch) = (usize::MAX, 500);
    (abilities.durable, abilities.takes_in_order) = (true, true);
    abilities
}

/// Tells rounds how their batches open, and how jobs of them have ended.
pub(super) struct ToRounds {
    pub(super) rounds: Arc<Gathering>,
    /// Whether a batch has opened with jobs that were there before it: somebody has to look how those end.
    pub(super) has_others: Arc<AtomicBool>,
}

/// What is to be told to one round.
#[derive(Default)]
struct Told {
    opening: Option<Box<Opening>>,
    ends: Vec<(i64, Ended)>,
    /// From which packets that is.
    packets: Vec<usize>,
}

impl ToRounds {
    async fn tell(&self, packets: &[Packet]) -> Vec<Result<(), TransportError>> {
        let mut results: Vec<_> = packets.iter().map(|_| Ok(())).collect();
        let (mut order, mut told) = (Vec::new(), HashMap::<Uuid, Told>::new());
        let mut stopped = HashSet::new();
        for ((place, packet), result) in packets.iter().enumerate().zip(&mut results) {
            let read = match stopped.contains(&packet.key) {
                // Those of a batch are told in their order.
                true => Err(TransportError::new(ErrorKind::Unreachable, self.name(), "one before it is refused")),
                false => Record::read(packet).map_err(|why| refused(self.name(), &why)),
            };
            let record = match read {
                Ok(record) => record,
                Err(error) => {
                    stopped.insert(packet.key.clone());
                    *result = Err(error);
                    continue;
                }
            };
            let of_batch = told.entry(record.batch()).or_insert_with_key(|batch| {
                order.push(*batch);
                Told::default()
            });
            of_batch.packets.push(place);
            match record {
                Record::Opened(opening) => {
                    if opening.jobs.iter().any(|entry| entry.2) {
                        self.has_others.store(true, Ordering::Relaxed);
                    }
                    of_batch.opening = Some(opening);
                }
                Record::Ended { job, how, .. } => of_batch.ends.push((job, how)),
            }
        }
        for batches in order.chunks(AT_ONCE) {
            let told: Vec<_> = batches.iter().filter_map(|batch| Some((*batch, told.remove(batch)?))).collect();
            let (speeches, from): (Vec<_>, Vec<_>) = told
                .into_iter()
                .map(|(batch, told)| (speech(batch, told.opening.as_deref(), told.ends), told.packets))
                .unzip();
            let heard = self.rounds.hear(&speeches).await;
            for (place, packets) in from.into_iter().enumerate() {
                let came = match &heard {
                    Ok(heard) => match heard.get(place) {
                        Some(Heard::Aside(why)) => Err(refused(self.name(), &format!("its round is aside: {why}"))),
                        // One that there is not any more is over for longer than outcomes are kept.
                        _ => Ok(()),
                    },
                    Err(error) => Err(error.clone()),
                };
                for packet in packets {
                    if let Some(result) = results.get_mut(packet) {
                        *result = came.clone();
                    }
                }
            }
        }
        results
    }
}

impl Publisher for ToRounds {
    fn name(&self) -> &str {
        "the rounds of batches"
    }

    fn abilities(&self) -> Abilities {
        abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(self.tell(packets))
    }
}

/// Enqueues what follows batches that have closed.
pub(super) struct ToNext(pub(super) Arc<dyn Jobs>);

impl ToNext {
    async fn tell(&self, packet: &Packet) -> Result<(), TransportError> {
        let read = Tally::heard(packet).and_then(|(batch, tally)| {
            let (opening, outcome) = (Opening::read(&tally.first)?, BatchOutcome::of(&tally)?);
            Ok((Follows { batch, round: tally.round }, opening, outcome))
        });
        let (follows, opening, outcome) = read.map_err(|why| refused(self.name(), &why))?;
        let next = if outcome.is_done() { &opening.then } else { &opening.otherwise };
        match next {
            // Under a key that is taken for long: told again, it is there.
            Some(next) => drop(self.0.add(vec![next.job(follows)]).await?),
            None if outcome.is_done() => {}
            None => log::warn!(
                target: "convoke::tasks",
                "batch {} has closed, and nothing follows that: {outcome}",
                follows.batch
            ),
        }
        if opening.cancels_rest || outcome.state() == BatchState::Cancelled {
            // What was there before it is wanted by others.
            for job in outcome.missing().filter(|job| !job.was_there()) {
                self.0.cancel(job.id().number()).await?;
            }
        }
        Ok(())
    }
}

impl Publisher for ToNext {
    fn name(&self) -> &str {
        "what follows batches"
    }

    fn abilities(&self) -> Abilities {
        abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(join_all(packets.iter().map(|packet| self.tell(packet))))
    }
}

fn refused(name: &str, why: &str) -> TransportError {
    TransportError::new(ErrorKind::Refused, name, why)
}
