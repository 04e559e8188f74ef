//! A listener with middleware around it.
//!
//! `seat → Ringed → Middleware (of the bus) → Middleware (of the subscription) → Innermost → listener`

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::call::{Call, Ran, Scope, Step};
use crate::base::{Failure, Handled};
use crate::events::event::Subject;
use crate::events::hub::{Hub, Post};
use crate::events::middleware::{Call as Around, Handling, Middleware, Next};
use crate::events::parcel::Parcel;
use crate::events::verdict::{ListenerError, panicked};

/// A listener with middleware around it.
pub(crate) struct Ringed<S> {
    chain: Rc<[Arc<dyn Middleware>]>,
    call: Rc<dyn Call<S>>,
}

impl<S: Subject> Ringed<S> {
    pub(crate) fn new(chain: Vec<Arc<dyn Middleware>>, call: Box<dyn Call<S>>) -> Self {
        Self { chain: chain.into(), call: call.into() }
    }
}

impl<S: Subject> Call<S> for Ringed<S> {
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        let call = Around::new(scope.parcel.clone(), scope.post.sign().clone(), scope.hub.clone());
        let listener = innermost(self.call.clone(), scope);
        let next = Next::first(self.chain.clone(), listener);
        let mut handling = next.run(call);
        match handling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(handled) => Ran::Done(handled.map_err(ListenerError::from)),
            Poll::Pending => Ran::Later(Box::pin(Some(concluded(handling)))),
        }
    }
}

async fn concluded(handling: Handling) -> Result<(), ListenerError> {
    handling.await.map_err(ListenerError::from)
}

/// Calls the listener itself, as often as a middleware wants.
fn innermost<S: Subject>(call: Rc<dyn Call<S>>, scope: &Scope<'_, S>) -> Rc<dyn Fn() -> Handling> {
    let (parcel, hub, post) = (scope.parcel.clone(), scope.hub.clone(), scope.post.clone());
    Rc::new(move || {
        Box::pin(Innermost {
            call: call.clone(),
            parcel: parcel.clone(),
            hub: hub.clone(),
            post: post.clone(),
            under_way: None,
        })
    })
}

/// A call of the listener itself. Its panic is an error, so that a middleware sees it.
struct Innermost<S> {
    call: Rc<dyn Call<S>>,
    parcel: Arc<Parcel<S>>,
    hub: Arc<Hub>,
    post: Arc<Post>,
    under_way: Option<Pin<Box<dyn Step>>>,
}

impl<S: Subject> Future for Innermost<S> {
    type Output = Handled;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Handled> {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if self.under_way.is_none() {
                let scope = Scope { parcel: &self.parcel, hub: &self.hub, post: &self.post };
                match self.call.call(&scope) {
                    Ran::Done(result) => return Poll::Ready(result),
                    Ran::Later(future) => self.under_way = Some(future),
                    Ran::Sent => self.under_way = self.call.sends().and_then(|sends| sends.take()),
                }
            }
            match &mut self.under_way {
                Some(future) => future.as_mut().step(cx),
                None => Poll::Ready(Ok(())),
            }
        }));
        match polled {
            Ok(polled) => polled.map_err(Failure::from),
            Err(panic) => Poll::Ready(Err(panicked(panic).into())),
        }
    }
}
