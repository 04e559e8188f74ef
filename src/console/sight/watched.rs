//! A server that is looked at: its connection, and what it is asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use convoke::look::{Address, Server, ServerKind, Works};
use convoke::transport::{ErrorKind, TransportError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::queues::Sampled;
use super::slot::{Slot, Told};
use super::sweeps::Sweeps;
use super::works::{RoundsStand, StoresStand, TasksStand};
use super::{LIMIT, PATIENCE, works};
use crate::view::told;

/// How often each kind of question is asked at most.
const OFTEN: Duration = Duration::from_secs(1);

/// How often what changes seldom, or costs a server more: a Redis is asked for its keys.
const SELDOM: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) enum Unanswered {
    /// It did not come in time.
    Late,
    /// The server said this.
    Said(TransportError),
}

/// A server that is looked at.
pub(crate) struct Watched {
    name: String,
    address: Address,
    server: Mutex<Option<Server>>,
    works: Mutex<Option<Works>>,
    queues: Arc<Slot<Sampled>>,
    tasks: Arc<Slot<TasksStand>>,
    rounds: Arc<Slot<RoundsStand>>,
    stores: Arc<Slot<StoresStand>>,
    sweeps: Sweeps,
}

impl Watched {
    pub(super) fn new(name: String, address: Address) -> Arc<Self> {
        let of_rounds = if address.server() == ServerKind::Redis { SELDOM } else { OFTEN };
        Arc::new(Self {
            name,
            address,
            server: Mutex::default(),
            works: Mutex::default(),
            queues: Slot::new(OFTEN),
            tasks: Slot::new(OFTEN),
            rounds: Slot::new(of_rounds),
            stores: Slot::new(OFTEN),
            sweeps: Sweeps::default(),
        })
    }

    /// What it is called in links.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it is called on a page: its address, without what is secret.
    pub(crate) fn title(&self) -> String {
        told(&self.address.to_string())
    }

    /// Up to how many a database counts, which stands for that many or more.
    pub(crate) fn counts_to(&self) -> u64 {
        match self.address.server() {
            ServerKind::Sqlite | ServerKind::Postgres => 10_000,
            _ => u64::MAX,
        }
    }

    /// Whether it keeps tasks and stores.
    pub(crate) fn has_works(&self) -> bool {
        matches!(self.address.server(), ServerKind::Memory | ServerKind::Sqlite | ServerKind::Postgres)
    }

    /// Whether it keeps durable rounds.
    pub(crate) fn has_rounds(&self) -> bool {
        self.has_works() || self.address.server() == ServerKind::Redis
    }

    /// What its dead letters undergo, many at a time.
    pub(crate) fn sweeps(&self) -> &Sweeps {
        &self.sweeps
    }

    /// Its queues, and how they have changed.
    pub(crate) async fn queues(self: &Arc<Self>) -> Told<Sampled> {
        let this = self.clone();
        let ask = |before: Option<Arc<Sampled>>| async move {
            let doubt = Doubt::of(&this);
            let asked = async {
                let server = this.connected().await?;
                match this.address.name() {
                    Some(name) => server.queue(name).await.map(|queue| vec![queue]),
                    None => server.queues().await,
                }
            };
            let asked = asked.await;
            doubt.cleared(asked.as_ref().err());
            asked.map(|queues| Sampled::new(queues, before.as_deref(), Instant::now()))
        };
        self.queues.look(ask).await
    }

    /// How its tasks stand; nothing where it keeps none.
    pub(crate) async fn tasks(self: &Arc<Self>) -> Told<TasksStand> {
        if !self.has_works() {
            return Told::nothing();
        }
        let this = self.clone();
        self.tasks.look(|_| this.asked_of_works(async |works| works::tasks(works).await)).await
    }

    /// How its durable rounds stand; nothing where it keeps none.
    pub(crate) async fn rounds(self: &Arc<Self>) -> Told<RoundsStand> {
        if !self.has_rounds() {
            return Told::nothing();
        }
        let this = self.clone();
        self.rounds.look(|_| this.asked_of_works(async |works| works::rounds(works).await)).await
    }

    /// Which stores it has; nothing where it keeps none.
    pub(crate) async fn stores(self: &Arc<Self>) -> Told<StoresStand> {
        if !self.has_works() {
            return Told::nothing();
        }
        let this = self.clone();
        self.stores.look(|_| this.asked_of_works(async |works| works::stores(works).await)).await
    }

    async fn asked_of_works<T>(
        self: Arc<Self>,
        ask: impl AsyncFnOnce(&Works) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let doubt = Doubt::of(&self);
        let asked = async { ask(&self.opened().await?).await };
        let asked = asked.await;
        doubt.cleared(asked.as_ref().err());
        asked
    }

    /// The server, to be asked for what a page lists: connected, in time.
    pub(crate) async fn server(self: &Arc<Self>) -> Result<Server, Unanswered> {
        let this = self.clone();
        in_background(async move { this.connected().await }).await
    }

    /// What it keeps beside its queues.
    pub(crate) async fn works(self: &Arc<Self>) -> Result<Works, Unanswered> {
        let this = self.clone();
        in_background(async move { this.opened().await }).await
    }

    async fn connected(&self) -> Result<Server, TransportError> {
        let mut kept = self.server.lock().await;
        match &*kept {
            Some(server) => Ok(server.clone()),
            None => Ok(kept.insert(Server::connect(&self.address).await?).clone()),
        }
    }

    async fn opened(&self) -> Result<Works, TransportError> {
        let mut kept = self.works.lock().await;
        match &*kept {
            Some(works) => Ok(works.clone()),
            None => Ok(kept.insert(Works::at(&self.address).await?).clone()),
        }
    }

    /// The next question begins with a new connection. Who is connecting goes on.
    fn forget(&self) {
        if let Ok(mut server) = self.server.try_lock() {
            *server = None;
        }
        if let Ok(mut works) = self.works.try_lock() {
            *works = None;
        }
    }
}

/// Asks what a page cannot do without, for no longer than it may wait.
pub(crate) async fn in_time<T>(question: impl Future<Output = Result<T, TransportError>>) -> Result<T, Unanswered> {
    match timeout(PATIENCE, question).await {
        Ok(answer) => answer.map_err(Unanswered::Said),
        Err(_) => Err(Unanswered::Late),
    }
}

/// The same of what goes on when nobody waits any more, so that the next page finds it: a connection.
async fn in_background<T: 'static>(
    question: impl Future<Output = Result<T, TransportError>> + 'static,
) -> Result<T, Unanswered> {
    let question = actix_web::rt::spawn(async move { timeout(LIMIT, question).await });
    match timeout(PATIENCE, question).await {
        Ok(Ok(Ok(answer))) => answer.map_err(Unanswered::Said),
        _ => Err(Unanswered::Late),
    }
}

/// Whether a connection is still one: it is not if a question is dropped before its answer, or the server is away.
struct Doubt<'a> {
    server: &'a Watched,
    is_left: bool,
}

impl<'a> Doubt<'a> {
    fn of(server: &'a Watched) -> Self {
        Self { server, is_left: true }
    }

    fn cleared(mut self, error: Option<&TransportError>) {
        let is_away = |error: &TransportError| {
            matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Closed | ErrorKind::Lost)
        };
        self.is_left = error.is_some_and(is_away);
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if self.is_left {
            self.server.forget();
        }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}
