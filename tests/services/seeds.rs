//! Services under thousands of seeds, each another order and other accidents. `CONVOKE_SEED=17` runs that one alone.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::testing::{self, Exploration};
use convoke::{Backoff, Overflow, Restart, ServiceState, Strategy, Supervised, Supervisor};
use tokio::sync::oneshot;

use crate::common::{Notes, SECOND, ms, settled, sleep};

const SEEDS: u64 = 1_000;

/// Chance of the test's own, by the number of the seed: what happens, beside in which order.
#[derive(Clone)]
struct Dice(Rc<Cell<u64>>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed)))
    }

    /// A number below this one: SplitMix64.
    fn below(&self, limit: u64) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// Explores with dice that are thrown anew for each seed.
fn explore(name: &str, seeds: u64, test: impl AsyncFn(Dice)) {
    let first = std::env::var(testing::SEED_VARIABLE).ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let runs = Cell::new(0);
    let seen = testing::explore(name, seeds, || {
        // Each seed is run twice.
        let seed = first + runs.replace(runs.get() + 1) / 2;
        test(Dice::new(seed))
    });
    let Exploration { seeds, interleavings, longest } = seen;
    println!("figure: {seeds} seeds of {name}, {interleavings} interleavings, the longest of {longest} choices");
    assert!(seeds == 1 || interleavings as u64 > seeds * 9 / 10);
}

/// Starts a party, and tells when it has ended.
fn party<T: 'static>(party: impl Future<Output = T> + 'static) -> impl Future<Output = T> {
    let (done, ended) = oneshot::channel();
    testing::spawn(async move {
        let _ = done.send(party.await);
    });
    async { tokio::time::timeout(3600 * SECOND, ended).await.expect("left waiting").expect("panicked") }
}

/// Takes a few turns, so that others have theirs in between.
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

/// What happens to who handles an event, or in a hook.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Well,
    Late(u64),
    Fail,
    Panic,
    Stop,
    Restart,
    Degrade,
}

#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Job {
    id: u32,
    /// Whom it befalls; it is well with all others.
    whom: usize,
    fate: Fate,
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Ask(u32, Fate);

/// Who has handled which event, in their order.
type Done = Notes<(usize, u32)>;

struct Worker {
    number: usize,
    dice: Dice,
    done: Done,
    /// Whether its hooks have fates too.
    hooks: bool,
}

#[derive(BaseService)]
#[service(on(Job), name = "worker", start = open, begin = begin, stop = close)]
struct Prompt(Worker);

#[derive(BaseService)]
#[service(on(Job), name = "worker", start = open, begin = begin, stop = close)]
struct Slow(Worker);

impl Worker {
    fn hook(&self) -> Fate {
        if !self.hooks {
            return Fate::Well;
        }
        self.dice.one_of(&[Fate::Well, Fate::Well, Fate::Well, Fate::Late(2), Fate::Late(5), Fate::Fail, Fate::Panic])
    }
}

async fn play(fate: Fate) -> Handled {
    match fate {
        Fate::Late(turns) => dawdle(turns).await,
        Fate::Fail => return Err("fate".into()),
        Fate::Panic => std::panic::resume_unwind(Box::new("fate")),
        _ => {}
    }
    Ok(())
}

/// What a handler does itself; the rest of a fate is that of its answer.
fn meet<A: BaseService>(fate: Fate, ctx: &mut Context<A>) {
    match fate {
        Fate::Stop => ctx.stop(),
        Fate::Restart => ctx.restart("fate"),
        Fate::Degrade => ctx.degrade("fate"),
        _ => {}
    }
}

macro_rules! worker {
    ($worker:ident) => {
        impl $worker {
            async fn open(&mut self) -> Handled {
                let fate = self.0.hook();
                play(fate).await
            }

            fn begin(&mut self, ctx: &mut Context<Self>) {
                let Worker { dice, hooks, .. } = &self.0;
                let fate =
                    if *hooks { dice.one_of(&[Fate::Well, Fate::Well, Fate::Well, Fate::Panic]) } else { Fate::Well };
                if fate == Fate::Panic {
                    std::panic::resume_unwind(Box::new("fate"));
                }
                ctx.run_later(ms(20 + dice.below(100)), move |_, ctx| meet(Fate::Degrade, ctx));
            }

            fn close(&mut self) -> impl Future<Output = Handled> + use<> {
                play(self.0.hook())
            }
        }

        impl Handler<Ask> for $worker {
            type Result = u32;

            fn handle(&mut self, Ask(number, fate): Ask, ctx: &mut Context<Self>) -> u32 {
                if fate == Fate::Panic {
                    std::panic::resume_unwind(Box::new("fate"));
                }
                meet(fate, ctx);
                number
            }
        }
    };
}

