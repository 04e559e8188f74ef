//! Who keeps services alive: starts them in order, builds anew what has fallen, and gives up beyond the budget.
//!
//! `life.rs, supervisor.rs ─ News → Keeping ─ start, pause, stop → life.rs, supervisor.rs`

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::instance::End;
use crate::life::StartError;
use crate::name::Name;
use crate::oversight::Record;
use crate::restart::{Backoff, Budget, Ledger, Restart};
use crate::runtime::{self, Either, either, quietly, sleep};

/// What is kept alive: a service, or a supervisor of several.
pub(crate) trait Child {
    fn name(&self) -> Name;

    /// Whether this is what it is called, or the name of its type.
    fn answers_to(&self, name: &str) -> bool;

    /// Adds the statuses of all services in it.
    fn records(&self, into: &mut Vec<Arc<Record>>);

    /// The names of the services that have to run before it.
    fn needs(&self) -> Vec<Name>;

    fn restart(&self) -> (Restart, Backoff, Budget);

    /// How often it was started: tells news of one start from news of an earlier.
    fn runs(&self) -> u64;

    /// How long it has run in all.
    fn ran(&self) -> Duration;

    /// Whether it has ended and does not come back.
    fn is_over(&self) -> bool;

    /// Names who is to be told of its end.
    fn keep(&self, keeper: ToKeeper);

    /// Starts it; it is subscribed and running when this is done.
    fn start(&self) -> LocalFuture<'_, Result<(), StartError>>;

    /// Has a start that is under way end soon, with an error.
    fn interrupt(&self);

    /// It has ended by this, and comes back.
    fn away(&self, why: String);

    /// Ends its actors, in order to start it again: it stays subscribed.
    fn pause(&self) -> LocalFuture<'_, ()>;

    /// Stops it, with its last events handled.
    fn stop(&self) -> LocalFuture<'_, ()>;

    /// Has a stop that is under way, or comes, wait for nothing.
    fn hurry(&self);

    /// Whether it runs.
    fn is_up(&self) -> bool;

    /// Who has awaited a call of it for as long as one may take, while it is away since then, waits no longer; returns when
    /// to look again.
    fn expire(&self, since: Instant) -> Instant;

    /// It has ended, and does not come back.
    fn settle(&self, error: Option<String>, failed: bool);
}

pub(crate) type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What a keeper is told.
pub(crate) enum News {
    /// A child has ended, in this of its runs.
    Ended { child: usize, run: u64, end: End },
    /// All of them are to stop; or to pause, until another keeper starts them again.
    Stop { told: Option<oneshot::Sender<()>>, pausing: bool },
    /// They are to stop without waiting.
    Hurry,
}

/// The way to a keeper. What it is told is bounded: one end for each start, and what its handle is told.
#[derive(Clone)]
pub(crate) struct ToKeeper {
    news: mpsc::UnboundedSender<News>,
    child: usize,
}

impl ToKeeper {
    pub(crate) fn ended(&self, run: u64, end: End) {
        let _ = self.news.send(News::Ended { child: self.child, run, end });
    }
}

/// What a keeper has been told and not heeded yet.
struct Mail {
    news: mpsc::UnboundedReceiver<News>,
    kept: VecDeque<News>,
    /// Those who wait for the end, once somebody has ordered it.
    stop: Option<Vec<oneshot::Sender<()>>>,
    /// It is no more than a pause.
    pausing: bool,
    /// Those who are told to hurry.
    children: Vec<Rc<dyn Child>>,
}

impl Mail {
    async fn next(&mut self) -> News {
        loop {
            if self.stop.is_some() {
                return News::Stop { told: None, pausing: self.pausing };
            }
            if let Some(news) = self.kept.pop_front() {
                return news;
            }
            match self.news.recv().await {
                Some(news) => self.keep(news),
                // The children hold a way here.
                None => pending().await,
            }
        }
    }

    /// Takes in what has been told.
    fn look(&mut self) {
        while let Ok(news) = self.news.try_recv() {
            self.keep(news);
        }
    }

    fn keep(&mut self, news: News) {
        match news {
            News::Stop { told, pausing } => {
                self.pausing = pausing && (self.pausing || self.stop.is_none());
                self.stop.get_or_insert_default().extend(told);
            }
            News::Hurry => self.children.iter().for_each(|child| child.hurry()),
            news => self.kept.push_back(news),
        }
    }

