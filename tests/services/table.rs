//! Every end of a service, in every place where it can come, under every kind of restart and every policy for errors: what
//! it is then, how often it was built, what was told, and what became of its events.

use std::cell::Cell;
use std::future::IntoFuture;
use std::rc::Rc;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{Backoff, Restart, ServiceState, testing};

use crate::common::{Notes, SECOND, at_once, in_a_process_of_its_own, settled, sleep};

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Panic,
    Fail,
    Stop,
    Restart,
}

const ENDS: [End; 4] = [End::Panic, End::Fail, End::Stop, End::Restart];

/// Where it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// A handler of an event that answers at once.
    Event,
    /// One that answers with a `ResponseActFuture`.
    Acting,
    /// One that answers with a `ResponseFuture`.
    Responding,
    /// A handler of a message.
    Message,
    /// `ctx.run_later`.
    Timer,
    /// `ctx.run_interval`.
    Interval,
    /// `ctx.spawn`.
    Spawned,
}

const PLACES: [Place; 7] =
    [Place::Event, Place::Acting, Place::Responding, Place::Message, Place::Timer, Place::Interval, Place::Spawned];

impl Place {
    fn is_event(self) -> bool {
        matches!(self, Self::Event | Self::Acting | Self::Responding)
    }

    /// Whether it can come to this end: only what has the context stops, only what returns a `Handled` fails.
    fn has(self, end: End) -> bool {
        match end {
            End::Panic => true,
            End::Fail => self.is_event(),
            End::Stop | End::Restart => self != Self::Responding,
        }
    }
}

/// A hook in which it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hook {
    Factory,
    Start,
    Begin,
}

/// The ends of hooks, and what is said of each.
const HOOKS: [(Hook, End, &str); 7] = [
    (Hook::Factory, End::Fail, "could not be built: as told"),
    (Hook::Factory, End::Panic, "could not be built: panicked: as told"),
    (Hook::Start, End::Fail, "did not start: as told"),
    (Hook::Start, End::Panic, "did not start: panicked: as told"),
    (Hook::Begin, End::Panic, "did not start: panicked: as told"),
    (Hook::Begin, End::Stop, "did not start: it stopped at once"),
    (Hook::Begin, End::Restart, "did not start: as told"),
];

/// What is heard: to go on, or to end as the service handles this kind of event.
#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Sync(End);

#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Acting(End);

#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Responding(End);

#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Mark(u32);

#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
struct Tell(Place, End);

/// What is known of a run from outside.
#[derive(Clone)]
struct Run {
    built: Rc<Cell<u32>>,
    marks: Notes<u32>,
    /// In which hook of which build it ends.
    hook: Option<(Hook, End, u32)>,
    stop: Option<End>,
    drop_panics: bool,
}

impl Run {
    fn new() -> Self {
        Self { built: Rc::default(), marks: Notes::new(), hook: None, stop: None, drop_panics: false }
    }

    fn end_of(&self, hook: Hook) -> Option<End> {
        self.hook.filter(|(of, _, build)| *of == hook && *build == self.built.get()).map(|(_, end, _)| end)
    }

    fn build(&self) -> Result<Subject, &'static str> {
        self.built.set(self.built.get() + 1);
        match self.end_of(Hook::Factory) {
            Some(End::Fail) => Err("as told"),
            Some(_) => panic!("as told"),
            None => Ok(Subject(self.clone())),
        }
    }
}

#[derive(BaseService)]
#[service(on(Sync, Acting, Responding, Mark), start = open, begin = begin, stop = close)]
struct Subject(Run);

impl Drop for Subject {
    fn drop(&mut self) {
        assert!(!self.0.drop_panics, "in its drop");
    }
}

fn end(end: End, ctx: &mut Context<Subject>) -> Handled {
    match end {
        End::Panic => panic!("as told"),
        End::Fail => return Err("as told".into()),
        End::Stop => ctx.stop(),
        End::Restart => ctx.restart("as told"),
    }
    Ok(())
}

impl Subject {
    async fn open(&mut self) -> Handled {
        match self.0.end_of(Hook::Start) {
            Some(End::Fail) => Err("as told".into()),
            Some(_) => panic!("as told"),
            None => Ok(()),
        }
    }

    fn begin(&mut self, ctx: &mut Context<Self>) {
        if let Some(how) = self.0.end_of(Hook::Begin) {
            let _ = end(how, ctx);
        }
    }

