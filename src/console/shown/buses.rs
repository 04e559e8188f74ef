//! The buses of this process: who listens to what, and how it went.
//!
//! `EventBus::subscriptions, dead_letters → Known: what it was before → BusShown, with rates`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use convoke::{EventBus, Hears, SubscriptionId};
use tokio::time::Instant;

/// A rate is that of at least so long: of less it would be chance.
const SPAN: Duration = Duration::from_secs(1);

/// A bus at one moment.
#[derive(Debug)]
pub(crate) struct BusShown {
    pub(crate) name: Arc<str>,
    pub(crate) listeners: Vec<ListenerShown>,
    /// How many events had no listener.
    pub(crate) unheard: u64,
    /// How many dead letters are kept, how many there were, and how many are no longer kept.
    pub(crate) letters: (usize, u64, u64),
}

/// A listener at one moment.
#[derive(Clone, Debug)]
pub(crate) struct ListenerShown {
    pub(crate) name: Arc<str>,
    pub(crate) hears: Hears,
    pub(crate) waiting: usize,
    pub(crate) working: usize,
    pub(crate) capacity: usize,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
    /// How many calls a second have ended, since somebody has looked; `None` at the first look.
    pub(crate) rate: Option<f64>,
}

/// What was counted before, so that two looks make a rate.
#[derive(Default)]
pub(super) struct Known {
    buses: Mutex<HashMap<Arc<str>, Counted>>,
}

struct Counted {
    at: Instant,
    ended: HashMap<SubscriptionId, u64>,
    rates: HashMap<SubscriptionId, f64>,
}

impl Known {
    pub(super) fn look(&self, name: &Arc<str>, bus: &EventBus) -> BusShown {
        let (subscriptions, letters) = (bus.subscriptions(), bus.dead_letters());
        let now = Instant::now();
        let mut buses = self.buses.lock().unwrap_or_else(PoisonError::into_inner);
        let before = buses.get(name);
        let since = before.map(|before| now.duration_since(before.at));
        if since.is_none_or(|since| since >= SPAN) {
            let ended: HashMap<_, _> = subscriptions.iter().map(|info| (info.id, info.done + info.failed)).collect();
            let rate = |id: &SubscriptionId, ended: u64| {
                let (before, since) = (before?.ended.get(id)?, since?);
                Some(ended.wrapping_sub(*before) as f64 / since.as_secs_f64())
            };
            let rates = ended.iter().filter_map(|(id, ended)| Some((*id, rate(id, *ended)?))).collect();
            buses.insert(name.clone(), Counted { at: now, ended, rates });
        }
        let rates = buses.get(name).map(|counted| &counted.rates);
        let listeners = subscriptions.into_iter().map(|info| ListenerShown {
            rate: rates.and_then(|rates| rates.get(&info.id)).copied(),
            name: info.listener,
            hears: info.of,
            waiting: info.waiting,
            working: info.working,
            capacity: info.capacity,
            done: info.done,
            failed: info.failed,
            dropped: info.dropped,
        });
        let listeners = listeners.collect();
        let letters = (letters.len(), letters.total(), letters.forgotten());
        BusShown { name: name.clone(), listeners, unheard: bus.unheard(), letters }
    }
}
