//! A process that has the broker open, and what anybody can see of its rounds.
//!
//! `Process::start → a broker, its members, a consumer`, `seen: the rows of a key → the same text as the ledger's`

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::course::Said;
use super::frail::{Fate, Frail};
use super::ledger::{outcome_text, row};
use super::spec::{NAMES, Spec, WEIGHTS};
use crate::__private::rounds::{Ending, Kind};
use crate::durable::store::{Kept, Past, RoundDatabase, RoundStore, Stage};
use crate::durable::{Durable, DurableBroker};
use crate::{BrokerId, Cause, Consumer, ConsumerHandle, Emitter, EmitterHandle, Outcome, RoundId};

pub(super) const BROKER: &str = "model";

/// Who hears of all rounds.
pub(super) const LOG: &str = "log";

/// What consumers have heard, in their order.
pub(super) type Heard = Rc<RefCell<Vec<(RoundId, String)>>>;

pub(super) struct Process {
    pub(super) broker: Durable<u32>,
    /// By name.
    pub(super) members: Vec<EmitterHandle<u32>>,
    pub(super) fate: Arc<Fate>,
    _consumer: Option<ConsumerHandle<u32>>,
}

impl Process {
    pub(super) async fn start<D: RoundDatabase>(db: Frail<D>, number: usize, spec: &Spec) -> Self {
        let fate = db.fate.clone();
        let broker = spec.broker().durable(&db, BROKER).early(spec.early()).poll_every(Duration::from_millis(5));
        let broker = broker.await.unwrap();
        let mut members = Vec::new();
        for (name, weight) in NAMES.iter().zip(WEIGHTS[number]) {
            members.push(Emitter::join(&broker, Emitter::new(*name).weight(weight)).await.unwrap());
        }
        Self { broker, members, fate, _consumer: None }
    }

    /// Has it tell what it hears of rounds.
    pub(super) async fn hears(mut self, heard: &Heard) -> Self {
        let heard = heard.clone();
        let hears = move |round: Outcome<u32>| heard.borrow_mut().push((round.round(), told(&round)));
        self._consumer = Some(Consumer::join(&self.broker, Consumer::new(hears).named(LOG)).await.unwrap());
        self
    }
}

/// What somebody hears of a round.
pub(super) fn told(outcome: &Outcome<u32>) -> String {
    let end = match outcome {
        Outcome::Resolved(round) if round.is_partial() => "partial".to_owned(),
        Outcome::Resolved(_) => "resolved".to_owned(),
        Outcome::Cancelled(round) => match round.cause() {
            Cause::TimedOut { .. } => "timed out".to_owned(),
            Cause::Idle { .. } => "idle".to_owned(),
            Cause::Vetoed { by, reason } => format!("vetoed by {}: {reason}", by.name),
            Cause::OutOfReach { .. } => "out of reach".to_owned(),
            Cause::Aborted(reason) => format!("aborted: {reason}"),
            other => format!("{other:?}"),
        },
    };
    outcome_text(
        &end,
        outcome.signals().map(|signal| (&*signal.emitter.name, *signal.payload)),
        outcome.vetoes().iter().map(|veto| (&*veto.by.name, &*veto.reason)),
        outcome.missing().map(|one| &*one.name),
    )
}

/// All rounds of a key as the database has them, the first first; `began` is when the first second began, if time passes.
pub(super) async fn seen(rounds: &dyn RoundStore, key: &str, began: Option<i64>) -> (Vec<RoundId>, String) {
    let mut kept = rounds.history(&format!("t{key}"), i64::MAX, 1_000).await.unwrap();
    kept.reverse();
    let second = |at: i64| began.map_or(0, |began| (at - began).div_euclid(1_000_000));
    let (mut numbers, mut text) = (Vec::new(), String::new());
    for kept in kept {
        let written = match kept {
            Kept::Over(past) => {
                numbers.push(number(past.id));
                over(&past, &second, &mut text)
            }
            Kept::Open(round, _, rows) => {
                numbers.push(number(round.id));
                let stage = if round.stage == Stage::Awaited { "awaited" } else { "open" };
                let said = rows.iter().map(|one| {
                    let body = std::str::from_utf8(&one.body).unwrap();
                    let weight = one.terms.as_deref().map_or(1, |terms| terms.parse().unwrap());
                    match Kind::read(one.kind).unwrap() {
                        Kind::Signal => row(&one.name, &Said::Signal(body.parse().unwrap(), weight)),
                        Kind::Veto => format!("{} vetoes: {body}, ", one.name),
                        other => panic!("nobody has said {other:?}"),
                    }
                });
                let said = said.collect::<String>();
                assert!(rows.iter().map(|row| row.number).eq(1..=i32::try_from(rows.len()).unwrap()));
                writeln!(text, "{stage} since {} until {}: {said}", second(round.opened_at), second(round.due_at))
            }
        };
        written.unwrap();
    }
    (numbers, text)
}

fn over(past: &Past, second: &dyn Fn(i64) -> i64, text: &mut String) -> std::fmt::Result {
    let ending = Ending::read(&past.outcome).unwrap();
    let outcome = ending.outcome::<u32>(&BrokerId::from(BROKER), number(past.id), None).unwrap();
    let mut late: Vec<_> = ending.late.iter().map(|name| &**name).collect();
    late.sort_unstable();
    assert_eq!(past.resolved, outcome.is_resolved());
    let lasted = past.closed_at - ending.opened;
    assert_eq!(i64::try_from(ending.elapsed).unwrap(), lasted, "{ending:?}");
    let (opened, closed) = (second(ending.opened), second(past.closed_at));
    writeln!(text, "over from {opened} to {closed}: {}; late {late:?}", told(&outcome))
}

pub(super) fn number(round: i64) -> RoundId {
    crate::__private::rounds::round_id(round)
}
