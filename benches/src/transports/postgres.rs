//! PostgreSQL: ours, and a table as one writes it by hand for the same client, which knows no groups, keys, priorities,
//! delays and leases that end: it inserts, lends and deletes in batches.

use convoke::transport::Postgres;
use sqlx::{Connection, PgConnection, Row};

use super::contestant::{Contestant, Future, Message, Ours, batches, decode};
use crate::harness::Failure;

pub(super) async fn ours(url: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let queue = Postgres::queue(name).at(url).create_if_missing().await?;
    Ok(Box::new(Ours::open(queue.clone(), queue, batch).await?))
}

pub(super) async fn by_hand(url: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let mut connection = PgConnection::connect(url).await?;
    let name = name.replace('-', "_");
    let table = format!(
        "CREATE TABLE {name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state smallint NOT NULL DEFAULT 0, \
         until timestamptz, attempt integer NOT NULL DEFAULT 0, packet text NOT NULL, topic text NOT NULL, \
         attributes text, body bytea NOT NULL); CREATE INDEX {name}_next ON {name} (id) WHERE state = 0"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(table)).execute(&mut connection).await?;
    let insert = format!(
        "INSERT INTO {name} (packet, topic, attributes, body) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])"
    );
    let lend = format!(
        "WITH picked AS MATERIALIZED (SELECT id FROM {name} WHERE state = 0 ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) \
         UPDATE {name} AS m SET state = 1, until = now() + interval '30 s', attempt = attempt + 1 FROM picked \
         WHERE m.id = picked.id RETURNING m.id, m.packet, m.topic, m.attributes, m.body"
    );
    let delete = format!("DELETE FROM {name} WHERE id = ANY ($1)");
    Ok(Box::new(ByHand { connection, insert, lend, delete, batch }))
}

/// One table, which has what this needs and no more.
struct ByHand {
    connection: PgConnection,
    insert: String,
    lend: String,
    delete: String,
    batch: usize,
}

impl Contestant for ByHand {
    fn publish<'a>(&'a mut self, message: &'a Message, count: usize) -> Future<'a, ()> {
        Box::pin(async move {
            for size in batches(count, self.batch) {
                let packets = message.packets(size);
                let (mut ids, mut topics, mut attributes, mut bodies) =
                    (Vec::new(), Vec::new(), Vec::new(), Vec::new());
                for packet in packets {
                    let names = ["entityName", "eventName", "publisherName"];
                    let texts = names.map(|name| (name, packet.attributes.text(name).unwrap_or_default()));
                    attributes.push(serde_json::to_string(&texts)?);
                    ids.push(packet.id);
                    topics.push(packet.topic);
                    bodies.push(packet.body);
                }
                let insert = sqlx::query(sqlx::AssertSqlSafe(self.insert.clone()));
                insert.bind(ids).bind(topics).bind(attributes).bind(bodies).execute(&mut self.connection).await?;
            }
            Ok(())
        })
    }

    fn consume(&mut self, count: usize) -> Future<'_, ()> {
        Box::pin(async move {
            let mut done = 0;
            while done < count {
                let lend = sqlx::query(sqlx::AssertSqlSafe(self.lend.clone())).bind(self.batch as i64);
                let mut ids = Vec::new();
                for row in lend.fetch_all(&mut self.connection).await? {
                    decode(row.try_get::<&[u8], _>(4)?)?;
                    let _attributes: Vec<(String, String)> = serde_json::from_str(row.try_get(3)?)?;
                    ids.push(row.try_get::<i64, _>(0)?);
                }
                done += ids.len();
                let delete = sqlx::query(sqlx::AssertSqlSafe(self.delete.clone())).bind(ids);
                delete.execute(&mut self.connection).await?;
            }
            Ok(())
        })
    }
}
