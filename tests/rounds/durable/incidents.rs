//! What went wrong elsewhere, in public, and must not go wrong here: each by name.

use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::Memory;
use convoke::{Durable, Gathered};
use tokio::time::{Instant, sleep};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A sweep went forward by a cursor, and what was armed anew behind it was never looked at again.
#[convoke::test]
async fn a_deadline_that_moves_is_found_where_it_moved_to() {
    let db = Memory::database();
    let broker = Broker::new(10 * DAY).release(Release::at_least(100)).idle_timeout(DAY);
    let polls: Durable<u32> = broker.durable(&db, "polls").await.unwrap();
    let mut parties = Vec::new();
    for name in 0..4 {
        parties.push(Emitter::join(&polls, format!("party {name}")).await.unwrap());
    }
    let began = Instant::now();
    let first = parties[0].emit_for(1, 0);
    // Others are opened behind it, and closed before it.
    for (hour, party) in (1..).zip(&parties[1..]) {
        sleep(20 * HOUR).await;
        party.emit_for(1, hour).committed().await.unwrap();
        parties[0].emit_for(100 + hour, 0).committed().await.unwrap();
    }
    let outcome = first.await.unwrap();
    assert_eq!(outcome.cause().unwrap().to_string(), "no signal came for the idle timeout");
    assert_eq!(began.elapsed().as_secs(), (3 * 20 * HOUR + DAY).as_secs());
    assert_eq!(outcome.payloads(), [0, 1, 2, 3]);
}

