//! What the server answers, read.
//!
//! `XREADGROUP, XRANGE → entries`, `lua/look.lua → found`, `XPENDING → lents`

use std::time::Duration;

use ::redis::Value;

use super::entry;
use super::receipt::Lent;
use crate::transport::Packet;

/// What a look has found: how long until there is something else, and what is ours now.
pub(super) type Found = (Option<Duration>, Vec<(Lent, Packet, bool)>);

/// Reads entries, as `XRANGE` and `XREADGROUP` list them.
pub(super) fn entries(value: Value) -> impl Iterator<Item = (String, Vec<Value>)> {
    let all = match value {
        Value::Array(all) => all,
        _ => Vec::new(),
    };
    all.into_iter().filter_map(|entry| {
        let Value::Array(parts) = entry else { return None };
        let mut parts = parts.into_iter();
        match (parts.next().and_then(entry::bytes), parts.next()) {
            (Some(id), Some(Value::Array(fields))) => Some((entry::text(id), fields)),
            _ => None,
        }
    })
}

/// Reads what `look.lua` returns.
pub(super) fn found(value: Value) -> Found {
    let Value::Array(parts) = value else { return (None, Vec::new()) };
    let mut parts = parts.into_iter();
    let next = match parts.next() {
        Some(Value::Int(wait)) => u64::try_from(wait).ok().map(Duration::from_millis),
        _ => None,
    };
    let Some(Value::Array(all)) = parts.next() else { return (next, Vec::new()) };
    let one = |entry| {
        let Value::Array(parts) = entry else { return None };
        let mut parts = parts.into_iter();
        let id = entry::text(entry::bytes(parts.next()?)?);
        let Some(Value::Int(count)) = parts.next() else { return None };
        let Some(Value::Array(fields)) = parts.next() else { return None };
        let marked = matches!(parts.next(), Some(Value::Int(1)));
        let packet = entry::read(&id, fields);
        Some((Lent { id, count: u32::try_from(count).unwrap_or(u32::MAX) }, packet, marked))
    };
    (next, all.into_iter().filter_map(one).collect())
}

/// Reads what `XPENDING` lists.
pub(super) fn lents(value: Value) -> impl Iterator<Item = Lent> {
    let Value::Array(all) = value else { return Vec::new().into_iter() };
    let one = |row| {
        let Value::Array(row) = row else { return None };
        let mut row = row.into_iter();
        let id = entry::text(entry::bytes(row.next()?)?);
        let Some(Value::Int(count)) = row.nth(2) else { return None };
        Some(Lent { id, count: u32::try_from(count).unwrap_or(u32::MAX) })
    };
    all.into_iter().filter_map(one).collect::<Vec<_>>().into_iter()
}
