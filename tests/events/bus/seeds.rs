//! A bus under thousands of seeds, each another order of events. `CONVOKE_SEED=17` runs that one alone.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use convoke::Reason;
use convoke::prelude::*;
use convoke::testing::{self, Exploration};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;

use crate::common::{Notes, SECOND, ms, sleep};

const SEEDS: u64 = 2_000;

#[derive(Event, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[event(topic = "seeds/tick")]
struct Tick {
    by: u64,
    number: u64,
}

/// What was told of a run; many interleavings tell the same.
type Stories = RefCell<HashSet<String>>;

fn report(seen: Exploration, stories: &Stories) {
    let Exploration { seeds, interleavings, longest } = seen;
    let stories = stories.borrow().len();
    println!(
        "figure: {seeds} seeds, {interleavings} interleavings, the longest of {longest} choices; {stories} stories"
    );
}

/// Starts a party, and tells when it has ended.
fn party<T: 'static>(party: impl Future<Output = T> + 'static) -> impl Future<Output = T> {
    let (done, ended) = oneshot::channel();
    testing::spawn(async move {
        let _ = done.send(party.await);
    });
    async { tokio::time::timeout(3600 * SECOND, ended).await.expect("left waiting").expect("panicked") }
}

/// Takes a few turns, so that others have theirs in between. It is ready again at once, so that the seed decides when it
/// goes on: who yields to tokio waits until nobody else has anything to do.
async fn dawdle(turns: u64) {
    for _ in 0..turns {
        let mut passed = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut passed, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// What one listener has done: what it began and, with `true`, what it ended.
type Deeds = Notes<(Tick, bool)>;

/// A listener that dawdles over every event.
fn dawdler(deeds: &Deeds, turns: u64) -> impl AsyncFn(Arc<Tick>) + 'static {
    let deeds = deeds.clone();
    async move |tick| {
        deeds.add((*tick, false));
        dawdle(turns).await;
        deeds.add((*tick, true));
    }
}

/// Every event of every publisher was heard once, in the publisher's order, and one was over before the next began.
#[track_caller]
fn assert_each_in_order(deeds: &[(Tick, bool)], publishers: u64, events: u64) {
    assert!(deeds.chunks(2).all(|pair| pair[0].0 == pair[1].0 && !pair[0].1 && pair[1].1), "two at a time: {deeds:?}");
    for by in 0..publishers {
        let heard: Vec<_> =
            deeds.iter().filter(|(tick, over)| tick.by == by && *over).map(|(tick, _)| tick.number).collect();
        assert_eq!(heard, (0..events).collect::<Vec<_>>(), "what {by} published");
    }
}

/// Three listeners that dawdle, two publishers, one emitter, and drains in between.
async fn three_listeners(stories: &Stories) {
    let bus = EventBus::default();
    let deeds: [Deeds; 3] = std::array::from_fn(|_| Notes::new());
    let all = Notes::new();
    let mut guards = Vec::new();
    for (name, (deeds, turns)) in ["a", "b", "c"].into_iter().zip(deeds.iter().zip([1, 2, 0])) {
        let (hear, all) = (dawdler(deeds, turns), all.clone());
        let listener = async move |tick: Arc<Tick>| {
            all.add(format!("{name}{}{} ", tick.by, tick.number));
            hear(tick).await;
        };
        guards.push(bus.on(listener.when(|tick| tick.by < 9).named(name)).unwrap());
    }
    // What is emitted is called at once, also while another is under way: it has its own listeners.
    let called = Rc::new(Cell::new(0));
    for turns in 0..3 {
        let count = called.clone();
        let listener = async move |_: Arc<Tick>| {
            dawdle(turns).await;
            count.set(count.get() + 1);
        };
        guards.push(bus.on(listener.when(|tick| tick.by == 9)).unwrap());
    }
    let once = Notes::new();
    let hear = once.clone();
    guards.push(bus.on((move |tick: &Tick| hear.add(*tick)).once().when(|tick| tick.by < 9)).unwrap());

    let publishers: Vec<_> = (0..2)
        .map(|by| {
            let bus = bus.clone();
            party(async move {
                for number in 0..3 {
                    bus.publish(Tick { by, number }).unwrap();
                    dawdle(number % 2).await;
                }
            })
        })
        .collect();
    let (to, count) = (bus.clone(), called.clone());
    let emitter = party(async move {
        for number in 0..2 {
            let before = count.get();
            let report = to.emit(Tick { by: 9, number }).await;
            assert!(report.is_ok() && report.len() == 3, "{report}");
            assert_eq!(count.get(), before + 3, "the report came before the last had ended");
        }
    });
    let (to, observed) = (bus.clone(), deeds.clone());
    let drainer = party(async move {
        to.drain().await;
        for deeds in &observed {
            assert_eq!(deeds.len() % 2, 0, "it returned while a call was under way");
        }
    });
    for publisher in publishers {
        publisher.await;
    }
    emitter.await;
    drainer.await;
    bus.drain().await;
    for deeds in &deeds {
        assert_each_in_order(&deeds.take(), 2, 3);
    }
    assert_eq!((once.take().len(), called.get()), (1, 6));
    assert!(bus.dead_letters().is_empty(), "{:?}", bus.dead_letters().list());
    stories.borrow_mut().insert(all.take().concat());
    drop(guards);
}

#[test]
fn whatever_the_order_each_listener_hears_everything_once_and_in_order() {
    let stories = Stories::default();
    let seen = testing::explore("three listeners", SEEDS, || three_listeners(&stories));
    report(seen, &stories);
    let different = stories.borrow().len() as u64;
    assert!(seen.seeds == 1 || different > SEEDS / 2, "{different} orders of {SEEDS}");
}

#[convoke::test(seeds = 1000)]
async fn three_listeners_with_yields_keep_every_promise() {
    three_listeners(&Stories::default()).await;
}

/// Where events of one listener end up: heard, dropped, refused to their publisher, or too late for it.
#[derive(Default)]
struct Ledger {
    heard: RefCell<BTreeMap<Tick, u32>>,
}

#[test]
fn whatever_the_order_nothing_vanishes() {
    const EVENTS: u64 = 6;
    let stories = Stories::default();
    let seen = testing::explore("a ledger", SEEDS, || async {
        for policy in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Refuse] {
            let bus = EventBus::default();
            let ledger = Rc::new(Ledger::default());
            let book = ledger.clone();
            let listener = async move |tick: Arc<Tick>| {
                dawdle(tick.number % 3).await;
                *book.heard.borrow_mut().entry(*tick).or_default() += 1;
                match tick.number {
                    2 => Err("two"),
                    4 => panic!("four"),
                    _ => Ok(()),
                }
            };
            let guard = bus.on(listener.named("book").capacity(2).overflow(policy)).unwrap();
            let publishers: Vec<_> = (0..2)
                .map(|by| {
                    let bus = bus.clone();
                    party(async move {
                        let mut refused = Vec::new();
                        for number in 0..EVENTS {
                            let tick = Tick { by, number };
                            if bus.publish(tick).is_err() {
                                refused.push(tick);
                            }
                            dawdle(number % 2).await;
                        }
                        refused
                    })
                })
                .collect();
            let ender = party(async move {
                dawdle(4).await;
                guard.unsubscribe().await;
            });
            let mut refused = Vec::new();
            for publisher in publishers {
                refused.append(&mut publisher.await);
            }
            ender.await;
            bus.drain().await;
            assert!(refused.is_empty() || policy == Overflow::Refuse);
            let heard = ledger.heard.take();
            assert!(heard.values().all(|times| *times == 1), "{heard:?}");
            let mut lost: Vec<Tick> = Vec::new();
            let mut failed = Vec::new();
            for letter in bus.dead_letters().list() {
                let tick = *letter.downcast::<Tick>().unwrap();
                match &letter.reason {
                    Reason::Failed(_) => failed.push(tick),
                    Reason::Overflow(reason) => {
                        assert_eq!(*reason, policy);
                        assert_ne!(policy, Overflow::Refuse);
                        lost.push(tick);
                    }
                    Reason::Ended => lost.push(tick),
                    other => panic!("{other}"),
                }
            }
            let mut expected: Vec<_> = heard.keys().filter(|tick| [2, 4].contains(&tick.number)).copied().collect();
            failed.sort();
            expected.sort();
            assert_eq!(failed, expected);
            // All are accounted for: the rest were published when nobody listened any more.
            let count = heard.len() as u64 + lost.len() as u64 + refused.len() as u64 + bus.unheard();
            assert_eq!(
                count,
                2 * EVENTS,
                "heard {heard:?}, lost {lost:?}, refused {refused:?}, unheard {}",
                bus.unheard()
            );
            let story = format!("{policy:?}: heard {:?}, lost {lost:?}, refused {refused:?}", heard.keys());
            let mut all: Vec<_> = heard.into_keys().chain(lost).chain(refused).collect();
            all.sort();
            let before = all.clone();
            all.dedup();
            assert_eq!(all, before, "one is in two places");
            stories.borrow_mut().insert(story);
        }
    });
    report(seen, &stories);
    assert!(seen.seeds == 1 || stories.borrow().len() > 1_000);
}

