//! Two processes' brokers over one database, in thousands of orders of events: each seed is one, run twice, and `CONVOKE_SEED=17` runs
//! that one alone.
//!
//! `parties in two processes, one of which may die → closings: what a round had, and what was said of it → the course says the same`
//!
//! What must hold: a party is one of its process, and dies with it: it waits for nothing any more, and has heard nothing since. What it has said
//! before is a row or is none, whole; and whoever lives, and whoever comes in its place, hears of each round as if nobody had died. So
//! of a process that has died nobody is left waiting, and of one that lives everybody was told.

#![allow(clippy::print_stdout, reason = "tests say what they have tried")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::course::{History, Said};
use super::frail::{Bells, Closing, Frail};
use super::ledger::told as course_told;
use super::process::{BROKER, LOG, Process, number, seen, told};
use super::spec::{Before, Fault, KEYS, NAMES, Need, Spec, WEIGHTS, Word};
use crate::__private::random;
use crate::__private::rounds::{Ending, Kind};
use crate::durable::RoundDatabase as _;
use crate::outbox::OutboxBuilder;
use crate::testing::{self, Exploration};
use crate::transport::Memory;
use crate::{BrokerId, Close, EmitError, Emitter, OnTimeout, OnVeto, RepeatEmit, RoundId};

const SEEDS: u64 = 500;

/// In so many seconds all rounds are over, and those that follow them.
const LASTS: u32 = 41;

fn seeds() -> u64 {
    if std::env::var_os("CONVOKE_FULL").is_some() { SEEDS * 20 } else { SEEDS }
}

