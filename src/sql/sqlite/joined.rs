//! Many packets as one row: each row is handed from the thread of SQLite to that of whoever waits, which costs more than to
//! read it.
//!
//! `SELECT → [[id, [columns…], bytes], …] and all bodies behind each other → Joined`

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A packet that is larger is a row of its own: it has to be copied once more here.
const SMALL: usize = 16 * 1024;

/// The id, what is read beside the body of one that is small, and the length of its body.
#[derive(Debug, Deserialize)]
struct Item<T>(i64, Option<T>, usize);

/// What was read: those that are small, and the ids of others.
#[derive(Debug)]
pub(crate) struct Joined<T> {
    pub(crate) small: Vec<(i64, T, Vec<u8>)>,
    pub(crate) large: Vec<i64>,
}

/// The columns of a statement that reads packets as one row: `m` has the packet, and `columns` are read beside its body.
///
/// A text of another encoding than UTF-8 is converted where bodies are joined: then none is small.
pub(crate) fn joined_columns(id: &str, columns: &str) -> String {
    join(id, columns, "m.body", &["m.packet", "m.topic", "m.key", "m.attributes"])
}

/// The same of other rows: `body` is a column of bytes, and `beside` are those of `columns` that may be large.
pub(crate) fn join(id: &str, columns: &str, body: &str, beside: &[&str]) -> String {
    let beside: String = beside.iter().map(|column| format!(" + coalesce(length({column}), 0)")).collect();
    let small = format!("length(CAST('a' AS BLOB)) = 1 AND length({body}){beside} <= {SMALL}");
    format!(
        "json_group_array(json_array({id}, CASE WHEN {small} THEN json_array({columns}) END, length({body}))), \
         group_concat(CASE WHEN {small} THEN {body} END, '')"
    )
}

impl<T: DeserializeOwned> Joined<T> {
    pub(crate) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let bad = |source: String| sqlx::Error::ColumnDecode { index: "0".to_owned(), source: source.into() };
        let items: Vec<Item<T>> =
            serde_json::from_str(row.try_get::<&str, _>(0)?).map_err(|error| bad(error.to_string()))?;
        let mut bodies = row.try_get::<Option<&[u8]>, _>(1)?.unwrap_or_default();
        let mut joined = Self { small: Vec::with_capacity(items.len()), large: Vec::new() };
        for Item(id, columns, bytes) in items {
            let Some(columns) = columns else {
                joined.large.push(id);
                continue;
            };
            let (body, rest) = bodies.split_at_checked(bytes).ok_or_else(|| bad("bodies are missing".to_owned()))?;
            joined.small.push((id, columns, body.to_vec()));
            bodies = rest;
        }
        if bodies.is_empty() { Ok(joined) } else { Err(bad("bodies are left".to_owned())) }
    }
}

/// As a list of JSON.
pub(crate) fn written(numbers: &[i64]) -> String {
    let mut written = String::with_capacity(2 + numbers.len() * 8);
    written.push('[');
    for (place, number) in numbers.iter().enumerate() {
        if place > 0 {
            written.push(',');
        }
        written.push_str(&number.to_string());
    }
    written.push(']');
    written
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

    use super::*;

    /// What is read of packets of these bodies, in a file of this encoding.
    async fn read(encoding: &str, bodies: &[Vec<u8>]) -> (Vec<(i64, String, Vec<u8>)>, Vec<i64>) {
        let mut file = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let table = format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE m \
             (id INTEGER PRIMARY KEY, packet TEXT, topic TEXT, key TEXT, attributes TEXT, body BLOB NOT NULL) STRICT"
        );
        sqlx::raw_sql(AssertSqlSafe(table)).execute(&mut file).await.unwrap();
        for body in bodies {
            let insert = "INSERT INTO m (packet, topic, body) VALUES (?1, 'orders', ?2)";
            sqlx::query(insert).bind("a\"b\u{0}ä").bind(body.clone()).execute(&mut file).await.unwrap();
        }
        let sql = format!("SELECT {} FROM m", joined_columns("m.id", "m.packet"));
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut file).await.unwrap();
        let joined = Joined::<(String,)>::read(&row).unwrap();
        let small = joined.small.into_iter().map(|(id, (packet,), body)| (id, packet, body));
        (small.collect(), joined.large)
    }

    #[actix_rt::test]
    async fn bodies_come_as_they_are_whatever_is_in_them() {
        let bodies = [vec![0, 0xff, b'"', 0], Vec::new(), (0..=255).collect(), vec![7; SMALL + 1], vec![b'x'; 1000]];
        let (small, large) = read("UTF-8", &bodies).await;
        assert_eq!(large, [4]);
        let read: Vec<_> = small.iter().map(|(id, _, body)| (*id, body.clone())).collect();
        let [first, second, third, _, last] = bodies;
        assert_eq!(read, [(1, first), (2, second), (3, third), (5, last)]);
        assert!(small.iter().all(|(_, packet, _)| packet == "a\"b\u{0}ä"));
    }

    #[actix_rt::test]
    async fn nothing_is_joined_where_texts_are_of_another_encoding() {
        let (small, large) = read("UTF-16", &[vec![b'x'; 3], vec![0xd8, 0]]).await;
        assert_eq!((small.len(), large), (0, vec![1, 2]));
    }

    #[actix_rt::test]
    async fn nothing_is_read_where_nothing_is() {
        assert_eq!(read("UTF-8", &[]).await, (Vec::new(), Vec::new()));
    }
}
