//! Who keeps services alive: starts them in order, builds anew what has fallen, and gives up beyond the budget.
//!
//! `life.rs, group.rs ─ ToKeeper → keeper.rs → Keeping ─ start, pause, stop → life.rs, group.rs`

use std::collections::BTreeSet;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::allowance::{Allowance, Shared};
use super::keeper::{Keeper, Mail, News};
use crate::runtime::{self, Either, either, quietly, sleep, step};
use crate::services::life::{Child, End, Strategy};
use crate::services::standing::{Fall, StartError};

/// Who keeps some children alive. Those of a strategy are kept together; where each is kept for itself, each has a
/// keeper.
pub(crate) struct Keeping {
    children: Rc<[Rc<dyn Child>]>,
    strategy: Strategy,
    allowance: Rc<Allowance>,
    mail: Mail,
    /// Nobody is above it: what falls stays down, or has been kept by those beneath.
    root: bool,
    on_failed: Option<OnGivenUp>,
    /// A group holds its children beyond their keepers.
    is_grouped: bool,
}

/// Told why a keeper gives up, and whether its children come back with their supervisor.
pub(crate) type OnGivenUp = Box<dyn FnOnce(String, bool)>;

impl Keeping {
    /// Begins to keep these, on this arbiter. The receiver hears when all are running, or which has not started.
    pub(crate) fn begin(
        children: Vec<Rc<dyn Child>>,
        strategy: Strategy,
        shared: Option<Rc<Shared>>,
        root: bool,
        on_failed: Option<OnGivenUp>,
    ) -> (Keeper, oneshot::Receiver<Result<(), StartError>>) {
        let allowance = Allowance::new(children.iter().map(|child| child.restart().2), shared);
        children.iter().enumerate().for_each(|(place, child)| allowance.tell(place, &**child));
        let children: Rc<[_]> = children.into();
        let (keeper, mail) = Mail::open(&children, &allowance);
        let (told, started) = oneshot::channel();
        let named = children.clone();
        let label = move || {
            let names: Vec<_> = named.iter().map(|child| format!("`{}`", child.name())).collect();
            format!("the keeper of {}", names.join(", "))
        };
        let is_grouped = on_failed.is_some();
        let mut keeping = Self { mail, children, strategy, allowance, root, is_grouped, on_failed };
        // A block holds what it has taken once, and a function twice.
        runtime::spawn_named(label, async move { keeping.keep(told).await });
        (keeper, started)
    }

