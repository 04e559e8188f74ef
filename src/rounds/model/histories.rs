//! Histories of all kinds: two processes have a broker open, say what they like, and die between any two statements; what becomes of
//! their rounds is what the ledger says.
//!
//! `Spec + Steps → Play: each step is done, and the ledger does it → answers, rows, outcomes, what a consumer has heard`

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::LocalBoxFuture;
use proptest::prelude::*;
use tokio::time::{Instant, sleep, sleep_until};

use super::course::Said;
use super::frail::Frail;
use super::ledger::{Answer, Ledger, Name};
use super::process::{BROKER, Heard, Process, seen, told};
use super::spec::{Deed, Fault, KEYS, Line, PROCESSES, Secs, Spec, Step, WEIGHTS, Word};
use crate::durable::store::{Judge, Place, RoundDatabase, RoundStore, Ruling};
use crate::testing;
use crate::transport::Memory;
use crate::{EmitError, RoundId, RoundKey};

/// How long it takes until all have heard of something that has happened.
const MOMENT: Duration = Duration::from_millis(6);

/// So many steps are done within one second.
const STEPS: u32 = 10;

/// What a word is told in the end.
enum Told {
    Round(RoundId),
    Outcome(String, RoundId),
}

type Waits = Pin<Box<dyn Future<Output = Result<Told, EmitError>>>>;

/// What somebody has said, and waits for.
struct Asked {
    process: usize,
    waits: Option<Waits>,
    heard: Option<Result<Told, EmitError>>,
    awaits_end: bool,
    expects: Answer,
}

/// Opens the database, as each process does for itself.
type Opens<D> = Box<dyn Fn() -> LocalBoxFuture<'static, D>>;

struct Play<D> {
    open: Opens<D>,
    rounds: Arc<dyn RoundStore>,
    ledger: Ledger,
    processes: Vec<Option<Process>>,
    asked: Vec<Asked>,
    heard: Heard,
    began: Instant,
    /// The same by the clock of the database, if time passes.
    date: Option<i64>,
    numbers: BTreeMap<Name, RoundId>,
    /// How many steps were done in this second.
    steps: u32,
    /// Processes that have ended.
    ended: u32,
}

/// Asks nothing, and waits for whoever is at work.
struct Nothing;

impl Judge for Nothing {
    fn judge(&self, _: usize, _: &crate::durable::store::Case<'_>) -> Option<Ruling> {
        None
    }
}

impl<D: RoundDatabase> Play<D> {
    async fn begin(open: Opens<D>, spec: Spec) -> Self {
        let date = spec.has_time.then(|| {
            let now = crate::__private::wall_clock().duration_since(UNIX_EPOCH).unwrap();
            i64::try_from(now.as_micros()).unwrap()
        });
        let (began, heard, mut processes) = (Instant::now(), Heard::default(), Vec::new());
        for number in 0..PROCESSES {
            processes.push(Some(Process::start(Frail::of(open().await), number, &spec).await.hears(&heard).await));
        }
        Self {
            rounds: open().await.open_rounds(BROKER.into()).await.unwrap(),
            open,
            ledger: Ledger::new(spec),
            processes,
            asked: Vec::new(),
            heard,
            began,
            date,
            numbers: BTreeMap::new(),
            steps: 0,
            ended: 0,
        }
    }

    fn has_time(&self) -> bool {
        self.ledger.spec.has_time
    }