    /// Waits for what is under way, and keeps what is told meanwhile. If it is to stop, `interrupt` is called, once.
    async fn during<T>(&mut self, work: impl Future<Output = T>, interrupt: impl Fn()) -> T {
        let mut work = std::pin::pin!(work);
        let mut interrupted = false;
        loop {
            if self.stop.is_some() && !std::mem::replace(&mut interrupted, true) {
                interrupt();
            }
            match either(work.as_mut(), self.news.recv()).await {
                Either::First(done) => return done,
                Either::Second(Some(news)) => self.keep(news),
                Either::Second(None) => return work.await,
            }
        }
    }

    /// Waits so long, or until something is told that matters to those who wait; says whether all of it has passed.
    async fn wait(&mut self, wait: Duration, matters: &impl Fn(&News) -> bool) -> bool {
        let passed = sleep(wait);
        let mut passed = std::pin::pin!(passed);
        loop {
            if self.stop.is_some() || self.kept.iter().any(matters) {
                return false;
            }
            match either(passed.as_mut(), self.news.recv()).await {
                Either::First(()) => return true,
                Either::Second(Some(news)) => self.keep(news),
                Either::Second(None) => {
                    passed.await;
                    return true;
                }
            }
        }
    }
}

/// Which children are started again with one that has fallen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// That one alone.
    #[default]
    OneForOne,
    /// All of them: the others are stopped first, in the reverse of their order.
    OneForAll,
    /// It and those that stand after it.
    RestForOne,
}

impl Strategy {
    /// Which of so many.
    fn affected(self, fallen: usize, children: usize) -> std::ops::Range<usize> {
        match self {
            Self::OneForOne => fallen..fallen + 1,
            Self::OneForAll => 0..children,
            Self::RestForOne => fallen..children,
        }
    }
}

/// The restarts that a supervisor allows to all of its children together.
pub(crate) struct Shared {
    pub(crate) ledger: RefCell<Ledger>,
    /// How long the supervisor has run.
    pub(crate) ran: Box<dyn Fn() -> Duration>,
}

/// Who keeps some children alive. Those of a strategy are kept together; where each is kept for itself, each has a
/// keeper.
pub(crate) struct Keeping {
    children: Vec<Rc<dyn Child>>,
    strategy: Strategy,
    ledgers: Vec<Ledger>,
    /// The budget of the supervisor.
    shared: Option<Rc<Shared>>,
    mail: Mail,
    /// Nobody is above it: what falls stays down, or has been kept by those beneath.
    root: bool,
    on_failed: Option<Box<dyn FnOnce(String)>>,
}

#[cfg(feature = "testing")]
thread_local! {
    /// The keepers of a test, for the check at its end.
    static KEEPERS: RefCell<Vec<Keeper>> = const { RefCell::new(Vec::new()) };
}

/// Takes the keepers that have begun on this thread in virtual time, in that order.
#[cfg(feature = "testing")]
pub(crate) fn keepers_here() -> Vec<Keeper> {
    KEEPERS.take()
}

/// How a keeper is reached.
#[derive(Clone)]
pub(crate) struct Keeper(mpsc::UnboundedSender<News>);

impl Keeper {
    /// Orders the end and waits for it.
    pub(crate) async fn stop(&self) {
        self.end(false).await;
    }

    /// Orders a pause of all that it keeps, and waits for it; the keeper ends with it.
    pub(crate) async fn pause(&self) {
        self.end(true).await;
    }

    async fn end(&self, pausing: bool) {
        let (told, ended) = oneshot::channel();
        // An error means that it has ended.
        if self.0.send(News::Stop { told: Some(told), pausing }).is_ok() {
            let _ = ended.await;
        }
    }

    /// Has an end that was ordered wait for nothing.
    pub(crate) fn hurry(&self) {
        let _ = self.0.send(News::Hurry);
    }

    /// Orders the end.
    pub(crate) fn ask_to_stop(&self) {
        let _ = self.0.send(News::Stop { told: None, pausing: false });
    }
}

