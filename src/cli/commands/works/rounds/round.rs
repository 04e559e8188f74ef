//! How a durable round is shown: as a row, as lines, as JSON.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use convoke::{DurableRound, DurableState, RoundKey};
use serde_json::{Value, json};

use crate::error::{cut, shown, told};
use crate::terminal::Column;
use crate::view::{UNKNOWN, age, instant, round_key, round_state};

/// Of those that are open.
pub(super) const OPEN: [Column; 6] = [
    Column::text("BROKER"),
    Column::whole("KEY"),
    Column::number("OPEN"),
    Column::number("DUE"),
    Column::whole("STATE"),
    Column::text("MISSING"),
];

/// Of those of one key.
pub(super) const PAST: [Column; 6] = [
    Column::text("BROKER"),
    Column::number("ROUND"),
    Column::whole("OPENED"),
    Column::whole("CLOSED"),
    Column::whole("STATE"),
    Column::text("HOW"),
];

/// The longest reason of a row.
const ROW: usize = 300;

fn key_of(round: &DurableRound) -> String {
    shown(&round_key(round))
}

fn names(names: &[Arc<str>]) -> String {
    names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ")
}

fn ago(time: SystemTime) -> Option<Duration> {
    SystemTime::now().duration_since(time).ok()
}

/// When its deadline is: `2h`, or `-3m` of one that is over and that nobody has closed.
fn due(round: &DurableRound) -> String {
    match round.due.duration_since(SystemTime::now()) {
        Ok(left) => age(Some(left)),
        Err(over) => format!("-{}", age(Some(over.duration()))),
    }
}

pub(super) fn open_row(broker: &str, round: &DurableRound) -> Vec<String> {
    let missing = match &round.state {
        DurableState::Aside(reason) => cut(reason, ROW),
        DurableState::Awaited => "whoever opens it".to_owned(),
        _ if round.missing.is_empty() => round.release.as_deref().map(told).unwrap_or_default(),
        _ => names(&round.missing),
    };
    vec![
        shown(broker),
        key_of(round),
        age(ago(round.opened).or(Some(Duration::ZERO))),
        due(round),
        round_state(round).to_owned(),
        missing,
    ]
}

pub(super) fn past_row(broker: &str, round: &DurableRound) -> Vec<String> {
    let how = match &round.state {
        DurableState::Aside(reason) | DurableState::Cancelled(reason) => cut(reason, ROW),
        DurableState::Resolved => format!("by {}", names(&round.kept)),
        _ => format!("waits for {}", names(&round.missing)),
    };
    vec![
        shown(broker),
        round.round.to_string(),
        time(round.opened).unwrap_or_else(|| UNKNOWN.to_owned()),
        closed(round).unwrap_or_default(),
        round_state(round).to_owned(),
        how,
    ]
}

/// When it closed, if it is over.
fn closed(round: &DurableRound) -> Option<String> {
    match round.state {
        DurableState::Resolved | DurableState::Cancelled(_) => time(round.due),
        _ => None,
    }
}

fn time(time: SystemTime) -> Option<String> {
    instant(time.duration_since(UNIX_EPOCH).ok()?.as_millis().try_into().ok()?)
}

/// Why a round waits.
pub(super) fn lines(broker: &str, round: &DurableRound) -> String {
    let mut lines = String::new();
    let mut add = |name: &str, text: &str| {
        lines.push_str(format!("{name:9} {text}").trim_end());
        lines.push('\n');
    };
    add("broker", &shown(broker));
    let key = match &round.key {
        Some(RoundKey::Text(_)) => format!("{}, a text", key_of(round)),
        _ => key_of(round),
    };
    add("key", &key);
    add("round", &round.round.to_string());
    add("state", round_state(round));
    let opened = time(round.opened).unwrap_or_else(|| UNKNOWN.to_owned());
    add("opened", &format!("{opened}, {} ago", age(ago(round.opened).or(Some(Duration::ZERO)))));
    let deadline = time(round.due).unwrap_or_else(|| UNKNOWN.to_owned());
    match round.due.duration_since(SystemTime::now()) {
        Ok(left) => add("deadline", &format!("{deadline}, in {}", age(Some(left)))),
        Err(over) => {
            let text = "and nobody has closed it: no process has this broker";
            add("deadline", &format!("{deadline}, {} ago, {text}", age(Some(over.duration()))));
        }
    }
    if let Some(release) = &round.release {
        add("needs", &told(release));
    }
    let kept = if round.kept.is_empty() { "nobody".to_owned() } else { names(&round.kept) };
    add("kept by", &kept);
    let missing = match &round.state {
        DurableState::Awaited => "whoever opens it".to_owned(),
        _ if round.missing.is_empty() => "not known here: the programs that have its rule know".to_owned(),
        _ => names(&round.missing),
    };
    add("waits for", &missing);
    if let DurableState::Aside(reason) = &round.state {
        add("aside", &format!("nobody can decide it until it is retried or aborted: {}", told(reason)));
    }
    if !round.aborted_by.is_empty() {
        add("aborted", &format!("by {} alone", names(&round.aborted_by)));
    }
    lines
}

pub(super) fn json_of(broker: &str, round: &DurableRound) -> Value {
    let reason = match &round.state {
        DurableState::Aside(reason) | DurableState::Cancelled(reason) => Some(reason),
        _ => None,
    };
    json!({
        "abortedBy": round.aborted_by,
        "broker": broker,
        "closed": closed(round),
        "due": time(round.due),
        "kept": round.kept,
        "key": round.key,
        "missing": round.missing,
        "needs": round.release,
        "opened": time(round.opened),
        "reason": reason,
        "round": round.round,
        "state": round_state(round),
    })
}
