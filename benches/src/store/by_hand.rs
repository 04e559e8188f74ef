//! A table as one writes it by hand: positions without a gap, drawn by the statement that inserts, where nobody else does so until it
//! is committed. No checksum, no entity that knows what is before it, no condition but that of the last command.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Row, SqliteConnection, SqlitePool};

use super::{Place, Sample, commands, text, timed, writers};
use crate::harness::Failure;

pub(super) async fn sample(place: &Place<'_>) -> Result<Sample, Failure> {
    if place.database == "sqlite" { sqlite(place).await } else { postgres(place).await }
}

fn body(order: usize) -> Vec<u8> {
    let metadata = "m".repeat(360);
    format!(r#"{{"metadata":"{metadata}","payload":{{"order":{order},"text":"{}"}}}}"#, text()).into_bytes()
}

async fn sqlite(place: &Place<'_>) -> Result<Sample, Failure> {
    let name = &place.name;
    let file = format!("sqlite:{}-{name}?mode=rwc", place.url);
    let mut connection = SqliteConnection::connect(&file).await?;
    let table = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000; \
         CREATE TABLE {name} (position INTEGER PRIMARY KEY, at INTEGER NOT NULL, topic TEXT NOT NULL, entity TEXT, body BLOB NOT NULL); \
         CREATE INDEX {name}_entity ON {name} (entity)"
    );
    connection.execute(AssertSqlSafe(table)).await?;
    let insert = |rows: usize| {
        let values = vec!["(?, ?, ?, ?)"; rows].join(", ");
        format!(
            "INSERT INTO {name} (position, at, topic, entity, body) \
             SELECT (SELECT coalesce(max(position), 0) FROM {name}) + column1, 7, column2, column3, column4 FROM (VALUES {values})"
        )
    };
    let (one, hundred) = (insert(1), insert(100));
    let single = timed(place.single, async {
        for order in 0..place.single {
            let query = sqlx::query(AssertSqlSafe(one.clone())).bind(1).bind("orders/moved");
            query.bind(format!("Order/{}", order % 200)).bind(body(order)).execute(&mut connection).await?;
        }
        Ok(())
    })
    .await?;
    let many = timed(place.many, async {
        for first in 0..place.many / 100 {
            let mut query = sqlx::query(AssertSqlSafe(hundred.clone()));
            for order in 0..100_usize {
                query = query.bind((order + 1) as i64).bind("orders/moved");
                query = query.bind(format!("Order/{}", (first * 100 + order) % 200)).bind(body(order));
            }
            query.execute(&mut connection).await?;
        }
        Ok(())
    })
    .await?;
    let pool = SqlitePool::connect(&file).await?;
    let several = timed(place.single, async {
        let each = place.single / writers();
        let writer = async |_: usize| {
            for order in 0..each {
                let query = sqlx::query(AssertSqlSafe(one.clone())).bind(1).bind("orders/moved");
                query.bind(format!("Order/{}", order % 200)).bind(body(order)).execute(&pool).await?;
            }
            Ok::<_, Failure>(())
        };
        futures::future::try_join_all((0..writers()).map(writer)).await
    })
    .await?;
    let all = place.single + place.many + place.single / writers() * writers();
    let select =
        format!("SELECT position, at, topic, entity, body FROM {name} WHERE position > ? ORDER BY position LIMIT 1000");
    let read = timed(all, async {
        let (mut last, mut seen) = (0_i64, 0);
        loop {
            let rows = sqlx::query(AssertSqlSafe(select.clone())).bind(last).fetch_all(&mut connection).await?;
            for row in &rows {
                last = row.try_get(0)?;
                let _: (i64, String, Option<String>, Vec<u8>) =
                    (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
            }
            seen += rows.len();
            if rows.len() < 1000 {
                return if seen == all { Ok(()) } else { Err(format!("{seen} were read of {all}").into()) };
            }
        }
    })
    .await?;
    let select =
        format!("SELECT position, at, topic, entity, body FROM {name} WHERE entity = 'Order/7' ORDER BY position");
    let of_one = connection.fetch_all(AssertSqlSafe(select.clone())).await?.len();
    let read_one = timed(of_one, async {
        for row in connection.fetch_all(AssertSqlSafe(select.clone())).await? {
            let _: (i64, String, Vec<u8>) = (row.try_get(0)?, row.try_get(2)?, row.try_get(4)?);
        }
        Ok(())
    })
    .await?;
    let condition = format!("{one} WHERE NOT EXISTS (SELECT 1 FROM {name} WHERE entity = ? AND position > ?)");
    let command = timed(commands(), async {
        let mut last = 0;
        for order in 0..commands() {
            let query = sqlx::query(AssertSqlSafe(condition.clone())).bind(1).bind("orders/moved").bind("Order/777");
            let done = query.bind(body(order)).bind("Order/777").bind(last).execute(&mut connection).await?;
            if done.rows_affected() != 1 {
                return Err("a conflict".into());
            }
            last = done.last_insert_rowid();
        }
        Ok(())
    })
    .await?;
    Ok([single, many, several, read, read_one, command])
}

async fn postgres(place: &Place<'_>) -> Result<Sample, Failure> {
    let name = &place.name;
    let mut connection = PgConnection::connect(place.url).await?;
    let table = format!(
        "CREATE TABLE {name} (position bigint PRIMARY KEY, at bigint NOT NULL, topic text NOT NULL, entity text, body bytea NOT NULL); \
         CREATE INDEX ON {name} (entity, position); \
         CREATE TABLE {name}_head (head bigint NOT NULL); INSERT INTO {name}_head VALUES (0)"
    );
    connection.execute(AssertSqlSafe(table)).await?;
    let insert = format!(
        "WITH drawn AS (UPDATE {name}_head SET head = head + cardinality($1) RETURNING head - cardinality($1) AS head) \
         INSERT INTO {name} (position, at, topic, entity, body) \
         SELECT head + place, 7, topic, entity, body FROM drawn, unnest($1::text[], $2::text[], $3::bytea[]) \
             WITH ORDINALITY AS n (topic, entity, body, place)"
    );
    let columns = |first: usize, count: usize| {
        let topics = vec!["orders/moved".to_owned(); count];
        let entities: Vec<_> = (first..first + count).map(|order| format!("Order/{}", order % 200)).collect();
        let bodies: Vec<_> = (first..first + count).map(body).collect();
        (topics, entities, bodies)
    };
    let single = timed(place.single, async {
        for order in 0..place.single {
            let (topics, entities, bodies) = columns(order, 1);
            let query = sqlx::query(AssertSqlSafe(insert.clone())).bind(topics).bind(entities).bind(bodies);
            query.execute(&mut connection).await?;
        }
        Ok(())
    })
    .await?;
    let many = timed(place.many, async {
        for first in 0..place.many / 100 {
            let (topics, entities, bodies) = columns(first * 100, 100);
            let query = sqlx::query(AssertSqlSafe(insert.clone())).bind(topics).bind(entities).bind(bodies);
            query.execute(&mut connection).await?;
        }
        Ok(())
    })
    .await?;
    let pool = PgPool::connect(place.url).await?;
    let several = timed(place.single, async {
        let each = place.single / writers();
        let writer = async |_: usize| {
            for order in 0..each {
                let (topics, entities, bodies) = columns(order, 1);
                let query = sqlx::query(AssertSqlSafe(insert.clone())).bind(topics).bind(entities).bind(bodies);
                query.execute(&pool).await?;
            }
            Ok::<_, Failure>(())
        };
        futures::future::try_join_all((0..writers()).map(writer)).await
    })
    .await?;
    let all = place.single + place.many + place.single / writers() * writers();
    let select = format!(
        "SELECT position, at, topic, entity, body FROM {name} WHERE position > $1 ORDER BY position LIMIT 1000"
    );
    let read = timed(all, async {
        let (mut last, mut seen) = (0_i64, 0);
        loop {
            let rows = sqlx::query(AssertSqlSafe(select.clone())).bind(last).fetch_all(&mut connection).await?;
            for row in &rows {
                last = row.try_get(0)?;
                let _: (i64, String, Option<String>, Vec<u8>) =
                    (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
            }
            seen += rows.len();
            if rows.len() < 1000 {
                return if seen == all { Ok(()) } else { Err(format!("{seen} were read of {all}").into()) };
            }
        }
    })
    .await?;
    let select = format!("SELECT position, at, topic, entity, body FROM {name} WHERE entity = $1 ORDER BY position");
    let of_one = sqlx::query(AssertSqlSafe(select.clone())).bind("Order/7").fetch_all(&mut connection).await?.len();
    let read_one = timed(of_one, async {
        for row in sqlx::query(AssertSqlSafe(select.clone())).bind("Order/7").fetch_all(&mut connection).await? {
            let _: (i64, String, Vec<u8>) = (row.try_get(0)?, row.try_get(2)?, row.try_get(4)?);
        }
        Ok(())
    })
    .await?;
    Ok([single, many, several, read, read_one, None])
}
