//! How a relay keeps its lanes, and gives others their share.
//!
//! `three times in a lease or every 3 s, once a second where others have lanes too, or when a lane can be given back → Rows::lanes → dead
//! keys of new lanes → Holding::renewed`

use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::dead::DeadKeys;
use super::engine::Shared;
use crate::outbox::LANES;
use crate::transport::TransportError;

/// How often the lease is renewed: after so many tenths of it.
const RENEWED: u32 = 3;

/// So often it renews at the least, however long its lease is: another one that comes waits for its share until then.
const ALONE: Duration = Duration::from_secs(3);

/// How soon a relay looks again for lanes that have come free, while it has not all of them.
const SHARED: Duration = Duration::from_secs(1);

/// So many tenths before its lease ends a relay stops: what it has sent is under way for some time.
const MARGIN: u32 = 1;

/// How soon it tries again when that has failed.
const AGAIN: Duration = Duration::from_millis(250);

/// Renews until nobody is at work any more. It ends behind a call and not within one: a renewal that comes after all lanes were
/// given back would take them again.
pub(super) async fn renew(shared: &Shared, mut ended: watch::Receiver<bool>) {
    let mut back = shared.holding.back();
    let renewed = (shared.options.lease / 10 * RENEWED).min(ALONE);
    while !*ended.borrow_and_update() {
        back.mark_unchanged();
        let (pause, is_well) = match renew_once(shared).await {
            Ok(has_all) => (if has_all { renewed } else { renewed.min(SHARED) }, true),
            Err(error) => {
                shared.stats.lost_database(&error);
                (AGAIN, false)
            }
        };
        if shared.holding.is_over() {
            shared.holding.lose();
        }
        select! {
            () = sleep(pause) => {}
            _ = ended.changed() => {}
            _ = back.changed(), if is_well => {}
        }
    }
}

/// Returns whether the relay has all lanes of its outbox.
async fn renew_once(shared: &Shared) -> Result<bool, TransportError> {
    let (rows, holding, lease) = (&shared.rows, &shared.holding, shared.options.lease);
    let kept = holding.kept();
    // From before it was sent: the database may have got it at once, and counts from then.
    let asked = Instant::now();
    let lanes = rows.lanes(lease, kept).await?;
    if holding.is_over() {
        // Others may have had them meanwhile: what was taken from them is not this relay's any more.
        holding.lose();
    }
    let new: Vec<u16> = lanes.held.iter().copied().filter(|lane| !holding.has(*lane)).collect();
    if !new.is_empty() {
        // Behind a dead row nothing goes, whoever has buried it.
        let dead = rows.dead_keys(new, DeadKeys::TO_READ).await?;
        holding.dead().add(dead);
    }
    holding.renewed(&lanes.held, lanes.share, asked + lease.saturating_sub(lease / 10 * MARGIN));
    shared.stats.lanes(holding.len());
    shared.stats.has_database();
    if holding.dead().may_return(shared.stats.health().dead) {
        holding.dead().begin_to_return();
        let dead = rows.dead_keys(holding.all(), DeadKeys::TO_READ).await;
        match dead {
            Ok(dead) => holding.dead().returned(dead),
            Err(error) => {
                holding.dead().not_returned();
                return Err(error);
            }
        }
    }
    Ok(lanes.held.len() >= usize::from(LANES))
}