#[test]
fn whatever_the_order_nothing_is_missed_after_on_returned_and_nothing_heard_after_unsubscribe_returned() {
    let stories = Stories::default();
    let seen = testing::explore("coming and going", SEEDS, || async {
        let bus = EventBus::default();
        let (begun, over) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let (to, count, stop) = (bus.clone(), begun.clone(), over.clone());
        let emitter = party(async move {
            for number in 1.. {
                if stop.get() {
                    break;
                }
                count.set(number);
                match number % 3 {
                    0 => to.publish(Tick { by: 0, number }).unwrap(),
                    1 => to.emit(Tick { by: 0, number }).await.ok().unwrap(),
                    _ => to.publish_wait(Tick { by: 0, number }).await.unwrap(),
                }
                dawdle(1).await;
            }
        });
        let comer = |wait: u64| {
            let (bus, begun) = (bus.clone(), begun.clone());
            party(async move {
                dawdle(wait).await;
                let (heard, ended) = (Notes::new(), Rc::new(Cell::new(false)));
                let (notes, over) = (heard.clone(), ended.clone());
                let listener = async move |tick: Arc<Tick>| {
                    assert!(!over.get(), "a call began after the end");
                    notes.add(tick.number);
                    dawdle(wait % 2).await;
                };
                let guard = bus.on(listener.named("comer")).unwrap();
                let first = begun.get() + 1;
                dawdle(wait * 2).await;
                let last = begun.get();
                guard.unsubscribe().await;
                ended.set(true);
                let waited = bus.dead_letters().take_all();
                let waited = waited.iter().map(|letter| letter.downcast::<Tick>().unwrap().number);
                // What is published is heard or was told to have waited; what comes last may be on its way.
                let mut all: Vec<_> = heard.take().into_iter().chain(waited).collect();
                all.sort();
                let expected: Vec<_> = (first..last).collect();
                assert!(expected.iter().all(|number| all.contains(number)), "{all:?} of {expected:?}");
                assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "heard twice: {all:?}");
                format!("{all:?}")
            })
        };
        let mut story = String::new();
        for wait in [2, 5, 3] {
            story += &comer(wait).await;
        }
        over.set(true);
        emitter.await;
        bus.drain().await;
        assert!(bus.dead_letters().is_empty());
        stories.borrow_mut().insert(story);
    });
    report(seen, &stories);
    assert!(seen.seeds == 1 || stories.borrow().len() > 1_000);
}