    fn close(&mut self) -> impl Future<Output = Handled> + use<> {
        let stop = self.0.stop;
        async move {
            match stop {
                Some(End::Fail) => Err("as told".into()),
                Some(_) => panic!("as told"),
                None => Ok(()),
            }
        }
    }
}

impl Handler<Heard<Mark>> for Subject {
    type Result = Handled;

    fn handle(&mut self, mark: Heard<Mark>, _: &mut Context<Self>) -> Handled {
        self.0.marks.add(mark.0);
        Ok(())
    }
}

impl Handler<Heard<Sync>> for Subject {
    type Result = Handled;

    fn handle(&mut self, told: Heard<Sync>, ctx: &mut Context<Self>) -> Handled {
        end(told.0, ctx)
    }
}

impl Handler<Heard<Acting>> for Subject {
    type Result = ResponseActFuture<Self, Handled>;

    fn handle(&mut self, told: Heard<Acting>, _: &mut Context<Self>) -> Self::Result {
        let how = told.0;
        Box::pin(sleep(SECOND).into_actor(self).map(move |(), _, ctx| end(how, ctx)))
    }
}

impl Handler<Heard<Responding>> for Subject {
    type Result = ResponseFuture<Handled>;

    fn handle(&mut self, told: Heard<Responding>, _: &mut Context<Self>) -> Self::Result {
        let how = told.0;
        Box::pin(async move {
            sleep(SECOND).await;
            match how {
                End::Panic => panic!("as told"),
                _ => Err("as told".into()),
            }
        })
    }
}

impl Handler<Tell> for Subject {
    type Result = ();

    fn handle(&mut self, Tell(place, how): Tell, ctx: &mut Context<Self>) {
        let act = move |_: &mut Self, ctx: &mut Context<Self>| drop(end(how, ctx));
        match place {
            Place::Timer => {
                ctx.run_later(SECOND, act);
            }
            Place::Interval => {
                ctx.run_interval(SECOND, act);
            }
            Place::Spawned => {
                let later = sleep(SECOND).into_actor(self);
                ctx.spawn(later.map(move |(), me, ctx| act(me, ctx)));
            }
            _ => act(self, ctx),
        }
    }
}

/// Writes down every change of a status but for those of its start.
fn watch(bus: &EventBus) -> Notes<String> {
    let notes = Notes::new();
    let seen = notes.clone();
    bus.on(move |status: &ServiceStatus| seen.add(status.to_string())).unwrap().forever();
    notes
}

/// What is expected after an end.
struct Expected {
    state: ServiceState,
    built: u32,
    letters: usize,
    told: Vec<String>,
}

fn expected(place: Place, how: End, restart: Restart, on_error: OnError) -> Expected {
    let letters = usize::from(place.is_event() && matches!(how, End::Panic | End::Fail));
    let why = match how {
        End::Panic => "panicked: as told",
        End::Fail => "failed: as told",
        End::Stop => "it stopped by itself",
        End::Restart => "as told",
    };
    // An error of a handler is told as such, whatever follows.
    let mut told: Vec<String> = Vec::new();
    if how == End::Fail {
        told.push(format!("Subject is running: {why}"));
        match on_error {
            OnError::GoOn => return Expected { state: ServiceState::Running, built: 1, letters, told },
            OnError::Degrade => {
                told.push(format!("Subject is degraded: {why}"));
                return Expected { state: ServiceState::Degraded, built: 1, letters, told };
            }
            OnError::Restart => {}
        }
    }
    let comes_back = match restart {
        Restart::Always => true,
        Restart::OnFailure => how != End::Stop,
        Restart::Never => false,
    };
    let (state, built) = match (comes_back, how) {
        (true, _) => {
            told.push(format!("Subject is restarting: {why}"));
            told.extend(["Subject is starting".to_owned(), "Subject is running".to_owned()]);
            (ServiceState::Running, 2)
        }
        (false, End::Stop) => {
            told.push("Subject is stopped".to_owned());
            (ServiceState::Stopped, 1)
        }
        (false, _) => {
            told.push(format!("Subject has failed: {why}"));
            (ServiceState::Failed, 1)
        }
    };
    Expected { state, built, letters, told }
}

