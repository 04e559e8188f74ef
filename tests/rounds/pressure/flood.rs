//! A session that always has another message waiting: nothing handled after the deadline counts, and the round closes
//! with the next message. On the real clock, which a predicate can hold up; what is asserted does not depend on it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use convoke::Gathered;
use convoke::prelude::*;

use crate::common::{cause, join_all, kept_by, ms, on_a_system};

const TIMEOUT: Duration = ms(50);

/// More signals than a session or a broker handles in one turn.
const WAITING: u32 = 1_000;

/// A handle that a predicate can emit through, until it is taken away.
type Hose = Arc<Mutex<Option<EmitterHandle<u32>>>>;

fn system<T>(test: impl Future<Output = T>) -> T {
    on_a_system(test)
}

/// Floods a broker of these rules through `hose` and returns the outcome of its round.
async fn flooded(rules: Broker<u32>, hose: &Hose) -> Outcome<u32> {
    let broker = rules.repeat_emit(RepeatEmit::Replaces).start();
    let [one, two, silent] = join_all(&broker, ["one", "two", "silent"]).await;
    let first = one.emit(0);
    (0..WAITING).for_each(|payload| two.do_emit(payload).unwrap());
    *hose.lock().unwrap() = Some(two);
    let outcome = first.await.unwrap();
    broker.stop();
    drop((hose.lock().unwrap().take(), silent));
    outcome
}

/// What was handled after the deadline does not count, and who was late by that is missing: how many that are is for the
/// clock to say, but where a test says `late` itself.
#[track_caller]
fn assert_nothing_late(outcome: Outcome<u32>, late: Option<&[&str]>) -> Duration {
    let kept = kept_by(&outcome);
    let late = late.map_or_else(|| ["two"].into_iter().filter(|name| !kept.contains(name)).collect(), <[_]>::to_vec);
    let missing: Vec<Arc<str>> = late.into_iter().chain(["silent"]).map(Into::into).collect();
    assert_eq!(cause(&outcome), Cause::TimedOut { missing });
    let cancelled = outcome.cancelled().unwrap();
    assert!(cancelled.signals().all(|signal| signal.at <= TIMEOUT), "{cancelled:?}");
    cancelled.elapsed() - TIMEOUT
}

#[test]
fn a_session_whose_inbox_is_never_empty_accepts_nothing_late_and_closes_with_the_next_message() {
    let hose = Hose::default();
    let (latest, taken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (source, last, calls) = (hose.clone(), latest.clone(), taken.clone());
    let never_dry = move |gathered: &Gathered<'_, u32>| {
        if let Some(two) = &*source.lock().unwrap() {
            two.do_emit(0).unwrap();
        }
        calls.fetch_add(1, Ordering::Relaxed);
        last.fetch_max(gathered.elapsed().as_nanos() as u64, Ordering::Relaxed);
        false
    };
    let outcome = system(flooded(Broker::new(TIMEOUT).release(Release::when(never_dry)), &hose));
    let late = assert_nothing_late(outcome, None);
    // The deadline itself asks the predicate a last time, and says that it is asked at the deadline.
    let latest = Duration::from_nanos(latest.load(Ordering::Relaxed));
    assert!(latest <= TIMEOUT, "a signal was taken at {latest:?}");
    let taken = taken.load(Ordering::Relaxed) - 1;
    println!("figure: after {taken} signals in {TIMEOUT:?}, closed {late:?} after the deadline");
}

#[test]
fn a_predicate_that_outlasts_the_deadline_makes_no_signal_behind_it_count() {
    let hose = Hose::default();
    let (outlasted, latest) = (AtomicBool::new(false), Arc::new(AtomicU64::new(0)));
    let last = latest.clone();
    let slow = move |gathered: &Gathered<'_, u32>| {
        last.fetch_max(gathered.elapsed().as_nanos() as u64, Ordering::Relaxed);
        if !outlasted.swap(true, Ordering::Relaxed) {
            // Over the deadline, with a thousand signals waiting in this session.
            let (start, left) = (Instant::now(), TIMEOUT.saturating_sub(gathered.elapsed()));
            while start.elapsed() <= left {
                std::hint::spin_loop();
            }
        }
        false
    };
    let outcome = system(flooded(Broker::new(TIMEOUT).release(Release::when(slow)), &hose));
    assert_nothing_late(outcome, Some(&["two"]));
    assert!(Duration::from_nanos(latest.load(Ordering::Relaxed)) <= TIMEOUT);
}

#[test]
fn a_broker_whose_inbox_is_never_empty_closes_its_rounds_on_time() {
    let (outcome, refused) = system(async {
        let broker = Broker::new(TIMEOUT).max_waiting(WAITING as usize).start();
        let [one, two, _silent] = join_all(&broker, ["one", "two", "silent"]).await;
        let mut first = std::pin::pin!(one.emit(0));
        let mut refused = 0_u64;
        loop {
            // As many as it takes, at every turn: all but the first are refused.
            while two.do_emit(0).is_ok() {
                refused += 1;
            }
            tokio::select! {
                biased;
                outcome = &mut first => break (outcome.unwrap(), refused),
                () = tokio::task::yield_now() => {}
            }
        }
    });
    let late = assert_nothing_late(outcome, None);
    println!("figure: after {refused} signals in {TIMEOUT:?}, closed {late:?} after the deadline");
}
