//! Thousands of orders of events: each seed is one, run twice. `CONVOKE_SEED=17` runs that one alone.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::future::Future;
use std::process::{Command, Output};
use std::rc::Rc;

use actix::Addr;
use convoke::prelude::*;
use convoke::testing::{self, Crash, Exploration, SEED_VARIABLE};
use convoke::{Emission, RoundId};
use tokio::sync::oneshot;

use crate::common::{Clerk, SECOND, cause, join_all, ms, sleep, timed_out};

const SEEDS: u64 = 20_000;

fn report(seen: Exploration, stories: &Stories) {
    let Exploration { seeds, interleavings, longest } = seen;
    let stories = stories.borrow().len();
    println!(
        "figure: {seeds} seeds, {interleavings} interleavings, the longest of {longest} choices; {stories} stories"
    );
}

/// What was heard of all rounds of a run, together; many interleavings tell the same.
type Stories = RefCell<HashSet<String>>;

/// Whether what is said of all seeds together can be checked: not when one is replayed.
fn all_ran(seen: &Exploration) -> bool {
    seen.seeds > 1
}

/// Everything that was heard of each round, and the parties that are still at it.
#[derive(Clone, Default)]
struct Witness {
    heard: Rc<RefCell<BTreeMap<RoundId, BTreeSet<String>>>>,
    told: Rc<RefCell<Vec<RoundId>>>,
    parties: Rc<RefCell<Vec<Party>>>,
}

