//! The real actors against the ledger: members of all kinds, rounds of three keys, any policies, any order of deeds.
//!
//! A case has a system of its own whose clock stands still; each deed runs in it until nothing is left to do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use actix::{Addr, System, SystemRunner};
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use uuid::Uuid;

use super::course::Course;
use super::ledger::{Answer, Deed, Key, Ledger, Name, OneRound, Person, Promise};
use super::spec::{End, Spec, ms};
use crate::prelude::*;
use crate::rounds::messages::Emission;
use crate::rounds::outcome::{EmitterRef, Vetoed};
use crate::rounds::round::Slot;
use crate::rounds::{BrokerSnapshot, EmitterId, RoundId};
use crate::testing;

/// By person; two of them bear the same name.
pub(super) const NAMES: [&str; 5] = ["a", "b", "c", "d", "a"];
const KEYS: [Key; 3] = [None, Some("x"), Some("y")];

struct Model;

impl ReferenceStateMachine for Model {
    type State = Ledger;
    type Transition = Deed;

    fn init_state() -> BoxedStrategy<Ledger> {
        let window = proptest::option::of(0..6_u64);
        (Spec::any(), window).prop_map(|(spec, window)| Ledger::new(spec, window)).boxed()
    }

    fn transitions(ledger: &Ledger) -> BoxedStrategy<Deed> {
        let join = (0..NAMES.len(), proptest::option::weighted(0.2, 1..8_u64), 0..4_u32, any::<bool>())
            .prop_map(|(person, deadline, weight, asked)| Deed::Join { person, deadline, weight, asked });
        let mut deeds = vec![
            (4, join.boxed()),
            (3, prop_oneof![4 => 1..3_u64, 1 => 3..12_u64].prop_map(Deed::Advance).boxed()),
            (1, select(KEYS.to_vec()).prop_map(Deed::Abort).boxed()),
            (1, (3..20_u64).prop_map(Deed::SetTimeout).boxed()),
        ];
        let present: Vec<Person> = (0..NAMES.len()).filter(|person| ledger.is_present(*person)).collect();
        if !present.is_empty() {
            let (person, key) = (select(present.clone()), select(KEYS.to_vec()));
            let emit = (person.clone(), key.clone(), 1..10_u32);
            deeds.push((14, emit.prop_map(|(person, key, payload)| Deed::Emit(person, key, payload)).boxed()));
            deeds.push((2, (person.clone(), key).prop_map(|(person, key)| Deed::Veto(person, key)).boxed()));
            deeds.push((1, person.clone().prop_map(Deed::Leave).boxed()));
            deeds.push((1, person.prop_map(Deed::Lose).boxed()));
        }
        if !ledger.promises.is_empty() {
            let promise = select(ledger.promises.iter().copied().collect::<Vec<_>>());
            let keep = (promise.clone(), 1..10_u32);
            deeds.push((6, keep.prop_map(|(promise, payload)| Deed::Keep(promise, payload)).boxed()));
            deeds.push((2, promise.clone().prop_map(Deed::Refuse).boxed()));
            let beat = (promise.clone(), 1..12_u64);
            deeds.push((3, beat.prop_map(|(promise, more)| Deed::Beat(promise, more)).boxed()));
            deeds.push((2, promise.prop_map(Deed::Drop).boxed()));
        }
        proptest::strategy::Union::new_weighted(deeds).boxed()
    }

    fn apply(mut ledger: Ledger, deed: &Deed) -> Ledger {
        ledger.perform(deed);
        ledger
    }

    fn preconditions(ledger: &Ledger, deed: &Deed) -> bool {
        match deed {
            Deed::Leave(person) | Deed::Lose(person) | Deed::Emit(person, ..) | Deed::Veto(person, _) => {
                ledger.is_present(*person)
            }
            Deed::Keep(promise, _) | Deed::Refuse(promise) | Deed::Drop(promise) | Deed::Beat(promise, _) => {
                ledger.promises.contains(promise)
            }
            _ => true,
        }
    }
}

/// Those that nobody has answered yet, each with whose it is, in which of its memberships.
type Pledges = Rc<RefCell<Vec<(Person, u32, Pledge<u32>)>>>;

type Heard = Option<Result<Outcome<u32>, EmitError>>;

/// A broker with its members, and what each signal has been told.
struct Actors {
    broker: Addr<Broker<u32>>,
    handles: [Option<EmitterHandle<u32>>; NAMES.len()],
    memberships: [u32; NAMES.len()],
    signals: Vec<(Emission<u32>, Heard)>,
    pledges: Pledges,
    consumed: Rc<RefCell<Vec<Outcome<u32>>>>,
    _consumer: ConsumerHandle<u32>,
    rounds: BTreeMap<Name, RoundId>,
    /// Those that the consumer has heard of.
    told: BTreeSet<RoundId>,
}

