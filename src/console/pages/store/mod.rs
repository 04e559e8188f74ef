//! What is kept for ever: the stores of every database, a page of records, and one of them.
//!
//! ```text
//! /store ─▶ /store/SERVER?store=…&topic=…&entity=…&about=…&until=… ─▶ list.rs: Read, backward
//!                                                                └▶ /store/SERVER/record?at=… ─▶ record.rs
//! ```

mod stores;
mod list;
mod record;

use convoke::{Read, Recorded, StoreError};

use crate::frame::Refused;
use crate::gate::Visit;
use crate::scope::Routes;
use crate::sight::{Unanswered, in_time};
pub(crate) use stores::show;

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/store", stores::show);
    routes.get("/store/{server}", list::show);
    routes.get("/store/{server}/record", record::show);
}

/// Reads some records, for no longer than a page may wait.
async fn read(visit: &Visit, read: Read) -> Result<Vec<Recorded>, Refused> {
    let mut said = None;
    let all = in_time(async {
        match read.all().await {
            Ok(all) => Ok(all),
            Err(StoreError::Transport(error)) => Err(error),
            Err(error) => {
                said = Some(error);
                Ok(Vec::new())
            }
        }
    });
    let all: Result<Vec<Recorded>, Unanswered> = all.await;
    match said {
        // A record that is gone or damaged is no question of the asking.
        Some(error @ (StoreError::Gone { .. } | StoreError::Damaged { .. } | StoreError::Unreadable { .. })) => {
            Err(Refused::failed(visit, &error.to_string()))
        }
        Some(error) => Err(Refused::wrong(visit, &error.to_string())),
        None => all.map_err(|unanswered| Refused::unanswered(visit, &unanswered)),
    }
}
