//! What becomes of the rounds of one work, as it is written: the same for every database.
//!
//! `Found → Case → Judge → Ruling → Plan::take: lines, rows, packets → one statement of a database for each`

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::store::{Case, Judge, Kept, Next, Party, Past, Place, Round, Row, Ruling, Stage, Then};
use crate::transport::{ErrorKind, Packet, TransportError};

// States of a round. Below RESOLVED it holds its key.
pub(super) const OPEN: i16 = 0;
pub(super) const AWAITED: i16 = 1;
pub(super) const ASIDE: i16 = 2;
pub(super) const RESOLVED: i16 = 3;
pub(super) const CANCELLED: i16 = 4;

/// When somebody looks at what nobody looks at again by itself.
pub(super) const NEVER: i64 = i64::MAX;

/// A round as it stands in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: i64,
    pub(super) key: String,
    pub(super) state: i16,
    pub(super) rules: i64,
    pub(super) opened_at: i64,
    pub(super) look_at: i64,
    pub(super) due_at: i64,
    pub(super) closed_at: Option<i64>,
    pub(super) generation: i64,
    /// The outcome of one that is over, the reason of one that is aside.
    pub(super) text: Option<String>,
}

impl Line {
    pub(super) fn is_over(&self) -> bool {
        self.state >= RESOLVED
    }

    /// As somebody looks at it.
    pub(super) fn kept(self, rules: Arc<str>, rows: Vec<Row>) -> Kept {
        match self.is_over() {
            true => Kept::Over(self.past()),
            false => Kept::Open(self.round(), rules, rows),
        }
    }

    pub(super) fn past(self) -> Past {
        Past {
            id: self.id,
            key: self.key,
            resolved: self.state == RESOLVED,
            closed_at: self.closed_at.unwrap_or_default(),
            outcome: self.text.unwrap_or_default().into(),
        }
    }

    fn round(self) -> Round {
        let stage = match self.state {
            AWAITED => Stage::Awaited,
            ASIDE => Stage::Aside,
            _ => Stage::Open,
        };
        Round {
            id: self.id,
            key: self.key,
            stage,
            rules: self.rules,
            opened_at: self.opened_at,
            due_at: self.due_at,
            generation: self.generation,
            reason: self.text,
        }
    }
}

fn state_of(stage: Stage) -> i16 {
    match stage {
        Stage::Awaited => AWAITED,
        Stage::Open => OPEN,
        Stage::Aside => ASIDE,
    }
}

/// What there is at a place that is locked.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: String,
    /// The round that is not over.
    pub(super) line: Option<Line>,
    pub(super) rules: Option<Arc<str>>,
    pub(super) rows: Vec<Row>,
    /// The number that a new one would have.
    pub(super) number: i64,
    pub(super) last: Option<Past>,
}

/// Who hears of rounds, and of whom something is noted.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) consumers: Vec<Arc<str>>,
    pub(super) parties: Vec<Party>,
}

impl Listed {
    /// Whose outboxes have to be open.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn channels(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        let asked = self.parties.iter().filter(|party| party.asked).map(|party| channel_of(&party.name));
        self.consumers.iter().cloned().chain(asked)
    }
}