impl Keeping {
    /// Begins to keep these, on this arbiter. The receiver hears when all are running, or which has not started.
    pub(crate) fn begin(
        children: Vec<Rc<dyn Child>>,
        strategy: Strategy,
        shared: Option<Rc<Shared>>,
        root: bool,
        on_failed: Option<Box<dyn FnOnce(String)>>,
    ) -> (Keeper, oneshot::Receiver<Result<(), StartError>>) {
        let (to_keeper, news) = mpsc::unbounded_channel();
        for (place, child) in children.iter().enumerate() {
            child.keep(ToKeeper { news: to_keeper.clone(), child: place });
        }
        let (told, started) = oneshot::channel();
        let names: Vec<_> = children.iter().map(|child| format!("`{}`", child.name())).collect();
        let names = names.join(", ");
        let keeping = Self {
            ledgers: children.iter().map(|child| Ledger::new(child.restart().2)).collect(),
            mail: Mail { news, kept: VecDeque::new(), stop: None, pausing: false, children: children.clone() },
            children,
            strategy,
            shared,
            root,
            on_failed,
        };
        let label = move || format!("the keeper of {names}");
        runtime::spawn_named(label, keeping.keep(told));
        let keeper = Keeper(to_keeper);
        #[cfg(feature = "testing")]
        if runtime::is_virtual() {
            KEEPERS.with_borrow_mut(|keepers| {
                keepers.retain(|keeper| !keeper.0.is_closed());
                keepers.push(keeper.clone());
            });
        }
        (keeper, started)
    }

    async fn keep(mut self, told: oneshot::Sender<Result<(), StartError>>) {
        let started = self.start_all().await;
        let runs = started.is_ok();
        let heard = told.send(started).is_ok();
        if runs && heard {
            self.run().await;
        } else if runs {
            // Who has asked for it is gone, and nobody holds it.
            self.stop_all().await;
        }
        self.told();
    }

    /// Until it is told to stop, or there is nothing left to keep.
    async fn run(&mut self) {
        loop {
            match self.mail.next().await {
                News::Hurry => {}
                News::Stop { .. } => return self.stop_all().await,
                News::Ended { child, run, end } => {
                    if run == self.children[child].runs() && !self.recover(child, &end).await {
                        return;
                    }
                }
            }
        }
    }

    /// Tells those who wait for the end.
    fn told(mut self) {
        self.mail.news.close();
        self.mail.look();
        for told in self.mail.stop.take().unwrap_or_default() {
            quietly(|| {
                let _ = told.send(());
            });
        }
    }

    async fn start_all(&mut self) -> Result<(), StartError> {
        for place in 0..self.children.len() {
            let child = self.children[place].clone();
            // Also if it came while the one before was in its last steps.
            self.mail.look();
            let started = match self.mail.stop {
                Some(_) => Err(StartError::Stopped),
                None => self.mail.during(child.start(), || child.interrupt()).await,
            };
            if let Err(error) = started {
                child.settle(Some(error.to_string()), error != StartError::Stopped);
                for other in self.children[..place].iter().rev() {
                    other.stop().await;
                }
                return Err(match self.children.len() {
                    1 => error,
                    _ => StartError::Neighbour { service: child.name().to_string(), error: Box::new(error) },
                });
            }
        }
        Ok(())
    }

    async fn stop_all(&mut self) {
        for child in self.children.iter().rev() {
            let ending = child.clone();
            if self.mail.pausing && !ending.is_over() {
                self.mail.during(ending.pause(), || {}).await;
            } else {
                self.mail.during(ending.stop(), || {}).await;
            }
        }
    }

    /// Spends a restart of a child, and of all; returns which of its own it is, or why there is none left.
    fn spend(&mut self, child: usize) -> Result<u32, String> {
        let ran = self.children[child].ran();
        let ledger = &mut self.ledgers[child];
        let beyond = |whose: &str, budget: Budget| {
            format!("{whose}{} restarts within {:?} of running are the most", budget.restarts(), budget.within())
        };
        let nth = ledger.spend(ran).ok_or_else(|| beyond("", ledger.budget()))?;
        if let Some(shared) = &self.shared {
            let ran = (shared.ran)();
            let mut ledger = shared.ledger.borrow_mut();
            let budget = ledger.budget();
            ledger.spend(ran).ok_or_else(|| beyond("of its supervisor, ", budget))?;
        }
        Ok(nth)
    }

