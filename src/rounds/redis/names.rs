//! What a broker has on the server: its name, its rules, its consumers, its parties.
//!
//! `open_rounds → register.lua`, `enroll → enroll.lua`, `add_consumer → consumer.lua`, `add_party → party.lua`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Value, cmd};

use super::answer::Parts;
use super::look::micros;
use super::rounds::RedisStore;
use super::script::{CONSUMER, ENROLL, FORGET, PARTY, REGISTER};
use crate::durable::plan::{Listed, channel_of, number_of};
use crate::durable::{Enrolled, Party};
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
    parties: BTreeMap<Arc<str>, Party>,
    /// Who hears of rounds, and of whom something is noted, as of this version.
    listed: Option<(String, Arc<Listed>)>,
}

impl Names {
    pub(super) fn rules(&self, number: i64) -> Option<Arc<str>> {
        self.rules.get(&number).cloned()
    }

    pub(super) fn listed(&self) -> Option<(String, Arc<Listed>)> {
        self.listed.clone()
    }

    pub(super) fn list(&mut self, version: &str, listed: Listed) -> Arc<Listed> {
        let listed = Arc::new(listed);
        self.listed = Some((version.to_owned(), listed.clone()));
        listed
    }
}

/// Makes the broker, if there is none. A server that was emptied gets what this handle knows of it.
pub(super) async fn register(rounds: &RedisStore) -> Result<(), TransportError> {
    let names = rounds.names().clone();
    let new = by_chance();
    let call = rounds.call(&REGISTER, |command| {
        command.arg(names.tag.as_deref().unwrap_or_default()).arg(&new);
        command.arg(names.enrolled.map(|number| number.to_string()).unwrap_or_default());
        command.arg(FORMAT).arg(names.rules.len());
        for (number, text) in &names.rules {
            command.arg(number).arg(&**text);
        }
        command.arg(names.consumers.len());
        for consumer in &names.consumers {
            command.arg(&**consumer);
        }
        for party in names.parties.values() {
            command.arg(&*party.name).arg(said(party)).arg(&*channel(party));
        }
    });
    let mut parts = rounds.parts(call.await?)?;
    let tag = parts.text().ok_or_else(|| rounds.nonsense())?;
    if tag.is_empty() {
        return Err(later(rounds));
    }
    rounds.names().tag = Some(tag);
    Ok(())
}

/// Looks whether there is the broker; by which rules it opens rounds, if it has some.
pub(super) async fn find_broker(rounds: &RedisStore) -> Result<Option<Option<(i64, Arc<str>)>>, TransportError> {
    let mut it = cmd("HMGET");
    it.arg(rounds.key("it")).arg("tag").arg("format").arg("rules");
    let mut parts = rounds.parts(rounds.command(&it).await?)?;
    let (Some(tag), Some(format)) = (parts.text_if_any().flatten(), parts.text_if_any().flatten()) else {
        return Ok(None);
    };
    if format.parse().map_or(true, |format: i64| format > FORMAT) {
        return Err(later(rounds));
    }
    rounds.names().tag = Some(tag);
    let Some(rules) = parts.text_if_any().flatten() else { return Ok(Some(None)) };
    let mut text = cmd("HGET");
    text.arg(rounds.key("rules")).arg(&rules);
    let number = rules.parse().map_err(|_| rounds.nonsense())?;
    Ok(Some(match rounds.command(&text).await? {
        Value::BulkString(text) => Some((number, String::from_utf8_lossy(&text).into())),
        _ => None,
    }))
}

/// How many keys the server looks at in one go.
const LOOKED_AT: usize = 1_000;

