//! The connection for commands, and how it comes back.
//!
//! `a command → Link (connected? send, else connect, until the deadline) → the server`
//!
//! What reads and blocks has a connection of its own (`subscriber.rs`), made here too.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, Value, cmd};
use tokio::time::timeout_at;

use super::fault::Fault;
use super::limit::{Limit, Patience};
use super::script::Script;
use crate::transport::Pulse;

/// How long the server may be silent while a subscriber waits: it is asked every half second.
const SILENCE: Duration = Duration::from_secs(15);

/// What was answered, and whether an earlier attempt may have gone through without us knowing.
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) again: bool,
}

/// One command or several.
#[derive(Clone, Copy)]
enum Ask<'a> {
    One(&'a Cmd),
    Many(&'a Pipeline),
}

/// The connection of one handle and its clones.
pub(crate) struct Link {
    name: Arc<str>,
    client: Client,
    deadline: Duration,
    /// Of a publish, which may wait for a server that is started again.
    publish_deadline: Duration,
    pulse: Pulse,
    live: Mutex<Live>,
}

/// How the server was when somebody last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    There,
    Lost,
    /// It is a replica: what it answers to a question says nothing about whether it can be written to.
    ReadOnly,
}

#[derive(Default)]
struct Live {
    connection: Option<MultiplexedConnection>,
    /// Which one it is, so that the failure of an old one does not end a new one.
    serial: u64,
    /// What was said of it in the log.
    state: State,
}

impl Link {
    pub(crate) fn new(name: Arc<str>, client: Client, deadline: Duration, publish_deadline: Duration) -> Self {
        Self { name, client, deadline, publish_deadline, pulse: Pulse::new(SILENCE), live: Mutex::default() }
    }

    /// When whoever starts to wait now has waited long enough.
    pub(super) fn limit(&self) -> Limit {
        Limit::new(self.deadline)
    }

    /// When whoever starts to publish now has waited long enough.
    pub(super) fn publish_limit(&self) -> Limit {
        Limit::new(self.publish_deadline)
    }

    /// Tells when the server last said anything, over whichever connection.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Makes a new connection. It has no time limit of its own: the client's default of 500 ms would end every read that
    /// blocks, so who sends something says how long it may take.
    pub(super) async fn connect(&self, limit: Limit) -> Result<MultiplexedConnection, Fault> {
        // Its runtime has no sockets, and the client would panic.
        if crate::__private::is_virtual() {
            return Err(Fault::silent());
        }
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        match timeout_at(limit.silent(), connecting).await {
            Ok(Ok(connection)) => {
                self.pulse.beat();
                Ok(connection)
            }
            Ok(Err(error)) => Err(Fault::of_connecting(&error)),
            Err(_) => Err(Fault::silent()),
        }
    }

    /// Makes another connection, for whoever has the server wait.
    pub(crate) async fn another(&self) -> Result<MultiplexedConnection, Fault> {
        self.connect(self.limit()).await
    }

