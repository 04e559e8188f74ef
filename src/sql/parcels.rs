//! Packets on their way into a queue in a database.
//!
//! `publish → Parcel, Parcel, … → Batcher → those that go together by one statement → a result for each packet`
//!
//! A parcel is taken whole or not at all.

use tokio::time::{Instant, timeout_at};

use crate::transport::{Batcher, BoxFuture, Packet, TransportError};

/// How many packets, and bytes, are one transaction. One packet may be larger. Whoever else writes into a file waits for as long as that
/// takes.
pub(crate) const MAX_PACKETS: usize = 256;
pub(crate) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How many publishers are served by one batch.
const MAX_PARCELS: usize = 64;

type Taken = Result<(), TransportError>;

/// What one publish hands over, or a part of it, as rows.
#[derive(Debug)]
pub(crate) struct Parcel<R> {
    pub(crate) rows: Vec<R>,
    bytes: usize,
    /// Whether it is for one group alone.
    pub(crate) alone: bool,
    /// Nobody waits for it after this.
    pub(crate) until: Instant,
}

/// Those of one queue that are on their way.
#[derive(Debug)]
pub(crate) struct Parcels<R>(Batcher<Parcel<R>, Taken>);

impl<R: Send + 'static> Parcels<R> {
    /// `insert` inserts parcels in their order, and returns a result for each.
    pub(crate) fn new(
        insert: impl Fn(Vec<Parcel<R>>) -> BoxFuture<'static, Vec<Taken>> + Send + Sync + 'static,
    ) -> Self {
        Self(Batcher::new(MAX_PARCELS, insert))
    }

    /// Publishes those packets whose results are good so far, and returns the results of all. Whoever is not answered until then is
    /// `late`: nobody knows what came of it.
    pub(crate) async fn publish(
        &self,
        packets: &[Packet],
        mut results: Vec<Taken>,
        row: impl Fn(&Packet) -> R,
        (alone, until): (bool, Instant),
        late: impl Fn() -> TransportError,
    ) -> Vec<Taken> {
        let (mut parcels, mut rows, mut bytes) = (Vec::new(), Vec::new(), 0);
        for packet in packets.iter().zip(&results).filter(|(_, checked)| checked.is_ok()).map(|(packet, _)| packet) {
            let size = packet.bytes();
            if rows.len() == MAX_PACKETS || (bytes + size > MAX_BYTES && !rows.is_empty()) {
                parcels.push((std::mem::take(&mut rows), std::mem::take(&mut bytes)));
            }
            rows.push(row(packet));
            bytes += size;
        }
        if !rows.is_empty() {
            parcels.push((rows, bytes));
        }
        let late = &late;
        let send = |rows: Vec<R>, bytes| {
            let (count, answer) = (rows.len(), self.0.push(Parcel { rows, bytes, alone, until }));
            // There is none either if the runtime in which it was done is gone.
            (count, async move { timeout_at(until, answer).await.ok().flatten().unwrap_or_else(|| Err(late())) })
        };
        // Of a key nothing follows before what came first is taken.
        let in_order = parcels.len() > 1 && packets.iter().any(|packet| packet.key.is_some());
        let mut sent = results.iter_mut().filter(|checked| checked.is_ok());
        let mut on_their_way = Vec::with_capacity(parcels.len());
        let mut taken = Ok(());
        for (rows, bytes) in parcels {
            let count = rows.len();
            if !in_order {
                on_their_way.push(send(rows, bytes));
                continue;
            }
            if taken.is_ok() {
                taken = send(rows, bytes).1.await;
            }
            sent.by_ref().take(count).for_each(|result| result.clone_from(&taken));
        }
        for (count, answer) in on_their_way {
            let answer = answer.await;
            sent.by_ref().take(count).for_each(|result| result.clone_from(&answer));
        }
        results
    }
}

