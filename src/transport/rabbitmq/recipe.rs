//! How a queue is made: with what belongs to it, when it is missing, and again when somebody has deleted it.
//!
//! `builder.rs → Recipe`, `desk.rs, subscriber.rs: the queue is gone → Recipe → dead letters, queue, bindings`

use std::sync::Arc;
use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::declare;
use super::declare::QueueKind;
use super::link::{Line, RabbitMqServer, TARGET};
use crate::transport::{TransportError, UNHEARD_ATTEMPTS};

/// How often a quorum queue that we make lends a message that comes back unsettled, before the server itself takes it for
/// dead: what a hundred attempts need. A worker ends one sooner, and by what was heard.
pub(super) const LENDINGS: u32 = 100 + UNHEARD_ATTEMPTS;

/// What a quorum queue is made with, so that the server does not try for ever what kills whoever works on it.
pub(super) const LIMIT: &str = "x-delivery-limit";

/// What a queue is made of.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(super) queue: ShortString,
    pub(super) kind: QueueKind,
    pub(super) priorities: u8,
    /// The queue of dead letters, if it is to have one.
    pub(super) dead: Option<ShortString>,
    /// The exchanges that it is bound to, and the keys.
    pub(super) bindings: Vec<(ShortString, ShortString)>,
    /// Whether what is missing may be made.
    pub(super) may_make: bool,
}

impl Recipe {
    /// Makes the queue; one that is there has to be the same.
    pub(super) async fn queue(&self, at: &Arc<str>, line: &Line, deadline: Duration) -> Result<(), TransportError> {
        let lane = line.lane(at, deadline).await?;
        declare::queue(at, &lane, &self.queue, self.arguments(LENDINGS), deadline).await?;
        Ok(())
    }

    /// What the queue is made with, where the server lends a message so often.
    pub(super) fn arguments(&self, lendings: u32) -> FieldTable {
        let mut arguments = match &self.dead {
            Some(dead) => declare::dead_letters_to(self.kind, dead),
            None => declare::of_kind(self.kind),
        };
        match self.kind {
            QueueKind::Quorum => {
                let lendings = AMQPValue::LongInt(lendings.try_into().unwrap_or(i32::MAX));
                arguments.insert(declare::short(LIMIT), lendings);
            }
            QueueKind::Classic if self.priorities > 0 => {
                arguments.insert(declare::short("x-max-priority"), AMQPValue::LongInt(self.priorities.into()));
            }
            QueueKind::Classic => {}
        }
        arguments
    }

    /// Makes the queue of dead letters, unless it is there.
    pub(super) async fn dead(&self, at: &Arc<str>, line: &Line, deadline: Duration) -> Result<(), TransportError> {
        let Some(dead) = &self.dead else { return Ok(()) };
        if declare::find(at, line, dead, deadline).await?.is_none() {
            let lane = line.lane(at, deadline).await?;
            declare::queue(at, &lane, dead, declare::of_kind(self.kind), deadline).await?;
        }
        Ok(())
    }

    /// Binds the queue to its exchanges, and makes those that are missing, if it may.
    pub(super) async fn bindings(&self, at: &Arc<str>, line: &Line, deadline: Duration) -> Result<(), TransportError> {
        for (exchange, key) in &self.bindings {
            declare::exchange(at, line, exchange, self.may_make, deadline).await?;
            let lane = line.lane(at, deadline).await?;
            declare::bind(at, &lane, &self.queue, exchange, key, deadline).await?;
        }
        Ok(())
    }

    /// Makes all of it again, where that is allowed; says whether it did.
    pub(super) async fn again(&self, at: &Arc<str>, line: &Line, deadline: Duration) -> Result<bool, TransportError> {
        if !self.may_make {
            return Ok(false);
        }
        self.dead(at, line, deadline).await?;
        if declare::find(at, line, &self.queue, deadline).await?.is_none() {
            log::warn!(target: TARGET, "{at}: the queue `{}` is gone, making it again: what it had is lost", self.queue);
            self.queue(at, line, deadline).await?;
        }
        self.bindings(at, line, deadline).await?;
        Ok(true)
    }

    /// Looks whether the server takes a message for dead after fewer lendings than this, and after how many. There is no asking
    /// for that: the queue is made once more, which changes nothing, and the server says what is not the same.
    pub(super) async fn limit_below(
        &self,
        least: u32,
        at: &Arc<str>,
        server: &RabbitMqServer,
        deadline: Duration,
    ) -> Option<i64> {
        if self.kind == QueueKind::Classic {
            return None;
        }
        let lane = server.publishing().lane(at, deadline).await.ok()?;
        let arguments = self.arguments(least.max(LENDINGS));
        let Err(error) = declare::queue(at, &lane, &self.queue, arguments, deadline).await else { return None };
        let text = error.to_string();
        if !text.contains(&format!("'{LIMIT}'")) {
            // It differs in something else: it is somebody else's.
            return None;
        }
        let limit = match limit_in(&text) {
            Some(limit) => limit,
            None if server.release(deadline).await.is_some_and(|release| release >= (4, 0)) => LIMIT_OF_4,
            None => return None,
        };
        // A negative one is none.
        (0..i64::from(least)).contains(&limit).then_some(limit)
    }
}

/// How often RabbitMQ from 4.0 on lends a message of a quorum queue that was made without a limit.
const LIMIT_OF_4: i64 = 20;

/// Reads what the server has said: `received '110' but current is '20'`, `current is the value '20' of type …`.
fn limit_in(text: &str) -> Option<i64> {
    let (_, current) = text.split_once("current is")?;
    current.split('\'').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_a_queue_is_read_from_what_the_server_refuses() {
        let said = |current| limit_in(&format!("inequivalent arg '{LIMIT}' for queue 'q' in vhost '/': {current}"));
        assert_eq!(said("received '110' but current is '20'"), Some(20));
        assert_eq!(said("received '110' but current is '-1'"), Some(-1));
        assert_eq!(said("received none but current is the value '25' of type 'signedint'"), Some(25));
        assert_eq!(said("received the value '110' of type 'signedint' but current is none"), None);
        assert_eq!(said(""), None);
    }
}
