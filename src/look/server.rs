//! A server or a database that is looked at.
//!
//! `Address → Server → QueueFigures, Letters, Tail`

use std::fmt;
use std::sync::Arc;

use super::figures::QueueFigures;
use super::letters::Letters;
use super::looks::{Looks, check_name};
use super::servers;
use super::tail::Tail;
use super::workers::WorkerFigures;
use crate::transport::{Address, TransportError};

/// A server or a database that is looked at. It creates nothing and migrates nothing, and needs no more rights than to read, until a letter
/// is redriven or discarded. Its clones share the connection.
#[derive(Clone)]
pub struct Server {
    looks: Arc<dyn Looks>,
    address: Address,
}

impl Server {
    /// Connects to the server or opens the file that the address names. The name in it may be left out.
    ///
    /// # Errors
    ///
    /// - `Missing` if there is no such file or database, or if it has no tables of this crate, or older ones than this program knows.
    /// - `Refused` if its tables are of a newer version, which this program may not use.
    /// - `Unreachable` if the server does not answer, within 10 s; with Redis and RabbitMQ within 5 s.
    /// - `Denied` if it does not know the user or the password.
    /// - `Unsupported` if no feature of this build knows such a server, or if it has no queues, as SNS.
    pub async fn connect(address: &Address) -> Result<Self, TransportError> {
        let looks = servers::connect(address).await?;
        Ok(Self { looks, address: address.clone() })
    }

    /// Returns the address that it was connected by.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the figures of all queues and groups that the server can list, by their names. A queue of dead letters is left out if
    /// its queue is there, which counts them. RabbitMQ lists none to its users: it has the figures of the queue that the address names.
    ///
    /// # Errors
    ///
    /// - `Unsupported` if the server lists none and the address names none.
    /// - `Unreachable` and others of the server.
    pub async fn queues(&self) -> Result<Vec<QueueFigures>, TransportError> {
        self.looks.queues().await
    }

    /// Returns the figures of a queue. A group with a name stands behind it, as in `orders/billing`.
    ///
    /// # Errors
    ///
    /// - `Missing` if there is no such queue or group.
    /// - `Unsupported` for a name that no queue can have.
    /// - `Unreachable` and others of the server.
    pub async fn queue(&self, name: &str) -> Result<QueueFigures, TransportError> {
        check_name(self.looks.at(), name)?;
        self.looks.queue(name).await
    }

    /// Returns who works on these queues, named as [`queue`](Self::queue) names them; `None` if the server does not tell. One that is
    /// not there has no workers.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others of the server.
    pub async fn workers(
        &self,
        queues: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Option<Vec<WorkerFigures>>, TransportError> {
        let queues: Vec<String> = queues.into_iter().map(Into::into).collect();
        for name in &queues {
            check_name(self.looks.at(), name)?;
        }
        self.looks.workers(&queues).await
    }

    /// Returns the dead letters of a queue, or of a group as in `orders/billing`. Nothing is asked yet.
    pub fn letters(&self, queue: &str) -> Letters {
        Letters::new(self.looks.clone(), queue)
    }

    /// Listens to what is published to a queue from now on; on RabbitMQ, to an exchange. It takes nothing from others.
    ///
    /// # Errors
    ///
    /// - `Missing` if there is no such queue or exchange.
    /// - `Unsupported` with SQS, where whoever receives a message takes it from others for a while.
    /// - `Unreachable` and others of the server.
    pub async fn tail(&self, queue: &str) -> Result<Tail, TransportError> {
        check_name(self.looks.at(), queue)?;
        self.looks.tail(queue).await.map(Tail::new)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
