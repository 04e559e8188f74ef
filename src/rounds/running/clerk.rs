//! Who takes what the members of a broker say, and has its consumers hear of rounds, on the arbiter of the broker.
//!
//! `Broker → Clerk::take → queue.rs`, `Consumer::join → Clerk::attend → a row, and what carries to it (carry.rs, deliver.rs)`

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::WeakAddr;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::bench::Ask;
use super::carrying::{AT_ONCE, Carried, Carries, ToConsumer, ToParty, carry, patience};
use super::engine::Core;
use super::queue::Reply;
use crate::__private::rounds::{Asked, Attending, Desk, PartyTerms, What};
use crate::__private::{Shown, catch};
use crate::durable::builder::check_name;
use crate::durable::key;
use crate::durable::plan::channel_of;
use crate::durable::store::{Party, Place};
use crate::{Broker, EmitError, JoinError, Payload, Retry, Uuid};

/// How long the name of a consumer may be: it stands in the name of its outbox.
const MOST_CONSUMER: usize = 38;

/// How long the name of a party may be.
const MOST_PARTY: usize = 256;

/// Of how many parties something is noted.
const MOST_PARTIES: usize = 1_000;

/// For how long it is tried to have a party asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// How large the payload of a signal may be.
const MOST_BYTES: usize = 256 * 1024;

/// Takes what the members of the broker say.
pub(in crate::durable) struct Clerk<P: Payload> {
    core: Arc<Core<P>>,
    relays: Rc<dyn Delivering<P>>,
    here: oneshot::Receiver<WeakAddr<Broker<P>>>,
}

impl<P: Payload> Clerk<P> {
    pub(in crate::durable) fn new(
        core: Arc<Core<P>>,
        relays: Rc<dyn Delivering<P>>,
        here: oneshot::Receiver<WeakAddr<Broker<P>>>,
    ) -> Self {
        Self { core, relays, here }
    }
}

impl<P: Payload + Serialize + DeserializeOwned> Desk<P> for Clerk<P> {
    fn take(&mut self, asked: Asked<P>) -> Result<(), (Box<Asked<P>>, usize)> {
        let bound = self.core.queue.bound;
        if self.core.queue.is_full() {
            return Err((Box::new(asked), bound));
        }
        let (name, weight, token) = (asked.name.clone(), asked.weight, Uuid::now_v7());
        let key = key::write(asked.key.as_ref());
        let (what, answers) = asked.divide();
        // The payload is the user's, and so is how it becomes JSON.
        let ask = key.and_then(|key| {
            check_party(&name)?;
            let ask = match what {
                What::Signal(payload) => Ask::Signal { name, payload: write(payload)?, weight, token },
                What::Veto(reason) => Ask::Veto { name, reason, token },
            };
            Ok((key, ask))
        });
        match ask {
            Ok((key, ask)) => {
                if let Err(reply) = self.core.ask(Place::Key(key), ask, Reply::Member(answers)) {
                    reply.refused(EmitError::Busy { limit: bound });
                }
            }
            Err(error) => answers.refused(error),
        }
        Ok(())
    }

    fn admit(&mut self, name: Arc<str>, terms: PartyTerms) -> Attending {
        self.meet();
        let noted = self.note(name.clone(), terms);
        if !terms.asked {
            return noted;
        }
        // From now on, so that one that leaves meanwhile is known to have left.
        self.relays.expect(&name);
        let relays = self.relays.clone();
        Box::pin(async move {
            noted.await?;
            relays.summon(name).await
        })
    }

    fn retire(&mut self, name: &Arc<str>) {
        self.relays.retire(name);
    }

    fn attend(&mut self, name: Arc<str>) -> Attending {
        self.meet();
        let relays = self.relays.clone();
        Box::pin(async move { relays.attend(name).await })
    }

    fn leave(&mut self, name: &str) {
        self.relays.leave(name);
    }
}

impl<P: Payload> Clerk<P> {
    /// Learns where the broker is, which is known once it has started.
    fn meet(&mut self) {
        if let Ok(address) = self.here.try_recv() {
            self.relays.clone().know(address);
        }
    }
}

impl<P: Payload + DeserializeOwned> Clerk<P> {
    /// Has it noted what a party says of itself.
    fn note(&self, name: Arc<str>, terms: PartyTerms) -> Attending {
        let core = self.core.clone();
        Box::pin(async move {
            let database = |error: &dyn fmt::Display| JoinError::Database(error.to_string().into());
            check_party(&name).map_err(|error| database(&error))?;
            let known = core.store.parties().await.map_err(|error| database(&error))?;
            let party = Party { name, terms: terms.to_text(), asked: terms.asked };
            if known.contains(&party) {
                return Ok(());
            }
            if known.len() >= MOST_PARTIES && known.iter().all(|known| known.name != party.name) {
                return Err(JoinError::Full { limit: MOST_PARTIES });
            }
            core.store.add_party(&party).await.map_err(|error| database(&error))
        })
    }
}

impl<P: Payload> Drop for Clerk<P> {
    fn drop(&mut self) {
        if !self.core.queue.is_empty()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(self.core.clone().drain());
        }
    }
}

/// What every database keeps.
fn check_party(name: &str) -> Result<(), EmitError> {
    if name.len() <= MOST_PARTY && !name.contains('\0') {
        return Ok(());
    }
    let why = format!(
        "the name of a party of a durable round has at most {MOST_PARTY} bytes, and no character of the code 0"
    );
    Err(EmitError::Unreadable(why.into()))
}