/// Runs a part of the table in a process of its own, in which panics print nothing.
fn table(path: &str, part: impl AsyncFnOnce()) {
    in_a_process_of_its_own(path, || {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let told = panic.payload_as_str().filter(|text| ["as told", "in its drop"].contains(text));
            told.map_or_else(|| hook(panic), |_| ());
        }));
        testing::run(path, || {
            testing::expect_failure("a drop");
            part()
        });
    });
}

async fn ends_in(place: Place, how: End, restart: Restart, on_error: OnError, drop_panics: bool) {
    let case = format!("{place:?} {how:?}, {restart:?} {on_error:?}, drop panics {drop_panics}");
    let (bus, run) = (EventBus::default(), Run { drop_panics, ..Run::new() });
    let (seen, build) = (watch(&bus), run.clone());
    let subject = Subject::supervised(&bus, move |_| build.build());
    let subject = subject.restart(restart).on_error(on_error).backoff(Backoff::exponential(SECOND)).await.unwrap();
    settled().await;
    assert_eq!(seen.take(), ["Subject is starting", "Subject is running"], "{case}");

    bus.publish(Mark(1)).unwrap();
    match place {
        Place::Event => _ = bus.publish(Sync(how)).unwrap(),
        Place::Acting => _ = bus.publish(Acting(how)).unwrap(),
        Place::Responding => _ = bus.publish(Responding(how)).unwrap(),
        _ => subject.try_send(Tell(place, how)).unwrap(),
    }
    bus.publish(Mark(2)).unwrap();
    sleep(SECOND).await;
    settled().await;
    let _ = bus.publish(Mark(3));
    sleep(SECOND).await;
    settled().await;
    let expected = expected(place, how, restart, on_error);
    assert_eq!(subject.status().state, expected.state, "{case}: {:?}", seen.take());
    assert_eq!(run.built.get(), expected.built, "{case}");
    assert_eq!(seen.take(), expected.told, "{case}");
    let letters = bus.dead_letters().list();
    let own: Vec<_> = letters.iter().filter(|letter| letter.event != "Mark").collect();
    assert_eq!(own.len(), expected.letters, "{case}: {own:?}");

    // Each mark that it was given is heard once, or is a letter: also of one that has failed, which refuses.
    let (over, stopped) = (expected.state.is_over(), expected.state == ServiceState::Stopped);
    assert_eq!(bus.subscriptions().len(), if stopped { 1 } else { 5 }, "{case}");
    let marks = run.marks.take();
    let given = if stopped { 2 } else { 3 };
    assert_eq!(letters.len() - own.len() + marks.len(), given, "{case}: {marks:?} {letters:?}");
    let mut once = marks.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once, marks, "{case}");
    if !over {
        assert_eq!(marks, [1, 2, 3], "{case}");
        assert!(bus.emit(Mark(4)).await.is_ok(), "{case}");
    }

    let restarts = expected.built - 1;
    assert_eq!(subject.status().restarts, restarts, "{case}");
    let status = at_once(subject.stop()).await;
    assert_eq!(status.state, if over { expected.state } else { ServiceState::Stopped }, "{case}");
    assert_eq!(bus.subscriptions().len(), 1, "{case}");
    bus.clear();
}

#[test]
fn every_end_in_every_place_while_it_runs() {
    table("services::table::every_end_in_every_place_while_it_runs", async || {
        let mut cases = 0;
        for place in PLACES {
            for how in ENDS.into_iter().filter(|how| place.has(*how)) {
                for restart in [Restart::Always, Restart::OnFailure, Restart::Never] {
                    for on_error in [OnError::GoOn, OnError::Degrade, OnError::Restart] {
                        for drop_panics in [false, true] {
                            ends_in(place, how, restart, on_error, drop_panics).await;
                            cases += 1;
                        }
                    }
                }
            }
        }
        println!("figure: {cases} ends of a service while it runs");
    });
}