worker!(Prompt);
worker!(Slow);

impl Worker {
    fn fate(&self, job: Job) -> Fate {
        if job.whom == self.number { job.fate } else { Fate::Well }
    }
}

impl Handler<Heard<Job>> for Prompt {
    type Result = Handled;

    fn handle(&mut self, job: Heard<Job>, ctx: &mut Context<Self>) -> Handled {
        match self.0.fate(*job) {
            Fate::Fail => return Err("fate".into()),
            Fate::Panic => std::panic::resume_unwind(Box::new("fate")),
            fate => meet(fate, ctx),
        }
        self.0.done.add((self.0.number, job.id));
        Ok(())
    }
}

impl Handler<Heard<Job>> for Slow {
    type Result = ResponseActFuture<Self, Handled>;

    fn handle(&mut self, job: Heard<Job>, _: &mut Context<Self>) -> Self::Result {
        let (fate, turns) = (self.0.fate(*job), self.0.dice.below(4));
        let work = async move {
            dawdle(turns).await;
            play(fate).await
        };
        Box::pin(work.into_actor(self).map(move |handled, me, ctx| {
            meet(fate, ctx);
            if handled.is_ok() {
                me.0.done.add((me.0.number, job.id));
            }
            handled
        }))
    }
}

/// Takes turns before and after each call, so that the bus has seats around those of the actors.
async fn around(call: Call, next: Next) -> Handled {
    dawdle(1).await;
    let handled = next.run(call).await;
    dawdle(40).await;
    handled
}

/// All that is told of states.
fn watch(bus: &EventBus) -> Rc<RefCell<Vec<ServiceStatus>>> {
    let seen: Rc<RefCell<Vec<ServiceStatus>>> = Rc::default();
    let notes = seen.clone();
    bus.on((move |status: &ServiceStatus| notes.borrow_mut().push(status.clone())).named("watch")).unwrap().forever();
    seen
}

/// Each told state may follow the one before; the last is the present one.
#[track_caller]
fn assert_legal(seen: &[ServiceStatus], present: &[ServiceStatus]) {
    for present in present {
        let mut before = ServiceState::Stopped;
        let mut last = None;
        for told in seen.iter().filter(|told| told.service == present.service) {
            // The same again tells of an error.
            let again = before == told.state && told.error.is_some();
            assert!(again || before.may_become(told.state), "{} → {told}: {seen:?}", before);
            before = told.state;
            last = Some(told);
        }
        let Some(last) = last else { panic!("nothing was told of {present}") };
        assert_eq!((last.state, last.restarts), (present.state, present.restarts), "{seen:?}");
    }
}

/// Every event that a service was given is handled by it or reported of it, once.
#[track_caller]
fn assert_accounted(bus: &EventBus, done: &Done, given: &[(usize, u32)]) {
    let mut accounts: BTreeMap<(usize, u32), (u32, u32, Vec<String>)> = BTreeMap::new();
    for who in given {
        accounts.entry(*who).or_default().0 += 1;
    }
    for who in done.take() {
        accounts.entry(who).or_default().1 += 1;
    }
    for letter in bus.dead_letters().list() {
        let Some(job) = letter.downcast::<Job>() else { continue };
        let number = letter.listener.as_deref().unwrap().parse().unwrap();
        accounts.entry((number, job.id)).or_default().2.push(letter.reason.to_string());
    }
    let wrong: Vec<_> =
        accounts.iter().filter(|(_, (given, done, letters))| *given != done + letters.len() as u32).collect();
    assert!(wrong.is_empty(), "(service, event): (given, handled, letters): {wrong:?}");
    assert!(accounts.values().all(|(given, ..)| *given == 1));
}

