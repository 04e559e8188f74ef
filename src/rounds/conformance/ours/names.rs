//! What others find by its name: whoever redrives an outbox of rounds says what it is called.

use super::super::room::Room;
use super::{Fixture, over_each};

mod outboxes {
    use super::*;

    pub(super) async fn an_outbox_is_called_by_its_broker_and_its_consumer<F: Fixture>(room: &Room<'_, F>) {
        assert_eq!(room.rounds.outbox_of("a-1.x"), "rounds:approvals:a-1.x");
        assert_eq!(room.rounds.summons_of("legal"), "rounds:approvals::legal");
    }
}

#[cfg(feature = "sqlite")]
use super::File;
use super::Memory;
#[cfg(feature = "postgres")]
use super::Server;
#[cfg(feature = "redis")]
use super::redis;

over_each!(outboxes::{an_outbox_is_called_by_its_broker_and_its_consumer});
