//! The last events of a bus, from the first look until some seconds after the last.
//!
//! `look → a watcher of the bus, and a task that ends it → a ring → PassedShown`

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use actix_web::rt::{spawn, time};
use convoke::{Emitted, EventBus, Watching};
use serde_json::Value;
use tokio::time::Instant;

/// How many events are kept.
const KEPT: usize = 100;

/// How many pairs of a cause and its effect are known at most.
const PAIRS: usize = 200;

/// For how long after a look it goes on: a page that is open looks each second.
const LEASE: Duration = Duration::from_secs(5);

/// Those buses at which somebody looks.
#[derive(Default)]
pub(super) struct Passing {
    looks: Arc<Mutex<HashMap<String, Look>>>,
}

/// A bus at which somebody looks.
struct Look {
    ring: Arc<Ring>,
    began: Instant,
    last: Instant,
    /// Tells this look from an earlier one of the same bus.
    number: u64,
    _watching: Watching,
}

/// What has passed.
#[derive(Default)]
struct Ring {
    events: Mutex<Events>,
    /// How many have come; of those that came while somebody read, only that.
    came: AtomicU64,
}

#[derive(Default)]
struct Events {
    last: VecDeque<(SystemTime, Emitted)>,
    /// How often a listener to the first has emitted the second.
    pairs: BTreeMap<(String, String), u64>,
}

/// What has passed on a bus while somebody looked.
#[derive(Debug)]
pub(crate) struct PassedShown {
    /// The latest first.
    pub(crate) events: Vec<PassedEvent>,
    /// How many have come since the look began.
    pub(crate) came: u64,
    /// For how long somebody has looked.
    pub(crate) for_: Duration,
    /// The cause, its effect, and how often.
    pub(crate) pairs: Vec<(String, String, u64)>,
}

/// One event that has passed.
pub(crate) struct PassedEvent {
    pub(crate) at: SystemTime,
    event: Emitted,
}

impl PassedEvent {
    pub(crate) fn name(&self) -> String {
        self.event.name().to_string()
    }

    pub(crate) fn topic(&self) -> String {
        self.event.topic().to_string()
    }

    pub(crate) fn is_foreign(&self) -> bool {
        self.event.is_foreign()
    }

    pub(crate) fn is_question(&self) -> bool {
        self.event.is_question()
    }

    pub(crate) fn is_personal(&self) -> bool {
        self.event.contains_personal_data()
    }

    pub(crate) fn cause(&self) -> Option<String> {
        self.event.cause().map(|cause| cause.name().to_string())
    }

    /// Personal data is not hidden in it.
    pub(crate) fn payload(&self) -> Option<Value> {
        self.event.payload()
    }
}

impl fmt::Debug for PassedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event.fmt(f)
    }
}

impl Ring {
    fn note(&self, event: &Emitted) {
        self.came.fetch_add(1, Ordering::Relaxed);
        // Who emits waits for nobody who reads, and for nobody else who emits.
        let Ok(mut events) = self.events.try_lock() else { return };
        if let Some(cause) = event.cause() {
            let pair = (cause.name().to_string(), event.name().to_string());
            if events.pairs.len() < PAIRS || events.pairs.contains_key(&pair) {
                *events.pairs.entry(pair).or_default() += 1;
            }
        }
        let oldest = if events.last.len() == KEPT { events.last.pop_front() } else { None };
        events.last.push_back((SystemTime::now(), event.clone()));
        drop(events);
        // This may be the last of an event, whose `Drop` is the application's.
        drop(oldest);
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn locked(looks: &Mutex<HashMap<String, Look>>) -> MutexGuard<'_, HashMap<String, Look>> {
    looks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a look with the task that has to do it, however that ends.
struct Ends {
    looks: Arc<Mutex<HashMap<String, Look>>>,
    name: String,
    number: u64,
}

impl Ends {
    /// When it is to end, if it is still this one.
    fn due(&self) -> Option<Instant> {
        let looks = locked(&self.looks);
        looks.get(&self.name).filter(|look| look.number == self.number).map(|look| look.last + LEASE)
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let look = {
            let mut looks = locked(&self.looks);
            let is_it = looks.get(&self.name).is_some_and(|look| look.number == self.number);
            if is_it { looks.remove(&self.name) } else { None }
        };
        // Without the lock: it has events of the application.
        drop(look);
    }
}

impl Passing {
    /// What has passed since somebody began to look, which is now if nobody did.
    pub(super) fn look(&self, name: &str, bus: &EventBus) -> PassedShown {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let now = Instant::now();
        let (ring, began, begun) = {
            let mut looks = locked(&self.looks);
            let mut begun = None;
            let look = looks.entry(name.to_owned()).or_insert_with(|| {
                let ring: Arc<Ring> = Arc::default();
                let notes = ring.clone();
                let number = LAST.fetch_add(1, Ordering::Relaxed);
                begun = Some(number);
                let watching = bus.watch(move |event| notes.note(event));
                Look { ring, began: now, last: now, number, _watching: watching }
            });
            look.last = now;
            (look.ring.clone(), look.began, begun)
        };
        if let Some(number) = begun {
            let ends = Ends { looks: self.looks.clone(), name: name.to_owned(), number };
            drop(spawn(async move {
                while let Some(due) = ends.due().filter(|due| *due > Instant::now()) {
                    time::sleep_until(due).await;
                }
            }));
        }
        let (last, pairs) = {
            let events = ring.events();
            (events.last.clone(), events.pairs.clone())
        };
        PassedShown {
            events: last.into_iter().rev().map(|(at, event)| PassedEvent { at, event }).collect(),
            came: ring.came.load(Ordering::Relaxed),
            for_: now.duration_since(began),
            pairs: pairs.into_iter().map(|((cause, effect), count)| (cause, effect, count)).collect(),
        }
    }
}
