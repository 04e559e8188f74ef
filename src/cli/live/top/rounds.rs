//! The durable rounds of a database that are open, and who is missing.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use convoke::{BrokerLook, DurableError, DurableRound, DurableState, RoundsLook};

use super::table::{Cell, Table};
use crate::error::cut;
use crate::view::{round_key, round_state};

/// As many brokers are looked at, and as many rounds are shown of each.
const BROKERS: usize = 100;
const SHOWN: usize = 20;

/// After so many questions it is asked once more which brokers there are: a Redis looks through its keys for that.
const AGAIN: usize = 30;
/// The same where there is none.
const SOON: usize = 5;

/// The longest text of a row: as much as any line has room for.
const ROW: usize = 300;

#[derive(Default)]
pub(super) struct Rounds {
    brokers: Vec<Broker>,
    turn: usize,
    /// How many questions were asked since it was asked which brokers there are; `None` if that was never asked.
    asked: Option<usize>,
}

struct Broker {
    name: Arc<str>,
    look: Option<Rc<BrokerLook>>,
    open: Vec<DurableRound>,
}

/// A question, which does not hold on to what has been told: each is one to one table.
pub(super) enum Question {
    Brokers,
    Find(Arc<str>),
    Open(Rc<BrokerLook>),
}

/// What was answered.
pub(super) enum Told {
    Brokers(Vec<Arc<str>>),
    Found(BrokerLook),
    Open(Rc<BrokerLook>, Vec<DurableRound>),
}

impl Question {
    pub(super) async fn ask(self, rounds: &RoundsLook) -> Result<Told, DurableError> {
        Ok(match self {
            Self::Brokers => Told::Brokers(rounds.brokers(None, BROKERS).await?),
            Self::Find(name) => Told::Found(rounds.broker(&name).await?),
            Self::Open(broker) => {
                let open = broker.rounds(None, SHOWN).await?;
                Told::Open(broker, open)
            }
        })
    }
}

impl Rounds {
    /// What is asked next; nothing where there is nothing to ask.
    pub(super) fn next(&mut self) -> Option<Question> {
        let asked = self.asked.map_or(AGAIN, |asked| asked + 1);
        if asked >= if self.brokers.is_empty() { SOON } else { AGAIN } {
            self.asked = Some(0);
            return Some(Question::Brokers);
        }
        self.asked = Some(asked);
        let place = self.turn % self.brokers.len().max(1);
        let broker = self.brokers.get(place)?;
        Some(match &broker.look {
            None => Question::Find(broker.name.clone()),
            Some(look) => {
                self.turn = place + 1;
                Question::Open(look.clone())
            }
        })
    }

    pub(super) fn note(&mut self, told: Told) {
        match told {
            Told::Brokers(names) => {
                let mut there: BTreeMap<Arc<str>, Broker> =
                    std::mem::take(&mut self.brokers).into_iter().map(|broker| (broker.name.clone(), broker)).collect();
                let broker = |name: Arc<str>| match there.remove(&name) {
                    Some(broker) => broker,
                    None => Broker { name, look: None, open: Vec::new() },
                };
                self.brokers = names.into_iter().map(broker).collect();
            }
            Told::Found(look) => {
                if let Some(broker) = self.brokers.iter_mut().find(|broker| *broker.name == *look.name()) {
                    broker.look = Some(Rc::new(look));
                }
            }
            Told::Open(look, open) => {
                if let Some(broker) = self.brokers.iter_mut().find(|broker| *broker.name == *look.name()) {
                    broker.open = open;
                }
            }
        }
    }

    /// The connection is another one: brokers are found anew, and what was seen stays.
    pub(super) fn lose(&mut self) {
        self.brokers.iter_mut().for_each(|broker| broker.look = None);
    }

    /// None where no broker is known.
    pub(super) fn table(&self) -> Option<Table> {
        if self.brokers.is_empty() {
            return None;
        }
        let now = SystemTime::now();
        let all = self.brokers.iter().flat_map(|broker| broker.open.iter().map(|round| (&*broker.name, round)));
        let rows: Vec<Vec<Cell>> = all.map(|(broker, round)| row(broker, round, now)).collect();
        let title = match rows.len() {
            0 => "rounds: none is open".to_owned(),
            _ => format!("rounds that are open, the first {SHOWN} of each broker: convoke rounds list"),
        };
        let columns = vec!["BROKER", "KEY", "OPEN", "DUE", "STATE", "MISSING"];
        Some(Table { title, columns: if rows.is_empty() { Vec::new() } else { columns }, rows, fault: None })
    }
}

fn row(broker: &str, round: &DurableRound, now: SystemTime) -> Vec<Cell> {
    let missing = match &round.state {
        DurableState::Aside(reason) => cut(reason, ROW),
        DurableState::Awaited => "whoever opens it".to_owned(),
        _ if round.missing.is_empty() => round.release.as_deref().map(|release| cut(release, ROW)).unwrap_or_default(),
        _ => round.missing.join(", "),
    };
    let due = match round.due.duration_since(now) {
        Ok(left) => Cell::Due(Ok(left)),
        Err(over) => Cell::Due(Err(over.duration())),
    };
    vec![
        Cell::Text(broker.to_owned()),
        Cell::Text(round_key(round)),
        Cell::Age(Some(now.duration_since(round.opened).unwrap_or_default())),
        due,
        Cell::Text(round_state(round).to_owned()),
        Cell::Text(missing),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_take_turns_and_are_found_before_they_are_asked() {
        let mut rounds = Rounds::default();
        assert!(matches!(rounds.next(), Some(Question::Brokers)));
        rounds.note(Told::Brokers(vec!["a".into(), "b".into()]));
        assert!(matches!(rounds.next(), Some(Question::Find(name)) if &*name == "a"));
        // It has not been found yet, as where the server is away.
        assert!(matches!(rounds.next(), Some(Question::Find(name)) if &*name == "a"));
        let asked: Vec<_> = (0..AGAIN).map(|_| rounds.next()).collect();
        assert_eq!(asked.iter().filter(|question| matches!(question, Some(Question::Brokers))).count(), 1);
        rounds.note(Told::Brokers(Vec::new()));
        assert!(rounds.table().is_none());
        let asked: Vec<_> = (0..2 * SOON).filter_map(|_| rounds.next()).collect();
        assert!(asked.len() <= 2 && asked.iter().all(|question| matches!(question, Question::Brokers)));
    }
}
