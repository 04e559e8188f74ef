//! What was about to be heard alone when nobody knew better: a note for each, in a queue beside the queue.
//!
//! `Receipt::mark → a note, confirmed → the listeners → settled: the note goes`, `a note that stayed → Delivery::is_marked`

use std::sync::Arc;
use std::time::Duration;

use lapin::BasicProperties;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::types::{AMQPValue, ShortString};

use super::super::Desk;
use super::super::declare::{self, QueueKind};
use super::super::link::{Lane, Letter, TARGET, Taken, within};
use crate::transport::TransportError;

/// What the name of the queue of notes ends in. It is made when it is needed first, after a process has died more than once.
const MARKS: &str = ".marks";

/// For how long a note stays that nobody comes back to, in milliseconds: seven days.
const KEPT: i64 = 7 * 24 * 60 * 60 * 1000;

/// How many notes are looked through. There is one for each process that hears something alone.
const MOST: usize = 1000;

/// Names a message, however often it is lent: by its id and its body.
pub(crate) fn note(properties: &BasicProperties, body: &[u8]) -> String {
    let id = properties.message_id().as_ref().map_or("", ShortString::as_str);
    // FNV-1a, which is the same in every process and every release.
    let hash = body
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x} {id}")
}

fn name(desk: &Desk) -> ShortString {
    // The name of a queue is short enough for this: the builder has looked.
    ShortString::try_new(format!("{}{MARKS}", desk.recipe.queue)).unwrap_or_default()
}

async fn lane(desk: &Desk) -> Result<Lane, TransportError> {
    let lane = desk.line.lane(&desk.at, desk.deadline).await?;
    // A note that is lost is one hearing more, so one server has to keep it, and no more.
    let mut arguments = declare::of_kind(QueueKind::Classic);
    arguments.insert(declare::short("x-message-ttl"), AMQPValue::LongLongInt(KEPT));
    declare::queue(&desk.at, &lane, &name(desk), arguments, desk.deadline).await?;
    Ok(lane)
}

/// Writes one down; ready when the server has it.
pub(crate) async fn add(desk: &Desk, note: &str) -> Taken {
    drop(lane(desk).await?);
    let properties = BasicProperties::default().with_delivery_mode(2);
    let letter =
        Letter { exchange: ShortString::default(), key: name(desk), properties, body: note.as_bytes().to_vec() };
    desk.press.print(vec![letter]).await.pop().unwrap_or(Ok(()))
}

/// Looks through all of them until one is the one that is looked for. What was looked through goes back as the channel closes.
async fn find(
    desk: &Desk,
    mut is_it: impl FnMut(&[u8]) -> bool,
) -> Result<Option<(Lane, BasicGetMessage)>, TransportError> {
    let lane = lane(desk).await?;
    for _ in 0..MOST {
        let get = lane.channel().basic_get(name(desk), BasicGetOptions::default());
        let Some(found) = within(&desk.at, "look through its marks", desk.deadline, get).await? else { break };
        if is_it(&found.delivery.data) {
            return Ok(Some((lane, found)));
        }
    }
    Ok(None)
}

/// Returns those of these that are written down.
pub(crate) async fn among(desk: &Desk, notes: &[String]) -> Result<Vec<bool>, TransportError> {
    let mut are_there = vec![false; notes.len()];
    let nothing = find(desk, |found| {
        for (note, is_there) in notes.iter().zip(&mut are_there) {
            *is_there |= note.as_bytes() == found;
        }
        false
    });
    nothing.await?;
    Ok(are_there)
}

/// Forgets one: from now on it does not count that it was heard alone.
pub(crate) async fn remove(desk: &Arc<Desk>, note: &str) {
    let removed = async {
        while let Some((lane, found)) = find(desk, |found| found == note.as_bytes()).await? {
            let ack = lane.channel().basic_ack(found.delivery.delivery_tag, BasicAckOptions::default());
            within(&desk.at, "remove a mark", desk.deadline, ack).await?;
            let close = lane.channel().close(200, "looked through".into());
            within(&desk.at, "remove a mark", desk.deadline, close).await?;
        }
        Ok::<_, TransportError>(())
    };
    if let Err(error) = removed.await {
        log::warn!(target: TARGET, "{error}: it stays for {:?}", Duration::from_millis(KEPT.unsigned_abs()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_same_note_however_often_it_is_lent() {
        let properties = BasicProperties::default().with_message_id("an id".into());
        assert_eq!(note(&properties, b"a"), "af63dc4c8601ec8c an id");
        assert_eq!(note(&properties, b"a"), note(&properties.clone().with_priority(3), b"a"));
        assert_ne!(note(&properties, b"a"), note(&properties, b"b"));
        assert_ne!(note(&properties, b"a"), note(&BasicProperties::default(), b"a"));
    }
}
