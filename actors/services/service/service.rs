//! A service: an actor with a lifecycle. What it declares, the states it can be in, and what is told of each change.
//!
//! `#[derive(BaseService)] → BaseService → Supervised → life.rs`, `a change of state → ServiceStatus → service/status`

use std::fmt;
use std::future::Future;
use std::time::SystemTime;

use actix::{Actor, Context, ResponseFuture};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::subscriptions::Subscriptions;
use super::supervised::{IntoService, Supervised};
use crate::base::{Handled, Shown};
use crate::events::bus::EventBus;
use crate::events::event::{Event, Name, read_date, write_date};
use crate::events::listener::ListenError;

/// An actix actor that subscribes when it starts, cleans up when it stops, comes back when it fails, and says how it
/// is. Derived, with `#[derive(BaseService)]`.
///
/// Its handlers are those of any actor, with `Context<Self>`; it hears events as [`Heard<E>`](crate::Heard). What it declares
/// stands over the struct, in `#[service(…)]`:
///
/// | | |
/// |---|---|
/// | `on(OrderPlaced, OrderClosed)` | the types of events that it hears |
/// | `topics("stock/*")` | the topics that it hears, as `Heard<JsonEvent>` |
/// | `start = open` | `async fn open(&mut self) -> Result<(), E>`: before it is an actor, and before it subscribes |
/// | `begin = tick` | `fn tick(&mut self, ctx: &mut Context<Self>)`: when it is an actor, for timers and streams |
/// | `stop = close` | `fn close(&mut self) -> impl Future<Output = Result<(), E>> + use<>`: after its last event |
/// | `needs(Ledger)` | the services that have to run before it, where [`Services`](crate::Services) starts many |
/// | `name = "billing"` | what it is called; the name of the type, unless given |
/// | `own_actor` | the type has its own `impl Actor`, with `Context<Self>`; `begin` is then its `started` |
/// | `crate = "path::to::convoke"` | `::convoke` unless given |
///
/// While it stops it is an actor, whose future cannot borrow it: `stop` takes out what it needs, and returns a future
/// that owns that.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use actix::prelude::*;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # #[event(topic = "orders/placed")]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// #[derive(BaseService)]
/// #[service(on(OrderPlaced), start = open_ledger)]
/// struct Billing {
///     ledger: Vec<u64>,
/// }
///
/// impl Billing {
///     async fn open_ledger(&mut self) -> std::io::Result<()> {
///         self.ledger.reserve(100);
///         Ok(())
///     }
/// }
///
/// impl Handler<Heard<OrderPlaced>> for Billing {
///     type Result = Handled;
///
///     fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
///         self.ledger.push(order.id);
///         Ok(())
///     }
/// }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let billing = Billing::supervised(&bus, |_| Billing { ledger: Vec::new() }).await?; // subscribed, and running
/// assert!(bus.emit(OrderPlaced { id: 7 }).await.is_ok());
/// billing.stop().await;
/// assert!(bus.subscriptions().is_empty());
/// # Ok::<(), StartError>(())
/// # }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "not a service",
    note = "write `#[derive(BaseService)]` over the struct"
)]
pub trait BaseService: Actor<Context = Context<Self>> {
    /// What it is called, unless it is [named](Supervised::named) otherwise.
    const NAME: &'static str;

    /// The names of the services that have to run before it.
    const NEEDS: &'static [&'static str] = &[];

    /// Declares what it hears.
    ///
    /// # Errors
    ///
    /// What [`EventBus::subscribe`] says.
    fn subscribe(subscriptions: &mut Subscriptions<'_, Self>) -> Result<(), ListenError> {
        let _ = subscriptions;
        Ok(())
    }

    /// Prepares it: before it is an actor and before it subscribes. It does not run if this fails, panics, or takes longer
    /// than its [start timeout](Supervised::start_timeout).
    ///
    /// What is emitted here is not heard by the service itself, which does not run yet; when it is built anew, that waits
    /// for it. So do not await here an event that it hears: publish it.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    fn start(&mut self) -> impl Future<Output = Handled> {
        async { Ok(()) }
    }

    /// Lets go of what it has: when it is told to stop, after the last event that waited for it. It is no longer subscribed
    /// then. After a panic nothing is called but its `Drop`.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; it stops nevertheless, and the error stands in its status.
    fn stop(&mut self, ctx: &mut Context<Self>) -> ResponseFuture<Handled> {
        let _ = ctx;
        Box::pin(async { Ok(()) })
    }

    /// Starts the service on this arbiter and keeps it alive. It is built by `factory`, anew for each start: a closure of
    /// the bus that returns the service, or a `Result` of it.
    ///
    /// What is returned has the options, and is awaited: it is ready when the service is running.
    ///
    /// ```text
    /// let billing = Billing::supervised(&bus, |bus| Billing { bus }).backoff(Backoff::none()).await?;
    /// ```
    fn supervised<F, R>(bus: &EventBus, factory: F) -> Supervised<Self>
    where
        F: FnMut(EventBus) -> R + 'static,
        R: IntoService<Self>,
    {
        Supervised::new(bus, factory)
    }
}