fn spec(need: Need, expected: &[&'static str]) -> Spec {
    Spec {
        has_time: true,
        timeout: 5,
        idle: None,
        need,
        expected: expected.to_vec(),
        close: Close::Released,
        repeat: RepeatEmit::Rejected,
        on_timeout: OnTimeout::Cancel,
        on_veto: OnVeto::Cancel,
        early: Before::Opens,
        late_window: 9,
    }
}

/// A signal that was said to be a row: its round, whose it is, and what it says.
type Committed = (RoundId, &'static str, u32);

/// What was heard of all rounds, by whoever has heard.
#[derive(Clone, Default)]
struct Witness {
    outcomes: Rc<RefCell<BTreeMap<RoundId, BTreeSet<String>>>>,
    /// How often each has said this.
    said: Rc<RefCell<BTreeMap<(&'static str, u32), usize>>>,
    /// Who was told that a signal is a row, and of which round.
    committed: Rc<RefCell<Vec<Committed>>>,
    parties: Rc<RefCell<Vec<oneshot::Receiver<()>>>>,
}

impl Witness {
    /// Somebody says a few things, one after the other: of each he waits for the end, or for the row.
    fn party(&self, process: &Process, number: usize, name: usize, says: &[(usize, Word, bool)]) {
        let (done, ended) = oneshot::channel();
        self.parties.borrow_mut().push(ended);
        let (witness, says, broker) = (self.clone(), says.to_vec(), process.broker.clone());
        for (_, word, _) in &says {
            if let Word::Signal(payload) = word {
                *self.said.borrow_mut().entry((NAMES[name], *payload)).or_default() += 1;
            }
        }
        let fate = process.fate.clone();
        let speaks = async move {
            let member = Emitter::new(NAMES[name]).weight(WEIGHTS[number][name]);
            let Ok(member) = Emitter::join(&broker, member).await else { return };
            for (key, word, awaits_end) in says {
                let emission = match word {
                    Word::Signal(payload) => member.emit_for(KEYS[key], payload),
                    Word::Veto(reason) => member.veto_for(KEYS[key], reason),
                };
                if awaits_end {
                    match emission.await {
                        Ok(outcome) => {
                            witness.outcomes.borrow_mut().entry(outcome.round()).or_default().insert(told(&outcome));
                        }
                        // Refused, or of a process that has died.
                        Err(error) => assert!(!matches!(error, EmitError::Aside { .. }), "{error}"),
                    }
                } else if let (Ok(round), Word::Signal(payload)) = (emission.committed().await, word) {
                    witness.committed.borrow_mut().push((round, NAMES[name], payload));
                }
            }
        };
        testing::spawn(async move {
            select! {
                biased;
                () = fate.ends() => {}
                () = speaks => {}
            }
            let _ = done.send(());
        });
    }
}

/// What the rows of a round come to, by its course.
fn expected(spec: &Spec, closing: &Closing) -> String {
    let said = closing.rows.iter().map(|row| {
        let name = NAMES.into_iter().find(|name| **name == *row.name).unwrap();
        let body = std::str::from_utf8(&row.body).unwrap();
        let weight = row.terms.as_deref().map_or(1, |terms| terms.parse().unwrap());
        let said = match Kind::read(row.kind).unwrap() {
            Kind::Signal => Said::Signal(body.parse().unwrap(), weight),
            Kind::Veto => Said::Veto(if body == "no" { "no" } else { "never" }),
            other => panic!("nobody has said {other:?}"),
        };
        (0, name, said)
    });
    let history = History { opened: 0, said: said.collect() };
    let lasted = u64::try_from(closing.closed - closing.opened).unwrap().div_ceil(1_000_000);
    course_told(&history.course(spec, lasted)).unwrap_or_else(|| format!("nothing, of {:?}", closing.rows))
}

async fn two_processes(spec: &Spec, stories: &RefCell<BTreeSet<String>>) {
    let (db, witness, bells) = (Memory::database(), Witness::default(), Arc::<Bells>::default());
    let rounds = db.open_rounds(BROKER.into()).await.unwrap();
    rounds.add_consumer(LOG).await.unwrap();
    let start = async |number| {
        let db = Frail { bells: Some(bells.clone()), ..Frail::of(db.clone()) };
        Process::start(db, number, spec).await
    };
    let (first, second) = (start(0).await, start(1).await);
    // In every other order the second one dies within one of its transactions, or is not told that it has committed and tries it again.
    let fault = (random().is_multiple_of(2)).then(|| match random() % 8 {
        0 => Fault::DiesBefore,
        1 => Fault::DiesAfter,
        2 | 3 => Fault::FailsAfter(1 + u32::try_from(random() % 3).unwrap()),
        4 => Fault::IsRefusedAfter,
        _ => Fault::DiesWithin(1 + usize::try_from(random() % 8).unwrap()),
    });
    let signal = |key, payload, awaits_end| (key, Word::Signal(payload), awaits_end);
    witness.party(&first, 0, 0, &[signal(0, 1, true), signal(0, 2, true), signal(1, 3, false)]);
    witness.party(&first, 0, 2, &[signal(1, 4, false), (0, Word::Veto("no"), true), signal(0, 5, true)]);
    witness.party(&second, 1, 1, &[signal(0, 6, false), signal(1, 7, true), signal(0, 8, true)]);
    witness.party(&second, 1, 0, &[signal(1, 9, true), signal(0, 1, false)]);
    witness.party(&second, 1, 2, &[signal(0, 2, true), (1, Word::Veto("never"), false)]);
    let fate = second.fate.clone();
    let dies = fault.is_some_and(Fault::kills);
    testing::spawn(async move {
        for _ in 0..random() % 8 {
            crate::__private::gives_way().await;
        }
        fate.has_next(fault);
    });
    // Everything comes to its end, by its deadline. Whoever dies, and be it as he looks at that, is followed by another within a second.
    let (mut second, mut closings) = (second, Vec::new());
    for _ in 0..LASTS {
        sleep(Duration::from_secs(1)).await;
        if second.fate.is_dead() {
            closings.extend(second.fate.closings());
            second.fate.bury();
            drop(second);
            second = start(1).await;
        }
    }
    for process in [&first, &second] {
        closings.extend(process.fate.closings());
    }
    let figures = rounds.figures(1_000).await.unwrap();
    assert_eq!((figures.open, figures.awaited, figures.aside), (0, 0, 0), "some round has not ended");
    let (mut all, mut story) = (BTreeMap::new(), String::new());
    for key in KEYS {
        story.push_str(&seen(&*rounds, key, None).await.1);
        for kept in rounds.history(&format!("t{key}"), i64::MAX, 1_000).await.unwrap() {
            let crate::durable::Kept::Over(past) = kept else { panic!("{kept:?}") };
            let outcome =
                Ending::read(&past.outcome).unwrap().outcome::<u32>(&BrokerId::from(BROKER), number(past.id), None);
            all.insert(number(past.id), told(&outcome.unwrap()));
        }
    }
    // Each was closed once, and as its rows have it.
    let mut closed = BTreeMap::new();
    for closing in &closings {
        let ending = Ending::read(&closing.outcome).unwrap();
        let outcome = ending.outcome::<u32>(&BrokerId::from(BROKER), number(closing.round), None).unwrap();
        assert_eq!(told(&outcome), expected(spec, closing), "{:?}", closing.rows);
        assert_eq!(closed.insert(number(closing.round), told(&outcome)), None, "closed twice");
    }
    assert!(closed.iter().all(|(round, outcome)| all.get(round) == Some(outcome)), "{closed:#?} {all:#?}");
    // Of one that was closed by a process which then died nobody has noted that.
    assert!(closed.len() + usize::from(dies) * 2 >= all.len(), "{closed:#?} {all:#?}");
    // Everybody has heard the same.
    for (round, outcomes) in &*witness.outcomes.borrow() {
        assert_eq!(outcomes.iter().collect::<Vec<_>>(), [&all[round]], "{round}");
    }
    // Of each there is one for the consumer.
    let outbox = OutboxBuilder::new(&db, rounds.outbox_of(LOG)).await.unwrap();
    assert_eq!(outbox.keeping().figures(1_000).await.unwrap().ready, all.len() as u64, "what the consumer is to hear");
    // What was said to be a row counts, unless its party has taken it back.
    for (round, name, payload) in &*witness.committed.borrow() {
        let outcome = &all[round];
        let counts = outcome.contains(&format!("\"{name} {payload}\"")) || outcome.contains(&format!("\"{name} no\""));
        let counts = counts || outcome.contains(&format!("\"{name} never\"")) || spec.repeat == RepeatEmit::Replaces;
        assert!(counts, "{name} said {payload} to {round}, of which there is: {outcome}");
    }
    // And it counts once, however often it was tried.
    for ((name, payload), said) in &*witness.said.borrow() {
        let word = format!("\"{name} {payload}\"");
        let counts = all.values().filter(|outcome| outcome.contains(&word)).count();
        assert!(counts <= *said, "{name} has said {payload} {said} times, and it counts in {counts} rounds: {all:#?}");
    }
    stories.borrow_mut().insert(story);
    drop((first, second));
    testing::settle().await;
    for mut ended in witness.parties.take() {
        assert!(ended.try_recv().is_ok(), "a party was left waiting");
    }
}

fn explore(name: &str, spec: &Spec) {
    let stories = RefCell::default();
    let Exploration { seeds, interleavings, longest } =
        testing::explore(name, seeds(), || two_processes(spec, &stories));
    println!(
        "figure: {name}: {seeds} seeds, {interleavings} interleavings, the longest of {longest} choices; {} stories",
        stories.borrow().len()
    );
    assert!(seeds == 1 || stories.borrow().len() > 1, "all orders came to the same");
}

#[test]
fn whatever_the_order_all_of_three_decide_once() {
    explore("all of three", &spec(Need::All, &["a", "b", "c"]));
}

#[test]
fn whatever_the_order_two_of_whoever_comes_decide_once() {
    explore("two of whoever comes", &spec(Need::AtLeast(2), &[]));
}

#[test]
fn whatever_the_order_a_predicate_decides_once() {
    let spec = Spec { on_veto: OnVeto::Tolerate(1), ..spec(Need::Weight(3), &["a", "b", "c"]) };
    explore("three voices, and one may say no", &spec);
}

#[test]
fn whatever_the_order_what_replaces_decides_once() {
    let repeat = RepeatEmit::Replaces;
    let spec =
        Spec { repeat, close: Close::Deadline, on_timeout: OnTimeout::DeliverPartial, ..spec(Need::Sum(9), &[]) };
    explore("nine together, at the deadline", &Spec { on_veto: OnVeto::TolerateShare(50), ..spec });
}
