//! "convoke": subscribers are listeners on a bus, sync and async, or actors.
//!
//! ```text
//! driver ─emit───> listener × n                                  awaited: when it returns, all have heard it
//! driver ─publish─> queue × n ─station─> listener × n, or actor × n
//! ```
//!
//! `emit` calls the listeners on the driver's stack; those of another arbiter it calls there, and waits for them, so that
//! a burst is 64 waits. `publish` puts the event into a bounded queue for each subscriber, which is what the peers do.
//! All policies are on: names, panic guard, timeout, overflow. The event is given to sync listeners by reference where they
//! ask for that; else each gets an `Arc`, and an actor a `Heard`, which is one.

use std::marker::PhantomData;
use std::sync::Arc;

use actix::prelude::*;
use convoke::prelude::*;

use super::super::driver::Contestant;
use super::super::place::Place;
use super::super::tally::{Ear, Ears, Tick};
use crate::harness::Failure;

/// Who hears.
pub(in super::super) trait Hearer: 'static {
    /// The name in the table of those to whom it is emitted.
    const EMITTED: &'static str;
    /// The name in the table of those to whom it is published.
    const PUBLISHED: &'static str;

    /// Registers one with the bus, on the arbiter where this runs.
    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure>;
}

/// Registers one for each of the ears, at that place.
async fn bus<H: Hearer>(ears: Ears, place: &Place) -> Result<EventBus, Failure> {
    let bus = EventBus::default();
    let handle = bus.clone();
    let register = move || async move {
        for ear in ears {
            H::register(&handle, ear).await?;
        }
        Ok::<_, Failure>(())
    };
    place.run(register).await??;
    Ok(bus)
}

/// The contestant that emits, and awaits each event.
pub(in super::super) struct Emitted<H>(EventBus, PhantomData<H>);

impl<H: Hearer> Contestant for Emitted<H> {
    const NAME: &'static str = H::EMITTED;

    async fn set_up(ears: Ears, place: &Place) -> Result<Self, Failure> {
        Ok(Self(bus::<H>(ears, place).await?, PhantomData))
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        self.0.emit(tick).await;
        Ok(())
    }
}

/// The contestant that publishes.
pub(in super::super) struct Published<H>(EventBus, PhantomData<H>);

impl<H: Hearer> Contestant for Published<H> {
    const NAME: &'static str = H::PUBLISHED;

    async fn set_up(ears: Ears, place: &Place) -> Result<Self, Failure> {
        Ok(Self(bus::<H>(ears, place).await?, PhantomData))
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        self.0.publish(tick)?;
        Ok(())
    }
}

/// A closure of a reference.
pub(in super::super) struct Sync;

impl Hearer for Sync {
    const EMITTED: &'static str = "convoke, sync";
    const PUBLISHED: &'static str = "convoke, sync, published";

    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure> {
        bus.on(move |tick: &Tick| ear.hear(tick))?.forever();
        Ok(())
    }
}

/// A closure of an `Arc`.
pub(in super::super) struct SyncOfArc;

impl Hearer for SyncOfArc {
    const EMITTED: &'static str = "convoke, sync of Arc";
    const PUBLISHED: &'static str = "convoke, sync of Arc, published";

    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure> {
        bus.on(move |tick: Arc<Tick>| ear.hear(&tick))?.forever();
        Ok(())
    }
}

/// An async closure, which is ready at once.
pub(in super::super) struct Async;

impl Hearer for Async {
    const EMITTED: &'static str = "convoke, async";
    const PUBLISHED: &'static str = "convoke, async, published";

    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure> {
        bus.on(async move |tick: Arc<Tick>| ear.hear(&tick))?.forever();
        Ok(())
    }
}

/// An actor that subscribes when it starts.
pub(in super::super) struct Actors;

