//! The connection for commands, and how it comes back.
//!
//! `a command → Link (connected? send, else connect, until the deadline) → the server`
//!
//! What reads and blocks has a connection of its own (`subscriber.rs`), made here too.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, Value};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::fault::Fault;
use super::script::Script;
use crate::transport::TransportError;

/// Waits between attempts, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// A century: no wait is longer, and no clock overflows on it.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What was answered, and whether an earlier attempt may have gone through without us knowing.
pub(super) struct Answer {
    pub(super) value: Value,
    pub(super) again: bool,
}

/// One command or several.
#[derive(Clone, Copy)]
enum Ask<'a> {
    One(&'a Cmd),
    Many(&'a Pipeline),
}

/// How long to go on trying, and how long to wait between two attempts.
pub(super) struct Patience {
    end: Instant,
    wait: Duration,
}

impl Patience {
    pub(super) fn new(end: Instant) -> Self {
        Self { end, wait: FIRST_WAIT }
    }

    /// Waits before the next attempt, or says that there is no time for one. Half of each wait is chance, so that those
    /// who have lost their server together do not come back together.
    pub(super) async fn pause(&mut self) -> bool {
        let next = Instant::now() + self.wait.mul_f64(0.5 + fastrand::f64() / 2.0);
        if next >= self.end {
            return false;
        }
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        sleep_until(next).await;
        true
    }
}

/// The connection of one handle and its clones.
pub(super) struct Link {
    name: Arc<str>,
    client: Client,
    deadline: Duration,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    connection: Option<MultiplexedConnection>,
    /// Which one it is, so that the failure of an old one does not end a new one.
    serial: u64,
    /// Whether it was lost, and nobody has said yet that it is back.
    lost: bool,
}

impl Link {
    pub(super) fn new(name: Arc<str>, client: Client, deadline: Duration) -> Self {
        Self { name, client, deadline: deadline.min(FOREVER), live: Mutex::default() }
    }

    /// When whoever starts to wait now has waited long enough.
    pub(super) fn end(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// Makes a new connection. It has no time limit of its own: the client's default of 500 ms would end every read that
    /// blocks, so who sends something says how long it may take.
    pub(super) async fn connect(&self, end: Instant) -> Result<MultiplexedConnection, Fault> {
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        match timeout_at(end, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Fault::of_connecting(&error)),
            Err(_) => Err(Fault::silent()),
        }
    }

    async fn connection(&self, end: Instant) -> Result<(MultiplexedConnection, u64), Fault> {
        let serial = {
            let live = self.live();
            if let Some(connection) = &live.connection {
                return Ok((connection.clone(), live.serial));
            }
            live.serial
        };
        let connection = self.connect(end).await?;
        let mut live = self.live();
        // Two may have connected at once: the first stays.
        if live.serial == serial {
            live.serial += 1;
            live.connection = Some(connection.clone());
            if std::mem::take(&mut live.lost) {
                log::warn!(target: "convoke::transport", "{}: the server is back", self.name);
            }
        }
        Ok((live.connection.clone().unwrap_or(connection), live.serial))
    }

    /// Forgets a connection that is of no use any more.
    fn lose(&self, serial: u64) {
        let mut live = self.live();
        if live.serial == serial && live.connection.take().is_some() && !std::mem::replace(&mut live.lost, true) {
            log::warn!(target: "convoke::transport", "{}: the connection is lost", self.name);
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn attempt(&self, ask: Ask<'_>, end: Instant) -> Result<Value, (Fault, bool)> {
        let (mut connection, serial) = self.connection(end).await.map_err(|fault| (fault, false))?;
        let sent = timeout_at(end, async {
            match ask {
                Ask::One(command) => connection.send_packed_command(command).await,
                Ask::Many(all) => connection.send_packed_commands(all, 0, all.len()).await.map(Value::Array),
            }
        });
        let fault = match sent.await {
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
            self.lose(serial);
        }
        Err((fault, true))
    }

    async fn ask(&self, ask: Ask<'_>, end: Instant) -> Result<Answer, Fault> {
        let mut patience = Patience::new(end);
        let mut again = false;
        loop {
            let (fault, sent) = match self.attempt(ask, end).await {
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
    pub(super) async fn command(&self, command: &Cmd) -> Result<Answer, Fault> {
        self.ask(Ask::One(command), self.end()).await
    }

    /// Sends several commands at once, until `end`. The answers are an array; one of them may be an error.
    pub(super) async fn pipeline(&self, all: &Pipeline, end: Instant) -> Result<Answer, Fault> {
        self.ask(Ask::Many(all), end).await
    }

    /// Calls a script with these keys and what `add` gives it.
    pub(super) async fn script(&self, script: &Script, keys: &[&str], add: impl Fn(&mut Cmd)) -> Result<Answer, Fault> {
        match self.command(&script.call(true, keys, &add)).await {
            // The server was started since, or its scripts were flushed.
            Err(fault) if fault.no_script => self.command(&script.call(false, keys, &add)).await,
            answered => answered,
        }
    }

    /// The error of this link that a fault is.
    pub(super) fn error(&self, fault: Fault) -> TransportError {
        fault.at(&self.name)
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