#[test]
fn whatever_the_order_who_waits_for_room_gets_it_and_nothing_is_dropped() {
    let stories = Stories::default();
    let seen = testing::explore("waiting for room", SEEDS, || async {
        let bus = EventBus::default();
        let (deeds, quick) = (Deeds::new(), Notes::new());
        let slow = bus.on(dawdler(&deeds, 2).capacity(1)).unwrap();
        let notes = quick.clone();
        let other = bus.on((move |tick: &Tick| notes.add(format!("{}{} ", tick.by, tick.number))).capacity(2)).unwrap();
        let publishers: Vec<_> = (0..3)
            .map(|by| {
                let bus = bus.clone();
                party(async move {
                    for number in 0..3 {
                        bus.publish_wait(Tick { by, number }).await.unwrap();
                    }
                })
            })
            .collect();
        for publisher in publishers {
            publisher.await;
        }
        bus.drain().await;
        assert_each_in_order(&deeds.take(), 3, 3);
        assert_eq!((slow.info().dropped, other.info().dropped, quick.len()), (0, 0, 9));
        stories.borrow_mut().insert(quick.take().concat());
    });
    report(seen, &stories);
    assert!(seen.seeds == 1 || stories.borrow().len() > 20);
}

#[test]
fn whatever_the_order_a_late_subscriber_hears_the_retained_event_and_all_later_ones() {
    let stories = Stories::default();
    let seen = testing::explore("late subscribers", SEEDS, || async {
        let bus = EventBus::default();
        let to = bus.clone();
        let publisher = party(async move {
            for number in 1..=5 {
                to.publish_retained("seeds/kept", json!(number)).unwrap();
                dawdle(1).await;
            }
        });
        let mut subscribers = Vec::new();
        for wait in 0..3 {
            let to = bus.clone();
            subscribers.push(party(async move {
                dawdle(1 + wait).await;
                let heard = Notes::new();
                let notes = heard.clone();
                let later = async move |event: Arc<JsonEvent>| {
                    dawdle(wait).await;
                    notes.add(event.as_u64().unwrap());
                };
                (heard, to.on_topic(["seeds/*", "**"], later).unwrap())
            }));
        }
        publisher.await;
        let mut story = String::new();
        for subscriber in subscribers {
            let (heard, guard) = subscriber.await;
            bus.drain().await;
            let heard = heard.take();
            assert_eq!(heard.last(), Some(&5));
            assert_eq!(heard, (heard[0]..=5).collect::<Vec<_>>(), "one was missed, or heard twice");
            story += &format!("{} ", heard[0]);
            drop(guard);
        }
        stories.borrow_mut().insert(story);
    });
    report(seen, &stories);
    assert!(seen.seeds == 1 || stories.borrow().len() > 5);
}