/// A worker of this number, with what chance says of it.
fn options<A: BaseService>(worker: Supervised<A>, number: usize, dice: &Dice) -> Supervised<A> {
    let wait = dice.one_of(&[ms(0), ms(1), ms(30)]);
    let worker = worker
        .named(number.to_string())
        .restart(dice.one_of(&[Restart::Always, Restart::Always, Restart::OnFailure, Restart::Never]))
        .on_error(dice.one_of(&[OnError::GoOn, OnError::Degrade, OnError::Restart]))
        .backoff(Backoff::exponential(wait).max_delay(wait))
        .budget(dice.one_of(&[0, 1, 3, 100]), SECOND)
        .overflow(dice.one_of(&[Overflow::DropOldest, Overflow::DropNewest]))
        .handler_timeout(dice.one_of(&[ms(10), 30 * SECOND]))
        .drain_timeout(dice.one_of(&[ms(0), ms(5), 10 * SECOND]))
        .patience(5 * SECOND);
    match dice.below(3) {
        0 => worker.capacity(2),
        _ => worker,
    }
}

fn bus(dice: &Dice) -> EventBus {
    let bus = EventBus::builder().dead_letters(100_000);
    if dice.below(3) == 0 { bus.with(around).build() } else { bus.build() }
}

const FATES: [Fate; 12] = [
    Fate::Well,
    Fate::Well,
    Fate::Well,
    Fate::Well,
    Fate::Late(2),
    Fate::Late(9),
    Fate::Fail,
    Fate::Panic,
    Fate::Panic,
    Fate::Stop,
    Fate::Restart,
    Fate::Degrade,
];

/// Who publishes and emits jobs for some services, and notes which of them each was given to.
async fn work(bus: EventBus, dice: Dice, first: u32, given: Notes<(usize, u32)>, always: bool) {
    for id in first..first + 8 {
        // Whatever falls, and whether or not it comes back.
        assert!(!always || hearers(&bus).iter().collect::<BTreeSet<_>>().len() == 3, "{:?}", hearers(&bus));
        let job = Job { id, whom: dice.below(3) as usize, fate: dice.one_of(&FATES) };
        hearers(&bus).into_iter().for_each(|who| given.add((who, id)));
        match dice.below(3) {
            0 => drop(bus.emit(job).await),
            _ => _ = bus.publish(job).unwrap(),
        }
        match dice.below(4) {
            0 => sleep(ms(dice.below(40))).await,
            turns => dawdle(turns).await,
        }
    }
}

async fn asks<A>(addr: convoke::ServiceAddr<A>, dice: Dice)
where
    A: BaseService + Handler<Ask>,
{
    for number in 0..4 {
        let fate = dice.one_of(&FATES);
        let answer = addr.send(Ask(number, fate)).await;
        assert!(answer.is_err() || answer == Ok(number));
        dawdle(dice.below(3)).await;
    }
}

/// Those that are given what is published now.
fn hearers(bus: &EventBus) -> Vec<usize> {
    bus.subscriptions().iter().filter_map(|info| info.listener.parse().ok()).collect()
}

async fn services_alone(dice: Dice) {
    let bus = bus(&dice);
    let (seen, done, given) = (watch(&bus), Done::new(), Notes::new());
    let hooks = dice.below(2) == 0;
    let build = |number| {
        let (dice, done) = (dice.clone(), done.clone());
        // The first start is well.
        let built = Cell::new(0);
        move || {
            built.set(built.get() + 1);
            Worker { number, dice: dice.clone(), done: done.clone(), hooks: hooks && built.get() > 1 }
        }
    };
    let (prompt, slow, third) = (build(0), build(1), build(2));
    let prompt = options(Prompt::supervised(&bus, move |_| Prompt(prompt())), 0, &dice).await.unwrap();
    let slow = options(Slow::supervised(&bus, move |_| Slow(slow())), 1, &dice).await.unwrap();
    let third = options(Slow::supervised(&bus, move |_| Slow(third())), 2, &dice).await.unwrap();
    let addrs = (prompt.addr(), slow.addr(), third.addr());
    let statuses = {
        let addrs = addrs.clone();
        move || [addrs.0.status(), addrs.1.status(), addrs.2.status()]
    };
    let mut parties: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for first in [0, 100] {
        parties.push(Box::pin(party(work(bus.clone(), dice.clone(), first, given.clone(), false))));
    }
    parties.push(Box::pin(party(asks(addrs.0.clone(), dice.clone()))));
    parties.push(Box::pin(party(asks(addrs.1.clone(), dice.clone()))));
    // One is stopped and one dropped while others are at work.
    let chance = dice.clone();
    let stop = party(async move {
        dawdle(chance.below(60)).await;
        let status = slow.stop().await;
        assert!(status.state.is_over());
        dawdle(chance.below(30)).await;
        drop(third);
    });
    for party in parties {
        party.await;
    }
    stop.await;
    prompt.stop().await;
    sleep(30 * SECOND).await;
    settled().await;
    assert_legal(&seen.borrow(), &statuses());
    assert!(statuses().iter().all(|status| status.state.is_over()), "{:?}", statuses());
    assert_eq!(bus.subscriptions().len(), 1, "only the watch is left");
    assert_accounted(&bus, &done, &given.take());
    bus.clear();
}

