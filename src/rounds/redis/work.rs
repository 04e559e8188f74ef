//! How rounds are judged: what there is is read by one script, and what was ruled is written by another, where nobody has written since.
//!
//! `places → read.lua → Judge, place by place → write.lua → places where somebody was faster → read.lua → …`

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::redis::Value;
use tokio::time::{Instant, sleep};

use super::answer::Parts;
use super::names::{note_rules, register};
use super::plans::Words;
use super::rounds::RedisStore;
use super::script::{READ, WRITE};
use crate::__private::random;
use crate::durable::plan::{Found, Line, Plan, check_places};
use crate::durable::{Judge, Place, Row};
use crate::transport::{ErrorKind, TransportError};

/// How many places one script reads or writes: meanwhile the server does nothing else.
const AT_ONCE: usize = 128;

/// After so many bytes a script writes no further place.
const MOST_BYTES: usize = 4 << 20;

/// For how long somebody may be faster again and again. Each time somebody has got on.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it begins again because there is no broker.
const TRIES: u32 = 5;

/// The longest wait before it is read again.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn work(rounds: &RedisStore, places: &[Place], judge: &dyn Judge) -> Result<(), TransportError> {
    check_places(places, &rounds.at)?;
    let end = Instant::now() + PATIENCE;
    let mut left: Vec<usize> = (0..places.len()).collect();
    // By which place a round is judged: by another one it is passed over.
    let mut by: HashMap<i64, usize> = HashMap::new();
    let mut rings = false;
    for turn in 0_u32.. {
        let mut shown = Vec::new();
        for some in left.chunks(AT_ONCE) {
            shown.push(read(rounds, places, some).await?);
        }
        // All is judged before anything is written: a judge may panic.
        let mut ruled = Vec::new();
        for shown in shown {
            let Shown { found, consumers, at_consumers, now } = shown;
            let mut words = Vec::new();
            for (place, found, version) in found {
                if let Some(line) = &found.line
                    && *by.entry(line.id).or_insert(place) != place
                {
                    continue;
                }
                let key = found.key.clone();
                let mut plan = Plan::default();
                plan.judge(place, found, judge, &consumers, now);
                if !plan.is_empty() {
                    words.push((place, plan.rings(), Words::of(&key, &version, plan)));
                }
            }
            ruled.push((at_consumers, words));
        }
        left.clear();
        for (at_consumers, words) in ruled {
            let mut words = words.as_slice();
            while !words.is_empty() {
                let (some, others) = words.split_at(fitting(words));
                let written = write(rounds, &at_consumers, some).await?;
                for ((place, may_ring, _), is_written) in some.iter().zip(written) {
                    if is_written {
                        rings |= may_ring;
                    } else {
                        judge.void(*place);
                        left.push(*place);
                    }
                }
                words = others;
            }
        }
        if left.is_empty() {
            break;
        }
        if Instant::now() >= end {
            let text = "others write to the same rounds again and again: try again";
            return Err(TransportError::new(ErrorKind::Unreachable, rounds.at.clone(), text));
        }
        if turn > 0 {
            let longest = Duration::from_millis(1 << turn.min(8)).min(LONGEST_PAUSE);
            sleep(longest.mul_f64((random() >> 11) as f64 / (1_u64 << 53) as f64)).await;
        }
    }
    if rings {
        rounds.ring();
    }
    Ok(())
}

/// How many of these one script writes: at least one.
fn fitting(words: &[(usize, bool, Words)]) -> usize {
    let mut bytes = 0;
    let fits = words.iter().take_while(|(_, _, words)| {
        let fits = bytes < MOST_BYTES;
        bytes += words.bytes;
        fits
    });
    fits.count().max(1)
}

/// What there is at places, as of one moment.
struct Shown {
    /// With the place, and the version that it has.
    found: Vec<(usize, Found, String)>,
    consumers: Vec<Arc<str>>,
    /// How often consumers were written.
    at_consumers: String,
    now: i64,
}

async fn read(rounds: &RedisStore, places: &[Place], some: &[usize]) -> Result<Shown, TransportError> {
    for _ in 0..TRIES {
        let tag = rounds.names().tag.clone();
        let call = rounds.call(&READ, |command| {
            command.arg(tag.as_deref().unwrap_or_default());
            for place in some.iter().filter_map(|place| places.get(*place)) {
                match place {
                    Place::Key(key) => command.arg("k").arg(key),
                    Place::Round(round) => command.arg("r").arg(round),
                };
            }
        });
        match call.await? {
            // It is another broker, or none: the server was emptied.
            Value::Nil => register(rounds).await?,
            shown => return shown_in(rounds, shown, some).ok_or_else(|| rounds.nonsense()),
        }
    }
    let text = "the server is emptied again and again: try again";
    Err(TransportError::new(ErrorKind::Unreachable, rounds.at.clone(), text))
}

fn shown_in(rounds: &RedisStore, value: Value, some: &[usize]) -> Option<Shown> {
    let mut parts = Parts::of(value)?;
    let now = parts.number()?;
    let at_consumers = parts.text()?;
    let mut consumers = Vec::new();
    let mut names = parts.list()?;
    while let Some(name) = names.text() {
        consumers.push(name.into());
    }
    consumers.sort_unstable();
    note_rules(rounds, parts.list()?)?;
    let mut found = Vec::with_capacity(some.len());
    for (place, there) in some.iter().zip(parts.list()?) {
        let Some(mut parts) = Parts::of(there) else { continue };
        let (key, version) = (parts.text()?, parts.text()?);
        let living = parts.text()?;
        let number = parts.number()?;
        let (line, rows) = match living.parse() {
            Ok(id) => (Some(parts.line(id)?), parts.rows()?),
            Err(_) => {
                parts.value()?;
                parts.value()?;
                (None, Vec::<Row>::new())
            }
        };
        let last = match parts.text()?.parse() {
            Ok(id) => Some(parts.line(id)?),
            Err(_) => None,
        };
        let rules = line.as_ref().and_then(|line| rounds.names().rules(line.rules));
        found.push((*place, Found { key, line, rules, rows, number, last: last.map(Line::past) }, version));
    }
    Some(Shown { found, consumers, at_consumers, now })
}

/// Writes what was ruled on these places; says of each whether it was written.
async fn write(
    rounds: &RedisStore,
    at_consumers: &str,
    some: &[(usize, bool, Words)],
) -> Result<Vec<bool>, TransportError> {
    let tag = rounds.names().tag.clone();
    let call = rounds.call(&WRITE, |command| {
        command.arg(tag.as_deref().unwrap_or_default()).arg(at_consumers).arg(some.len());
        for (_, _, words) in some {
            words.all.iter().for_each(|word| {
                command.arg(word.as_slice());
            });
        }
    });
    match call.await? {
        // Whoever reads next has it registered.
        Value::Nil => Ok(vec![false; some.len()]),
        Value::Array(written) if written.is_empty() => Ok(vec![false; some.len()]),
        Value::Array(written) if written.len() == some.len() => {
            Ok(written.into_iter().map(|written| written == Value::Int(1)).collect())
        }
        _ => Err(rounds.nonsense()),
    }
}
