//! What a database in memory has of the rounds of a broker. It knows no lock.
//!
//! `found → judged → write → open → write → over → purge`

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::durable::plan::{AWAITED, Found, Line, Listed, OPEN, Plan, channel_of};
use crate::durable::{Due, Enrolled, Kept, Party, Past, Place, RoundFigures, Row};
use crate::outbox::Keeping;
use crate::sql::memory::MemoryConnection;

#[derive(Default)]
pub(super) struct Table {
    lines: BTreeMap<i64, Line>,
    rows: HashMap<i64, Vec<Row>>,
    /// The numbers of all rounds of a key.
    keys: HashMap<String, BTreeSet<i64>>,
    /// Those that are not over.
    living: BTreeSet<i64>,
    /// Of those that somebody looks at: when, and which.
    looks: BTreeSet<(i64, i64)>,
    /// Of those that are over: since when, and which.
    over: BTreeSet<(i64, i64)>,
    /// By their number, with when they were enrolled last.
    rules: BTreeMap<i64, (Arc<str>, i64)>,
    /// The number of the last new ones.
    last_rules: i64,
    enrolled: Option<i64>,
    consumers: BTreeSet<Arc<str>>,
    parties: BTreeMap<Arc<str>, Party>,
    /// Of those that were ever there, by their channels.
    outboxes: HashMap<Arc<str>, Arc<dyn Keeping<MemoryConnection>>>,
}

impl Table {
    pub(super) fn enroll(&mut self, rules: &str, replaces: bool) -> Enrolled {
        let there = self.rules.iter().find(|(_, (there, _))| **there == *rules).map(|(number, _)| *number);
        if let Some(other) = self.enrolled
            && there != Some(other)
            && !replaces
        {
            return Enrolled::Other(self.rules_of(other).to_string());
        }
        let number = there.unwrap_or_else(|| {
            self.last_rules += 1;
            self.last_rules
        });
        self.rules.insert(number, (rules.into(), now()));
        self.enrolled = Some(number);
        Enrolled::As(number)
    }

    /// By which rules rounds open, and their number.
    pub(super) fn enrolled(&self) -> Option<(i64, Arc<str>)> {
        self.enrolled.map(|number| (number, self.rules_of(number)))
    }

    pub(super) fn forget_rules(&mut self, older: Duration) -> u64 {
        let (until, before) = (now().saturating_sub(micros(older)), self.rules.len());
        let needed: BTreeSet<_> = self.living.iter().filter_map(|id| Some(self.lines.get(id)?.rules)).collect();
        let enrolled = self.enrolled;
        self.rules.retain(|number, (_, at)| *at > until || Some(*number) == enrolled || needed.contains(number));
        (before - self.rules.len()) as u64
    }

    fn rules_of(&self, number: i64) -> Arc<str> {
        self.rules.get(&number).map(|(text, _)| text.clone()).unwrap_or_default()
    }

    /// The key of a round that is not over.
    pub(super) fn key_of(&self, round: i64) -> Option<String> {
        Some(self.lines.get(&round).filter(|line| !line.is_over())?.key.clone())
    }

    /// What there is at a place; `None` for a round that is over.
    pub(super) fn found(&self, place: &Place, draw: impl FnOnce() -> i64) -> Option<Found> {
        let key = match place {
            Place::Key(key) => key.clone(),
            Place::Round(round) => self.key_of(*round)?,
        };
        let of_key = || self.keys.get(&key).into_iter().flat_map(|ids| ids.iter().rev());
        let line = of_key().find(|id| self.living.contains(*id)).and_then(|id| self.lines.get(id)).cloned();
        let last = of_key().find(|id| !self.living.contains(*id)).and_then(|id| self.lines.get(id)).cloned();
        Some(Found {
            key,
            rules: line.as_ref().map(|line| self.rules_of(line.rules)),
            rows: line.as_ref().map(|line| self.rows_of(line.id)).unwrap_or_default(),
            line,
            number: draw(),
            last: last.map(Line::past),
        })
    }

    fn rows_of(&self, round: i64) -> Vec<Row> {
        self.rows.get(&round).cloned().unwrap_or_default()
    }

    pub(super) fn write(&mut self, plan: Plan) {
        for (round, number, terms) in plan.notes {
            let row = self.rows.get_mut(&round).into_iter().flatten().find(|row| row.number == number);
            if let Some(row) = row {
                row.terms = terms;
            }
        }
        for (round, row) in plan.rows {
            self.rows.entry(round).or_default().push(row);
        }
        for round in &plan.emptied {
            self.rows.remove(round);
        }
        for round in &plan.lapsed {
            self.remove(*round);
        }
        for line in plan.made.into_iter().chain(plan.changed).chain(plan.noted) {
            self.forget(line.id);
            self.note(line);
        }
        for (round, outcome) in plan.amended {
            if let Some(line) = self.lines.get_mut(&round) {
                line.text = Some(outcome);
            }
        }
    }

