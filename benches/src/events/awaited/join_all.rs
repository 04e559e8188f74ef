//! "futures join_all": no bus. A vector of closures that return boxed futures, which are awaited together; also with
//! what a report needs, and one after the other.
//!
//! ```text
//! driver ─call─> closure × n ─future─> join_all ──> driver
//! ```
//!
//! Each listener gets an `Arc` of the event, and shares with its future what it needs, here by an `Rc`: that is
//! what a closure has to do whose futures are `'static`.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};

use super::super::driver::Contestant;
use super::super::place::Place;
use super::super::tally::{Ear, Ears, Tick};
use crate::harness::Failure;

type Listener<T> = Box<dyn Fn(Arc<Tick>) -> LocalBoxFuture<'static, T>>;

fn listener(ear: Ear) -> Listener<()> {
    let ear = Rc::new(ear);
    Box::new(move |tick| {
        let ear = Rc::clone(&ear);
        async move { ear.hear(&tick) }.boxed_local()
    })
}

/// Together; the baseline.
pub(super) struct JoinAll {
    listeners: Vec<Listener<()>>,
}

impl Contestant for JoinAll {
    const NAME: &'static str = "futures join_all";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        Ok(Self { listeners: ears.map(listener).collect() })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        let tick = Arc::new(tick);
        join_all(self.listeners.iter().map(|listener| listener(Arc::clone(&tick)))).await;
        Ok(())
    }
}

/// Together, with names, results and a guard against panics: a report, as one would write it for oneself.
pub(super) struct Guarded {
    listeners: Vec<Named>,
}

struct Named {
    name: Arc<str>,
    listener: Listener<Result<(), Failure>>,
}

/// How a listener fared.
enum Heard {
    Well,
    Failed(Failure),
    Panicked,
}

impl Named {
    fn new((index, ear): (usize, Ear)) -> Self {
        let ear = Rc::new(ear);
        let listen = move |tick: Arc<Tick>| {
            let ear = Rc::clone(&ear);
            async move {
                ear.hear(&tick);
                Ok(())
            }
            .boxed_local()
        };
        Self { name: format!("listener {index}").into(), listener: Box::new(listen) }
    }

    fn call(&self, tick: &Arc<Tick>) -> impl Future<Output = (Arc<str>, Heard)> + use<> {
        let (name, heard) = (Arc::clone(&self.name), AssertUnwindSafe((self.listener)(Arc::clone(tick))));
        async move {
            let heard = match heard.catch_unwind().await {
                Ok(Ok(())) => Heard::Well,
                Ok(Err(failure)) => Heard::Failed(failure),
                Err(_) => Heard::Panicked,
            };
            (name, heard)
        }
    }
}

impl Contestant for Guarded {
    const NAME: &'static str = "futures join_all, with report";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        Ok(Self { listeners: ears.enumerate().map(Named::new).collect() })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        let tick = Arc::new(tick);
        for (name, heard) in join_all(self.listeners.iter().map(|named| named.call(&tick))).await {
            match heard {
                Heard::Well => {}
                Heard::Failed(failure) => return Err(format!("{name} failed: {failure}").into()),
                Heard::Panicked => return Err(format!("{name} panicked").into()),
            }
        }
        Ok(())
    }
}

/// One after the other, as a loop does that needs nobody to begin before another has ended.
pub(super) struct InTurn {
    listeners: Vec<Listener<()>>,
}

impl Contestant for InTurn {
    const NAME: &'static str = "one after the other";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        Ok(Self { listeners: ears.map(listener).collect() })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        let tick = Arc::new(tick);
        for listener in &self.listeners {
            listener(Arc::clone(&tick)).await;
        }
        Ok(())
    }
}