/// Within one supervisor, or within several above each other, where each may be started again by the next.
async fn services_together(dice: Dice, nested: bool) {
    let bus = bus(&dice);
    let (seen, done, given) = (watch(&bus), Done::new(), Notes::new());
    let hooks = dice.below(2) == 0;
    let build = |number| {
        let (dice, done) = (dice.clone(), done.clone());
        let built = Cell::new(0);
        move || {
            built.set(built.get() + 1);
            Worker { number, dice: dice.clone(), done: done.clone(), hooks: hooks && built.get() > 1 }
        }
    };
    let (prompt, slow, third) = (build(0), build(1), build(2));
    let mut prompt = options(Prompt::supervised(&bus, move |_| Prompt(prompt())), 0, &dice);
    let mut slow = options(Slow::supervised(&bus, move |_| Slow(slow())), 1, &dice);
    let mut third = options(Slow::supervised(&bus, move |_| Slow(third())), 2, &dice);
    if nested {
        // Or one that has done its work hears no more.
        (prompt, slow, third) =
            (prompt.restart(Restart::Always), slow.restart(Restart::Always), third.restart(Restart::Always));
    }
    let addrs = (prompt.addr(), slow.addr(), third.addr());
    let statuses = {
        let addrs = addrs.clone();
        move || [addrs.0.status(), addrs.1.status(), addrs.2.status()]
    };
    let supervisor = |name: &'static str, budgets: &[u32]| {
        let strategy = dice.one_of(&[Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne]);
        let wait = dice.one_of(&[ms(0), ms(1), ms(30)]);
        let restart = if dice.below(9) == 0 { Restart::Never } else { Restart::Always };
        let backoff = Backoff::exponential(wait).max_delay(wait);
        Supervisor::new(&bus, name, strategy).budget(dice.one_of(budgets), SECOND).backoff(backoff).restart(restart)
    };
    let all = if nested {
        let inner = supervisor("inner", &[0, 1, 5]).add(slow).add(third);
        let outer = supervisor("outer", &[0, 1, 5]).add(inner).add(prompt);
        supervisor("top", &[0, 1, 100]).add(outer)
    } else {
        supervisor("all", &[1, 5, 100]).add(prompt).add(slow).add(third)
    };
    let all = all.await.unwrap();
    let parties: [std::pin::Pin<Box<dyn Future<Output = ()>>>; 3] = [
        Box::pin(party(work(bus.clone(), dice.clone(), 0, given.clone(), nested))),
        Box::pin(party(asks(addrs.0.clone(), dice.clone()))),
        Box::pin(party(asks(addrs.2.clone(), dice.clone()))),
    ];
    for party in parties {
        party.await;
    }
    if dice.below(2) == 0 {
        let stopped = all.stop().await;
        assert!(stopped.iter().all(|status| status.state.is_over()), "{stopped:?}");
    } else {
        drop(all);
    }
    sleep(60 * SECOND).await;
    settled().await;
    assert_legal(&seen.borrow(), &statuses());
    assert!(statuses().iter().all(|status| status.state.is_over()), "{:?}", statuses());
    assert_eq!(bus.subscriptions().len(), 1, "only the watch is left");
    assert_accounted(&bus, &done, &given.take());
    bus.clear();
}

#[test]
fn services_alone_account_for_all_that_they_were_given() {
    explore("services alone", SEEDS, services_alone);
}

#[test]
fn services_together_account_for_all_that_they_were_given() {
    explore("services together", SEEDS, async |dice| services_together(dice, false).await);
}

#[test]
fn services_beneath_several_supervisors_account_for_all_that_was_published() {
    explore("services nested", SEEDS, async |dice| services_together(dice, true).await);
}