/// No key has all brokers: so the server is asked for all that are called as theirs are, some of its keys at a time.
pub(super) async fn brokers(rounds: &RedisStore, behind: &str, most: usize) -> Result<Vec<Arc<str>>, TransportError> {
    let before = format!("{}:", rounds.numbers());
    let pattern = format!("{}*:it", before.replace(['\\', '*', '?', '[', ']'], "?"));
    let (mut names, mut cursor) = (BTreeSet::new(), "0".to_owned());
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(LOOKED_AT).arg("TYPE").arg("hash");
        let mut parts = rounds.parts(rounds.command(&scan).await?)?;
        cursor = parts.text().ok_or_else(|| rounds.nonsense())?;
        let mut keys = parts.list().ok_or_else(|| rounds.nonsense())?;
        while let Some(key) = keys.bytes() {
            // Whoever else writes to the server calls keys what they like.
            let Ok(key) = String::from_utf8(key) else { continue };
            let name = key.strip_prefix(&before).and_then(|name| name.strip_suffix(":it"));
            let Some(name) = name.filter(|name| !name.is_empty() && *name > behind) else { continue };
            // The key of a round may end alike.
            let mut format = cmd("HGET");
            format.arg(&key).arg("format");
            if matches!(rounds.command(&format).await?, Value::BulkString(_)) {
                names.insert(Arc::from(name));
            }
        }
        if cursor == "0" {
            return Ok(names.into_iter().take(most).collect());
        }
    }
}

fn later(rounds: &RedisStore) -> TransportError {
    let text = "a later release of this program keeps these rounds: run that one, or take another name";
    TransportError::new(ErrorKind::Unsupported, rounds.at.clone(), text)
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

pub(super) async fn forget_rules(rounds: &RedisStore, older: Duration) -> Result<u64, TransportError> {
    let call = rounds.call(&FORGET, |command| {
        command.arg(micros(older));
    });
    let mut parts = rounds.parts(call.await?)?;
    let (mut names, mut count) = (rounds.names(), 0);
    while let Some(number) = parts.number() {
        names.rules.remove(&number);
        count += 1;
    }
    Ok(count)
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
        command.arg(name).arg(u8::from(is_there)).arg(by_chance());
    });
    match call.await? {
        Value::Int(changed) => Ok(changed == 1),
        _ => Err(rounds.nonsense()),
    }
}

pub(super) async fn consumers(rounds: &RedisStore) -> Result<Vec<Arc<str>>, TransportError> {
    let mut members = cmd("SMEMBERS");
    members.arg(rounds.key("consumers"));
    Ok(read_names(rounds.parts(rounds.command(&members).await?)?))
}

/// Reads names, in their order.
pub(super) fn read_names(mut parts: Parts) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    while let Some(name) = parts.text() {
        names.push(name.into());
    }
    names.sort_unstable();
    names
}

pub(super) async fn add_party(rounds: &RedisStore, party: &Party) -> Result<(), TransportError> {
    set_party(rounds, &party.name, Some(party)).await?;
    rounds.names().parties.insert(party.name.clone(), party.clone());
    Ok(())
}

pub(super) async fn remove_party(rounds: &RedisStore, name: &str) -> Result<bool, TransportError> {
    rounds.names().parties.remove(name);
    set_party(rounds, name, None).await
}

async fn set_party(rounds: &RedisStore, name: &str, party: Option<&Party>) -> Result<bool, TransportError> {
    let (said, channel) = (party.map(said).unwrap_or_default(), party.map(channel).unwrap_or_default());
    let call = rounds.call(&PARTY, |command| {
        command.arg(name).arg(&said).arg(&*channel).arg(by_chance());
    });
    match call.await? {
        Value::Int(changed) => Ok(changed == 1),
        _ => Err(rounds.nonsense()),
    }
}

/// What nothing was called before.
pub(super) fn by_chance() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// What a party says of itself, as it is kept.
fn said(party: &Party) -> String {
    format!("{}{}", u8::from(party.asked), party.terms)
}

/// The channel of one that can be asked.
fn channel(party: &Party) -> Arc<str> {
    if party.asked { channel_of(&party.name) } else { "".into() }
}

pub(super) async fn parties(rounds: &RedisStore) -> Result<Vec<Party>, TransportError> {
    let mut all = cmd("HGETALL");
    all.arg(rounds.key("parties"));
    let parts = rounds.parts(rounds.command(&all).await?)?;
    read_parties(parts).ok_or_else(|| rounds.nonsense())
}

/// Reads parties, in the order of their names.
pub(super) fn read_parties(mut parts: Parts) -> Option<Vec<Party>> {
    let mut parties = Vec::new();
    while let Some(name) = parts.text() {
        let said = parts.text()?;
        let (asked, terms) = (said.get(..1)? == "1", said.get(1..)?);
        parties.push(Party { name: name.into(), terms: terms.to_owned(), asked });
    }
    parties.sort_unstable_by(|one: &Party, other| one.name.cmp(&other.name));
    Some(parties)
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
