//! What a life asks of the service that it keeps, and of what that hears: neither knows it.
//!
//! `BaseService → Living ─ build, prepare, attend, let go → life.rs`

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, ResponseFuture};
use tokio::time::Instant;

use super::oversight::Oversight;
use crate::base::Handled;
use crate::events::hub::Hub;
use crate::events::listener::ListenError;
use crate::events::seats::Subscription;
use crate::events::verdict::Overflow;

/// What a life asks of its service: every [`BaseService`](crate::BaseService) is one.
pub(crate) trait Living: Actor<Context = Context<Self>> {
    /// The name of its type.
    const TYPE: &'static str;
    /// The names of those that have to run before it.
    const NEEDED: &'static [&'static str];

    /// Subscribes what it declares.
    fn seats(oversight: &Rc<Oversight>, terms: &Terms) -> Result<Vec<Box<dyn ServiceSeat<Self>>>, ListenError>;

    /// Its `start`.
    fn prepare(&mut self) -> impl Future<Output = Handled>;

    /// Its `stop`.
    fn let_go(&mut self, ctx: &mut Context<Self>) -> ResponseFuture<Handled>;
}

/// What is said about all subscriptions of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) name: Arc<str>,
    pub(crate) capacity: Option<usize>,
    pub(crate) overflow: Option<Overflow>,
    pub(crate) timeout: Option<Duration>,
}

/// One subscription of a service. When it is dropped, it ends.
pub(crate) trait ServiceSeat<A: Living> {
    /// Has this actor hear from it.
    fn attend(&self, ctx: &mut A::Context);

    /// Lets no further event find it; what is on its way still comes.
    fn retire(&self, hub: &Hub);

    /// Whether nothing waits and no call is under way.
    fn is_idle(&self) -> bool {
        self.waiting() == 0
    }

    /// Whether no call is under way.
    fn is_at_rest(&self) -> bool;

    /// How many events wait or are being handled.
    fn waiting(&self) -> usize;

    /// Has what comes for it become a dead letter from now on, which says this.
    fn refuse(&self, why: &str) -> Result<Subscription, ListenError>;

    /// Whether somebody has ended it.
    fn has_ended(&self) -> bool;

    /// Those who have waited so long for a call that has not begun wait no longer; returns when to look again.
    fn expire(&self, limit: Duration, since: Instant) -> Instant;
}