/// What is to be written. Of a round there is one line at most.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) made: Vec<Line>,
    pub(super) changed: Vec<Line>,
    /// Of which only `due_at` and `generation` are others: they stand in no index.
    pub(super) noted: Vec<Line>,
    /// Behind those that there are, in the order of rounds and numbers.
    pub(super) rows: Vec<(i64, Row)>,
    /// Rows whose terms are others from now on: the round, and the number.
    pub(super) notes: Vec<(i64, i32, Option<String>)>,
    /// Rounds whose rows are deleted, for they are over or deleted.
    pub(super) emptied: Vec<i64>,
    /// Rounds that are deleted.
    pub(super) lapsed: Vec<i64>,
    /// What the outcome of one that is over is from now on.
    pub(super) amended: Vec<(i64, String)>,
    /// What goes to the outbox of a consumer, or of a party, by its channel.
    pub(super) heard: BTreeMap<Arc<str>, Vec<Packet>>,
    seen: HashSet<i64>,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.made.is_empty()
            && self.changed.is_empty()
            && self.noted.is_empty()
            && self.lapsed.is_empty()
            && self.amended.is_empty()
            && self.heard.is_empty()
    }

    /// Whether something may have become different for who waits: more than a signal that is noted.
    pub(super) fn rings(&self) -> bool {
        !(self.made.is_empty() && self.changed.is_empty())
    }

    /// Has a place judged, and takes what was ruled. Two places that are the same round: the second is passed over.
    pub(super) fn judge(&mut self, place: usize, found: Found, judge: &dyn Judge, listed: &Listed, now: i64) {
        let Found { key, line, rules, rows, number, last } = found;
        if line.as_ref().is_some_and(|line| !self.seen.insert(line.id)) {
            return;
        }
        let (last_id, count) = (last.as_ref().map(|last| last.id), rows.len());
        let round = line.clone().map(Line::round);
        let Listed { consumers, parties } = listed;
        let case = Case { round, rules, rows, number, last, consumers, parties, now };
        let Some(ruling) = judge.judge(place, &case) else { return };
        if let (Some(outcome), Some(last)) = (&ruling.amends, last_id) {
            self.amended.push((last, outcome.clone()));
        }
        self.take(key, line, number, count, ruling, listed, now);
    }

    #[expect(clippy::too_many_arguments, reason = "what there was, and what was ruled")]
    fn take(
        &mut self,
        key: String,
        line: Option<Line>,
        number: i64,
        count: usize,
        ruling: Ruling,
        listed: &Listed,
        now: i64,
    ) {
        let Ruling { opens, adds, notes, next, asks, then, .. } = ruling;
        let (is_new, before) = (line.is_none(), line.clone());
        let mut line = match (line, &opens) {
            (Some(line), _) => line,
            // Nobody looks at it again by itself unless that is said: so it is looked at next.
            (None, Some(opening)) => Line {
                id: number,
                key,
                state: state_of(opening.stage),
                rules: opening.rules,
                opened_at: opening.at,
                look_at: now,
                due_at: now,
                closed_at: None,
                generation: 0,
                text: None,
            },
            (None, None) => return,
        };
        if let Some(opening) = opens {
            (line.state, line.rules, line.opened_at) = (state_of(opening.stage), opening.rules, opening.at);
            line.text = None;
        } else if matches!(next, Next::Stays) && adds.is_empty() && notes.is_empty() && asks.is_empty() {
            return;
        }
        line.generation += 1;
        for (party, packet) in asks {
            // One that cannot be asked any more is not, whatever the judge says.
            if listed.parties.iter().any(|known| known.asked && known.name == party) {
                self.heard.entry(channel_of(&party)).or_default().push(packet);
            }
        }
        let mut keeps_rows = true;
        match next {
            Next::Stays => {}
            Next::Waits { look_at, due_at } => (line.look_at, line.due_at) = (look_at, due_at),
            Next::Aside { reason } => (line.state, line.text) = (ASIDE, Some(reason)),
            Next::Closes { resolved, outcome, heard } => {
                line.state = if resolved { RESOLVED } else { CANCELLED };
                (line.closed_at, line.text) = (Some(now), Some(outcome));
                keeps_rows = false;
                for (consumer, packet) in heard {
                    // One that was removed hears of nothing more, whatever the judge says.
                    if listed.consumers.contains(&consumer) {
                        self.heard.entry(consumer).or_default().push(packet);
                    }
                }
                if let Some(then) = then.filter(|_| !is_new) {
                    self.open_next(line.key.clone(), number, then);
                }
            }
            Next::Lapses => {
                if !is_new {
                    self.lapsed.push(line.id);
                    if count > 0 {
                        self.emptied.push(line.id);
                    }
                }
                return;
            }
        }
        if line.state == ASIDE {
            line.look_at = NEVER;
        }
        match keeps_rows {
            true => {
                self.rows.extend(adds.into_iter().map(|row| (line.id, row)));
                self.notes.extend(notes.into_iter().map(|(number, terms)| (line.id, number, terms)));
            }
            false if count > 0 => self.emptied.push(line.id),
            false => {}
        }
        let is_noted = before.is_some_and(|before| {
            let Line { due_at, generation, .. } = line;
            Line { due_at, generation, ..before } == line
        });
        match is_new {
            true => self.made.push(line),
            false if is_noted => self.noted.push(line),
            false => self.changed.push(line),
        }
    }

    /// The round behind one that closes.
    fn open_next(&mut self, key: String, id: i64, then: Then) {
        let Then { rules, at, rows, look_at, due_at } = then;
        self.rows.extend(rows.into_iter().map(|row| (id, row)));
        self.made.push(Line {
            id,
            key,
            state: OPEN,
            rules,
            opened_at: at,
            look_at,
            due_at,
            closed_at: None,
            generation: 1,
            text: None,
        });
    }
}

/// Looks whether each place is there once: of two that are the same the second would not see what was ruled on the first.
///
/// # Errors
///
/// `Refused`.
pub(super) fn check_places(places: &[Place], at: &Arc<str>) -> Result<(), TransportError> {
    let mut seen = HashSet::with_capacity(places.len());
    if places.iter().all(|place| seen.insert(place)) {
        return Ok(());
    }
    let text = "a place is there twice: what becomes of it is one ruling, which has all that is to be said";
    Err(TransportError::new(ErrorKind::Refused, at.clone(), text))
}

/// The number of rules: the same in every process and every database, so that a database which was replaced has it too.
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
pub(super) fn number_of(rules: &str) -> i64 {
    // FNV-1a: what the standard library hashes by may change.
    let hash = rules
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // The last bytes have reached few of its bits.
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed >> 17).cast_signed()
}

/// Returns the channel of what a party of this name is to be asked, behind `rounds:broker:`. No consumer has it: none has a colon in its name, and no
/// party whose name stands there as it is.
pub fn channel_of(party: &str) -> Arc<str> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    match party.len() <= MOST_PLAIN && party.chars().all(is_plain) {
        true => format!(":{party}").into(),
        false => format!("::{:032x}", digest_of(party)).into(),
    }
}

/// So long a name stands in that of its outbox, which has 80 bytes at most.
const MOST_PLAIN: usize = 36;

/// FNV-1a of 128 bits: the same in every process and for ever, for rows go by it.
fn digest_of(text: &str) -> u128 {
    let prime = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let from = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    text.bytes().fold(from, |hash: u128, byte| (hash ^ u128::from(byte)).wrapping_mul(prime))
}

/// The name of the outbox with what a consumer is to hear of.
pub(super) fn outbox_of(broker: &str, consumer: &str) -> String {
    format!("rounds:{broker}:{consumer}")
}