#[test]
fn every_end_of_its_first_start() {
    table("services::table::every_end_of_its_first_start", async || {
        for (hook, how, why) in HOOKS {
            for restart in [Restart::Always, Restart::OnFailure, Restart::Never] {
                for drop_panics in [false, true] {
                    let case = format!("{hook:?} {how:?}, {restart:?}, drop panics {drop_panics}");
                    let bus = EventBus::default();
                    let run = Run { drop_panics, hook: Some((hook, how, 1)), ..Run::new() };
                    let seen = watch(&bus);
                    let build = run.clone();
                    let mut subject = Subject::supervised(&bus, move |_| build.build()).restart(restart);
                    let addr = subject.addr();
                    let error = at_once(subject.into_future()).await.unwrap_err();
                    assert_eq!(error.to_string(), why, "{case}");
                    settled().await;
                    assert_eq!(seen.take(), ["Subject is starting".to_owned(), format!("Subject has failed: {why}")]);
                    assert_eq!((addr.status().state, run.built.get()), (ServiceState::Failed, 1), "{case}");
                    assert!(at_once(addr.send(Tell(Place::Message, End::Stop))).await.is_err(), "{case}");
                    assert_eq!(bus.subscriptions().len(), 1, "{case}");
                    bus.clear();
                }
            }
        }
    });
}

#[test]
fn every_end_of_a_later_start() {
    table("services::table::every_end_of_a_later_start", async || {
        testing::expect_failure("Subject");
        for (hook, how, why) in HOOKS {
            for (restart, drop_panics) in
                [(Restart::Always, false), (Restart::OnFailure, false), (Restart::Always, true)]
            {
                for forever in [false, true] {
                    let case = format!("{hook:?} {how:?}, {restart:?}, drop panics {drop_panics}, forever {forever}");
                    let bus = EventBus::default();
                    // The third build: the second is well, and falls.
                    let run = Run { drop_panics, hook: Some((hook, how, 3)), ..Run::new() };
                    let seen = watch(&bus);
                    let build = run.clone();
                    let subject = Subject::supervised(&bus, move |_| {
                        if forever && build.built.get() == 3 {
                            build.built.set(2);
                        }
                        build.build()
                    });
                    let subject = subject.restart(restart).backoff(Backoff::none()).budget(10, SECOND).await.unwrap();
                    settled().await;
                    seen.take();
                    for _ in 0..2 {
                        bus.publish(Sync(End::Panic)).unwrap();
                    }
                    bus.publish(Mark(1)).unwrap();
                    settled().await;
                    let fallen = "Subject is restarting: panicked: as told".to_owned();
                    let again = format!("Subject is restarting: {why}");
                    let starting = "Subject is starting".to_owned();
                    let running = "Subject is running".to_owned();
                    let mut expected =
                        vec![fallen.clone(), starting.clone(), running.clone(), fallen, starting.clone()];
                    if forever {
                        for _ in 0..8 {
                            expected.extend([again.clone(), starting.clone()]);
                        }
                        let most = "10 restarts within 1s of running are the most";
                        expected.push(format!("Subject has failed: {why}; {most}"));
                        assert_eq!(seen.take(), expected, "{case}");
                        assert_eq!(bus.subscriptions().len(), 5, "{case}: it refuses what comes");
                        assert_eq!(bus.dead_letters().len(), 3, "{case}");
                    } else {
                        expected.extend([again, starting, running]);
                        assert_eq!(seen.take(), expected, "{case}");
                        assert_eq!((run.built.get(), run.marks.take()), (4, vec![1]), "{case}");
                        assert_eq!(bus.dead_letters().len(), 2, "{case}");
                    }
                    at_once(subject.stop()).await;
                    assert_eq!(bus.subscriptions().len(), 1, "{case}");
                    bus.clear();
                }
            }
        }
    });
}

#[test]
fn every_end_of_its_stop() {
    table("services::table::every_end_of_its_stop", async || {
        testing::expect_failure("Subject");
        for (stop, error) in [
            (None, None),
            (Some(End::Fail), Some("its stop failed: as told")),
            (Some(End::Panic), Some("its stop panicked: as told")),
        ] {
            for drop_panics in [false, true] {
                let (bus, run) = (EventBus::default(), Run { drop_panics, stop, ..Run::new() });
                let seen = watch(&bus);
                let build = run.clone();
                let subject = Subject::supervised(&bus, move |_| build.build()).await.unwrap();
                bus.publish(Mark(1)).unwrap();
                let status = at_once(subject.stop()).await;
                assert_eq!((status.state, status.error.as_deref()), (ServiceState::Stopped, error));
                settled().await;
                assert_eq!((run.built.get(), run.marks.take()), (1, vec![1]));
                assert_eq!(seen.take()[2..], ["Subject is stopping".to_owned(), status.to_string()]);
                assert!(bus.dead_letters().is_empty());
                bus.clear();
            }
        }
    });
}
