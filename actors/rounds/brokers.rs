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

/// A registry of the brokers of an application, by their ids.
///
/// Cloning it is cheap: all clones are the same registry, and you may use it from any thread. A broker lives at least
/// as long as it is registered. A broker that has stopped is no longer found.
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
    /// Creates an empty registry.
    pub fn new() -> Self {
        Self { by_id: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BrokerId, Addr<Broker<P>>>> {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.retain(|_, broker| broker.connected());
        by_id
    }

    /// Returns the broker of this id. If there is none, starts one on this arbiter with this timeout.
    ///
    /// A broker that exists already keeps its own timeout.
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Config`] for a timeout of zero, and [`BrokerError::NoArbiter`] outside an actix system.
    pub fn create(&self, id: impl Into<BrokerId>, timeout: Duration) -> Result<Addr<Broker<P>>, BrokerError> {
        self.create_with(id, || Broker::new(timeout))
    }

    /// Returns the broker of this id. If there is none, starts the broker that `make` builds.
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Config`] if the rules of the new broker contain an error, and [`BrokerError::NoArbiter`]
    /// outside an actix system.
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
    /// Returns [`BrokerError::Taken`] if another broker has this id, and [`BrokerError::Gone`] if this broker has
    /// stopped.
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
    /// Returns [`BrokerError::Unknown`], which lists the registered ids, if no broker has this id.
    pub fn get(&self, id: impl Into<BrokerId>) -> Result<Addr<Broker<P>>, BrokerError> {
        let id = id.into();
        let by_id = self.lock();
        by_id.get(&id).cloned().ok_or_else(|| BrokerError::Unknown { known: by_id.keys().cloned().collect(), id })
    }

    /// Removes the broker of this id from the registry and returns its address. The broker runs on until its last
    /// address is dropped.
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Unknown`], which lists the registered ids, if no broker has this id.
    pub fn remove(&self, id: impl Into<BrokerId>) -> Result<Addr<Broker<P>>, BrokerError> {
        let id = id.into();
        let mut by_id = self.lock();
        by_id.remove(&id).ok_or_else(|| BrokerError::Unknown { known: by_id.keys().cloned().collect(), id })
    }

    /// Returns the ids of all registered brokers, sorted.
    pub fn list(&self) -> Vec<BrokerId> {
        self.lock().keys().cloned().collect()
    }

    /// Sets the timeout of the rounds that a broker opens from now on. Rounds that are open keep theirs.
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Unknown`] if no broker has this id, [`BrokerError::Config`] for a timeout of zero, and
    /// [`BrokerError::Gone`] if the broker has stopped.
    pub async fn set_timeout(&self, id: impl Into<BrokerId>, timeout: Duration) -> Result<(), BrokerError> {
        let broker = self.get(id)?;
        broker.set_timeout(timeout).await
    }

    /// Starts an emitter on this arbiter and joins it to the broker of this id. See [`Emitter::join`].
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Unknown`] if no broker has this id, and [`BrokerError::Join`] if the emitter cannot join
    /// it.
    pub async fn add_emitter(
        &self,
        id: impl Into<BrokerId>,
        emitter: impl Into<Emitter<P>>,
    ) -> Result<EmitterHandle<P>, BrokerError> {
        let broker = self.get(id)?;
        Ok(Emitter::join(&broker, emitter).await?)
    }

    /// Starts a consumer on this arbiter and joins it to the broker of this id. See [`Consumer::join`].
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Unknown`] if no broker has this id, and [`BrokerError::Join`] if the consumer cannot join
    /// it.
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