    async fn keep(&mut self, told: oneshot::Sender<Result<(), StartError>>) {
        let started = self.start_all().await;
        let runs = started.is_ok();
        if runs && !self.root {
            self.allowance.begin();
        }
        let heard = told.send(started).is_ok();
        if runs && heard {
            self.run().await;
            self.mourn().await;
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
                    let kept = &self.children[child];
                    // In a place of its own, which is large: most of the time a keeper waits.
                    if run == kept.runs() && !kept.is_over() && !Box::pin(self.recover(child, end)).await {
                        return;
                    }
                }
            }
        }
    }

    /// What has failed for good is held until somebody orders the end, so that what is published to it is told. Within a
    /// group it is that which holds them.
    async fn mourn(&mut self) {
        let held = !self.is_grouped && self.children.iter().any(|child| child.has_failed());
        while held && !self.mail.is_to_stop() {
            self.mail.next().await;
        }
    }

    /// Tells those who wait for the end.
    fn told(&mut self) {
        for told in self.mail.close() {
            quietly(|| {
                let _ = told.send(());
            });
        }
    }

    async fn start_all(&mut self) -> Result<(), StartError> {
        for place in 0..self.children.len() {
            // Also if it came while the one before was in its last steps.
            self.mail.look();
            let started = match self.mail.is_to_stop() {
                true => Err(StartError::Stopped),
                false => {
                    let child = &self.children[place];
                    self.mail.during(child.start(), |pausing| child.interrupt(pausing)).await
                }
            };
            if let Err(error) = started {
                return Err(Box::pin(self.start_no_more(place, error)).await);
            }
        }
        Ok(())
    }

    /// The one at this place has not started: ends those before it, and returns what all of them are told.
    async fn start_no_more(&mut self, place: usize, error: StartError) -> StartError {
        let child = self.children[place].clone();
        let ordered = self.mail.is_to_stop();
        let comes_back = if ordered { self.mail.is_pausing() } else { self.allowance.all_come_back() };
        match comes_back {
            true if ordered => child.pause().await,
            true => child.away(Fall::Unstarted, error.to_string()),
            false => child.settle(Some(error.to_string()), error != StartError::Stopped),
        }
        let why = format!("`{}` {error}", child.name());
        for other in self.children[..place].iter().rev() {
            if !comes_back && !ordered {
                other.bereave(Some(&why));
            }
            self.mail.during(if comes_back { other.pause() } else { other.stop() }, |_| {}).await;
        }
        match self.children.len() {
            1 => error,
            _ => StartError::Neighbor { service: child.name().to_string(), error: Box::new(error) },
        }
    }

    async fn stop_all(&mut self) {
        for child in self.children.iter().rev() {
            let pausing = self.mail.is_pausing() && !child.is_over();
            self.mail.during(if pausing { child.pause() } else { child.stop() }, |_| {}).await;
        }
    }

    /// Builds anew what has fallen, and what the strategy says; says whether there is still something to keep.
    async fn recover(&mut self, child: usize, end: End) -> bool {
        let since = runtime::now();
        // Those that are down, by their places: what a restart costs depends on them, and not on how many there are.
        let mut down = BTreeSet::new();
        let mut ready = since;
        let mut fallen = Some(Fallen::by(child, &end));
        loop {
            if let Some(fallen) = fallen.take() {
                match self.fell(fallen, &mut down, since).await {
                    After::Wait(backoff) => ready = runtime::after(runtime::now(), backoff),
                    After::Settled => {}
                    After::GivenUp => return false,
                }
            }
            if down.is_empty() {
                return self.children.iter().any(|child| !child.is_over());
            }
            // One that is up may fall meanwhile, and take others along.
            let (down_now, children) = (down.clone(), self.children.clone());
            let matters = move |news: &News| match news {
                News::Ended { child, run, .. } => !down_now.contains(child) && *run == children[*child].runs(),
                _ => false,
            };
            let wait = ready.saturating_duration_since(runtime::now());
            let passed = while_expiring(&those(&self.children, &down), since, self.mail.wait(wait, &matters)).await;
            if self.mail.is_to_stop() {
                return true;
            }
            if !passed {
                let told = self.mail.take(&matters);
                if let Some(News::Ended { child, end, .. }) = told {
                    fallen = Some(Fallen::by(child, &end));
                }
                continue;
            }
            for place in down.clone() {
                step();
                self.mail.look();
                if self.mail.is_to_stop() {
                    return true;
                }
                let starting = self.children[place].clone();
                let start = self.mail.during(starting.start(), |pausing| starting.interrupt(pausing));
                let started = while_expiring(&those(&self.children, &down), since, start).await;
                if self.mail.is_to_stop() {
                    return true;
                }
                down.remove(&place);
                if let Err(error) = started {
                    fallen = Some(Fallen { child: place, how: Fall::Unstarted, why: Some(error.to_string()) });
                    break;
                }
            }
        }
    }

    /// One has fallen: it does not come back, or it is to be started again with those that the strategy says.
    async fn fell(&mut self, fallen: Fallen, down: &mut BTreeSet<usize>, since: Instant) -> After {
        let Fallen { child: place, how, why } = fallen;
        let failed = how != Fall::Stopped;
        let child = self.children[place].clone();
        let (restart, backoff, _) = child.restart();
        if self.root || !restart.follows(failed) {
            child.settle(why, failed);
            return After::Settled;
        }
        let text = why.unwrap_or_else(|| "it stopped by itself".to_owned());
        let spent = self.allowance.spend(place, child.ran());
        self.allowance.tell(place, &*child);
        let nth = match spent {
            Ok(nth) => nth,
            Err(beyond) => {
                self.give_up((place, how), format!("{text}; {beyond}"), since).await;
                return After::GivenUp;
            }
        };
        child.away(how, text);
        down.insert(place);
        for other in self.strategy.affected(place, self.children.len()).rev() {
            let neighbor = self.children[other].clone();
            if down.contains(&other) || neighbor.is_over() {
                continue;
            }
            down.insert(other);
            let pause = self.mail.during(neighbor.pause(), |_| {});
            while_expiring(&those(&self.children, down), since, pause).await;
        }
        After::Wait(backoff.wait(nth, runtime::random()))
    }

    /// There is no budget for this one. If all of them are started again from above, they pause until then: what is published
    /// to them waits. Otherwise it has failed, and those that are kept together with it stop.
    async fn give_up(&mut self, (fallen, how): (usize, Fall), why: String, since: Instant) {
        let child = self.children[fallen].clone();
        let comes_back = self.allowance.all_come_back();
        match comes_back {
            true => child.away(how, why.clone()),
            false => child.settle(Some(why.clone()), true),
        }
        if let Some(on_failed) = self.on_failed.take() {
            on_failed(format!("`{}` {why}", child.name()), comes_back);
        }
        if !comes_back {
            return self.stop_all().await;
        }
        for other in self.children.clone().iter().rev().filter(|other| !other.is_over()) {
            let pause = self.mail.during(other.pause(), |_| {});
            while_expiring(&self.children, since, pause).await;
        }
    }
}

/// A child that has ended, or has not started.
struct Fallen {
    child: usize,
    how: Fall,
    why: Option<String>,
}

impl Fallen {
    fn by(child: usize, end: &End) -> Self {
        let how = match end {
            End::Stopped => Fall::Stopped,
            End::Panicked(_) => Fall::Panicked,
            End::Told(_) | End::Failed(_) | End::Killed | End::Gone => Fall::Failed,
        };
        Self { child, how, why: end.error() }
    }
}

/// What comes after a fall.
enum After {
    /// It and its neighbors are started again, after this wait; whoever else was to be, with them.
    Wait(Duration),
    /// It does not come back.
    Settled,
    /// Nobody does.
    GivenUp,
}

/// Those at these places.
fn those(children: &[Rc<dyn Child>], places: &BTreeSet<usize>) -> Vec<Rc<dyn Child>> {
    places.iter().inspect(|_| step()).filter_map(|place| children.get(*place).cloned()).collect()
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

    /// A service is kept for as long as the application runs, and nearly always its keeper waits.
    #[test]
    fn what_keeps_a_service_is_small() {
        let allowance = Allowance::new([].into_iter(), None);
        let children: Rc<[Rc<dyn Child>]> = Rc::new([]);
        let (_keeper, mail) = Mail::open(&children, &allowance);
        let strategy = Strategy::default();
        let mut keeping =
            Keeping { children, strategy, allowance, mail, root: true, on_failed: None, is_grouped: false };
        let (told, _started) = oneshot::channel();
        let size = size_of::<Keeping>() + size_of_val(&keeping.keep(told));
        println!("figure: {size} bytes of a keeper that waits");
        assert!(size <= 700, "{size} bytes");
    }
}
