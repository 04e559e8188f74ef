//! Durable rounds: the brokers of every database, the open rounds of one, why a round waits, its history, and its end by hand.
//!
//! ```text
//! /durable ─▶ /durable/SERVER?broker=… ─▶ list.rs: open rounds by number, or those of a key
//!                                     └▶ /durable/SERVER/round?round=… ─▶ round.rs: why it waits, what was before it
//! POST /durable/SERVER/abort ─▶ abort.rs ─▶ the round
//! ```

mod brokers;
mod list;
mod round;
mod seen;
mod key;
mod abort;

use convoke::{DurableError, RoundId};

use crate::frame::Refused;
use crate::gate::Visit;
use crate::scope::Routes;
use crate::sight::Unanswered;
pub(crate) use brokers::show;
pub(crate) use list::show as show_list;
pub(crate) use round::show as show_round;

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/durable", brokers::show);
    routes.get("/durable/{server}", list::show);
    routes.get("/durable/{server}/round", round::show);
    routes.post("/durable/{server}/abort", abort::abort);
}

/// What is asked of rounds goes wrong as a database does, or by what was asked.
enum Wrong {
    Late,
    Said(DurableError),
}

/// Asks for no longer than a page may wait.
async fn in_time<T>(question: impl Future<Output = Result<T, DurableError>>) -> Result<T, Wrong> {
    let mut said = None;
    // What is no error of a database is kept aside.
    let asked = crate::sight::in_time(async {
        match question.await {
            Ok(answer) => Ok(Some(answer)),
            Err(DurableError::Database(error)) => Err(error),
            Err(error) => {
                said = Some(error);
                Ok(None)
            }
        }
    });
    match (asked.await, said) {
        (Ok(Some(answer)), _) => Ok(answer),
        (_, Some(error)) => Err(Wrong::Said(error)),
        (Err(Unanswered::Said(error)), None) => Err(Wrong::Said(DurableError::Database(error))),
        (Err(Unanswered::Late) | Ok(None), None) => Err(Wrong::Late),
    }
}

impl Wrong {
    fn refused(self, visit: &Visit) -> Refused {
        let text = match &self {
            Self::Late => String::new(),
            Self::Said(error) => error.to_string(),
        };
        match self {
            Self::Late => Refused::unanswered(visit, &Unanswered::Late),
            Self::Said(DurableError::Database(error)) => Refused::of(visit, &error),
            Self::Said(DurableError::NoBroker { .. } | DurableError::NoRound) => Refused::missing(visit, &text),
            Self::Said(DurableError::MayNotAbort { .. }) => Refused::clash(visit, &text),
            Self::Said(_) => Refused::wrong(visit, &text),
        }
    }
}

/// The number of a round, as a link has it.
fn round_id(visit: &Visit, text: &str) -> Result<RoundId, Refused> {
    let number = text.parse::<u64>().ok().and_then(|number| serde_json::from_value(number.into()).ok());
    number.ok_or_else(|| Refused::wrong(visit, "the number of a round is one, as the page of rounds shows it"))
}