/// What a service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It is being built, prepared and subscribed.
    Starting,
    /// It hears and handles.
    Running,
    /// It hears and handles, but not as it should: it says so itself, or a handler of it has failed.
    Degraded,
    /// It has ended and waits for its next start. What is sent to it is kept.
    Restarting,
    /// It handles what it still has, and lets go.
    Stopping,
    /// It has ended, and does not come back by itself.
    Stopped,
    /// It has ended for good by what went wrong.
    Failed,
}

impl ServiceState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Starting, Self::Running, Self::Degraded, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed];

    /// Returns the states that may follow this one: the table of all transitions.
    pub const fn next(self) -> &'static [Self] {
        match self {
            // A start that fails is repeated if it is a restart. One that is interrupted stops.
            Self::Starting => &[Self::Running, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed],
            // A service that has done its work stops by itself; one whose arbiter ends is stopped too.
            Self::Running => &[Self::Degraded, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed],
            Self::Degraded => &[Self::Running, Self::Restarting, Self::Stopping, Self::Stopped, Self::Failed],
            Self::Restarting => &[Self::Starting, Self::Stopping, Self::Stopped, Self::Failed],
            // A neighbour's restart stops a service in order to start it again. What panics while it stops has stopped.
            Self::Stopping => &[Self::Stopped, Self::Restarting],
            // The supervisor above it may start it again.
            Self::Stopped | Self::Failed => &[Self::Starting],
        }
    }

    /// Whether it may be followed by that one.
    pub fn may_become(self, next: Self) -> bool {
        self.next().contains(&next)
    }

    /// Whether it hears and handles: running, or degraded.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Degraded)
    }

    /// Whether it has ended and does not come back by itself: stopped, or failed.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        })
    }
}

/// How a service is: an event on `service/status` at each change, and the answer to who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// What it is called.
    pub service: Name,
    /// What it is doing.
    pub state: ServiceState,
    /// Since when it has been doing that.
    #[serde(serialize_with = "write_date", deserialize_with = "read_date")]
    pub since: SystemTime,
    /// What went wrong last, if that has led to this state, or a handler has failed in it.
    pub error: Option<String>,
    /// How often it was started again.
    pub restarts: u32,
    /// How many of its calls have failed: handlers that returned an error or took too long, and what was lost with it.
    pub errors: u64,
}

impl Event for ServiceStatus {
    const NAME: &'static str = "ServiceStatus";
    const TOPIC: &'static str = "service/status";
    const ENTITY: &'static str = "Service";

    fn entity_id(&self) -> Option<String> {
        Some(self.service.to_string())
    }

    fn to_json(&self) -> Result<Value, serde_json::Error> {
        crate::events::event::to_value(self)
    }

    fn from_json(payload: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(payload)
    }
}

impl ServiceStatus {
    pub(crate) fn new(service: Name, now: SystemTime) -> Self {
        Self { service, state: ServiceState::Stopped, since: now, error: None, restarts: 0, errors: 0 }
    }

    /// Enters a state, if the table has it; says whether it has. A state that is followed by itself is none.
    pub(crate) fn enter(&mut self, state: ServiceState, error: Option<String>, now: SystemTime) -> bool {
        if !self.state.may_become(state) {
            return false;
        }
        if self.state == ServiceState::Restarting && state == ServiceState::Starting {
            self.restarts = self.restarts.saturating_add(1);
        }
        self.state = state;
        self.since = now;
        self.error = error;
        true
    }

    /// A call of it has failed.
    pub(crate) fn erred(&mut self, error: String) {
        self.errors = self.errors.saturating_add(1);
        self.error = Some(error);
    }
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            ServiceState::Failed => write!(f, "{} has failed", self.service)?,
            state => write!(f, "{} is {state}", self.service)?,
        }
        match &self.error {
            Some(error) => write!(f, ": {}", Shown::text(error)),
            None => Ok(()),
        }
    }
}