#[test]
fn whatever_the_order_one_answer_is_given_and_all_that_failed_are_told() {
    let stories = Stories::default();
    let seen = testing::explore("answers", SEEDS, || async {
        let bus = EventBus::default();
        let answerer = |name: u64, turns: u64| {
            async move |tick: Arc<Tick>| {
                dawdle(turns).await;
                if tick.number == name { Err("I do not know") } else { Ok(name) }
            }
        };
        let guards = [bus.answer(answerer(0, 1)).unwrap(), bus.answer(answerer(1, 1)).unwrap()];
        let mut story = String::new();
        for number in 0..3 {
            let first = bus.request::<u64>(Tick { by: 0, number }).await.unwrap();
            assert_ne!(first, number);
            let mut all = bus.request_all::<u64>(Tick { by: 0, number }).await.unwrap();
            all.sort();
            assert_eq!(all, [0, 1].into_iter().filter(|name| *name != number).collect::<Vec<_>>());
            story += &first.to_string();
        }
        bus.drain().await;
        assert_eq!(bus.dead_letters().len(), 4);
        drop(guards);
        stories.borrow_mut().insert(story);
    });
    report(seen, &stories);
    assert!(seen.seeds == 1 || *stories.borrow() == HashSet::from(["100".to_owned(), "101".to_owned()]));
}

#[convoke::test(seeds = 200)]
async fn a_listener_that_ends_at_the_very_moment_of_its_timeout_is_in_time() {
    let bus = EventBus::default();
    let ended = Rc::new(Cell::new(0));
    let count = ended.clone();
    let listener = async move |_: Arc<Tick>| {
        sleep(ms(5)).await;
        count.set(count.get() + 1);
    };
    let guard = bus.on(listener.timeout(ms(5))).unwrap();
    bus.emit(Tick { by: 0, number: 0 }).await.ok().unwrap();
    bus.publish(Tick { by: 0, number: 1 }).unwrap();
    bus.drain().await;
    assert_eq!((guard.info().done, ended.get(), bus.dead_letters().total()), (2, 2, 0));
}