    async fn perform(&mut self, Step { process, deed, fault }: Step) {
        let before = self.ledger.clone();
        let fault = fault.filter(|fault| match (fault, &deed) {
            (Fault::FailsAfter(_), _) => is_known_again(&before, process, &deed),
            // Of several words some may be in another transaction.
            (Fault::IsRefused, Deed::Say(lines)) => lines.len() == 1,
            _ => true,
        });
        let fate = self.processes[process].as_ref().unwrap().fate.clone();
        let met = fate.met();
        fate.has_next(fault);
        match &deed {
            Deed::Say(lines) => {
                let is_refused = fault == Some(Fault::IsRefused);
                lines.iter().for_each(|line| self.say(process, line, is_refused));
            }
            Deed::Open(key) | Deed::Abort(key) => {
                let is_open = matches!(deed, Deed::Open(_));
                let expects = match (fault, is_open) {
                    (Some(Fault::IsRefused), _) => Answer::Refused,
                    (_, true) => self.ledger.open(*key),
                    (_, false) => self.ledger.abort(*key, "enough"),
                };
                let (broker, key) = (self.processes[process].as_ref().unwrap().broker.clone(), KEYS[*key]);
                let waits: Waits = Box::pin(async move {
                    let done = if is_open { broker.open(key).await } else { broker.abort(key, "enough").await };
                    done.map(Told::Round)
                });
                self.asked.push(Asked { process, waits: Some(waits), heard: None, awaits_end: false, expects });
                self.listen().await;
            }
            Deed::Pass(secs) => self.pass(*secs).await,
            Deed::Restart => {
                self.end(process);
                self.start(process).await;
            }
        }
        self.rest().await;
        if fault.is_some() {
            // It may be tried again, after a while.
            let is_asked = matches!(deed, Deed::Say(_) | Deed::Open(_) | Deed::Abort(_));
            let kills = fault.is_some_and(Fault::kills);
            self.until(|| !is_asked || fate.met() > met && (!kills || fate.is_dead())).await;
            if self.has_time() && !fate.is_dead() {
                sleep(Duration::from_millis(70)).await;
                self.rest().await;
            }
            fate.has_next(None);
        }
        if fate.is_dead() {
            self.comes_back(process, &deed, before).await;
        }
        self.compare().await;
        self.steps += 1;
        // What has taken a while is not to add up.
        if self.has_time() && (fault.is_some() || self.steps >= STEPS) {
            self.pass(1).await;
            self.compare().await;
        }
    }

    fn say(&mut self, process: usize, line: &Line, is_refused: bool) {
        let expects = match is_refused {
            true => Answer::Refused,
            false => self.ledger.say(line.key, line.name, said(process, line)),
        };
        let member = &self.processes[process].as_ref().unwrap().members[line.name];
        let emission = match line.word {
            Word::Signal(payload) => member.emit_for(KEYS[line.key], payload),
            Word::Veto(reason) => member.veto_for(KEYS[line.key], reason),
        };
        let waits: Waits = match line.awaits_end {
            true => Box::pin(async { emission.await.map(|outcome| Told::Outcome(told(&outcome), outcome.round())) }),
            false => Box::pin(async { emission.committed().await.map(Told::Round) }),
        };
        let awaits_end = line.awaits_end;
        self.asked.push(Asked { process, waits: Some(waits), heard: None, awaits_end, expects });
    }

    async fn pass(&mut self, secs: Secs) {
        if !self.has_time() {
            return;
        }
        // Second by second, as whoever looks has to.
        for _ in 0..secs {
            self.ledger.pass(1);
            self.steps = 0;
            sleep_until(self.began + Duration::from_secs(self.ledger.now)).await;
            self.rest().await;
        }
    }

    /// Whoever waited in a process that has ended hears nothing any more.
    fn end(&mut self, process: usize) {
        self.asked.retain(|asked| asked.process != process || asked.heard.is_some());
        self.processes[process] = None;
        self.ended += 1;
    }

    async fn start(&mut self, process: usize) {
        let db = (self.open)().await;
        let started = Process::start(Frail::of(db), process, &self.ledger.spec).await;
        self.processes[process] = Some(started.hears(&self.heard).await);
    }

    /// A process has died in the middle of something: another comes in its place. What of the deed is there is some of the words from
    /// the first on, and not a part of one.
    async fn comes_back(&mut self, process: usize, deed: &Deed, before: Ledger) {
        let fate = self.processes[process].as_ref().unwrap().fate.clone();
        self.end(process);
        fate.bury();
        self.rest().await;
        self.start(process).await;
        self.rest().await;
        let after = self.ledger.clone();
        for (key, name) in KEYS.iter().enumerate() {
            // What was given up may be under way for a moment: whoever comes behind it waits for that.
            self.rounds.work(&[Place::Key(format!("t{name}"))], &Nothing).await.unwrap();
            let there = seen(&*self.rounds, name, self.date).await.1;
            let (mut one, mut could) = (before.clone(), vec![before.keys[key].clone()]);
            match deed {
                Deed::Say(lines) => {
                    for line in lines.iter().filter(|line| line.key == key) {
                        one.say(key, line.name, said(process, line));
                        could.push(one.keys[key].clone());
                    }
                }
                Deed::Open(_) | Deed::Abort(_) => could.push(after.keys[key].clone()),
                Deed::Pass(_) | Deed::Restart => could = vec![after.keys[key].clone()],
            }
            let texts: Vec<_> = could.iter().map(|rounds| after.text_of(rounds)).collect();
            let found = texts.iter().rposition(|text| *text == there);
            let found =
                found.unwrap_or_else(|| panic!("of {deed:?} there is in {name}\n{there}, which is none of {texts:#?}"));
            self.ledger.keys[key] = could.swap_remove(found);
        }
    }

