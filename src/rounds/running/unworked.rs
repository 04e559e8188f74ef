//! A round that this process does not work out: what is said is written, or ends it.
//!
//! `Case + asks → rows for whoever decides | an ending as the rows stand`

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::bench::{Answer, Ask, id, since};
use super::sitting::{Sitting, micros};
use crate::__private::rounds::{Charter, End, Ending, Kind, Sign};
use crate::durable::store::{Next, Round, Row};
use crate::{EmitError, Payload};

impl<P: Payload + DeserializeOwned> Sitting<'_, P> {
    /// The round is decided by a predicate that this process has not: what is said is written, and another process decides. If
    /// none does, it is cancelled some time after its deadline.
    pub(super) fn foreign(&mut self, round: &Round, charter: &Charter, asks: &[Ask], rule: Arc<str>) {
        self.done.foreign = Some(round.rules);
        let signals = self.case.rows.iter().filter(|row| row.kind == Kind::Signal as i16);
        let end = charter.end_of(round.opened_at, signals.map(|row| row.at).max().unwrap_or(round.opened_at));
        if self.case.now >= round.due_at.saturating_add(micros(self.law.grace)) && round.due_at < end {
            // It was the deadline of one party alone. Whoever decides looks at once.
            self.ruling.next = Next::Waits { look_at: self.case.now, due_at: end };
        } else if self.case.now >= round.due_at.saturating_add(micros(self.law.grace)) {
            let ending = self.ended_without(round, End::NoRule(rule));
            return self.close(round.id, ending, asks);
        }
        for ask in asks {
            let answer = match ask {
                Ask::Signal { name, token, .. } | Ask::Veto { name, token, .. } => {
                    let mut rows = self.case.rows.iter().chain(&self.ruling.adds);
                    let same = rows.find(|row| row.name == *name && row.kind == Kind::Signal as i16);
                    match same {
                        _ if self.case.rows.iter().any(|row| row.token == *token) => Answer::Written(id(round.id)),
                        Some(_) if matches!(ask, Ask::Signal { .. }) && charter.defers() => {
                            self.defer(ask);
                            Answer::Written(id(round.id))
                        }
                        Some(_) if matches!(ask, Ask::Signal { .. }) && !charter.replaces() => {
                            Answer::Refused(EmitError::AlreadyKept { round: id(round.id) })
                        }
                        _ if !charter.knows(name) => Answer::Refused(EmitError::Stranger { name: name.clone() }),
                        _ => {
                            self.add(ask);
                            Answer::Written(id(round.id))
                        }
                    }
                }
                Ask::Abort { .. } => {
                    if self.is_aborted(round, charter, ask, asks) {
                        return;
                    }
                    continue;
                }
                // It decides nothing here.
                Ask::Lease { .. } => match self.lease(ask, round.id, round.opened_at, charter, None) {
                    Ok(answer) => answer,
                    Err(why) => Answer::Refused(EmitError::Unreadable(why.into())),
                },
                Ask::Open { .. } | Ask::Retry => Answer::Written(id(round.id)),
            };
            self.tell(answer);
        }
        self.note_leases();
        if !self.ruling.adds.is_empty() || !self.ruling.notes.is_empty() {
            let due_at = match self.ruling.next {
                Next::Waits { due_at, .. } => due_at,
                _ => round.due_at,
            };
            self.ruling.next = Next::Waits { look_at: self.case.now, due_at };
        }
    }

    /// Aborts a round that is not worked out, if whoever asks for that may; says whether it did.
    pub(super) fn is_aborted(&mut self, round: &Round, charter: &Charter, ask: &Ask, asks: &[Ask]) -> bool {
        let Ask::Abort { reason, by, token } = ask else { return false };
        if !charter.may_abort(by.as_deref()) {
            self.tell(Answer::Refused(EmitError::MayNotAbort { by: by.clone() }));
            return false;
        }
        let end = match by {
            Some(by) => End::AbortedBy(by.clone(), reason.clone()),
            None => End::Aborted(reason.clone()),
        };
        let ending = Ending { by: Some(*token), ..self.ended_without(round, end) };
        self.tell(Answer::Written(id(round.id)));
        self.close(round.id, ending, asks);
        true
    }

    /// How a round ended that was not worked out: with the signals that it has, as they stand in rows.
    pub(super) fn ended_without(&self, round: &Round, end: End) -> Ending {
        let text = |row: &Row| String::from_utf8_lossy(&row.body).into_owned();
        let at = |row: &Row| since(round.opened_at, row.at).as_micros().try_into().unwrap_or_default();
        let signals = self.case.rows.iter().filter(|row| row.kind == Kind::Signal as i16);
        let signals =
            signals.map(|row| Sign { name: row.name.clone(), at: at(row), token: row.token, payload: text(row) });
        Ending {
            end,
            opened: round.opened_at,
            elapsed: since(round.opened_at, self.case.now).as_micros().try_into().unwrap_or_default(),
            quorum: None,
            signals: signals.collect(),
            vetoes: Vec::new(),
            by: None,
            withdrawn: Vec::new(),
            missing: Vec::new(),
            late: Vec::new(),
            refused: Vec::new(),
            carried: Vec::new(),
            next: None,
        }
    }
}
