//! How rounds are judged: what there is is read by one script, and what was ruled is written by another, where nobody has written since.
//!
//! `places → read.lua → Judge, place by place → write.lua → places where somebody was faster → read.lua → …`

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ::redis::Value;
use tokio::time::{Instant, sleep};

use super::answer::Parts;
use super::names::{by_chance, note_rules, read_names, read_parties, register};
use super::plans::Words;
use super::rounds::RedisStore;
use super::script::{READ, WRITE};
use crate::__private::random;
use crate::durable::plan::{Found, Line, Listed, Plan, check_places};
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
    // Those of which a number is drawn though there is a round: another one is to follow it.
    let mut draws = HashSet::new();
    for turn in 0_u32.. {
        let mut shown = Vec::new();
        for some in left.chunks(AT_ONCE) {
            shown.push(read(rounds, places, some, &draws).await?);
        }
        // All is judged before anything is written: a judge may panic.
        let mut ruled = Vec::new();
        left.clear();
        for shown in shown {
            let Shown { found, listed, version: of_consumers, now } = shown;
            let mut words = Vec::new();
            for (place, found, version) in found {
                if let Some(line) = &found.line
                    && *by.entry(line.id).or_insert(place) != place
                {
                    continue;
                }
                let key = found.key.clone();
                let mut plan = Plan::default();
                plan.judge(place, found, judge, &listed, now);
                if plan.made.iter().any(|line| line.id == 0) {
                    judge.void(place);
                    draws.insert(place);
                    left.push(place);
                } else if !plan.is_empty() {
                    words.push((place, plan.rings(), Words::of(&key, &version, plan)));
                }
            }
            ruled.push((of_consumers, words));
        }
        for (of_consumers, words) in ruled {
            let mut words = words.as_slice();
            while !words.is_empty() {
                let (some, others) = words.split_at(fitting(words));
                let written = write(rounds, &of_consumers, some).await?;
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
    listed: Arc<Listed>,
    /// Of consumers and parties.
    version: String,
    now: i64,
}

async fn read(
    rounds: &RedisStore,
    places: &[Place],
    some: &[usize],
    draws: &HashSet<usize>,
) -> Result<Shown, TransportError> {
    for _ in 0..TRIES {
        let (tag, known) = {
            let names = rounds.names();
            (names.tag.clone(), names.listed())
        };
        let version = known.as_ref().map(|(version, _)| version.as_str()).unwrap_or_default();
        let call = rounds.call(&READ, |command| {
            command.arg(tag.as_deref().unwrap_or_default()).arg(version);
            for (number, place) in some.iter().filter_map(|number| Some((number, places.get(*number)?))) {
                match place {
                    Place::Key(key) => command.arg("k").arg(key),
                    Place::Round(round) => command.arg("r").arg(round),
                };
                command.arg(u8::from(draws.contains(number)));
            }
        });
        match call.await? {
            // It is another broker, or none: the server was emptied.
            Value::Nil => register(rounds).await?,
            shown => return shown_in(rounds, shown, some, known).ok_or_else(|| rounds.nonsense()),
        }
    }
    let text = "the server is emptied again and again: try again";
    Err(TransportError::new(ErrorKind::Unreachable, rounds.at.clone(), text))
}

fn shown_in(rounds: &RedisStore, value: Value, some: &[usize], known: Option<(String, Arc<Listed>)>) -> Option<Shown> {
    let mut parts = Parts::of(value)?;
    let now = parts.number()?;
    let version = parts.text()?;
    let listed = match (Parts::of(parts.value()?), Parts::of(parts.value()?)) {
        (Some(names), Some(parties)) => {
            let listed = Listed { consumers: read_names(names), parties: read_parties(parties)? };
            rounds.names().list(&version, listed)
        }
        _ => known.filter(|(known, _)| *known == version)?.1,
    };
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
    Some(Shown { found, listed, version, now })
}

/// Writes what was ruled on these places; says of each whether it was written.
async fn write(
    rounds: &RedisStore,
    of_consumers: &str,
    some: &[(usize, bool, Words)],
) -> Result<Vec<bool>, TransportError> {
    let (tag, version) = (rounds.names().tag.clone(), by_chance());
    let call = rounds.call(&WRITE, |command| {
        command.arg(tag.as_deref().unwrap_or_default()).arg(of_consumers).arg(&version).arg(some.len());
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
