//! How packets go to a server in requests: in their order where there is one, else several at a time.
//!
//! `packets → Entry (wire.rs) → packing.rs → send, send, send → a result for each packet`

use std::collections::HashSet;
use std::sync::OnceLock;

use futures_util::{StreamExt, stream};

use super::limits::REQUESTS;
use super::packing::pack;
use super::wire::{Entry, Rules};
use crate::transport::{ErrorKind, Packet, TransportError};

type Answer = Result<(), TransportError>;

/// Sends all that are as they should be; `send` takes what fits into one request. When the server cannot be reached, what
/// is still to go is not tried: the whole takes as long as what went well, and one deadline.
pub(in crate::transport) async fn publish<F, R>(packets: &[Packet], rules: Rules<'_>, send: F) -> Vec<Answer>
where
    F: Fn(Vec<Entry>) -> R + Sync,
    R: Future<Output = Vec<Answer>> + Send,
{
    let mut results = Vec::with_capacity(packets.len());
    let (mut places, mut entries) = (Vec::with_capacity(packets.len()), Vec::with_capacity(packets.len()));
    for (place, packet) in packets.iter().enumerate() {
        results.push(Entry::new(packet, rules).map(|entry| {
            places.push(place);
            entries.push(entry);
        }));
    }
    let ranges = pack(entries.iter().map(|entry| entry.bytes));
    let mut entries = entries.into_iter();
    let mut batch =
        |range: std::ops::Range<usize>| (range.clone(), entries.by_ref().take(range.len()).collect::<Vec<_>>());
    let batches: Vec<_> = ranges.into_iter().map(&mut batch).collect();
    if rules.fifo {
        let (mut failed, mut down) = (HashSet::new(), None);
        for (range, batch) in batches {
            let answers = match &down {
                Some(error) => vec![Err(TransportError::clone(error)); batch.len()],
                None => in_order(batch, &mut failed, rules.name, &send).await,
            };
            down = down.or_else(|| out_of_reach(&answers));
            settle(&mut results, &places[range], answers);
        }
    } else {
        let down = OnceLock::new();
        let sent = stream::iter(batches).map(|(range, batch)| {
            let (down, send) = (&down, &send);
            async move {
                let count = batch.len();
                let answers = match down.get() {
                    Some(error) => vec![Err(TransportError::clone(error)); count],
                    None => send(batch).await,
                };
                if let Some(error) = out_of_reach(&answers) {
                    let _ = down.set(error);
                }
                (range, answers)
            }
        });
        let mut sent = std::pin::pin!(sent.buffer_unordered(REQUESTS));
        while let Some((range, answers)) = sent.next().await {
            settle(&mut results, &places[range], answers);
        }
    }
    results
}

/// Sends those of whose group none has failed.
async fn in_order<F, R>(batch: Vec<Entry>, failed: &mut HashSet<String>, name: &str, send: &F) -> Vec<Answer>
where
    F: Fn(Vec<Entry>) -> R,
    R: Future<Output = Vec<Answer>>,
{
    let group = |entry: &Entry| entry.fifo.as_ref().map(|(group, _)| group.clone()).unwrap_or_default();
    let groups: Vec<_> = batch.iter().map(group).collect();
    let kept: Vec<_> = batch.into_iter().filter(|entry| !failed.contains(&group(entry))).collect();
    let mut sent = if kept.is_empty() { Vec::new() } else { send(kept).await }.into_iter();
    let mut answers = Vec::with_capacity(groups.len());
    let before = failed.clone();
    for group in groups {
        let answer = if before.contains(&group) {
            let text = "could not publish: an earlier packet of its key was not taken, and it must not overtake it";
            Err(TransportError::new(ErrorKind::Unreachable, name, text))
        } else {
            sent.next().unwrap_or_else(|| {
                Err(TransportError::new(ErrorKind::Protocol, name, "could not publish: the server says nothing of it"))
            })
        };
        if answer.is_err() {
            failed.insert(group);
        }
        answers.push(answer);
    }
    answers
}

fn out_of_reach(answers: &[Answer]) -> Option<TransportError> {
    let all = answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unreachable));
    answers.first()?.as_ref().err().filter(|_| all).cloned()
}

fn settle(results: &mut [Answer], places: &[usize], answers: Vec<Answer>) {
    for (place, answer) in places.iter().zip(answers) {
        results[*place] = answer;
    }
}
