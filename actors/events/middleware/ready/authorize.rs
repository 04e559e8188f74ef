//! Lets a listener hear only what a check allows.
//!
//! `call → check → next, or Unauthorized`

use std::future::ready;
use std::sync::Arc;
use std::{error, fmt};

use crate::base::{Failure, Handled, Shown, debug_is_display};

use super::super::{Call, Handling, Middleware, Next};

/// Calls a listener only for events that a check allows.
///
/// The check is a sync or async function of the [`Call`]. It returns a `bool`, or a `Result<(), E>` whose error is the
/// reason. Most checks read `call.metadata().authorization`.
///
/// A refused call ends with [`Unauthorized`], which names the listener and the event. A reason that quotes the
/// authorization is shown without it. A check that panics refuses the call.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::Call;
/// use convoke::middleware::Authorize;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// # actix::System::new().block_on(async {
/// let known = |call: &Call| call.metadata().authorization.expose() == "Bearer 1234";
/// let bus = EventBus::builder().with(Authorize::new(known)).build();
/// let _mail = bus.on((|_: &OrderPlaced| ()).named("mail"))?;
/// assert!(bus.with_authorization("Bearer 1234").emit(OrderPlaced { id: 7 }).await.is_ok());
///
/// let refused = bus.with_authorization("Bearer 5678").emit(OrderPlaced { id: 8 }).await;
/// let (_, error) = refused.failed().next().unwrap();
/// assert_eq!(error.to_string(), "failed: `mail` may not hear of this OrderPlaced: its authorization does not allow it");
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
pub struct Authorize {
    check: Box<dyn Fn(&Call) -> Handling + Send + Sync>,
}

impl Authorize {
    /// Creates the middleware with a sync check.
    pub fn new<A: Allows>(check: impl Fn(&Call) -> A + Send + Sync + 'static) -> Self {
        Self { check: Box::new(move |call| Box::pin(ready(check(call).allows()))) }
    }

    /// Creates the middleware with an async check. The listener's own timeout runs while the check is awaited.
    pub fn new_async<A: Allows>(check: impl AsyncFn(&Call) -> A + Send + Sync + 'static) -> Self {
        let check = Arc::new(check);
        Self {
            check: Box::new(move |call| {
                let (check, call) = (check.clone(), call.clone());
                Box::pin(async move { (*check)(&call).await.allows() })
            }),
        }
    }
}

impl fmt::Debug for Authorize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize").finish_non_exhaustive()
    }
}

impl Middleware for Authorize {
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling {
        Box::pin(async move {
            match (self.check)(&call).await {
                Ok(()) => next.run(call).await,
                Err(reason) => Err(Unauthorized::new(&call, &reason).into()),
            }
        })
    }
}

/// The return type of a check: a `bool`, or a `Result` whose error is the reason.
pub trait Allows {
    /// Converts the return value into a `Result`.
    ///
    /// # Errors
    ///
    /// Returns the reason for which the call is refused.
    fn allows(self) -> Handled;
}

impl Allows for bool {
    fn allows(self) -> Handled {
        if self { Ok(()) } else { Err(Failure::new("its authorization does not allow it")) }
    }
}

impl<E: Into<Failure>> Allows for Result<(), E> {
    fn allows(self) -> Handled {
        self.map_err(Into::into)
    }
}

/// The error of a call that [`Authorize`] refuses.
#[derive(Clone, PartialEq, Eq)]
pub struct Unauthorized {
    /// The name of the listener.
    pub listener: Arc<str>,
    /// The event's name.
    pub event: String,
    /// The reason for which the call was refused.
    pub reason: String,
}

impl Unauthorized {
    fn new(call: &Call, reason: &Failure) -> Self {
        let mut reason = reason.chain();
        let secret = call.metadata().authorization.expose();
        // All of it, and the token behind the scheme, as in `Bearer 1234`.
        for part in [secret, secret.rsplit(char::is_whitespace).next().unwrap_or_default()] {
            if !part.is_empty() {
                reason = reason.replace(part, "(hidden)");
            }
        }
        Self { listener: call.sign().name.clone(), event: call.event_name(), reason }
    }
}

impl fmt::Display for Unauthorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, event, reason } = self;
        let (event, reason) = (Shown::name(event), Shown::text(reason));
        write!(f, "`{listener}` may not hear of this {event}: {reason}")
    }
}

impl error::Error for Unauthorized {}

debug_is_display!(Unauthorized);
