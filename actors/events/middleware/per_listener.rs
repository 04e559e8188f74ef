//! What a middleware keeps of each listener that it stands around, for as long as that is registered.
//!
//! `Call → Sign → what is kept of it`

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::call::Call;
use crate::events::verdict::Sign;

/// So many listeners are kept before it is worth looking for those that are gone.
const SWEEP: usize = 64;

/// One `T` for each listener, in reach of every thread.
pub(super) struct PerListener<T>(Mutex<Table<T>>);

struct Table<T> {
    /// By where the sign lies: while there is a `Weak` of it, no other comes to lie there.
    kept: HashMap<usize, (Weak<Sign>, T)>,
    sweep_at: usize,
}

impl<T: Default> PerListener<T> {
    /// Looks at what is kept of the listener of this call. Nothing of others may be called in there: it is locked.
    pub(super) fn with<R>(&self, call: &Call, look: impl FnOnce(&mut T) -> R) -> R {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Table { kept, sweep_at } = &mut *table;
        if kept.len() >= *sweep_at {
            kept.retain(|_, (sign, _)| sign.strong_count() > 0);
            // Twice as many as live, so that a sweep costs each newcomer a constant.
            *sweep_at = SWEEP.max(2 * kept.len());
        }
        let place = Arc::as_ptr(call.sign()).addr();
        look(&mut kept.entry(place).or_insert_with(|| (Arc::downgrade(call.sign()), T::default())).1)
    }
}

impl<T> Default for PerListener<T> {
    fn default() -> Self {
        Self(Mutex::new(Table { kept: HashMap::new(), sweep_at: SWEEP }))
    }
}

impl<T> fmt::Debug for PerListener<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerListener")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::Next;
    use crate::{Event, EventBus, Handled, Listen};

    #[derive(Event)]
    #[event(local)]
    struct Ping;

    #[crate::test]
    async fn what_is_kept_of_a_listener_goes_with_it() {
        let kept = Arc::new(PerListener::<u32>::default());
        let counts = kept.clone();
        let count = async move |call: Call, next: Next| -> Handled {
            counts.with(&call, |calls| *calls += 1);
            next.run(call).await
        };
        let bus = EventBus::builder().with(count).build();
        let staying = bus.on((|_: &Ping| ()).named("staying")).unwrap();
        for _ in 0..10 * SWEEP {
            let _passing = bus.on(|_: &Ping| ()).unwrap();
            assert!(bus.emit(Ping).await.is_ok());
        }
        let table = kept.0.lock().unwrap();
        assert!(table.kept.len() <= SWEEP, "{} are kept", table.kept.len());
        assert_eq!(table.kept.values().map(|(_, calls)| *calls).max(), Some(10 * SWEEP as u32));
        drop(staying);
    }
}
