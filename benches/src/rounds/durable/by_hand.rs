//! The same rows, inserted by hand.

use std::time::Instant;

use convoke::transport::{Postgres, Sqlite};
use sqlx::AssertSqlSafe;

use super::{PAYLOAD, Took};
use crate::figure::process_cpu_time;
use crate::harness::Failure;
use crate::tasks::place::{Place, SQLITE};

/// Rows of one statement.
const MANY: usize = 100;

pub(super) async fn sample(place: &Place<'_>, count: usize) -> Result<[Took; 2], Failure> {
    let count = count.div_ceil(MANY) * MANY;
    let one = timed(place, count.min(3_000), 1).await?;
    Ok([one, timed(place, count, MANY).await?])
}

async fn timed(place: &Place<'_>, count: usize, rows: usize) -> Result<Took, Failure> {
    let values = |number: fn(usize) -> String| {
        let row = |at: usize| {
            format!("({}, {}, {}, {})", number(4 * at + 1), number(4 * at + 2), number(4 * at + 3), number(4 * at + 4))
        };
        (0..rows).map(row).collect::<Vec<_>>().join(", ")
    };
    let (create, number): (_, fn(usize) -> String) = if place.database == SQLITE {
        (
            "CREATE TABLE IF NOT EXISTS hand (id INTEGER PRIMARY KEY, round BIGINT, name TEXT, token BLOB, body BLOB)",
            |at| format!("?{at}"),
        )
    } else {
        (
            "CREATE TABLE IF NOT EXISTS hand (id bigserial PRIMARY KEY, round BIGINT, name TEXT, token BYTEA, body BYTEA)",
            |at| format!("${at}"),
        )
    };
    let sql = format!("INSERT INTO hand (round, name, token, body) VALUES {}", values(number));
    let token = [7_u8; 16];
    macro_rules! insert {
        ($db:expr) => {{
            let db = $db;
            sqlx::raw_sql(create).execute(db.pool()).await?;
            let mut connection = db.pool().acquire().await?;
            let (start, cpu, server) = (Instant::now(), process_cpu_time(), place.server_cpu());
            for from in (0..count).step_by(rows) {
                let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
                for row in from..from + rows {
                    query = query.bind(row as i64).bind("legal").bind(&token[..]).bind(PAYLOAD.as_bytes());
                }
                query.execute(&mut *connection).await?;
            }
            let server = place.server_cpu().zip(server).map(|(now, before)| now.saturating_sub(before));
            Ok(Took { wall: start.elapsed(), cpu: process_cpu_time() - cpu, server, count })
        }};
    }
    if place.database == SQLITE {
        insert!(Sqlite::open(&place.url).await?)
    } else {
        insert!(Postgres::connect(&place.url).await?)
    }
}