    /// Builds anew what has fallen, and what the strategy says; says whether there is still something to keep.
    async fn recover(&mut self, child: usize, end: &End) -> bool {
        let since = runtime::now();
        let mut down = vec![false; self.children.len()];
        let mut ready = since;
        let mut fallen = Some(Fallen { child, failed: *end != End::Stopped, why: end.error() });
        loop {
            if let Some(fallen) = fallen.take() {
                match self.fell(fallen, &mut down, since).await {
                    After::Wait(backoff) => ready = runtime::after(runtime::now(), backoff),
                    After::Settled => {}
                    After::GivenUp => return false,
                }
            }
            if !down.contains(&true) {
                return self.children.iter().any(|child| !child.is_over());
            }
            // One that is up may fall meanwhile, and take others along.
            let runs: Vec<_> = self.children.iter().map(|child| child.runs()).collect();
            let up = down.clone();
            let matters = move |news: &News| matches!(news, News::Ended { child, run, .. } if !up[*child] && *run == runs[*child]);
            let wait = ready.saturating_duration_since(runtime::now());
            let passed = while_expiring(&those(&self.children, &down), since, self.mail.wait(wait, &matters)).await;
            if self.mail.stop.is_some() {
                return true;
            }
            if !passed {
                let told = self.mail.kept.iter().position(&matters).and_then(|place| self.mail.kept.remove(place));
                if let Some(News::Ended { child, end, .. }) = told {
                    fallen = Some(Fallen { child, failed: end != End::Stopped, why: end.error() });
                }
                continue;
            }
            for place in 0..down.len() {
                self.mail.look();
                if self.mail.stop.is_some() {
                    return true;
                }
                if !down[place] {
                    continue;
                }
                let starting = self.children[place].clone();
                let start = self.mail.during(starting.start(), || starting.interrupt());
                let started = while_expiring(&those(&self.children, &down), since, start).await;
                if self.mail.stop.is_some() {
                    return true;
                }
                down[place] = false;
                if let Err(error) = started {
                    fallen = Some(Fallen { child: place, failed: true, why: Some(error.to_string()) });
                    break;
                }
            }
        }
    }

    /// One has fallen: it does not come back, or it is to be started again with those that the strategy says.
    async fn fell(&mut self, fallen: Fallen, down: &mut [bool], since: Instant) -> After {
        let Fallen { child: place, failed, why } = fallen;
        let child = self.children[place].clone();
        let (restart, backoff, _) = child.restart();
        if self.root || !restart.follows(failed) {
            child.settle(why, failed);
            return After::Settled;
        }
        let text = why.unwrap_or_else(|| "it stopped by itself".to_owned());
        let nth = match self.spend(place) {
            Ok(nth) => nth,
            Err(beyond) => {
                self.give_up(place, format!("{text}; {beyond}")).await;
                return After::GivenUp;
            }
        };
        child.away(text);
        down[place] = true;
        for other in self.strategy.affected(place, down.len()).rev() {
            let neighbour = self.children[other].clone();
            if down[other] || neighbour.is_over() {
                continue;
            }
            down[other] = true;
            let pause = self.mail.during(neighbour.pause(), || {});
            while_expiring(&those(&self.children, down), since, pause).await;
        }
        After::Wait(backoff.wait(nth, runtime::random()))
    }

    /// There is no budget for this one: it has failed, and those that are kept together with it stop.
    async fn give_up(&mut self, fallen: usize, why: String) {
        let child = self.children[fallen].clone();
        child.settle(Some(why.clone()), true);
        self.stop_all().await;
        if let Some(on_failed) = self.on_failed.take() {
            on_failed(format!("`{}` {why}", child.name()));
        }
    }
}

/// A child that has ended, or has not started.
struct Fallen {
    child: usize,
    failed: bool,
    why: Option<String>,
}

/// What comes after a fall.
enum After {
    /// It and its neighbours are started again, after this wait; whoever else was to be, with them.
    Wait(Duration),
    /// It does not come back.
    Settled,
    /// Nobody does.
    GivenUp,
}

/// Those that are marked.
fn those(children: &[Rc<dyn Child>], marked: &[bool]) -> Vec<Rc<dyn Child>> {
    children.iter().zip(marked).filter(|(_, marked)| **marked).map(|(child, _)| child.clone()).collect()
}

/// Does this, and meanwhile lets nobody wait for those that are down longer than a call may take.
async fn while_expiring<T>(down: &[Rc<dyn Child>], since: Instant, work: impl Future<Output = T>) -> T {
    let expiring = async {
        loop {
            let next = down.iter().map(|child| child.expire(since)).min();
            sleep(next.map_or(runtime::FOREVER, |next| next.saturating_duration_since(runtime::now()))).await;
        }
    };
    let Either::First(done) = either(work, expiring).await;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strategy_has_its_neighbours() {
        assert_eq!(Strategy::OneForOne.affected(1, 4), 1..2);
        assert_eq!(Strategy::OneForAll.affected(1, 4), 0..4);
        assert_eq!(Strategy::RestForOne.affected(1, 4), 1..4);
        assert_eq!(Strategy::default(), Strategy::OneForOne);
    }
}