/// Its name, and what tells that it has ended.
type Party = (&'static str, oneshot::Receiver<()>);

impl Witness {
    fn hear(&self, outcome: &Outcome<u32>) {
        self.heard
            .borrow_mut()
            .entry(outcome.round())
            .or_default()
            .insert(format!("{outcome:?} {:?}", outcome.payloads()));
    }

    /// Waits for the answer to a signal, which may be an error.
    async fn listen(&self, emission: Emission<u32>) -> Result<Outcome<u32>, EmitError> {
        let answer = emission.await;
        if let Ok(outcome) = &answer {
            self.hear(outcome);
        }
        answer
    }

    /// A callback that hears every outcome once.
    fn ear(&self) -> impl FnMut(Outcome<u32>) + use<> {
        let witness = self.clone();
        move |outcome| {
            witness.hear(&outcome);
            witness.told.borrow_mut().push(outcome.round());
        }
    }

    fn party(&self, name: &'static str, party: impl Future<Output = ()> + 'static) {
        let (done, ended) = oneshot::channel();
        self.parties.borrow_mut().push((name, ended));
        testing::spawn(async move {
            party.await;
            let _ = done.send(());
        });
    }

    /// Waits for all parties: nobody is left waiting, and nobody has heard of two outcomes of one round.
    async fn assert_one_outcome_each_and_nobody_waiting(self) -> String {
        while let Some((name, ended)) = self.next_party() {
            let ended = tokio::time::timeout(3600 * SECOND, ended).await;
            assert!(matches!(ended, Ok(Ok(()))), "`{name}` was left waiting");
        }
        for (round, outcomes) in &*self.heard.borrow() {
            assert_eq!(outcomes.len(), 1, "round {round} had more than one outcome: {outcomes:#?}");
        }
        let mut told = self.told.take();
        told.sort();
        let rounds = told.len();
        told.dedup();
        assert_eq!(told.len(), rounds, "a round was told twice: {told:?}");
        format!("{:?}", self.heard.borrow())
    }

    fn next_party(&self) -> Option<Party> {
        self.parties.borrow_mut().pop()
    }
}

/// Ten milliseconds in which everything happens, much of it at the same instant.
async fn busy_broker(stories: &Stories, broker: Addr<Broker<u32>>, end: impl FnOnce(&Addr<Broker<u32>>) + 'static) {
    let witness = Witness::default();
    let [one, two, doubter, lost] = join_all(&broker, ["one", "two", "doubter", "lost"]).await;
    let listener = Emitter::new("listener").on_outcome(witness.ear()).on_summons(|pledge| pledge.keep(9));
    let listener = Emitter::join(&broker, listener).await.unwrap();
    let consumer = Consumer::join(&broker, async |_: Outcome<u32>| sleep(ms(1)).await).await;
    let hears = witness.clone();
    let other = Consumer::join(&broker, move |round: Resolved<u32>| hears.hear(&Outcome::Resolved(round))).await;

    let clerk = witness.clone();
    let clerk = Clerk::join(&broker, "clerk", move |pledge, _| {
        let (asked, witness) = (clerk.clone(), clerk.clone());
        asked.party("clerk", async move {
            sleep(ms(1)).await;
            let _ = witness.listen(pledge.keep_and_wait(8)).await;
        });
    });
    let clerk = clerk.await;

    let w = witness.clone();
    witness.party("one", async move {
        for payload in 0..3 {
            let _ = w.listen(one.emit(payload)).await;
        }
        one.leave();
    });
    let w = witness.clone();
    witness.party("two", async move {
        sleep(ms(1)).await;
        let first = two.emit(10);
        let keyed = two.emit_for("a", 11);
        let _ = w.listen(first).await;
        let _ = w.listen(two.emit(12)).await;
        let _ = w.listen(keyed).await;
    });
    let w = witness.clone();
    witness.party("doubter", async move {
        let _ = w.listen(doubter.emit_for("a", 20)).await;
        sleep(ms(1)).await;
        let _ = w.listen(doubter.veto("no")).await;
        let _ = w.listen(doubter.emit(21)).await;
    });
    let w = witness.clone();
    witness.party("lost", async move {
        let first = lost.emit(30);
        sleep(ms(1)).await;
        drop(lost);
        let _ = w.listen(first).await;
    });
    let (w, to) = (witness.clone(), broker.clone());
    witness.party("late", async move {
        sleep(ms(1)).await;
        let Ok(late) = Emitter::join(&to, "late").await else { return };
        // At the deadline of whatever was opened at the beginning.
        sleep(ms(4)).await;
        let _ = w.listen(late.emit(40)).await;
    });
    let to = broker.clone();
    witness.party("inspector", async move {
        for _ in 0..3 {
            if let Ok(snapshot) = to.inspect().await {
                assert!(snapshot.open.len() <= snapshot.open_count);
            }
            sleep(ms(1)).await;
        }
    });
    let to = broker;
    witness.party("the end", async move {
        sleep(ms(10)).await;
        end(&to);
    });
    let story = witness.assert_one_outcome_each_and_nobody_waiting().await;
    stories.borrow_mut().insert(story);
    drop((listener, consumer, other, clerk));
    // For the consumer, who takes its time.
    sleep(SECOND).await;
}

fn busy_rules() -> Broker<u32> {
    Broker::new(ms(5)).repeat_emit(RepeatEmit::NextRound).on_lost(OnLost::Shrink).late_window(ms(1))
}

fn explore(name: &str, seeds: u64, rules: impl Fn() -> Broker<u32>, end: fn(&Addr<Broker<u32>>)) {
    let stories = Stories::default();
    report(testing::explore(name, seeds, || busy_broker(&stories, rules().start(), end)), &stories);
}

#[test]
fn whatever_the_order_a_round_has_one_outcome_and_nobody_is_left_waiting() {
    explore("a busy broker that stops", SEEDS, busy_rules, |broker| broker.stop());
}

#[test]
fn whatever_the_order_the_same_holds_of_other_policies() {
    let rules: [fn() -> Broker<u32>; 5] = [
        || busy_rules().repeat_emit(RepeatEmit::Replaces).on_lost(OnLost::Wait).idle_timeout(ms(2)),
        || busy_rules().release(Release::at_least(3)).late_join(LateJoin::NextRound).on_lost(OnLost::Cancel),
        || busy_rules().close(Close::Deadline).on_timeout(OnTimeout::DeliverPartial).late_join(LateJoin::Rejected),
        || busy_rules().release(Release::required(["one", "late"])).repeat_emit(RepeatEmit::Rejected).max_open(1),
        || {
            let by_name = Release::when(|it| it.kept("late") && it.vetoed().count() == 0 || it.weight() >= 3);
            busy_rules().on_veto(OnVeto::TolerateShare(50)).release(by_name)
        },
    ];
    for rules in rules {
        explore("a busy broker of other rules", SEEDS / 10, rules, |broker| broker.stop());
    }
}

#[test]
fn whatever_the_order_a_crash_of_the_broker_leaves_nobody_waiting() {
    explore("a busy broker that crashes", SEEDS / 100, busy_rules, |broker| broker.do_send(Crash));
}

#[test]
fn a_signal_exactly_at_the_deadline_is_in_time_or_late_as_the_order_has_it() {
    let verdicts = RefCell::new([0, 0]);
    let seen = testing::explore("a signal at the deadline", SEEDS / 10, || async {
        let broker = Broker::new(SECOND).start();
        let [one, two] = join_all(&broker, ["one", "two"]).await;
        let first = one.emit(1);
        let (told, second) = oneshot::channel();
        testing::spawn(async move {
            sleep(SECOND).await;
            drop(told.send(two.emit(2).await));
        });
        let first = first.await.unwrap();
        assert_eq!(first.elapsed(), SECOND);
        match second.await.unwrap() {
            Ok(second) => {
                assert_eq!(format!("{first:?}"), format!("{second:?}"));
                let last = first.resolved().unwrap();
                assert_eq!(last.signals().last().unwrap().at, SECOND, "at the deadline is in time");
                verdicts.borrow_mut()[0] += 1;
            }
            Err(error) => {
                assert_eq!(error, EmitError::Late { round: first.round(), key: None });
                assert_eq!(cause(&first), timed_out(["two"]));
                verdicts.borrow_mut()[1] += 1;
            }
        }
    });
    let [in_time, late] = verdicts.take();
    println!("figure: of {} seeds, each twice, {in_time} runs were in time and {late} late", seen.seeds);
    assert!(!all_ran(&seen) || in_time > 0 && late > 0, "{in_time} in time, {late} late");
}

#[test]
fn whatever_the_order_a_veto_and_the_last_signal_do_not_both_decide() {
    let verdicts = RefCell::new([0, 0]);
    let seen = testing::explore("a veto against the last signal", SEEDS / 10, || async {
        let broker = Broker::new(SECOND).start();
        let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
        let first = one.emit(1);
        let (signal, veto) = (oneshot::channel(), oneshot::channel());
        three.do_emit(3).unwrap();
        testing::spawn(async move { drop(signal.0.send(two.emit(2).await)) });
        testing::spawn(async move { drop(veto.0.send((three.veto("no").await, three))) });
        let outcome = first.await.unwrap();
        let (veto, _three) = veto.1.await.unwrap();
        let signal = signal.1.await.unwrap();
        if outcome.is_resolved() {
            assert_eq!(veto.unwrap_err(), EmitError::NoRound);
            assert!(signal.unwrap().is_resolved());
            verdicts.borrow_mut()[0] += 1;
        } else {
            assert!(veto.unwrap().is_cancelled());
            assert!(matches!(signal, Err(EmitError::Late { .. })), "{signal:?}");
            verdicts.borrow_mut()[1] += 1;
        }
    });
    let [resolved, vetoed] = verdicts.take();
    assert!(!all_ran(&seen) || resolved > 0 && vetoed > 0, "{resolved} resolved, {vetoed} vetoed");
}

#[test]
fn whatever_the_order_a_summons_is_answered_to_the_broker_that_sent_it() {
    testing::explore("an emitter that changes its broker", SEEDS / 10, || async {
        let (first, second) = (Broker::new(SECOND).start(), Broker::new(SECOND).start());
        let asked = Rc::new(RefCell::new(Vec::new()));
        let pledges = asked.clone();
        let nomad = Emitter::new("nomad").on_summons(move |pledge| pledges.borrow_mut().push(pledge));
        let nomad = nomad.start();
        nomad.join(&first).await.unwrap();
        let ([one], [two]) = (join_all(&first, ["one"]).await, join_all(&second, ["two"]).await);
        let (told, at_first) = oneshot::channel();
        testing::spawn(async move { drop(told.send(one.emit_for("first", 1).await)) });
        EmitterExt::leave(&nomad).await.unwrap();
        nomad.join(&second).await.unwrap();
        let at_second = two.emit(2);
        assert!(at_first.await.unwrap().unwrap().is_resolved(), "it has left");
        testing::settle().await;
        // What the first has asked for is nothing to the second.
        for pledge in asked.take() {
            match pledge.key() {
                Some(_) => drop(pledge),
                None => pledge.keep(7),
            }
        }
        assert_eq!(at_second.await.unwrap().payloads(), [2, 7]);
    });
}

const INNER: &str = "CONVOKE_TEST_INNER";

/// Fails under some seeds, namely where the second of two futures runs first.
fn race() {
    testing::explore("a race", 1_000, || async {
        let order = Rc::new(RefCell::new(Vec::new()));
        for number in [1, 2] {
            let order = order.clone();
            testing::spawn(async move { order.borrow_mut().push(number) });
        }
        testing::settle().await;
        assert_eq!(order.take(), [1, 2]);
    });
}

#[test]
fn a_failing_seed_is_printed_and_the_variable_replays_that_one_alone() {
    if std::env::var_os(INNER).is_some() {
        return race();
    }
    let run = |seed: Option<u64>| -> Output {
        let name = "rounds::pressure::seeds::a_failing_seed_is_printed_and_the_variable_replays_that_one_alone";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture"]).env(INNER, "").env_remove(SEED_VARIABLE);
        if let Some(seed) = seed {
            command.env(SEED_VARIABLE, seed.to_string());
        }
        command.output().unwrap()
    };
    let printed = |run: &Output| {
        let text = String::from_utf8_lossy(&run.stderr).into_owned();
        let (_, rest) = text.split_once("a race failed under seed ")?;
        let (seed, rest) = rest.split_once("; ")?;
        assert!(rest.starts_with(&format!("{SEED_VARIABLE}={seed} replays it")), "{rest}");
        seed.parse::<u64>().ok()
    };
    let all = run(None);
    let failing = printed(&all).expect("the seed is printed");
    assert!(!all.status.success());
    assert_eq!(printed(&run(Some(failing))), Some(failing));
    // All seeds before it are fine, and so is each of them alone.
    if failing > 0 {
        assert!(run(Some(failing - 1)).status.success());
    }
}

#[convoke::test(seeds = 50)]
async fn a_test_may_ask_for_seeds() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let (one, two) = tokio::join!(one.emit(1), two.emit(2));
    assert_eq!(one.unwrap().round(), two.unwrap().round());
}