pub(super) fn write<P: Serialize>(payload: P) -> Result<String, EmitError> {
    let written = catch(|| serde_json::to_string(&payload));
    // Its `Drop` is the user's too, and what is written is written.
    if let Err(why) = catch(move || drop(payload)) {
        log::error!(target: "convoke::rounds", "a payload has panicked as it was dropped: {}", Shown::text(&why));
    }
    let text = match written {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            let why = format!("the payload cannot be written as JSON: {error}");
            return Err(EmitError::Unreadable(why.into()));
        }
        Err(why) => return Err(EmitError::Unreadable(format!("the payload has panicked: {why}").into())),
    };
    if text.len() > MOST_BYTES {
        let bytes = text.len();
        let why = format!(
            "a payload has at most {MOST_BYTES} bytes as JSON, and this one has {bytes}: keep it elsewhere, and emit where"
        );
        return Err(EmitError::Unreadable(why.into()));
    }
    Ok(text)
}

/// What hands rounds to the consumers of this process, whatever their database is.
pub(in crate::durable) trait Delivering<P: Payload> {
    fn know(&self, address: WeakAddr<Broker<P>>);

    fn attend(&self, name: Arc<str>) -> Pin<Box<dyn Future<Output = Result<(), JoinError>> + '_>>;

    fn leave(&self, name: &str);

    /// There is one more of this name here that can be asked.
    fn expect(&self, name: &Arc<str>);

    /// Begins to ask the party of this name, for as long as one is here.
    fn summon(&self, name: Arc<str>) -> Pin<Box<dyn Future<Output = Result<(), JoinError>> + '_>>;

    /// There is one less.
    fn retire(&self, name: &Arc<str>);
}

/// How many of a party are here, and what carries to them.
type Summoned = (usize, Option<Carried>);

pub(in crate::durable) struct Relays<P: Payload> {
    core: Arc<Core<P>>,
    limit: Duration,
    retry: Retry,
    carries: Carries,
    address: RefCell<Option<WeakAddr<Broker<P>>>>,
    /// By consumer. Each ends when it is dropped.
    running: RefCell<HashMap<Arc<str>, Carried>>,
    /// By party.
    parties: RefCell<HashMap<Arc<str>, Summoned>>,
}

impl<P: Payload + DeserializeOwned> Relays<P> {
    pub(in crate::durable) fn new(core: Arc<Core<P>>, limit: Duration, retry: Retry, carries: Carries) -> Self {
        let (running, parties) = (HashMap::new().into(), HashMap::new().into());
        Self { core, limit, retry, carries, address: None.into(), running, parties }
    }

    async fn start(&self, consumer: Arc<str>) -> Result<Carried, JoinError> {
        let database = |error: &dyn fmt::Display| JoinError::Database(error.to_string().into());
        check_name("a consumer of a durable broker", &consumer, MOST_CONSUMER).map_err(|error| database(&error))?;
        let store = &self.core.store;
        store.add_consumer(&consumer).await.map_err(|error| database(&error))?;
        let broker = self.address.borrow().clone().ok_or(JoinError::BrokerGone)?;
        let name = format!("{} for consumer {consumer}", store.name());
        let (consumer, carries) = (consumer.clone(), self.carries);
        let publisher = ToConsumer::new(
            (&self.core.law.broker, name.clone()),
            consumer.clone(),
            broker,
            self.retry,
            carries.at_once,
            self.core.carrying.here(),
        );
        carry(&**store, &consumer, name, publisher, patience(self.limit, &self.retry), carries).await
    }
}

impl<P: Payload + Serialize + DeserializeOwned> Relays<P> {
    async fn summoning(&self, party: Arc<str>) -> Result<Carried, JoinError> {
        let store = &self.core.store;
        let broker = self.address.borrow().clone().ok_or(JoinError::BrokerGone)?;
        let name = format!("{} for party {}", store.name(), Shown::name(&party));
        let channel = channel_of(&party);
        let here = self.core.carrying.here();
        let publisher = ToParty { name: name.clone(), party, core: Arc::downgrade(&self.core), broker, _here: here };
        carry(&**store, &channel, name, publisher, PATIENCE, Carries { at_once: AT_ONCE, ..self.carries }).await
    }
}

impl<P: Payload + Serialize + DeserializeOwned> Delivering<P> for Relays<P> {
    fn know(&self, address: WeakAddr<Broker<P>>) {
        *self.address.borrow_mut() = Some(address);
    }

    fn attend(&self, name: Arc<str>) -> Pin<Box<dyn Future<Output = Result<(), JoinError>> + '_>> {
        Box::pin(async move {
            let running = self.start(name.clone()).await?;
            self.running.borrow_mut().insert(name, running);
            Ok(())
        })
    }

    fn leave(&self, name: &str) {
        // Dropped, it is stopped: what it has not handed over is for another process, or for later.
        let stopped = self.running.borrow_mut().remove(name);
        drop(stopped);
    }

    fn expect(&self, name: &Arc<str>) {
        self.parties.borrow_mut().entry(name.clone()).or_default().0 += 1;
    }

    fn summon(&self, name: Arc<str>) -> Pin<Box<dyn Future<Output = Result<(), JoinError>> + '_>> {
        Box::pin(async move {
            if self.parties.borrow().get(&name).is_none_or(|(_, relay)| relay.is_some()) {
                return Ok(());
            }
            let running = self.summoning(name.clone()).await?;
            // All of them may have left meanwhile, and another one may have begun.
            if let Some((_, relay @ None)) = self.parties.borrow_mut().get_mut(&name) {
                *relay = Some(running);
            }
            Ok(())
        })
    }

    fn retire(&self, name: &Arc<str>) {
        let mut parties = self.parties.borrow_mut();
        let Some((count, _)) = parties.get_mut(name) else { return };
        *count = count.saturating_sub(1);
        let stopped = if *count == 0 { parties.remove(name) } else { None };
        drop(parties);
        // What it has not handed over is for another process, or for later.
        drop(stopped);
    }
}
