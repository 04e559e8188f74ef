//! Who is told how jobs have ended: a bus, a server, or an outbox.
//!
//! `Outgoing → Way::pack → Packet → Publisher, many at a time → taken`

use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::OnceCell;

use crate::__private::{Stamp, check_topic};
use crate::codec::{Codec, Leaves, Wire};
use crate::route::check_kept;
use crate::tasks::queue::Cause;
use crate::tasks::running::ToBus;
use crate::tasks::{KeepingJobs, TaskDatabase};
use crate::transport::{Abilities, Batcher, BoxFuture, ErrorKind, Packet, Publisher, TransportError};
use crate::worker::Tell;
use crate::{Envelope, EnvelopeLimits, EventBus, Outbox, OutboxError, Outgoing, Uuid};

/// Under which name events are published that tell how jobs have ended.
const PUBLISHER: &str = "Tasks";

/// How many events go at a time, at the most.
const MOST: usize = 256;

/// Whose limits those of an event are.
const WHOSE: &str = "of whoever reads how jobs have ended";

/// How an event of an end becomes a packet, and who takes that.
pub(super) trait Way {
    /// Makes a packet of an event, with this id if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot leave.
    fn pack(&self, event: Outgoing, cause: &Cause, id: Option<Uuid>) -> Result<Packet, String>;

    fn publisher(&self) -> Arc<dyn Publisher>;

    /// Whether several go together: if one takes long, the others wait for it.
    fn gathers(&self) -> bool {
        true
    }
}

/// Tells how jobs have ended.
pub(super) struct Telling {
    way: Rc<dyn Way>,
    publisher: Arc<dyn Publisher>,
    gathered: Option<Batcher<Packet, Result<(), TransportError>>>,
}

impl Telling {
    pub(super) fn by(way: Rc<dyn Way>) -> Self {
        let publisher = way.publisher();
        let gathered = way.gathers().then(|| {
            let publisher = publisher.clone();
            Batcher::new(MOST, move |packets: Vec<Packet>| {
                let publisher = publisher.clone();
                let all: BoxFuture<'static, _> = Box::pin(async move { publisher.publish(&packets).await });
                all
            })
        });
        Self { way, publisher, gathered }
    }

    /// Makes what is told of an event.
    ///
    /// # Errors
    ///
    /// If it cannot leave, or whoever is told does not take as much.
    pub(super) fn pack(&self, event: Outgoing, cause: &Cause, id: Option<Uuid>) -> Result<Packet, String> {
        let packet = self.way.pack(event, cause, id)?;
        let fits = self.publisher.abilities().check(self.publisher.name(), &packet);
        fits.map_err(|error| error.to_string())?;
        Ok(packet)
    }

    /// Returns what tells it.
    pub(super) fn tell(self: &Rc<Self>, packet: Packet) -> Tell {
        let this = self.clone();
        Box::new(move || {
            let (this, packet) = (this.clone(), packet.clone());
            async move { this.publish(packet).await }.boxed_local()
        })
    }

    async fn publish(&self, packet: Packet) -> Result<(), TransportError> {
        let taken = match &self.gathered {
            Some(gathered) => gathered.push(packet).await,
            None => self.publisher.publish(std::slice::from_ref(&packet)).await.pop(),
        };
        let silent = "it did not say whether it took an event";
        taken.unwrap_or_else(|| Err(TransportError::new(ErrorKind::Protocol, self.publisher.name(), silent)))
    }
}

/// A publisher, of the user's or the bus of this process.
pub(super) struct Published {
    publisher: Arc<dyn Publisher>,
    stamp: Stamp,
    gathers: bool,
}

impl Published {
    pub(super) fn by(publisher: Arc<dyn Publisher>) -> Self {
        Self { publisher, stamp: Stamp::of(PUBLISHER), gathers: true }
    }

    pub(super) fn to(bus: &EventBus) -> Self {
        Self { gathers: false, ..Self::by(Arc::new(ToBus(bus.clone()))) }
    }
}

impl Way for Published {
    fn pack(&self, event: Outgoing, cause: &Cause, id: Option<Uuid>) -> Result<Packet, String> {
        let packed = || -> Result<Packet, OutboxError> {
            let mut envelope = pressed(event, &cause.stamp(&self.stamp))?;
            if let Some(id) = id {
                envelope.metadata.id = id;
            }
            check_topic(&envelope.metadata.topic)?;
            let packet = Wire.write(&envelope);
            check_kept(self.publisher.name(), &packet, &envelope.payload, EnvelopeLimits::default(), WHOSE)?;
            Ok(packet)
        };
        packed().map_err(|error| error.to_string())
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        self.publisher.clone()
    }

    fn gathers(&self) -> bool {
        self.gathers
    }
}

fn pressed(event: impl Leaves, stamp: &Stamp) -> Result<Envelope, OutboxError> {
    Ok(event.press(stamp)?)
}

/// An outbox, in transactions of its own.
pub(super) struct Through<D: TaskDatabase> {
    pub(super) database: D,
    pub(super) outbox: Outbox<D>,
}

impl<D: TaskDatabase> Way for Through<D> {
    fn pack(&self, event: Outgoing, cause: &Cause, id: Option<Uuid>) -> Result<Packet, String> {
        let outbox = cause.outbox(&self.outbox);
        let packed = match id {
            Some(id) => outbox.packet_as(id, event),
            None => outbox.packet(event),
        };
        packed.map_err(|error| error.to_string())
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        let name = format!("outbox {}", self.outbox.name());
        Arc::new(IntoOutbox {
            name,
            database: self.database.clone(),
            outbox: self.outbox.clone(),
            jobs: OnceCell::new(),
        })
    }
}

/// Inserts events into an outbox.
struct IntoOutbox<D: TaskDatabase> {
    name: String,
    database: D,
    outbox: Outbox<D>,
    /// What begins a transaction.
    jobs: OnceCell<Arc<dyn KeepingJobs<D::Connection>>>,
}

impl<D: TaskDatabase> IntoOutbox<D> {
    /// All of them, or none.
    async fn insert(&self, packets: &[Packet]) -> Result<(), TransportError> {
        let jobs = self.jobs.get_or_try_init(|| self.database.open_jobs()).await?;
        let mut work = jobs.begin().await?;
        self.outbox.keeping().insert(packets.to_vec(), work.connection()).await?;
        work.commit().await
    }
}

impl<D: TaskDatabase> Publisher for IntoOutbox<D> {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            let inserted = self.insert(packets).await;
            if packets.len() == 1 || inserted.as_ref().err().is_none_or(TransportError::is_temporary) {
                return packets.iter().map(|_| inserted.clone()).collect();
            }
            // It is the fault of one of them: the others do not wait for it.
            let mut results = Vec::with_capacity(packets.len());
            for packet in packets {
                results.push(self.insert(std::slice::from_ref(packet)).await);
            }
            results
        })
    }
}
