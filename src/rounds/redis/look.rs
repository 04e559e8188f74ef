//! What there is, for who asks; and what is removed because it is old.

use std::time::Duration;

use ::redis::{Cmd, Value};

use super::answer::Parts;
use super::names::note_rules;
use super::rounds::RedisStore;
use super::script::{DUE, ENDED, FIGURES, KEPT, PURGE};
use crate::durable::plan::Line;
use crate::durable::{Due, Kept, Past, RoundFigures};
use crate::transport::TransportError;

/// How many rounds one script deletes: meanwhile the server does nothing else.
const PURGED: usize = 200;

/// More than anybody asks for: what is above this is a mistake, or for ever.
const MOST: usize = 1_000_000_000;

pub(super) async fn due(
    rounds: &RedisStore,
    foreign: &[i64],
    grace: Duration,
    most: usize,
) -> Result<Due, TransportError> {
    let call = rounds.call(&DUE, |command| {
        command.arg(most.min(MOST)).arg(micros(grace)).arg(foreign);
    });
    let mut parts = rounds.parts(call.await?)?;
    let mut read = || {
        let now = parts.number()?;
        let next = match parts.value()? {
            Value::Nil => None,
            next => Some(Parts::of(Value::Array(vec![next]))?.time()?),
        };
        let (mut found, mut list) = (Vec::new(), parts.list()?);
        while let Some(look_at) = list.time() {
            found.push((look_at, list.number()?));
        }
        found.sort_unstable();
        let next = if found.len() > most { Some(now) } else { next };
        let ids = found.into_iter().take(most).map(|(_, id)| id).collect();
        Some(Due { rounds: ids, next: next.map(|next| since(now, next)) })
    };
    read().ok_or_else(|| rounds.nonsense())
}

pub(super) async fn ended(rounds: &RedisStore, asked: &[i64]) -> Result<Vec<Past>, TransportError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let call = rounds.call(&ENDED, |command| {
        command.arg(asked);
    });
    let parts = rounds.parts(call.await?)?;
    let past = |one: Value| {
        let mut parts = Parts::of(one)?;
        let id = parts.number()?;
        parts.line(id).map(Line::past)
    };
    parts.map(past).collect::<Option<_>>().ok_or_else(|| rounds.nonsense())
}

async fn kept(rounds: &RedisStore, add: impl Fn(&mut Cmd)) -> Result<Vec<Kept>, TransportError> {
    let mut parts = rounds.parts(rounds.call(&KEPT, add).await?)?;
    let mut read = || {
        note_rules(rounds, parts.list()?)?;
        let one = |one: Value| {
            let mut parts = Parts::of(one)?;
            let id = parts.number()?;
            let (line, rows) = (parts.line(id)?, parts.rows()?);
            let rules = rounds.names().rules(line.rules).unwrap_or_default();
            Some(line.kept(rules, rows))
        };
        parts.list()?.map(one).collect::<Option<Vec<_>>>()
    };
    read().ok_or_else(|| rounds.nonsense())
}

pub(super) async fn round(rounds: &RedisStore, round: i64) -> Result<Option<Kept>, TransportError> {
    let found = kept(rounds, |command| {
        command.arg("round").arg(round);
    });
    Ok(found.await?.pop())
}

pub(super) async fn history(
    rounds: &RedisStore,
    key: &str,
    before: i64,
    most: usize,
) -> Result<Vec<Kept>, TransportError> {
    let found = kept(rounds, |command| {
        command.arg("of").arg(key).arg(before).arg(most.min(MOST));
    });
    found.await
}

pub(super) async fn open(rounds: &RedisStore, after: i64, most: usize) -> Result<Vec<Kept>, TransportError> {
    let found = kept(rounds, |command| {
        command.arg("open").arg(after).arg(most.min(MOST));
    });
    found.await
}

pub(super) async fn purge(rounds: &RedisStore, older: Duration, most: usize) -> Result<u64, TransportError> {
    let mut left = most;
    while left > 0 {
        let some = left.min(PURGED);
        let call = rounds.call(&PURGE, |command| {
            command.arg(micros(older)).arg(some);
        });
        let Value::Int(count) = call.await? else { return Err(rounds.nonsense()) };
        let count = usize::try_from(count).unwrap_or_default().min(some);
        left -= count;
        if count < some {
            break;
        }
    }
    Ok((most - left).try_into().unwrap_or(u64::MAX))
}

pub(super) async fn figures(rounds: &RedisStore, most: u64) -> Result<RoundFigures, TransportError> {
    let mut parts = rounds.parts(rounds.call(&FIGURES, |_| ()).await?)?;
    let mut read = || {
        let mut count = || Some(u64::try_from(parts.number()?).ok()?.min(most));
        let (open, awaited, aside, over) = (count()?, count()?, count()?, count()?);
        let now = parts.number()?;
        let first = parts.time();
        let overdue = first.filter(|first| *first <= now).map(|first| since(first, now));
        Some(RoundFigures { open, awaited, aside, over, overdue })
    };
    read().ok_or_else(|| rounds.nonsense())
}

pub(super) fn micros(time: Duration) -> i64 {
    // Scripts count up to 2^53.
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX).min(1 << 53)
}

fn since(from: i64, to: i64) -> Duration {
    Duration::from_micros(to.saturating_sub(from).max(0).cast_unsigned())
}
