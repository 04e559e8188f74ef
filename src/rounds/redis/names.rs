//! What a broker has on the server: its name, its rules, its consumers.
//!
//! `open_rounds → register.lua`, `enroll → enroll.lua`, `add_consumer → consumer.lua`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::redis::{Value, cmd};

use super::answer::Parts;
use super::rounds::RedisStore;
use super::script::{CONSUMER, ENROLL, REGISTER};
use crate::durable::Enrolled;
use crate::durable::plan::number_of;
use crate::transport::{ErrorKind, TransportError};

/// Of what is kept: another one is not understood by this program.
const FORMAT: i64 = 1;

/// What a handle knows of its broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Which broker of this name it was: on a server that was emptied it is another one, or there is none.
    pub(super) tag: Option<String>,
    /// By their number, which is the same on every server.
    rules: BTreeMap<i64, Arc<str>>,
    /// By which it opens rounds.
    enrolled: Option<i64>,
    /// Those that were added by it.
    consumers: BTreeSet<Arc<str>>,
}

impl Names {
    pub(super) fn rules(&self, number: i64) -> Option<Arc<str>> {
        self.rules.get(&number).cloned()
    }
}

/// Makes the broker, if there is none. A server that was emptied gets what this handle knows of it.
pub(super) async fn register(rounds: &RedisStore) -> Result<(), TransportError> {
    let names = rounds.names().clone();
    let new = format!("{:032x}", fastrand::u128(..));
    let call = rounds.call(&REGISTER, |command| {
        command.arg(names.tag.as_deref().unwrap_or_default()).arg(&new);
        command.arg(names.enrolled.map(|number| number.to_string()).unwrap_or_default());
        command.arg(FORMAT).arg(names.rules.len());
        for (number, text) in &names.rules {
            command.arg(number).arg(&**text);
        }
        for consumer in &names.consumers {
            command.arg(&**consumer);
        }
    });
    let mut parts = rounds.parts(call.await?)?;
    let tag = parts.text().ok_or_else(|| rounds.nonsense())?;
    if tag.is_empty() {
        let text = "a later release of this program keeps these rounds: run that one, or take another name";
        return Err(TransportError::new(ErrorKind::Unsupported, rounds.at.clone(), text));
    }
    rounds.names().tag = Some(tag);
    Ok(())
}

pub(super) async fn enroll(rounds: &RedisStore, rules: &str, replaces: bool) -> Result<Enrolled, TransportError> {
    let number = number_of(rules);
    let call = rounds.call(&ENROLL, |command| {
        command.arg(number).arg(rules).arg(u8::from(replaces));
    });
    match call.await? {
        Value::Nil => {
            let mut names = rounds.names();
            names.rules.insert(number, rules.into());
            names.enrolled = Some(number);
            Ok(Enrolled::As(number))
        }
        Value::BulkString(other) => Ok(Enrolled::Other(String::from_utf8_lossy(&other).into_owned())),
        _ => Err(rounds.nonsense()),
    }
}

pub(super) async fn add_consumer(rounds: &RedisStore, name: &str) -> Result<(), TransportError> {
    set_consumer(rounds, name, true).await?;
    rounds.names().consumers.insert(name.into());
    Ok(())
}

pub(super) async fn remove_consumer(rounds: &RedisStore, name: &str) -> Result<bool, TransportError> {
    rounds.names().consumers.remove(name);
    set_consumer(rounds, name, false).await
}

async fn set_consumer(rounds: &RedisStore, name: &str, is_there: bool) -> Result<bool, TransportError> {
    let call = rounds.call(&CONSUMER, |command| {
        command.arg(name).arg(u8::from(is_there));
    });
    match call.await? {
        Value::Int(changed) => Ok(changed == 1),
        _ => Err(rounds.nonsense()),
    }
}

pub(super) async fn consumers(rounds: &RedisStore) -> Result<Vec<Arc<str>>, TransportError> {
    let mut members = cmd("SMEMBERS");
    members.arg(rounds.key("consumers"));
    let mut parts = rounds.parts(rounds.command(&members).await?)?;
    let mut names = Vec::new();
    while let Some(name) = parts.text() {
        names.push(name.into());
    }
    names.sort_unstable();
    Ok(names)
}

/// Notes texts of rules: they never change.
pub(super) fn note_rules(rounds: &RedisStore, mut parts: Parts) -> Option<()> {
    let mut names = rounds.names();
    while let Some(number) = parts.number() {
        let text = parts.text()?;
        names.rules.entry(number).or_insert_with(|| text.into());
    }
    Some(())
}
