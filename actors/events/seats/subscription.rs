//! The guard of whoever registered a listener.
//!
//! `bus.on → Post (in the registry) → Subscription (with the caller)`

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::desk::station_here;
use crate::events::hub::{Hub, Post, SubscriptionInfo, ToStation};
use crate::events::verdict::SubscriptionId;
use crate::runtime::{quietly, really_within};

/// The guard of a registration: dropping it unregisters the listener.
///
/// On the arbiter that registered the listener, no call begins after the drop. On another thread, the drop only
/// requests the end of the registration; to wait for the end, use [`unsubscribe`](Self::unsubscribe). A call that is
/// under way continues to its end. The events that waited for the listener become dead letters.
#[must_use = "dropping it ends the registration, and so does `let _ =`: give it a name, or hand it over with `.forever()`"]
pub struct Subscription {
    hub: Arc<Hub>,
    post: Arc<Post>,
    armed: bool,
}

impl Subscription {
    pub(crate) fn new(hub: Arc<Hub>, post: Arc<Post>) -> Self {
        Self { hub, post, armed: true }
    }

    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.post
    }

    /// Returns the id of the registration, unique within its bus.
    pub fn id(&self) -> SubscriptionId {
        self.post.id()
    }

    /// Returns the name of the listener.
    pub fn listener(&self) -> &str {
        self.post.name()
    }

    /// Returns a snapshot of the registration.
    pub fn info(&self) -> SubscriptionInfo {
        self.post.info()
    }

    /// Returns whether the listener is still registered.
    ///
    /// A registration ends by the last of its [`times`](crate::Listening::times), by
    /// [`EventBus::clear`](crate::EventBus::clear) or [`EventBus::unregister`](crate::EventBus::unregister), and with
    /// the listener's actor or arbiter.
    pub fn is_active(&self) -> bool {
        !self.post.has_ended()
    }

    /// Keeps the listener registered for as long as the bus lives, without a guard.
    pub fn forever(mut self) {
        self.armed = false;
    }

    /// Ends the registration, and resolves when no call can begin any more, on any thread.
    ///
    /// On another thread it waits for the listener's arbiter, up to the listener's [timeout](crate::Listening::timeout)
    /// by the real clock. If the arbiter does not respond in this time, events on their way to the listener no longer
    /// reach it.
    pub fn unsubscribe(mut self) -> impl Future<Output = ()> + Send + Sync + use<> {
        self.armed = false;
        let (told, ended) = oneshot::channel();
        end(&self.hub, &self.post, Some(told));
        let post = self.post.clone();
        async move {
            // An error means that the station is gone, and the listener with it.
            if really_within(post.timeout(), ended).await.is_none() {
                post.abandon();
                let name = post.name();
                log::warn!(target: "convoke::bus", "`{name}` is unsubscribed, but its arbiter does not answer");
            }
        }
    }
}

/// Ends a registration: at once on its own arbiter, else as soon as that looks.
pub(crate) fn end(hub: &Arc<Hub>, post: &Arc<Post>, told: Option<oneshot::Sender<()>>) {
    hub.strike(post);
    match station_here(hub, post.door()) {
        Some(station) => {
            station.end(post);
            if let Some(told) = told {
                quietly(|| {
                    let _ = told.send(());
                });
            }
        }
        // One farewell for each registration.
        None => post.door().push_always(ToStation::End { post: post.clone(), told }),
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.armed {
            end(&self.hub, &self.post, None);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.post.id)
            .field("listener", self.post.name())
            .field("hears", &self.post.hearing.to_string())
            .finish_non_exhaustive()
    }
}
