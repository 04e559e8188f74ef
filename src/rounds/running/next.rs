//! The round that signals open which have waited for the one before it of their key to close.
//!
//! `rows of the kind Next → a course by the rules of now → Then: the rows of a round that is open`

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::bench::summons;
use super::leases::asked_first;
use super::sitting::Sitting;
use crate::__private::rounds::{Course, Ending, Kind, PartyTerms, Said, Told, Word};
use crate::durable::store::{Row, Then};
use crate::{Payload, Uuid};

impl<P: Payload + DeserializeOwned> Sitting<'_, P> {
    /// Opens the next round, if signals wait for it, and says so in the ending of this one. Those that this very work brings are none of
    /// them: they are told to come again.
    pub(super) fn open_next(&mut self, ending: &mut Ending) {
        let is_next = |row: &&Row| row.kind == Kind::Next as i16;
        let waits: Vec<Row> = self.case.rows.iter().filter(is_next).cloned().collect();
        if waits.is_empty() || self.case.round.is_none() {
            return;
        }
        (ending.carried, ending.next) = (waits.iter().map(|row| row.token).collect(), Some(self.case.number));
        let now = self.case.now;
        let charter = self.law.charter.clone();
        let mut rows = Rows(Vec::new());
        let course = <dyn Course>::begin(&charter, &self.law.predicates);
        // Where that fails it is seen by whoever looks, which is at once, and sets the round aside.
        let mut course = course.map(Ok).unwrap_or_else(|| Err(String::new()));
        for party in self.case.parties.iter().filter(|party| charter.knows(&party.name)) {
            let Ok(terms) = PartyTerms::read(&party.terms) else { continue };
            rows.add(Kind::Party, &party.name, now, Uuid::nil(), Some(terms.to_text()), Vec::new());
            if let Ok(known) = &mut course {
                let said = Said {
                    name: &party.name,
                    at: Duration::ZERO,
                    weight: 1,
                    token: Uuid::nil(),
                    word: Word::Party(terms),
                };
                if let Err(why) = known.say(said) {
                    course = Err(why);
                }
            }
        }
        for row in waits {
            let told = match &mut course {
                Ok(known) => {
                    let text = String::from_utf8_lossy(&row.body);
                    let weight = row.terms.as_deref().and_then(|terms| terms.parse().ok()).unwrap_or(1);
                    let (name, word) = (&*row.name, Word::Signal(&text));
                    known.say(Said { name, at: Duration::ZERO, weight, token: row.token, word })
                }
                Err(_) => Ok(Told::Taken),
            };
            let kind = match told {
                Ok(Told::Taken) => Kind::Signal,
                // It waits on: for the next one behind that, or for the rules by which it is none of any.
                Ok(_) => Kind::Next,
                Err(why) => {
                    course = Err(why);
                    Kind::Signal
                }
            };
            rows.add(kind, &row.name, now, row.token, row.terms, row.body);
        }
        let mut due = now;
        if let Ok(course) = &course
            && let Some(deadline) = course.next_deadline()
        {
            due = now.saturating_add(deadline.as_micros().try_into().unwrap_or(i64::MAX));
            for name in course.missing() {
                if self.case.parties.iter().any(|party| party.asked && party.name == name) {
                    rows.add(Kind::Summons, &name, now, Uuid::nil(), Some(asked_first()), Vec::new());
                    let packet = summons(&self.law.broker, &name, self.case.number, 1);
                    self.ruling.asks.push((name, packet));
                }
            }
        }
        // One that is over as it opens is closed by whoever looks.
        self.ruling.then = Some(Then { rules: self.law.rules, at: now, rows: rows.0, look_at: due, due_at: due });
    }
}

/// Rows of a round, in their order.
struct Rows(Vec<Row>);

impl Rows {
    fn add(&mut self, kind: Kind, name: &Arc<str>, at: i64, token: Uuid, terms: Option<String>, body: Vec<u8>) {
        let number = i32::try_from(self.0.len()).unwrap_or(i32::MAX).saturating_add(1);
        self.0.push(Row { number, kind: kind as i16, name: name.clone(), at, token, terms, body });
    }
}
