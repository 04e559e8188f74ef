//! What was ruled on a place, in the words of `lua/write.lua`.
//!
//! `Plan → Words → ARGV`

use super::row;
use crate::durable::plan::{Line, Plan};
use crate::transport::redis::fields;

/// The words of one place, and about how many bytes they have.
#[derive(Default)]
pub(super) struct Words {
    pub(super) all: Vec<Vec<u8>>,
    pub(super) bytes: usize,
}

impl Words {
    /// Of the place of this key, as it was at this version.
    pub(super) fn of(key: &str, version: &str, plan: Plan) -> Self {
        let mut words = Self::default();
        words.text(key);
        words.text(version);
        // What is made comes last: a key is free for it once the round that had it is over.
        let of = |what: &'static str| move |line: Line| (what, line);
        let changed = plan.changed.into_iter().map(of("changed"));
        let lines: Vec<_> = changed
            .chain(plan.noted.into_iter().map(of("noted")))
            .chain(plan.made.into_iter().map(of("made")))
            .collect();
        words.count(lines.len());
        for (what, line) in lines {
            words.text(what);
            words.line(&line);
        }
        for rounds in [plan.emptied, plan.lapsed] {
            words.count(rounds.len());
            rounds.into_iter().for_each(|round| words.text(&round.to_string()));
        }
        words.count(plan.amended.len());
        for (round, outcome) in plan.amended {
            words.text(&round.to_string());
            words.push(outcome.into_bytes());
        }
        words.count(plan.notes.len());
        for (round, number, terms) in plan.notes {
            words.text(&round.to_string());
            words.text(&(number - 1).to_string());
            words.push(row::write_terms(terms.as_deref()));
        }
        words.count(plan.rows.len());
        for (round, row) in plan.rows {
            words.text(&round.to_string());
            words.push(row::write(&row));
        }
        words.count(plan.heard.values().map(Vec::len).sum());
        for (channel, packets) in plan.heard {
            for packet in packets {
                words.text(&channel);
                let fields = fields(&packet);
                words.count(fields.len());
                fields.into_iter().for_each(|field| words.push(field));
            }
        }
        words
    }

    fn line(&mut self, line: &Line) {
        let closed = line.closed_at.map(|at| at.to_string()).unwrap_or_default();
        for number in [line.id, line.state.into(), line.rules, line.opened_at, line.look_at, line.due_at] {
            self.text(&number.to_string());
        }
        self.text(&closed);
        self.text(&line.generation.to_string());
        self.text(if line.text.is_some() { "1" } else { "0" });
        self.text(line.text.as_deref().unwrap_or_default());
    }

    fn count(&mut self, count: usize) {
        self.text(&count.to_string());
    }

    fn text(&mut self, text: &str) {
        self.push(text.as_bytes().to_vec());
    }

    fn push(&mut self, word: Vec<u8>) {
        self.bytes += word.len() + 16;
        self.all.push(word);
    }
}