/// Whether all of them run.
pub(crate) fn is_ready(statuses: &[ServiceStatus]) -> bool {
    statuses.iter().all(|status| status.state.is_up())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::ServiceState::{Degraded, Failed, Restarting, Running, Starting, Stopped, Stopping};
    use super::*;

    fn status() -> ServiceStatus {
        ServiceStatus::new("billing".into(), UNIX_EPOCH)
    }

    /// One that has gone through these states.
    fn through(states: &[ServiceState]) -> ServiceStatus {
        let mut status = status();
        for state in states {
            assert!(status.enter(*state, None, UNIX_EPOCH), "{} → {state}", status.state);
        }
        status
    }

    #[test]
    fn the_table_of_transitions() {
        let table = [
            (Starting, "running restarting stopping stopped failed"),
            (Running, "degraded restarting stopping stopped failed"),
            (Degraded, "running restarting stopping stopped failed"),
            (Restarting, "starting stopping stopped failed"),
            (Stopping, "stopped restarting"),
            (Stopped, "starting"),
            (Failed, "starting"),
        ];
        for (state, expected) in table {
            let next: Vec<_> = state.next().iter().map(ToString::to_string).collect();
            assert_eq!(next.join(" "), expected, "after {state}");
            for other in ServiceState::ALL {
                assert_eq!(state.may_become(other), state.next().contains(&other), "{state} → {other}");
                let mut status = status();
                status.state = state;
                assert_eq!(status.enter(other, None, UNIX_EPOCH), state.may_become(other), "{state} → {other}");
            }
        }
    }

    #[test]
    fn no_state_is_a_dead_end_and_each_is_reached() {
        for state in ServiceState::ALL {
            assert!(!state.next().is_empty(), "{state}");
            assert!(ServiceState::ALL.iter().any(|before| before.may_become(state)), "{state}");
            assert!(!state.may_become(state), "{state}");
        }
    }

    #[test]
    fn up_and_over_are_told_apart() {
        let of =
            |is: fn(ServiceState) -> bool| ServiceState::ALL.into_iter().filter(|state| is(*state)).collect::<Vec<_>>();
        assert_eq!(of(ServiceState::is_up), [Running, Degraded]);
        assert_eq!(of(ServiceState::is_over), [Stopped, Failed]);
    }

    #[test]
    fn a_refused_transition_changes_nothing() {
        let mut status = through(&[Starting, Running]);
        let before = status.clone();
        assert!(!status.enter(Starting, Some("no".to_owned()), UNIX_EPOCH + Duration::from_secs(9)));
        assert_eq!(status, before);
    }

    #[test]
    fn a_change_has_its_time_and_its_error_and_the_next_has_none() {
        let later = UNIX_EPOCH + Duration::from_secs(9);
        let mut status = through(&[Starting, Running]);
        status.enter(Degraded, Some("no feed".to_owned()), later);
        assert_eq!((status.state, status.since, status.error.as_deref()), (Degraded, later, Some("no feed")));
        assert_eq!(status.to_string(), "billing is degraded: no feed");
        status.enter(Running, None, later);
        assert_eq!(status.error, None);
        assert_eq!(status.to_string(), "billing is running");
        status.enter(Failed, Some("no ledger".to_owned()), later);
        assert_eq!(status.to_string(), "billing has failed: no ledger");
    }

    #[test]
    fn only_a_start_after_a_restart_counts_as_one() {
        assert_eq!(through(&[Starting, Running, Stopping, Stopped, Starting]).restarts, 0);
        assert_eq!(through(&[Starting, Running, Restarting, Starting]).restarts, 1);
        assert_eq!(through(&[Starting, Running, Restarting, Starting, Restarting, Starting, Running]).restarts, 2);
        assert_eq!(through(&[Starting, Failed, Starting]).restarts, 0);
    }

    #[test]
    fn errors_are_counted_and_the_last_is_told() {
        let mut status = through(&[Starting, Running]);
        status.erred("one".to_owned());
        status.erred("two".to_owned());
        assert_eq!((status.errors, status.error.as_deref(), status.state), (2, Some("two"), Running));
    }

    #[test]
    fn all_are_ready_or_none_is() {
        let up = through(&[Starting, Running]);
        let degraded = through(&[Starting, Running, Degraded]);
        assert!(is_ready(&[]));
        assert!(is_ready(&[up.clone(), degraded]));
        assert!(!is_ready(&[up, status()]));
    }

    #[test]
    fn its_json_is_what_a_topic_subscriber_reads() {
        let mut status = through(&[Starting, Running]);
        status.since = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let expected = json!({
            "service": "billing", "state": "running", "since": "2026-01-01T00:00:00+00:00", "error": null, "restarts": 0,
            "errors": 0,
        });
        assert_eq!(status.to_json().unwrap(), expected);
        assert_eq!(ServiceStatus::from_json(&expected).unwrap(), status);
        assert_eq!(status.entity_id().as_deref(), Some("billing"));
        assert!(ServiceStatus::from_json(&json!({ "since": "yesterday" })).is_err());
    }

    #[test]
    fn states_are_padded_as_text_is() {
        assert_eq!(format!("{Running:>10}|"), "   running|");
        let names: Vec<_> = ServiceState::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["starting", "running", "degraded", "restarting", "stopping", "stopped", "failed"]);
    }
}