/// A head of rows that could not be read kept all deadlines behind it waiting.
#[convoke::test]
async fn rounds_that_cannot_be_read_starve_no_other() {
    let db = Memory::database();
    {
        let release = Release::when_named("all", 1, |gathered: &Gathered<'_, String>| gathered.payloads().len() > 1);
        let old: Durable<String> = Broker::new(DAY).release(release).durable(&db, "polls").await.unwrap();
        let a = Emitter::join(&old, "a").await.unwrap();
        for key in 0..500 {
            a.emit_for(key, "not a number".to_owned()).committed().await.unwrap();
        }
    }
    sleep(HOUR).await;
    let release = Release::when_named("all", 1, |gathered: &Gathered<'_, u32>| gathered.payloads().len() > 1);
    let new: Durable<u32> = Broker::new(DAY).release(release).durable(&db, "polls").await.unwrap();
    let a = Emitter::join(&new, "a").await.unwrap();
    let began = Instant::now();
    let outcome = a.emit_for("can be read", 1).await.unwrap();
    assert_eq!((outcome.is_cancelled(), began.elapsed().as_secs()), (true, DAY.as_secs()));
    let figures = new.figures().await.unwrap();
    assert_eq!((figures.open, figures.aside, figures.over), (0, 500, 1));
}

/// A counter said that all were there, and the results of some were gone.
#[convoke::test]
async fn who_counts_is_there_with_what_it_said() {
    let db = Memory::database();
    let broker = || Broker::new(DAY).release(Release::at_least(20)).durable(&db, "waves");
    let mut waits = None;
    // Wave by wave, each from a process that ends.
    for wave in 0..4_u32 {
        let waves: Durable<u32> = broker().await.unwrap();
        for party in wave * 5..wave * 5 + 5 {
            let party = (Emitter::join(&waves, format!("party {party}")).await.unwrap(), party);
            let emission = party.0.emit(party.1);
            match party.1 {
                19 => waits = Some(emission.await.unwrap()),
                _ => drop(emission.committed().await.unwrap()),
            }
        }
    }
    let mut said = waits.unwrap().payloads().to_vec();
    said.sort_unstable();
    assert_eq!(said, (0..20).collect::<Vec<_>>());
}

/// Only the first vote woke whoever decides: a quorum of two was never met.
#[convoke::test]
async fn every_signal_wakes_whoever_decides() {
    let db = Memory::database();
    let quorum = || Release::when_named("two", 2, |gathered: &Gathered<'_, u32>| gathered.payloads().len() >= 2);
    let old = Release::when_named("two", 1, |gathered: &Gathered<'_, u32>| gathered.payloads().len() >= 2);
    let writes: Durable<u32> = Broker::new(DAY).release(old).durable(&db, "votes").await.unwrap();
    let decides: Durable<u32> =
        Broker::new(DAY).release(quorum()).durable(&db, "votes").replaces_rules().await.unwrap();
    let round = decides.open(7).await.unwrap();
    // The process in which both are does not know by what the round is released.
    let a = Emitter::join(&writes, "a").await.unwrap();
    let b = Emitter::join(&writes, "b").await.unwrap();
    assert_eq!(a.emit_for(7, 1).committed().await.unwrap(), round);
    sleep(HOUR).await;
    let began = Instant::now();
    let outcome = b.emit_for(7, 2).await.unwrap();
    assert_eq!((outcome.round(), outcome.payloads()), (round, &[1, 2][..]));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

/// What was gathered was deleted before the one who was to hear of it had it: here a consumer fails, and comes back in another process.
#[convoke::test]
async fn nothing_is_gone_before_who_is_to_hear_has_it() {
    let db = Memory::database();
    let ones = || Broker::new(DAY).expects(["a"]).durable(&db, "ones").keep_outcomes(HOUR);
    let round = {
        let ones: Durable<u32> = ones().await.unwrap();
        let never = Consumer::new(|_: Resolved<u32>| Err("not in this process")).named("sign");
        let _never = Consumer::join(&ones, never).await.unwrap();
        let a = Emitter::join(&ones, "a").await.unwrap();
        let round = a.emit(1).await.unwrap().round();
        // It ends while the consumer is being tried again.
        round
    };
    sleep(10 * DAY).await;
    let ones: Durable<u32> = ones().await.unwrap();
    sleep(HOUR).await;
    assert!(ones.outcome(round).await.is_err(), "the outcome is kept no longer");
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let sign = Consumer::new(move |round: Resolved<u32>| drop(heard.send((round.round(), round.payloads().to_vec()))));
    let _sign = Consumer::join(&ones, sign.named("sign")).await.unwrap();
    assert_eq!(hears.recv().await.unwrap(), (round, vec![1]));
}

/// One key of many was lost with the process that had it, and what waited for all of them waited for ever.
#[convoke::test]
async fn a_party_that_is_lost_with_its_process_strands_nobody() {
    let db = Memory::database();
    let names: Vec<Arc<str>> = (0..20).map(|part| format!("part {part}").into()).collect();
    let broker = || Broker::new(DAY).expects(names.clone()).durable(&db, "parts");
    let parts: Durable<u32> = broker().await.unwrap();
    // The process of this one has opened the wave, and so knows of its deadline.
    let there: Durable<u32> = broker().await.unwrap();
    let lost = Emitter::join(&there, "part 13").await.unwrap();
    there.open("wave").await.unwrap();
    let (mut waits, mut parties) = (Vec::new(), Vec::new());
    for name in names.iter().filter(|name| &***name != "part 13") {
        let party = Emitter::join(&parts, name.clone()).await.unwrap();
        waits.push(party.emit_for("wave", 1));
        parties.push(party);
    }
    sleep(HOUR).await;
    drop((lost, there));
    for emission in waits {
        let outcome = emission.await.unwrap();
        assert_eq!(outcome.cause().unwrap().to_string(), "timed out; missing part 13");
        assert_eq!(outcome.elapsed().as_secs(), DAY.as_secs());
    }
}

/// What panics when it is dropped, if it is unlucky.
#[derive(serde::Serialize, serde::Deserialize)]
struct Unlucky(u32);

impl Drop for Unlucky {
    fn drop(&mut self) {
        assert!(self.0 != 13 || std::thread::panicking(), "unlucky");
    }
}

/// What one of them had emitted panicked as it was dropped, and all others of the batch waited for ever.
#[convoke::test(allow_failures)]
async fn a_payload_whose_drop_panics_leaves_nobody_waiting() {
    let db = Memory::database();
    let polls: Durable<Unlucky> = Broker::new(DAY).release(Release::at_least(2)).durable(&db, "polls").await.unwrap();
    let a = Emitter::join(&polls, "a").await.unwrap();
    let b = Emitter::join(&polls, "b").await.unwrap();
    // All of it may be one batch: the unlucky one is among others, and nobody waits for it.
    let first: Vec<_> = (0..4).map(|key| a.emit_for(key, Unlucky(1)).committed()).collect();
    a.do_emit_for(13, Unlucky(13)).unwrap();
    let second: Vec<_> = (0..4).map(|key| b.emit_for(key, Unlucky(2)).committed()).collect();
    let all = futures_util::future::join_all(first.into_iter().chain(second));
    for committed in tokio::time::timeout(HOUR, all).await.expect("somebody is left waiting") {
        committed.unwrap();
    }
    let began = Instant::now();
    let third: Vec<_> = (20..24).map(|key| a.emit_for(key, Unlucky(1))).collect();
    let fourth: Vec<_> = (20..24).map(|key| b.emit_for(key, Unlucky(2))).collect();
    for outcome in futures_util::future::join_all(third.into_iter().chain(fourth)).await {
        assert_eq!(outcome.unwrap().payloads().len(), 2);
    }
    assert!(began.elapsed() < HOUR);
    // And it is written.
    assert_eq!(polls.why(13).await.unwrap().unwrap().kept.len(), 1);
}
