//! Ours.

use convoke::prelude::*;
use convoke::transport::{Postgres, Sqlite};
use convoke::{Position, Store, StoreDatabase, nothing_since};
use serde::{Deserialize, Serialize};

use super::{Place, Sample, commands, text, timed, writers};
use crate::harness::Failure;

#[derive(Clone, Event, Serialize, Deserialize)]
#[event(topic = "orders/moved", entity = "Order", entity_id = order)]
struct Moved {
    order: usize,
    text: String,
}

pub(super) async fn sample(place: &Place<'_>) -> Result<Sample, Failure> {
    if place.database == "sqlite" {
        let db = Sqlite::open(format!("{}-{}", place.url, place.name)).await?;
        run(&db.store(&place.name).await?, place).await
    } else {
        let db = Postgres::connect(place.url).await?;
        db.migrate().await?;
        run(&db.store(&place.name).await?, place).await
    }
}

async fn run<D: StoreDatabase>(store: &Store<D>, place: &Place<'_>) -> Result<Sample, Failure> {
    let (single, many, text) = (place.single, place.many, text());
    let moved = |order: usize| Moved { order: order % 200, text: text.clone() };
    let one_by_one = timed(single, async {
        for order in 0..single {
            store.append(moved(order)).await?;
        }
        Ok(())
    })
    .await?;
    let in_hundreds = timed(many, async {
        for hundred in 0..many / 100 {
            store.append_all((0..100).map(|order| moved(hundred * 100 + order))).await?;
        }
        Ok(())
    })
    .await?;
    let several = timed(single, async {
        let each = single.div_ceil(writers());
        let writer = async |writer: usize| {
            for order in 0..each.min(single.saturating_sub(writer * each)) {
                store.append(moved(order)).await?;
            }
            Ok::<_, Failure>(())
        };
        futures::future::try_join_all((0..writers()).map(writer)).await
    })
    .await?;
    let all = 2 * single + many;
    let read_all = timed(all, async {
        let mut reading = store.read("**").start();
        let mut seen = 0;
        while let Some(record) = reading.next().await? {
            seen += usize::from(!record.bytes().is_empty());
        }
        counted(seen, all)
    })
    .await?;
    let of_one = store.read("**").about("Order", 7).all().await?.len();
    let read_one =
        timed(of_one, async { counted(store.read("**").about("Order", 7).all().await?.len(), of_one) }).await?;
    let command = timed(commands(), async {
        let mut last = Position::START;
        for _ in 0..commands() {
            let event = Moved { order: 777, text: text.clone() };
            last = store.append(event).when(nothing_since(last).about("Order", 777)).await?;
        }
        Ok(())
    })
    .await?;
    Ok([one_by_one, in_hundreds, several, read_all, read_one, command])
}

fn counted(seen: usize, wanted: usize) -> Result<(), Failure> {
    if seen == wanted { Ok(()) } else { Err(format!("{seen} were read of {wanted}").into()) }
}