impl Hearer for Actors {
    const EMITTED: &'static str = "convoke, actors, emitted";
    const PUBLISHED: &'static str = "convoke, actors";

    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure> {
        let subscriber = Subscriber { ear, bus: bus.clone(), subscription: None }.start();
        // Once it answers it has been started.
        if subscriber.send(IsSubscribed).await? { Ok(()) } else { Err("an actor could not subscribe".into()) }
    }
}

struct Subscriber {
    ear: Ear,
    bus: EventBus,
    subscription: Option<Subscription>,
}

impl Actor for Subscriber {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.subscription = self.bus.subscribe::<Tick, Self>(ctx).ok();
    }
}

impl Handler<Heard<Tick>> for Subscriber {
    type Result = Handled;

    fn handle(&mut self, tick: Heard<Tick>, _: &mut Context<Self>) -> Handled {
        self.ear.hear(&tick);
        Ok(())
    }
}

#[derive(Message)]
#[rtype(result = "bool")]
struct IsSubscribed;

impl Handler<IsSubscribed> for Subscriber {
    type Result = bool;

    fn handle(&mut self, _: IsSubscribed, _: &mut Context<Self>) -> bool {
        self.subscription.is_some()
    }
}

/// A service, with all that keeps it alive.
pub(in super::super) struct Services;

impl Hearer for Services {
    const EMITTED: &'static str = "convoke, services, emitted";
    const PUBLISHED: &'static str = "convoke, services";

    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure> {
        let mut ear = Some(ear);
        let shop = Shop::supervised(bus, move |_| match ear.take() {
            Some(ear) => Ok(Shop { ear }),
            None => Err(std::io::Error::other("it was to run once")),
        });
        shop.await?.forever();
        Ok(())
    }
}

#[derive(BaseService)]
#[service(on(Tick))]
struct Shop {
    ear: Ear,
}

impl Handler<Heard<Tick>> for Shop {
    type Result = Handled;

    fn handle(&mut self, tick: Heard<Tick>, _: &mut Context<Self>) -> Handled {
        self.ear.hear(&tick);
        Ok(())
    }
}

/// An actor that cannot be changed, and is registered by its recipient: each event goes through its mailbox.
pub(in super::super) struct Recipients;

impl Hearer for Recipients {
    const EMITTED: &'static str = "convoke, recipients, emitted";
    const PUBLISHED: &'static str = "convoke, recipients";

    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure> {
        bus.on(Bystander { ear }.start().recipient::<Heard<Tick>>())?.forever();
        Ok(())
    }
}

/// The same by its address.
pub(in super::super) struct Addresses;

impl Hearer for Addresses {
    const EMITTED: &'static str = "convoke, addresses, emitted";
    const PUBLISHED: &'static str = "convoke, addresses";

    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure> {
        bus.on(Bystander { ear }.start())?.forever();
        Ok(())
    }
}

/// The same, with more than one event in its mailbox.
pub(in super::super) struct AddressesAhead;

impl Hearer for AddressesAhead {
    const EMITTED: &'static str = "convoke, addresses, 16 ahead, emitted";
    const PUBLISHED: &'static str = "convoke, addresses, 16 ahead";

    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure> {
        bus.on(Bystander { ear }.start().concurrency(16))?.forever();
        Ok(())
    }
}

/// The same, sent and not heeded, which is what the peers that send to actors promise.
pub(in super::super) struct Unheeded;

impl Hearer for Unheeded {
    const EMITTED: &'static str = "convoke, unheeded, emitted";
    const PUBLISHED: &'static str = "convoke, unheeded";

    async fn register(bus: &EventBus, ear: Ear) -> Result<(), Failure> {
        bus.on(convoke::Unheeded(Bystander { ear }.start().recipient::<Heard<Tick>>()))?.forever();
        Ok(())
    }
}

struct Bystander {
    ear: Ear,
}

impl Actor for Bystander {
    type Context = Context<Self>;
}

impl Handler<Heard<Tick>> for Bystander {
    type Result = Handled;

    fn handle(&mut self, tick: Heard<Tick>, _: &mut Context<Self>) -> Handled {
        self.ear.hear(&tick);
        Ok(())
    }
}