/// Takes the first parcels out that go by one statement: all for the same groups. One goes, however large it is.
pub(crate) fn first_together<R>(parcels: &mut Vec<Parcel<R>>) -> Vec<Parcel<R>> {
    let alone = parcels.first().is_some_and(|first| first.alone);
    let (mut packets, mut bytes) = (0, 0);
    let together = parcels.iter().take_while(|parcel| {
        packets += parcel.rows.len();
        bytes += parcel.bytes;
        packets <= MAX_PACKETS && bytes <= MAX_BYTES && parcel.alone == alone
    });
    let count = together.count().max(1).min(parcels.len());
    let rest = parcels.split_off(count);
    std::mem::replace(parcels, rest)
}

/// Leaves those for which somebody waits, and says of each whether it is one: it may have taken long to get here, and who was told that
/// it failed does not want it any more.
pub(crate) fn wanted<R>(parcels: &mut Vec<Parcel<R>>) -> Vec<bool> {
    let now = Instant::now();
    let wanted = parcels.iter().map(|parcel| parcel.until > now).collect();
    parcels.retain(|parcel| parcel.until > now);
    wanted
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::ErrorKind;

    fn parcel(rows: usize, bytes: usize, alone: bool, wait: u64) -> Parcel<usize> {
        Parcel { rows: (0..rows).collect(), bytes, alone, until: Instant::now() + Duration::from_secs(wait) }
    }

    #[tokio::test]
    async fn those_go_together_that_are_few_and_small_and_for_the_same_groups() {
        let sizes = |mut parcels: Vec<Parcel<usize>>| {
            let mut sizes = Vec::new();
            while !parcels.is_empty() {
                sizes.push(first_together(&mut parcels).len());
            }
            sizes
        };
        assert_eq!(sizes(vec![parcel(200, 1, false, 9), parcel(56, 1, false, 9), parcel(1, 1, false, 9)]), [2, 1]);
        assert_eq!(sizes(vec![parcel(1, MAX_BYTES + 1, false, 9), parcel(1, MAX_BYTES, false, 9)]), [1, 1]);
        assert_eq!(sizes(vec![parcel(1, 1, false, 9), parcel(1, 1, true, 9), parcel(1, 1, true, 9)]), [1, 2]);
        let mut late = vec![parcel(1, 1, false, 0), parcel(2, 1, false, 9)];
        assert_eq!((wanted(&mut late), late.len()), (vec![false, true], 1));
    }

    #[actix_rt::test]
    async fn of_a_key_nothing_follows_what_was_not_taken_and_each_packet_has_its_own_result() {
        let refusal = || TransportError::new(ErrorKind::Unreachable, "orders", "no");
        let answer =
            move |parcel: Parcel<String>| if parcel.rows.contains(&"bad".to_owned()) { Err(refusal()) } else { Ok(()) };
        let parcels = Parcels::new(move |parcels: Vec<Parcel<String>>| {
            Box::pin(async move { parcels.into_iter().map(answer).collect() })
        });
        for (key, others) in [(Some("key".to_owned()), false), (None, true)] {
            let mut packets: Vec<_> = (0..3 * MAX_PACKETS).map(|id| Packet::new(id.to_string(), "")).collect();
            packets.iter_mut().for_each(|packet| packet.key.clone_from(&key));
            "bad".clone_into(&mut packets[MAX_PACKETS + 7].id);
            let mut checked = vec![Ok(()); packets.len()];
            checked[3] = Err(refusal());
            let until = Instant::now() + Duration::from_secs(60);
            let taken = parcels.publish(&packets, checked, |packet| packet.id.clone(), (false, until), refusal).await;
            let good: Vec<bool> = taken.iter().map(Result::is_ok).collect();
            // The first parcel is one packet longer, for one was not to be sent.
            assert!(!good[3] && good[..MAX_PACKETS + 1].iter().filter(|good| **good).count() == MAX_PACKETS);
            assert!(good[MAX_PACKETS + 1..2 * MAX_PACKETS + 1].iter().all(|good| !good));
            assert!(good[2 * MAX_PACKETS + 1..].iter().all(|good| *good == others), "{key:?}");
        }
    }
}
