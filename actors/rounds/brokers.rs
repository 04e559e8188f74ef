//! The registry of brokers by id.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::Addr;

use super::broker_ext::BrokerExt;
use super::consumer::{Consumer, ConsumerHandle, IntoConsumer};
use super::error::BrokerError;
use super::id::BrokerId;
use crate::base::Payload;
use crate::rounds::broker::Broker;
use crate::rounds::emitter::{Emitter, EmitterHandle};
use crate::runtime;

/// The brokers of an application by id. It is cheap to clone, every clone is the same registry, and any thread may
/// ask it. A broker lives at least as long as it is registered; one that has stopped is no longer found.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// use std::time::Duration;
///
/// # actix::System::new().block_on(async {
/// let brokers = Brokers::new();
/// brokers.create("orders", Duration::from_secs(1))?;
/// let stock = brokers.add_emitter("orders", "stock").await?;
/// let _shipping = brokers.add_consumer("orders", |round: Resolved<u32>| println!("{round}")).await?;
/// assert!(stock.emit(3).await?.is_resolved());
///
/// let error = brokers.get("order").unwrap_err();
/// assert_eq!(error.to_string(), "no broker `order`: create or register it first; there are `orders`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Brokers<P: Payload> {
    by_id: Arc<Mutex<BTreeMap<BrokerId, Addr<Broker<P>>>>>,
}

impl<P: Payload> Brokers<P> {
    /// Makes an empty registry.
    pub fn new() -> Self {
        Self { by_id: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BrokerId, Addr<Broker<P>>>> {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.retain(|_, broker| broker.connected());
        by_id
    }

    /// Returns the broker of this id, starting one on this arbiter with this timeout if there is none.
    ///
    /// A broker that is there keeps the timeout it has.
    ///
    /// # Errors
    ///
    /// `Config` for a timeout of zero, `NoArbiter` outside an actix system.
    pub fn create(&self, id: impl Into<BrokerId>, timeout: Duration) -> Result<Addr<Broker<P>>, BrokerError> {
        self.create_with(id, || Broker::new(timeout))
    }

    /// Returns the broker of this id, starting the one that `make` builds if there is none.
    ///
    /// # Errors
    ///
    /// `Config` for rules by which no round could go, `NoArbiter` outside an actix system.
    pub fn create_with(
        &self,
        id: impl Into<BrokerId>,
        make: impl FnOnce() -> Broker<P>,
    ) -> Result<Addr<Broker<P>>, BrokerError> {
        let id = id.into();
        if let Some(broker) = self.lock().get(&id) {
            return Ok(broker.clone());
        }
        if !runtime::is_arbiter() {
            return Err(BrokerError::NoArbiter);
        }
        // Built without the lock: `make` is the caller's, and may ask this registry.
        let broker = make().named(&id);
        let mut by_id = self.lock();
        if let Some(broker) = by_id.get(&id) {
            return Ok(broker.clone());
        }
        let broker = broker.try_start()?;
        by_id.insert(id, broker.clone());
        Ok(broker)
    }

    /// Registers a broker that was started elsewhere.
    ///
    /// # Errors
    ///
    /// `Taken` if another broker has this id, `Gone` if this one has stopped.
    pub fn register(&self, id: impl Into<BrokerId>, broker: Addr<Broker<P>>) -> Result<(), BrokerError> {
        let id = id.into();
        if !broker.connected() {
            return Err(BrokerError::Gone);
        }
        let mut by_id = self.lock();
        if by_id.contains_key(&id) {
            return Err(BrokerError::Taken { id });
        }
        by_id.insert(id, broker);
        Ok(())
    }

    /// Returns the broker of this id.
    ///
    /// # Errors
    ///
    /// `Unknown`, with the ids that there are.
    pub fn get(&self, id: impl Into<BrokerId>) -> Result<Addr<Broker<P>>, BrokerError> {
        let id = id.into();
        let by_id = self.lock();
        by_id.get(&id).cloned().ok_or_else(|| BrokerError::Unknown { known: by_id.keys().cloned().collect(), id })
    }

    /// Takes the broker of this id off the registry and returns it; it goes on until its last address is dropped.
    ///
    /// # Errors
    ///
    /// `Unknown`, with the ids that there are.
    pub fn remove(&self, id: impl Into<BrokerId>) -> Result<Addr<Broker<P>>, BrokerError> {
        let id = id.into();
        let mut by_id = self.lock();
        by_id.remove(&id).ok_or_else(|| BrokerError::Unknown { known: by_id.keys().cloned().collect(), id })
    }

    /// Returns the ids of all brokers, in order.
    pub fn list(&self) -> Vec<BrokerId> {
        self.lock().keys().cloned().collect()
    }

    /// Sets the timeout of a broker's rounds that open from now on; open rounds keep theirs.
    ///
    /// # Errors
    ///
    /// `Unknown`, `Config` for a timeout of zero, `Gone`.
    pub async fn set_timeout(&self, id: impl Into<BrokerId>, timeout: Duration) -> Result<(), BrokerError> {
        let broker = self.get(id)?;
        broker.set_timeout(timeout).await
    }

    /// Starts an emitter on this arbiter and lets it join the broker of this id. See [`Emitter::join`].
    ///
    /// # Errors
    ///
    /// `Unknown`, or `Join` with what kept it from joining.
    pub async fn add_emitter(
        &self,
        id: impl Into<BrokerId>,
        emitter: impl Into<Emitter<P>>,
    ) -> Result<EmitterHandle<P>, BrokerError> {
        let broker = self.get(id)?;
        Ok(Emitter::join(&broker, emitter).await?)
    }

    /// Starts a consumer on this arbiter and lets it join the broker of this id. See [`Consumer::join`].
    ///
    /// # Errors
    ///
    /// `Unknown`, or `Join` with what kept it from joining.
    pub async fn add_consumer<Kind>(
        &self,
        id: impl Into<BrokerId>,
        consumer: impl IntoConsumer<P, Kind>,
    ) -> Result<ConsumerHandle<P>, BrokerError> {
        let broker = self.get(id)?;
        Ok(Consumer::join(&broker, consumer).await?)
    }
}

impl<P: Payload> Default for Brokers<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Payload> Clone for Brokers<P> {
    fn clone(&self) -> Self {
        Self { by_id: self.by_id.clone() }
    }
}

impl<P: Payload> fmt::Debug for Brokers<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Brokers").field(&self.list()).finish()
    }
}