fn id(person: Person) -> EmitterId {
    Uuid::from_u128(person as u128).into()
}

impl Actors {
    async fn start(ledger: &Ledger) -> Self {
        let Spec { timeout, idle, close, late_join, repeat, on_timeout, on_lost, on_veto, max_heartbeat, .. } =
            ledger.spec;
        let mut broker = Broker::new(ms(timeout))
            .release(ledger.spec.release())
            .close(close)
            .late_join(late_join)
            .repeat_emit(repeat)
            .on_timeout(on_timeout)
            .on_lost(on_lost)
            .on_veto(on_veto)
            .history(usize::MAX);
        if !ledger.spec.expected.is_empty() {
            broker = broker.expects(ledger.spec.expected.iter().copied());
        }
        if let Some(idle) = idle {
            broker = broker.idle_timeout(ms(idle));
        }
        if let Some(limit) = max_heartbeat {
            broker = broker.max_heartbeat(ms(limit));
        }
        if let Some(window) = ledger.late_window {
            broker = broker.late_window(ms(window));
        }
        let broker = broker.start();
        let consumed = Rc::new(RefCell::new(Vec::new()));
        let notes = consumed.clone();
        let consumer = Consumer::join(&broker, move |round: Outcome<u32>| notes.borrow_mut().push(round)).await;
        Self {
            broker,
            handles: Default::default(),
            memberships: Default::default(),
            signals: Vec::new(),
            pledges: Rc::default(),
            consumed,
            _consumer: consumer.unwrap(),
            rounds: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    async fn perform(&mut self, deed: Deed, ledger: &Ledger) {
        match deed {
            Deed::Join { person, deadline, weight, asked } => {
                let mut emitter = Emitter::new(NAMES[person]).with_id(id(person).as_uuid()).weight(weight);
                if let Some(deadline) = deadline {
                    emitter = emitter.deadline(ms(deadline));
                }
                if asked {
                    let (pledges, membership) = (self.pledges.clone(), self.memberships[person] + 1);
                    emitter = emitter.on_summons(move |pledge| pledges.borrow_mut().push((person, membership, pledge)));
                }
                let handle = Emitter::join(&self.broker, emitter).await;
                assert_eq!(handle.is_ok(), ledger.joined, "{handle:?}");
                if let Ok(handle) = handle {
                    self.handles[person] = Some(handle);
                    self.memberships[person] += 1;
                }
            }
            Deed::Leave(person) => self.handles[person].take().unwrap().leave(),
            Deed::Lose(person) => drop(self.handles[person].take().unwrap()),
            Deed::Emit(person, key, payload) => {
                let handle = self.handles[person].as_ref().unwrap();
                let emission = match key {
                    None => handle.emit(payload),
                    Some(key) => handle.emit_for(key, payload),
                };
                self.signals.push((emission, None));
            }
            Deed::Veto(person, key) => {
                let handle = self.handles[person].as_ref().unwrap();
                let emission = match key {
                    None => handle.veto("no"),
                    Some(key) => handle.veto_for(key, "no"),
                };
                self.signals.push((emission, None));
            }
            Deed::Keep(promise, payload) => {
                let emission = self.pledge(promise).keep_and_wait(payload);
                self.signals.push((emission, None));
            }
            Deed::Refuse(promise) => self.pledge(promise).veto("not I"),
            Deed::Drop(promise) => drop(self.pledge(promise)),
            Deed::Beat(promise, more) => {
                let pledge = self.pledge(promise);
                assert_eq!(pledge.heartbeat(ms(more)), ledger.beat);
                self.pledges.borrow_mut().push((promise.0, promise.1, pledge));
            }
            Deed::Abort(key) => {
                let _ = match key {
                    None => self.broker.abort("enough").await,
                    Some(key) => self.broker.abort_for(key, "enough").await,
                };
            }
            Deed::SetTimeout(timeout) => self.broker.set_timeout(ms(timeout)).await.unwrap(),
            Deed::Advance(wait) => tokio::time::sleep(ms(wait)).await,
        }
        testing::settle().await;
        for (emission, heard) in self.signals.iter_mut().filter(|(_, heard)| heard.is_none()) {
            let mut emission = Pin::new(emission);
            *heard = poll_fn(|cx| {
                Poll::Ready(match emission.as_mut().poll(cx) {
                    Poll::Ready(answer) => Some(answer),
                    Poll::Pending => None,
                })
            })
            .await;
        }
    }

    fn pledge(&self, (person, membership, name): Promise) -> Pledge<u32> {
        let mut pledges = self.pledges.borrow_mut();
        let is_it = |pledge: &(Person, u32, Pledge<u32>)| {
            (pledge.0, pledge.1, pledge.2.round()) == (person, membership, self.rounds[&name])
        };
        let place = pledges.iter().position(is_it).unwrap();
        pledges.remove(place).2
    }

    /// Learns the numbers of the rounds: those of one key came in the order of their numbers.
    fn learn(&mut self, snapshot: &BrokerSnapshot) {
        let past = snapshot.recent.iter().map(|past| (past.round, &past.key));
        let mut rounds: Vec<_> = past.chain(snapshot.open.iter().map(|open| (open.round, &open.key))).collect();
        rounds.sort();
        for key in KEYS {
            let of_key = rounds.iter().filter(|(_, other)| other.as_ref() == key.map(RoundKey::from).as_ref());
            for (nth, (round, _)) in of_key.enumerate() {
                assert_eq!(self.rounds.entry((key, nth)).or_insert(*round), round);
            }
        }
        assert_eq!(self.rounds.len(), rounds.len());
    }

    fn assert_is(&mut self, ledger: &Ledger, snapshot: &BrokerSnapshot) {
        self.learn(snapshot);
        self.assert_rounds(ledger, snapshot);
        for ((_, heard), expected) in self.signals.iter().zip(&ledger.answers) {
            self.assert_heard(heard, expected, ledger);
        }
        let promises: BTreeSet<_> = ledger
            .promises
            .iter()
            .map(|(person, membership, name)| (*person, *membership, self.rounds[name]))
            .collect();
        let pledges = self.pledges.borrow();
        assert_eq!(
            pledges.iter().map(|pledge| (pledge.0, pledge.1, pledge.2.round())).collect::<BTreeSet<_>>(),
            promises
        );
        assert_eq!(pledges.len(), promises.len(), "nobody is asked twice");
        let records: Vec<_> =
            snapshot.emitters.iter().map(|it| (it.id, [it.kept, it.missed, it.late, it.last, it.vetoed])).collect();
        let present = ledger.members.iter().filter(|member| member.present);
        assert_eq!(records, present.map(|member| (id(member.person), member.record)).collect::<Vec<_>>());
    }

    fn assert_rounds(&mut self, ledger: &Ledger, snapshot: &BrokerSnapshot) {
        assert_eq!(self.rounds.len(), ledger.rounds.len(), "{snapshot:#?}");
        for round in &ledger.rounds {
            let number = self.rounds[&round.name];
            let open = snapshot.open.iter().find(|open| open.round == number);
            assert_eq!(open.is_none(), round.closed.is_some(), "{:?}: {snapshot:#?}", round.name);
            if let Some(open) = open {
                let course = round.history.course();
                let kept: Vec<_> = course.signals.iter().map(|(slot, ..)| who(ledger, *slot)).collect();
                assert_eq!(open.kept.iter().map(|it| it.id).collect::<Vec<_>>(), kept);
                let owing: Vec<_> = course.owing().map(|slot| who(ledger, slot)).collect();
                assert_eq!(open.waits_for.iter().map(|it| it.id).collect::<Vec<_>>(), owing);
                assert_vetoes(&open.vetoed, &course, ledger);
                assert_eq!(open.open_for, ms(ledger.now - round.opened));
                assert_eq!(open.open_for + open.left, ms(course.next_deadline().unwrap()));
            }
        }
        for outcome in self.consumed.take() {
            assert!(self.told.insert(outcome.round()), "told twice: {outcome:?}");
            let round = ledger.rounds.iter().find(|round| self.rounds[&round.name] == outcome.round());
            assert_outcome(&outcome, round.unwrap(), ledger);
        }
        let closed = ledger.rounds.iter().filter(|round| round.closed.is_some());
        assert_eq!(self.told, closed.map(|round| self.rounds[&round.name]).collect());
    }

    fn assert_heard(&self, heard: &Heard, expected: &Answer, ledger: &Ledger) {
        let number = |name: &Name| self.rounds[name];
        match (heard, expected) {
            (None, Answer::Nothing)
            | (Some(Err(EmitError::NotJoined)), Answer::NotJoined)
            | (Some(Err(EmitError::NoRound)), Answer::NoRound) => {}
            (Some(Ok(outcome)), Answer::Outcome(name)) => {
                assert_outcome(outcome, ledger.rounds.iter().find(|round| round.name == *name).unwrap(), ledger);
                assert_eq!(outcome.round(), number(name));
            }
            (Some(Err(EmitError::AlreadyKept { round })), Answer::AlreadyKept(name)) => {
                assert_eq!(*round, number(name))
            }
            (Some(Err(EmitError::Vetoed { round })), Answer::Vetoed(name)) => assert_eq!(*round, number(name)),
            (Some(Err(EmitError::Late { round, key })), Answer::Late(name)) => {
                assert_eq!((*round, key), (number(name), &name.0.map(RoundKey::from)));
            }
            (heard, expected) => panic!("heard {heard:?} instead of {expected:?}"),
        }
    }
}

fn who(ledger: &Ledger, slot: Slot) -> EmitterId {
    id(ledger.members[slot as usize].person)
}

fn assert_vetoes(vetoes: &[Vetoed], course: &Course<'_>, ledger: &Ledger) {
    let vetoes: Vec<_> = vetoes.iter().map(|veto| (veto.by.id, &*veto.reason)).collect();
    let expected = course.vetoes.iter().map(|(slot, reason)| (who(ledger, *slot), *reason));
    assert_eq!(vetoes, expected.collect::<Vec<_>>());
}

fn assert_outcome(outcome: &Outcome<u32>, round: &OneRound, ledger: &Ledger) {
    let course = round.history.course();
    let is = |it: &EmitterRef, slot: Slot| it.id == who(ledger, slot);
    let right = match (outcome, course.end.as_ref().unwrap()) {
        (Outcome::Resolved(round), End::Resolved) => !round.is_partial(),
        (Outcome::Resolved(round), End::Partial) => round.is_partial(),
        (Outcome::Cancelled(round), end) => match (round.cause(), end) {
            (Cause::TimedOut { .. }, End::TimedOut)
            | (Cause::Idle { .. }, End::Idle)
            | (Cause::OutOfReach { .. }, End::OutOfReach) => true,
            (Cause::NoMember(names), End::NoMember { .. }) => names.iter().map(|name| &**name).eq(course.unfilled()),
            (Cause::Lost(lost), End::Lost(slot)) => is(&lost, *slot),
            (Cause::Vetoed { by, reason }, End::Vetoed(slot, why)) => is(&by, *slot) && *reason == **why,
            (Cause::Aborted(reason), End::Aborted(why)) => *reason == **why,
            _ => false,
        },
        _ => false,
    };
    assert!(right, "{outcome:?} is not {:?}", course.end);
    let signals: Vec<_> = match outcome {
        Outcome::Resolved(round) => round.signals().map(|it| (it.emitter.id, it.at, *it.payload)).collect(),
        Outcome::Cancelled(round) => round.signals().map(|it| (it.emitter.id, it.at, *it.payload)).collect(),
    };
    let missing: Vec<_> = match outcome {
        Outcome::Resolved(round) => round.missing().map(|it| it.id).collect(),
        Outcome::Cancelled(round) => round.missing().map(|it| it.id).collect(),
    };
    let unfilled = outcome.unfilled().iter().map(|name| &**name);
    assert!(unfilled.take(course.unfilled().len()).eq(course.unfilled()), "{outcome:?}: {:?}", course.unfilled());
    let expected = course.signals.iter().map(|(slot, at, payload)| (who(ledger, *slot), ms(*at), *payload));
    assert_eq!(signals, expected.collect::<Vec<_>>());
    assert_eq!(missing, course.missing().into_iter().map(|slot| who(ledger, slot)).collect::<Vec<_>>());
    assert_vetoes(outcome.vetoes(), &course, ledger);
    assert_eq!(outcome.key(), round.name.0.map(RoundKey::from).as_ref());
    assert_eq!(outcome.elapsed(), ms(round.closed.unwrap() - round.opened));
}

/// A system whose clock stands still, and the actors in it.
struct Stage {
    system: SystemRunner,
    actors: Actors,
}

impl StateMachineTest for Stage {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(ledger: &Ledger) -> Self {
        let system = System::with_tokio_rt(|| {
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
        });
        let actors = system.block_on(Actors::start(ledger));
        Self { system, actors }
    }

    fn apply(mut stage: Self, ledger: &Ledger, deed: Deed) -> Self {
        let actors = &mut stage.actors;
        stage.system.block_on(async {
            actors.perform(deed, ledger).await;
            let snapshot = actors.broker.inspect().await.unwrap();
            actors.assert_is(ledger, &snapshot);
        });
        stage
    }

    fn teardown(Self { system, actors }: Self, _: Ledger) {
        system.block_on(async move {
            actors.broker.stop();
            testing::settle().await;
            for (mut emission, heard) in actors.signals {
                let answer = poll_fn(|cx| Poll::Ready(Pin::new(&mut emission).poll(cx).is_ready()));
                assert!(heard.is_some() || answer.await, "a waiter is left");
            }
            actors.pledges.take();
            drop((actors.broker, actors.handles, actors._consumer));
            testing::settle().await;
            assert_eq!(testing::alive(), [""; 0]);
        });
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_actors_do_what_the_ledger_says(sequential 1..40 => Stage);
}