    /// Makes a connection that hears what is published to channels.
    pub(crate) async fn listener(&self) -> Result<PubSub, Fault> {
        if crate::__private::is_virtual() {
            return Err(Fault::silent());
        }
        match timeout_at(self.limit().silent(), self.client.get_async_pubsub()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Fault::of_connecting(&error)),
            Err(_) => Err(Fault::silent()),
        }
    }

    /// Returns the connection for commands and its number, made anew if need be.
    pub(super) async fn connection(&self, limit: Limit) -> Result<(MultiplexedConnection, u64), Fault> {
        let (serial, state) = {
            let live = self.live();
            if let Some(connection) = &live.connection {
                return Ok((connection.clone(), live.serial));
            }
            (live.serial, live.state)
        };
        let mut connection = self.connect(limit).await?;
        if state == State::ReadOnly && is_replica(&mut connection, limit).await? {
            return Err(Fault::replica("READONLY"));
        }
        let mut live = self.live();
        // Two may have connected at once: the first stays.
        if live.serial == serial {
            live.serial += 1;
            live.connection = Some(connection.clone());
            if std::mem::take(&mut live.state) != State::There {
                log::warn!(target: "convoke::transport", "{}: the server is back", self.name);
            }
        }
        Ok((live.connection.clone().unwrap_or(connection), live.serial))
    }

    /// Returns the number of the connection that there is, or was last.
    pub(super) fn serial(&self) -> u64 {
        self.live().serial
    }

    /// Forgets a connection that is of no use any more.
    fn lose(&self, serial: u64, fault: &Fault) {
        let mut live = self.live();
        if live.serial == serial && live.connection.take().is_some() {
            self.note(&mut live, fault);
        }
    }

    /// Forgets whatever connection there is: another one has found out that the server is a replica.
    pub(super) fn lose_all(&self, fault: &Fault) {
        let mut live = self.live();
        live.connection = None;
        self.note(&mut live, fault);
    }

    /// Says once what is wrong, until the server is back.
    fn note(&self, live: &mut Live, fault: &Fault) {
        let state = if fault.read_only { State::ReadOnly } else { State::Lost };
        // Whoever was a replica when the connection was lost may still be one.
        if live.state == State::ReadOnly || live.state == state {
            return;
        }
        let said = if fault.read_only { fault.text() } else { "the connection is lost" };
        log::warn!(target: "convoke::transport", "{}: {said}", self.name);
        live.state = state;
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn attempt(&self, ask: Ask<'_>, limit: Limit) -> Result<Value, (Fault, bool)> {
        let (mut connection, serial) = self.connection(limit).await.map_err(|fault| (fault, false))?;
        let sent = timeout_at(limit.silent(), async {
            match ask {
                Ask::One(command) => connection.send_packed_command(command).await,
                Ask::Many(all) => connection.send_packed_commands(all, 0, all.len()).await.map(Value::Array),
            }
        });
        let answer = sent.await;
        if matches!(answer, Ok(Ok(_))) {
            self.pulse.beat();
        }
        let fault = match answer {
            Ok(Ok(Value::ServerError(error))) => Fault::of_server(&error),
            Ok(Ok(Value::Array(values))) if matches!(ask, Ask::Many(_)) => match all_refused(&values) {
                Some(fault) => fault,
                None => return Ok(Value::Array(values)),
            },
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Fault::of_client(&error),
            Err(_) => Fault::silent(),
        };
        if fault.broken {
            self.lose(serial, &fault);
        }
        Err((fault, true))
    }

    async fn ask(&self, ask: Ask<'_>, limit: Limit) -> Result<Answer, Fault> {
        let mut patience = Patience::new(limit);
        let mut again = false;
        loop {
            let (fault, sent) = match self.attempt(ask, limit).await {
                Ok(value) => return Ok(Answer { value, again }),
                Err(failed) => failed,
            };
            // What was sent over a connection that then broke may have been done.
            again |= sent && fault.broken;
            if !fault.is_temporary() || !patience.pause().await {
                return Err(fault);
            }
            log::debug!(target: "convoke::transport", "{}: the server is asked once more", self.name);
        }
    }

    /// Sends a command, over a new connection if need be, until the deadline.
    pub(crate) async fn command(&self, command: &Cmd) -> Result<Answer, Fault> {
        self.ask(Ask::One(command), self.limit()).await
    }

    /// Sends several commands at once, within this limit. The answers are an array; one of them may be an error.
    pub(super) async fn pipeline(&self, all: &Pipeline, limit: Limit) -> Result<Answer, Fault> {
        self.ask(Ask::Many(all), limit).await
    }

    /// Calls a script with these keys and what `add` gives it.
    pub(crate) async fn script(&self, script: &Script, keys: &[&str], add: impl Fn(&mut Cmd)) -> Result<Answer, Fault> {
        match self.command(&script.call(true, keys, &add)).await {
            // The server was started since, or its scripts were flushed.
            Err(fault) if fault.no_script => self.command(&script.call(false, keys, &add)).await,
            answered => answered,
        }
    }
}

/// Whether the server says that it is a replica. Where it may not be asked, it is taken for a master; one that says nothing is
/// taken for neither.
async fn is_replica(connection: &mut MultiplexedConnection, limit: Limit) -> Result<bool, Fault> {
    match timeout_at(limit.silent(), connection.send_packed_command(&cmd("ROLE"))).await {
        Ok(Ok(Value::Array(role))) => Ok(matches!(role.first(), Some(Value::BulkString(role)) if role == b"slave")),
        Ok(Ok(_)) => Ok(false),
        Ok(Err(error)) => Err(Fault::of_client(&error)),
        Err(_) => Err(Fault::silent()),
    }
}

/// A server that is starting up refuses everything: then everything is asked once more.
fn all_refused(values: &[Value]) -> Option<Fault> {
    let mut first = None;
    for value in values {
        let Value::ServerError(error) = value else { return None };
        let fault = Fault::of_server(error);
        if !fault.is_temporary() {
            return None;
        }
        first.get_or_insert(fault);
    }
    first
}

/// Never the client: its url has the password.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