    /// Until nobody has anything to do but to wait.
    async fn rest(&mut self) {
        testing::settle().await;
        sleep(MOMENT).await;
        testing::settle().await;
        self.listen().await;
    }

    async fn listen(&mut self) {
        for asked in &mut self.asked {
            let Some(waits) = &mut asked.waits else { continue };
            let answer = poll_fn(|cx| {
                Poll::Ready(match waits.as_mut().poll(cx) {
                    Poll::Ready(answer) => Some(answer),
                    Poll::Pending => None,
                })
            });
            if let Some(answer) = answer.await {
                (asked.heard, asked.waits) = (Some(answer), None);
            }
        }
    }

    /// Waits until this is so: where time does not pass by itself, somebody else is at work.
    async fn until(&mut self, is_so: impl Fn() -> bool) {
        let turns = if self.has_time() { 8 } else { 1_000 };
        for _ in 0..turns {
            if is_so() {
                return;
            }
            self.rest().await;
        }
    }

    async fn compare(&mut self) {
        let turns = if self.has_time() { 3 } else { 500 };
        let mut differs = String::new();
        for _ in 0..turns {
            match self.differs().await {
                None => return,
                Some(how) => differs = how,
            }
            self.rest().await;
        }
        panic!("{differs}\nby {:#?}", self.ledger.spec);
    }

    /// How the broker is not as the ledger says.
    async fn differs(&mut self) -> Option<String> {
        for (key, name) in KEYS.iter().enumerate() {
            let (numbers, there) = seen(&*self.rounds, name, self.date).await;
            let expected = self.ledger.text(key);
            if there != expected {
                return Some(format!("of {name} there is\n{there}and not\n{expected}"));
            }
            for (nth, number) in numbers.into_iter().enumerate() {
                let known = *self.numbers.entry((key, nth)).or_insert(number);
                assert_eq!(known, number, "a round has another number");
            }
            let broker = &self.processes[key % PROCESSES].as_ref().unwrap().broker;
            let why = broker.why(*name).await.unwrap();
            let stands = why.map(|why| {
                let names = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
                (names(&why.kept), names(&why.missing))
            });
            let expected = self.ledger.stands(key).map(|(kept, owing)| {
                let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
                (names(kept), names(owing))
            });
            if expected.is_some() && stands != expected {
                return Some(format!("{name} stands {stands:?} and not {expected:?}"));
            }
        }
        self.asked.iter().find_map(|asked| self.is_wrong(asked))
    }

    fn is_wrong(&self, asked: &Asked) -> Option<String> {
        let number = |name: Name| self.numbers.get(&name).copied();
        let round_key = |name: Name| Some(RoundKey::from(KEYS[name.0]));
        let is_right = match (&asked.heard, asked.expects) {
            (None, Answer::Written(name)) => asked.awaits_end && self.ledger.outcome(name).is_none(),
            (Some(Ok(Told::Round(round))), Answer::Written(name)) => number(name) == Some(*round),
            (Some(Ok(Told::Outcome(text, round))), Answer::Written(name)) => {
                number(name) == Some(*round) && self.ledger.outcome(name) == Some(text)
            }
            (Some(Err(EmitError::AlreadyKept { round })), Answer::AlreadyKept(name))
            | (Some(Err(EmitError::Vetoed { round })), Answer::Vetoed(name)) => number(name) == Some(*round),
            (Some(Err(EmitError::Late { round, key })), Answer::Late(name)) => {
                number(name) == Some(*round) && *key == round_key(name)
            }
            (Some(Err(EmitError::Stranger { .. })), Answer::Stranger)
            | (Some(Err(EmitError::NoRound)), Answer::NoRound)
            | (Some(Err(EmitError::Database(_))), Answer::Refused) => true,
            _ => false,
        };
        if is_right {
            return None;
        }
        let heard = asked.heard.as_ref().map(|heard| match heard {
            Ok(Told::Round(round)) => format!("round {round}"),
            Ok(Told::Outcome(text, round)) => format!("{text} of {round}"),
            Err(error) => format!("{error:?}"),
        });
        Some(format!("heard {heard:?} instead of {:?}, where rounds are {:?}", asked.expects, self.numbers))
    }

