//! The rounds of a broker on a server, as they are open.
//!
//! `open_rounds → RedisStore → work.rs, look.rs, names.rs → a script`

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ::redis::{Cmd, Value};
use tokio::sync::watch;

use super::answer::Parts;
use super::bells::Listener;
use super::handle::RedisRounds;
use super::names::Names;
use super::{look, names, settings, work};
use crate::durable::plan::outbox_of;
use crate::durable::{
    Due, Enrolled, FoundRounds, Judge, Kept, OpenedRounds, Party, Past, Place, Road, RoundDatabase, RoundFigures,
    RoundStore,
};
use crate::sql::Bell;
use crate::transport::redis::Script;
use crate::transport::{BoxFuture, ErrorKind, TransportError};

impl RoundDatabase for RedisRounds {
    fn open_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, OpenedRounds> {
        Box::pin(async move {
            let at: Arc<str> = format!("redis rounds {broker}").into();
            settings::check(self, &at).await?;
            let rounds = RedisStore::of(self, broker, at);
            names::register(&rounds).await?;
            Ok(Arc::new(rounds) as Arc<dyn RoundStore>)
        })
    }

    fn find_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, FoundRounds> {
        Box::pin(async move {
            // Whether the server has the settings that it should is for whoever opens a broker: what is there can be looked at.
            let at: Arc<str> = format!("redis rounds {broker}").into();
            let rounds = RedisStore::of(self, broker, at);
            let found = names::find_broker(&rounds).await?;
            Ok(found.map(|rules| (Arc::new(rounds) as Arc<dyn RoundStore>, rules)))
        })
    }

    fn brokers<'a>(&'a self, behind: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        Box::pin(async move {
            let rounds = RedisStore::of(self, "".into(), "redis rounds".into());
            names::brokers(&rounds, behind, most).await
        })
    }
}

pub(super) struct RedisStore {
    pub(super) at: Arc<str>,
    broker: Arc<str>,
    server: RedisRounds,
    /// What all keys of the broker begin with, and the key of the number that all brokers share.
    base: String,
    numbers: String,
    names: Mutex<Names>,
    bell: Arc<Bell>,
    listener: OnceLock<Listener>,
}

impl RedisStore {
    /// A handle that knows nothing yet.
    fn of(server: &RedisRounds, broker: Arc<str>, at: Arc<str>) -> Self {
        Self {
            bell: Bell::of(&format!("redis {} rounds {} {broker}", server.address(), server.prefix())),
            base: server.base(&broker),
            numbers: server.numbers(),
            server: server.clone(),
            at,
            broker,
            names: Mutex::default(),
            listener: OnceLock::new(),
        }
    }

    /// What the keys of all brokers begin with.
    pub(super) fn numbers(&self) -> &str {
        &self.numbers
    }

    /// What this handle knows of the broker, for a server that does not.
    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a script. What `add` gives it are arguments, whatever they are.
    pub(super) async fn call(&self, script: &Script, add: impl Fn(&mut Cmd)) -> Result<Value, TransportError> {
        let answer = self.server.link().script(script, &[&self.base, &self.numbers], add).await;
        answer.map(|answer| answer.value).map_err(|fault| fault.at(&self.at))
    }

    pub(super) async fn command(&self, command: &Cmd) -> Result<Value, TransportError> {
        let answer = self.server.link().command(command).await;
        answer.map(|answer| answer.value).map_err(|fault| fault.at(&self.at))
    }

    pub(super) fn key(&self, of: &str) -> String {
        format!("{}:{of}", self.base)
    }

    pub(super) fn parts(&self, value: Value) -> Result<Parts, TransportError> {
        Parts::of(value).ok_or_else(|| self.nonsense())
    }

    pub(super) fn nonsense(&self) -> TransportError {
        let text = "what the server keeps of these rounds makes no sense: look who else writes to its keys";
        TransportError::new(ErrorKind::Protocol, self.at.clone(), text)
    }

    pub(super) fn ring(&self) {
        self.bell.ring();
    }
}

impl RoundStore for RedisStore {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn enroll<'a>(&'a self, rules: &'a str, replaces: bool) -> BoxFuture<'a, Result<Enrolled, TransportError>> {
        Box::pin(names::enroll(self, rules, replaces))
    }

    fn forget_rules(&self, older: Duration) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(names::forget_rules(self, older))
    }

    fn work<'a>(&'a self, places: &'a [Place], judge: &'a dyn Judge) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(work::work(self, places, judge))
    }

    fn due<'a>(
        &'a self,
        foreign: &'a [i64],
        grace: Duration,
        most: usize,
    ) -> BoxFuture<'a, Result<Due, TransportError>> {
        Box::pin(look::due(self, foreign, grace, most))
    }

    fn ended<'a>(&'a self, rounds: &'a [i64]) -> BoxFuture<'a, Result<Vec<Past>, TransportError>> {
        Box::pin(look::ended(self, rounds))
    }

    fn round(&self, round: i64) -> BoxFuture<'_, Result<Option<Kept>, TransportError>> {
        Box::pin(look::round(self, round))
    }

    fn history<'a>(
        &'a self,
        key: &'a str,
        before: i64,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Kept>, TransportError>> {
        Box::pin(look::history(self, key, before, most))
    }

    fn open(&self, after: i64, most: usize) -> BoxFuture<'_, Result<Vec<Kept>, TransportError>> {
        Box::pin(look::open(self, after, most))
    }

    fn add_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(names::add_consumer(self, name))
    }

    fn remove_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(names::remove_consumer(self, name))
    }

    fn consumers(&self) -> BoxFuture<'_, Result<Vec<Arc<str>>, TransportError>> {
        Box::pin(names::consumers(self))
    }

    fn add_party<'a>(&'a self, party: &'a Party) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(names::add_party(self, party))
    }

    fn remove_party<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(names::remove_party(self, name))
    }

    fn parties(&self) -> BoxFuture<'_, Result<Vec<Party>, TransportError>> {
        Box::pin(names::parties(self))
    }

    fn purge(&self, older: Duration, most: usize) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(look::purge(self, older, most))
    }

    fn figures(&self, most: u64) -> BoxFuture<'_, Result<RoundFigures, TransportError>> {
        Box::pin(look::figures(self, most))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.listener.get_or_init(|| Listener::start(self.server.clone(), self.base.clone(), self.bell.clone()));
        self.bell.listen()
    }

    fn outbox_of(&self, consumer: &str) -> String {
        outbox_of(&self.broker, consumer)
    }

    fn road<'a>(&'a self, channel: &'a str, lease: Duration) -> BoxFuture<'a, Result<Road, TransportError>> {
        Box::pin(async move {
            let queue = self.server.queue(&self.broker, channel, lease).await?;
            Ok(Road::Queue(Box::new(queue)))
        })
    }
}
