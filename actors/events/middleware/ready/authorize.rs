//! Lets a listener hear only what a check allows.
//!
//! `call → check → next, or Unauthorized`

use std::future::ready;
use std::sync::Arc;
use std::{error, fmt};

use crate::base::{Failure, Handled, Shown};

use super::super::{Call, Handling, Middleware, Next};

/// Lets a listener hear of an event only if a check of the call allows it, sync or async.
///
/// A check answers with a `bool` or with a `Result<(), E>`, whose error is the reason. What it goes by is most often
/// `call.metadata().authorization`. A call that is refused ends with [`Unauthorized`], which names the listener and the
/// event; if a reason quotes the authorization, that is left out of it. A check that panics lets nothing through.
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
    /// Asks a function that knows the answer at once.
    pub fn new<A: Allows>(check: impl Fn(&Call) -> A + Send + Sync + 'static) -> Self {
        Self { check: Box::new(move |call| Box::pin(ready(check(call).allows()))) }
    }

    /// Asks a function that has to wait for the answer. The listener's own timeout runs while it waits.
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

/// What a check answers: a `bool`, or a `Result` whose error is the reason.
pub trait Allows {
    /// Returns it as a result.
    ///
    /// # Errors
    ///
    /// Why it is refused.
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

/// A listener may not hear of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unauthorized {
    /// The listener.
    pub listener: Arc<str>,
    /// The event's name.
    pub event: String,
    /// Why not.
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
