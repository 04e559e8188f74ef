//! Durable rounds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::{Postgres, PostgresDatabase, Sqlite, SqliteDatabase};
use convoke::{Durable, EmitterHandle, RoundDatabase};
use futures::stream::{self, StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, Row};

use super::{PARTIES, PAYLOAD, SENDERS, Took};
use crate::figure::process_cpu_time;
use crate::harness::Failure;
use crate::tasks::place::{Place, SQLITE};

pub(super) async fn sample(
    place: &Place<'_>,
    rounds: usize,
    latencies: &mut Vec<f64>,
    bytes: &mut (f64, f64),
) -> Result<[Took; 4], Failure> {
    if place.database == SQLITE {
        let db = Sqlite::open(&place.url).await?;
        return Bench { db: db.clone(), place, rounds }.run(latencies, bytes, async || sqlite_bytes(&db).await).await;
    }
    let db = Postgres::connect(&place.url).await?;
    db.migrate().await?;
    Bench { db: db.clone(), place, rounds }.run(latencies, bytes, async || postgres_bytes(&db).await).await
}

async fn sqlite_bytes(db: &SqliteDatabase) -> Result<f64, Failure> {
    let sql = "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name LIKE 'convoke_round%'";
    let bytes: i64 = sqlx::query(sql).fetch_one(db.pool()).await?.try_get(0)?;
    Ok(bytes as f64)
}

async fn postgres_bytes(db: &PostgresDatabase) -> Result<f64, Failure> {
    let sql = "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relname LIKE 'convoke_round%' AND relkind = 'r'";
    let bytes: i64 = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(db.pool()).await?.try_get(0)?;
    Ok(bytes as f64)
}

struct Bench<'a, 'b, D> {
    db: D,
    place: &'a Place<'b>,
    rounds: usize,
}

type Parties = [EmitterHandle<String>; 3];

impl<D: RoundDatabase> Bench<'_, '_, D> {
    async fn broker(&self, name: &str) -> Result<(Durable<String>, Parties), Failure> {
        let broker = Broker::new(Duration::from_secs(3600)).expects(PARTIES);
        let durable: Durable<String> = broker.durable(&self.db, name).await?;
        let [a, b, c] = PARTIES.map(|name| Emitter::join(&durable, name));
        Ok((durable.clone(), [a.await?, b.await?, c.await?]))
    }

    async fn timed(&self, count: usize, what: impl Future<Output = Result<(), Failure>>) -> Result<Took, Failure> {
        let (start, cpu, server) = (Instant::now(), process_cpu_time(), self.place.server_cpu());
        what.await?;
        let server = self.place.server_cpu().zip(server).map(|(now, before)| now.saturating_sub(before));
        Ok(Took { wall: start.elapsed(), cpu: process_cpu_time() - cpu, server, count })
    }

    async fn run(
        &self,
        latencies: &mut Vec<f64>,
        bytes: &mut (f64, f64),
        size: impl AsyncFn() -> Result<f64, Failure>,
    ) -> Result<[Took; 4], Failure> {
        let (count, payload) = (self.rounds, || PAYLOAD.to_owned());
        let (_warm, parties) = self.broker("warm").await?;
        for party in &parties {
            party.emit_for("warm", payload()).committed().await?;
        }
        let single = count.min(1_000);
        let (_single, parties) = self.broker("single").await?;
        let one_by_one = self.timed(single * PARTIES.len(), async {
            for party in &parties {
                for key in 0..single {
                    party.emit_for(key, payload()).committed().await?;
                }
            }
            Ok(())
        });
        let one_by_one = one_by_one.await?;
        let (_grouped, parties) = self.broker("grouped").await?;
        let grouped = self.timed(count * PARTIES.len(), async {
            for party in &parties {
                let signals = stream::iter(0..count).map(|key| party.emit_for(key, payload()).committed());
                signals.buffer_unordered(SENDERS).try_for_each(async |_| Ok(())).await?;
            }
            Ok(())
        });
        let grouped = grouped.await?;
        let (whole, parties) = self.broker("whole").await?;
        let sent: Rc<RefCell<HashMap<String, Instant>>> = Rc::default();
        let heard: Rc<RefCell<Vec<f64>>> = Rc::default();
        let (at, took) = (sent.clone(), heard.clone());
        let note = Consumer::new(move |round: Resolved<String>| {
            let key = round.key().map(ToString::to_string).unwrap_or_default();
            if let Some(sent) = at.borrow_mut().remove(&key) {
                took.borrow_mut().push(sent.elapsed().as_secs_f64());
            }
        });
        let note = Consumer::join(&whole, note.named("note")).await?;
        let of_a_round = self.timed(count, async {
            let rounds = stream::iter(0..count).map(|key| {
                let (parties, sent) = (&parties, &sent);
                async move {
                    parties[0].emit_for(key, payload()).committed().await?;
                    parties[1].emit_for(key, payload()).committed().await?;
                    sent.borrow_mut().insert(key.to_string(), Instant::now());
                    parties[2].emit_for(key, payload()).await
                }
            });
            rounds.buffer_unordered(SENDERS).try_for_each(async |_| Ok(())).await?;
            Ok(())
        });
        let of_a_round = of_a_round.await?;
        let patience = Instant::now();
        while !sent.borrow().is_empty() && patience.elapsed() < Duration::from_secs(30) {
            actix::clock::sleep(Duration::from_millis(5)).await;
        }
        latencies.append(&mut heard.borrow_mut());
        drop(note);
        let (_burst, parties) = self.broker("burst").await?;
        let before = size().await?;
        for party in &parties[..2] {
            let signals = stream::iter(0..count).map(|key| party.emit_for(key, payload()).committed());
            signals.buffer_unordered(256).try_for_each(async |_| Ok(())).await?;
        }
        let open = size().await?;
        let burst = self.timed(count, async {
            let all: Vec<_> = (0..count).map(|key| parties[2].emit_for(key, payload())).collect();
            for emission in all {
                emission.await?;
            }
            Ok(())
        });
        let burst = burst.await?;
        *bytes = ((open - before) / count as f64, (size().await? - before) / count as f64);
        Ok([one_by_one, grouped, of_a_round, burst])
    }
}