    fn note(&mut self, line: Line) {
        self.keys.entry(line.key.clone()).or_default().insert(line.id);
        match line.is_over() {
            true => drop(self.over.insert((line.closed_at.unwrap_or_default(), line.id))),
            false => drop(self.living.insert(line.id)),
        }
        if matches!(line.state, OPEN | AWAITED) {
            self.looks.insert((line.look_at, line.id));
        }
        self.lines.insert(line.id, line);
    }

    fn forget(&mut self, round: i64) -> Option<Line> {
        let line = self.lines.remove(&round)?;
        self.living.remove(&round);
        self.looks.remove(&(line.look_at, round));
        self.over.remove(&(line.closed_at.unwrap_or_default(), round));
        Some(line)
    }

    fn remove(&mut self, round: i64) {
        let Some(line) = self.forget(round) else { return };
        if let Some(ids) = self.keys.get_mut(&line.key) {
            ids.remove(&round);
            if ids.is_empty() {
                self.keys.remove(&line.key);
            }
        }
    }

    pub(super) fn due(&self, foreign: &[i64], grace: Duration, most: usize) -> Due {
        let now = now();
        let patience = now.saturating_sub(micros(grace));
        let mut due = Due::default();
        let mut next = None;
        for (look_at, id) in &self.looks {
            let Some(line) = self.lines.get(id) else { continue };
            let is_foreign = foreign.contains(&line.rules);
            let is_due = *look_at <= now && (!is_foreign || line.due_at <= patience);
            if is_due && due.rounds.len() < most {
                due.rounds.push(*id);
            } else if is_due || *look_at > now && !is_foreign {
                next = Some(*look_at);
                break;
            }
        }
        due.next = next.map(|at| since(now, at));
        due
    }

    pub(super) fn ended(&self, rounds: &[i64]) -> Vec<Past> {
        let over = rounds.iter().filter_map(|id| self.lines.get(id)).filter(|line| line.is_over());
        over.cloned().map(Line::past).collect()
    }

    pub(super) fn round(&self, round: i64) -> Option<Kept> {
        let line = self.lines.get(&round)?.clone();
        let (rules, rows) = (self.rules_of(line.rules), self.rows_of(round));
        Some(line.kept(rules, rows))
    }

    pub(super) fn history(&self, key: &str, before: i64, most: usize) -> Vec<Kept> {
        let ids = self.keys.get(key).into_iter().flat_map(|ids| ids.range(..before).rev());
        ids.take(most).filter_map(|id| self.round(*id)).collect()
    }

    pub(super) fn open(&self, after: i64, most: usize) -> Vec<Kept> {
        let ids = self.living.range(after.saturating_add(1)..);
        ids.take(most).filter_map(|id| self.round(*id)).collect()
    }

    pub(super) fn add_consumer(&mut self, name: &str, outbox: Arc<dyn Keeping<MemoryConnection>>) {
        self.outboxes.entry(name.into()).or_insert(outbox);
        self.consumers.insert(name.into());
    }

    pub(super) fn remove_consumer(&mut self, name: &str) -> bool {
        self.consumers.remove(name)
    }

    pub(super) fn consumers(&self) -> Vec<Arc<str>> {
        self.consumers.iter().cloned().collect()
    }

    pub(super) fn add_party(&mut self, party: Party, outbox: Arc<dyn Keeping<MemoryConnection>>) {
        self.outboxes.entry(channel_of(&party.name)).or_insert(outbox);
        self.parties.insert(party.name.clone(), party);
    }

    pub(super) fn remove_party(&mut self, name: &str) -> bool {
        self.parties.remove(name).is_some()
    }

    pub(super) fn listed(&self) -> Listed {
        Listed { consumers: self.consumers(), parties: self.parties.values().cloned().collect() }
    }

    pub(super) fn outbox(&self, channel: &str) -> Option<Arc<dyn Keeping<MemoryConnection>>> {
        self.outboxes.get(channel).cloned()
    }

    pub(super) fn purge(&mut self, older: Duration, most: usize) -> u64 {
        let until = now().saturating_sub(micros(older));
        let old: Vec<_> = self.over.iter().take_while(|(at, _)| *at <= until).take(most).copied().collect();
        old.iter().for_each(|(_, id)| self.remove(*id));
        old.len() as u64
    }

    pub(super) fn figures(&self, most: u64) -> RoundFigures {
        let now = now();
        let mut figures = RoundFigures { over: (self.over.len() as u64).min(most), ..RoundFigures::default() };
        for line in self.living.iter().filter_map(|id| self.lines.get(id)) {
            let count = match line.state {
                OPEN => &mut figures.open,
                AWAITED => &mut figures.awaited,
                _ => &mut figures.aside,
            };
            *count = (*count + 1).min(most);
        }
        figures.overdue = self.looks.first().filter(|(at, _)| *at <= now).map(|(at, _)| since(*at, now));
        figures
    }
}

/// By the clock of the virtual time, if there is one.
pub(super) fn now() -> i64 {
    micros(crate::__private::wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

fn since(from: i64, to: i64) -> Duration {
    Duration::from_micros(to.saturating_sub(from).max(0).cast_unsigned())
}