    /// All rounds come to an end, and everybody hears of each.
    async fn finish(mut self) {
        if self.has_time() {
            while !self.ledger.is_over() {
                self.pass(1).await;
                self.compare().await;
            }
        } else {
            for key in 0..KEYS.len() {
                self.perform(Step { process: 0, deed: Deed::Abort(key), fault: None }).await;
            }
        }
        let rounds = self.numbers.len();
        for _ in 0..2_000 {
            let heard: BTreeMap<_, _> = self.heard.borrow().iter().cloned().collect();
            if heard.len() >= rounds {
                break;
            }
            sleep(if self.has_time() { Duration::from_secs(1) } else { MOMENT }).await;
        }
        let expected: BTreeMap<_, _> = self
            .numbers
            .iter()
            .map(|(name, number)| (*number, self.ledger.outcome(*name).unwrap().to_owned()))
            .collect();
        let heard = self.heard.borrow().clone();
        assert_eq!(heard.iter().cloned().collect::<BTreeMap<_, _>>(), expected, "what a consumer has heard");
        // A process that ends may have told, and not have noted it.
        assert!(self.ended > 0 || heard.len() == rounds, "told more than once: {heard:?}");
        let missed = heard.iter().filter(|(round, text)| expected[round] != *text).count();
        assert_eq!(missed, 0, "told otherwise the second time: {heard:?}");
        for process in 0..PROCESSES {
            self.end(process);
        }
        testing::settle().await;
    }
}

/// What somebody says, as it weighs in this process.
fn said(process: usize, line: &Line) -> Said {
    match line.word {
        Word::Signal(payload) => Said::Signal(payload, WEIGHTS[process][line.name]),
        Word::Veto(reason) => Said::Veto(reason),
    }
}

/// Whether what is tried again, for nobody knows how it ended, is the same as before: what was refused may be said to the round behind the
/// one that has closed meanwhile, which is as good.
fn is_known_again(ledger: &Ledger, process: usize, deed: &Deed) -> bool {
    let Deed::Say(lines) = deed else { return true };
    let mut ledger = ledger.clone();
    let answers: Vec<_> = lines.iter().map(|line| ledger.say(line.key, line.name, said(process, line))).collect();
    match &answers[..] {
        [_] => true,
        all => {
            let rounds: BTreeMap<_, _> =
                all.iter().filter_map(|one| if let Answer::Written(name) = one { Some(*name) } else { None }).collect();
            let count =
                all.iter().filter(|one| matches!(one, Answer::Written((key, nth)) if rounds[key] == *nth)).count();
            let late = all.iter().filter(|one| matches!(one, Answer::Late(_))).count();
            count + late == all.len()
        }
    }
}

async fn play<D: RoundDatabase>(open: Opens<D>, spec: Spec, steps: Vec<Step>) {
    let mut play = Play::begin(open, spec).await;
    for step in steps {
        play.perform(step).await;
    }
    play.finish().await;
}

fn cases(cases: u32, max_shrink_iters: u32) -> ProptestConfig {
    let cases = if std::env::var_os("CONVOKE_FULL").is_some() { cases * 20 } else { cases };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters, ..ProptestConfig::default() }
}

#[test]
fn over_memory_rounds_do_what_the_ledger_says_whenever_a_process_dies() {
    let steps = || proptest::collection::vec(Step::any(true, 12), 1..30);
    proptest!(cases(300, 400), |(spec in Spec::any(true), steps in steps(), is_seeded: bool)| {
        // Only under a seed there is anything between two statements in memory; without one words come together.
        match is_seeded {
            true => testing::run_seeds("a history over memory", 1, || play_over_memory(spec.clone(), steps.clone())),
            false => testing::run("a history over memory", || play_over_memory(spec, steps)),
        }
    });
}

async fn play_over_memory(spec: Spec, steps: Vec<Step>) {
    let db = Memory::database();
    let open: Opens<_> = Box::new(move || Box::pin(std::future::ready(db.clone())));
    play(open, spec, steps).await;
}

#[cfg(feature = "sqlite")]
#[test]
fn over_sqlite_rounds_do_what_the_ledger_says_whenever_a_process_dies() {
    use crate::transport::Sqlite;

    proptest!(cases(12, 20), |(spec in Spec::any(false), steps in proptest::collection::vec(Step::any(false, 60), 1..20))| {
        let folder = std::env::temp_dir().join(format!("convoke-model-{}", crate::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        actix_rt::System::new().block_on(async {
            let file = folder.join("rounds.db");
            let open: Opens<_> = Box::new(move || {
                let file = file.clone();
                Box::pin(async move { Sqlite::open(file).await.unwrap() })
            });
            play(open, spec, steps).await;
        });
        std::fs::remove_dir_all(&folder).unwrap();
    });
}
