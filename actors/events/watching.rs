//! Who looks at what is emitted, without being a listener.
//!
//! `bus.watch → a tap of the hub → publishing (note) → the watcher`

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::base::Shown;
use crate::events::bus::EventBus;
use crate::events::event::Name;
use crate::events::hub::Hub;
use crate::events::parcel::{AnyParcel, Tap};
use crate::runtime::{drop_quietly, quietly};

impl EventBus {
    /// Calls a closure with each event that is emitted or published on this bus, on whichever thread that happens, until
    /// the returned guard is dropped.
    ///
    /// A watcher is no listener. Reports, [`subscriptions`](Self::subscriptions), [`unheard`](Self::unheard) and
    /// middleware are the same with it as without it, it holds up nobody, and nothing becomes a dead letter because of it. An
    /// event that a listener [refuses for all](crate::Listening::all_or_none) is not seen. It is called on the path of every event, so it has to be
    /// short: keep a clone of the [`Emitted`], and read the payload later. A panic in it is caught and has no effect.
    ///
    /// While nobody watches, an emission does not look for watchers.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// use serde_json::json;
    /// use std::sync::{Arc, Mutex};
    ///
    /// # actix::System::new().block_on(async {
    /// let bus = EventBus::default();
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let notes = seen.clone();
    /// let watching = bus.watch(move |event| notes.lock().unwrap().push(event.clone()));
    ///
    /// bus.publish_json("orders/placed", json!({ "id": 7 }))?;
    /// drop(watching);
    /// bus.publish_json("orders/placed", json!({ "id": 8 }))?;
    ///
    /// let seen = seen.lock().unwrap();
    /// assert_eq!(seen.len(), 1);
    /// assert_eq!(seen[0].payload(), Some(json!({ "id": 7 })));
    /// # Ok::<(), PublishError>(())
    /// # }).unwrap();
    /// ```
    pub fn watch(&self, watch: impl Fn(&Emitted) + Send + Sync + 'static) -> Watching {
        let tap: Arc<dyn Tap> = Arc::new(Watcher { watch });
        self.hub().tap(tap.clone());
        Watching { hub: self.hub().clone(), tap }
    }

    /// Returns how many [watchers](Self::watch) this bus has.
    pub fn watchers(&self) -> usize {
        self.hub().registry.count_taps()
    }
}

/// An event that was emitted, as a [watcher](EventBus::watch) of its bus sees it. Cloning it is cheap.
#[derive(Clone)]
pub struct Emitted {
    parcel: Arc<dyn AnyParcel>,
    asked: bool,
}

impl Emitted {
    /// Returns the name of the event: that of its type, or its topic if it was emitted as JSON.
    pub fn name(&self) -> Name {
        self.parcel.name()
    }

    /// Returns the topic on which the event travels.
    pub fn topic(&self) -> Name {
        self.parcel.topic()
    }

    /// Returns whether the event was emitted as a question, by [`request`](EventBus::request).
    pub fn is_question(&self) -> bool {
        self.asked
    }

    /// Returns whether the event came from another process.
    pub fn is_foreign(&self) -> bool {
        self.parcel.is_foreign()
    }

    /// Returns whether the event is marked as one that contains personal data.
    pub fn contains_personal_data(&self) -> bool {
        self.parcel.is_personal()
    }

    /// Returns the event whose listener emitted this one, if a listener did.
    pub fn cause(&self) -> Option<Self> {
        self.parcel.cause().map(|cause| Self { parcel: cause.clone(), asked: false })
    }

    /// Returns the payload as JSON, or `None` for an event that has no such form. Personal data is not hidden in the
    /// returned value.
    pub fn payload(&self) -> Option<Value> {
        self.parcel.clone().json().ok().map(|json| json.event.payload().clone())
    }
}

impl fmt::Debug for Emitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitted")
            .field("name", &Shown::name(&self.name()))
            .field("topic", &Shown::name(&self.topic()))
            .finish_non_exhaustive()
    }
}

/// A closure that is shown all that is emitted.
struct Watcher<F> {
    watch: F,
}

impl<F: Fn(&Emitted) + Send + Sync> Tap for Watcher<F> {
    fn note(&self, parcel: Arc<dyn AnyParcel>, asked: bool) {
        let emitted = Emitted { parcel, asked };
        quietly(|| (self.watch)(&emitted));
        // It may be the last who has the event.
        drop_quietly(emitted);
    }

    #[cfg(feature = "testing")]
    fn stands_in(&self, _: bool) -> bool {
        false
    }
}

/// The guard of a [watcher](EventBus::watch): dropping it ends the watch. A call that is under way on another thread goes on to
/// its end.
#[must_use = "dropping it ends the watch, and so does `let _ =`: give it a name"]
pub struct Watching {
    hub: Arc<Hub>,
    tap: Arc<dyn Tap>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.hub.untap(&self.tap);
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}
