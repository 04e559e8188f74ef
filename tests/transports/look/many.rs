//! A hundred thousand letters: paged by their places, and how long that takes beside one statement that reads all.

use std::time::Instant;

use convoke::look::{Address, Server};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::place::had;
use super::{Place, open, packet, publish};

const LETTERS: usize = 100_000;

/// The record of each of them.
const ATTRIBUTES: &str = r#"{"convokeDeadLetter":["String","{\"reason\":\"exhausted\",\"errors\":[\"it has no price\"],\"attempts\":5,\"source\":\"sqlite:orders\",\"time\":1700000000000}"]}"#;

async fn read(address: &Address) -> (usize, f64) {
    let server = Server::connect(address).await.unwrap();
    let letters = server.letters("orders");
    let start = Instant::now();
    let (mut after, mut count, mut last) = (None, 0, 0);
    loop {
        let page = letters.page(after.as_ref(), 1_000).await.unwrap();
        let Some(end) = page.last() else { break };
        after = Some(end.id.clone());
        count += page.len();
        for letter in &page {
            let number: u64 = letter.id.to_string().parse().unwrap();
            assert!(number > last, "they are in order, and none is there twice");
            last = number;
            assert!(letter.record.is_some());
        }
    }
    let took = start.elapsed().as_secs_f64();
    // Counted so far and no further.
    assert_eq!(server.queue("orders").await.unwrap().dead, Some(10_000));
    (count, took)
}

fn told(server: &str, took: f64, whole: f64) {
    println!(
        "figure: {LETTERS} dead letters of {server} by pages in {took:.2} s, {:.2} of one SELECT ({whole:.2} s)",
        took / whole
    );
}

#[actix_rt::test]
async fn a_hundred_thousand_letters_of_a_file_are_read_by_pages() {
    let place = Place::sqlite().await.unwrap();
    let (_orders, dead) = (open(&place, "orders").await, open(&place, "orders-dead").await);
    publish(&dead, &[packet(0)]).await;
    let pool = sqlx::SqlitePool::connect(place.server().url()).await.unwrap();
    let fill = format!(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {LETTERS}) \
         INSERT INTO convoke_message (queue, packet, topic, key, priority, due, attributes, body) \
         SELECT 'orders-dead', n, 'orders/placed', NULL, 0, 0, '{ATTRIBUTES}', CAST('{{\"number\":' || n || '}}' AS BLOB) FROM number; \
         DELETE FROM convoke_delivery WHERE message = (SELECT id FROM convoke_message WHERE packet = 'p0')"
    );
    pool.execute(AssertSqlSafe(fill)).await.unwrap();
    let (count, took) = read(&place.address("orders")).await;
    assert_eq!(count, LETTERS);
    let all = "SELECT d.id, m.packet, m.topic, m.key, m.priority, m.attributes, m.body FROM convoke_delivery AS d \
        JOIN convoke_message AS m ON m.id = d.message ORDER BY d.id";
    let start = Instant::now();
    let rows = sqlx::query(all).fetch_all(&pool).await.unwrap();
    assert!(rows.iter().map(|row| row.get::<Vec<u8>, _>(6).len()).sum::<usize>() > LETTERS);
    told("SQLite", took, start.elapsed().as_secs_f64());
}

#[actix_rt::test]
async fn a_hundred_thousand_letters_of_postgresql_are_read_by_pages() {
    let Some(place) = had("postgres", Place::postgres().await) else { return };
    let (_orders, _dead) = (open(&place, "orders").await, open(&place, "orders-dead").await);
    let schema = place.server().schema().unwrap().to_owned();
    let pool = sqlx::PgPool::connect(place.server().url()).await.unwrap();
    let fill = format!(
        "INSERT INTO {schema}.convoke_delivery (lane, state, due, rank, packet, topic, attributes, is_text, body) \
         SELECT lane.id, 0, clock_timestamp(), 255, n::text, 'orders/placed', '{ATTRIBUTES}', true, \
             convert_to('{{\"number\":' || n || '}}', 'UTF8') \
         FROM generate_series(1, {LETTERS}) AS n, {schema}.convoke_lane AS lane WHERE lane.queue = 'orders-dead'"
    );
    pool.execute(AssertSqlSafe(fill)).await.unwrap();
    let (count, took) = read(&place.address("orders")).await;
    assert_eq!(count, LETTERS);
    let all =
        format!("SELECT id, packet, topic, key, rank, attributes, body FROM {schema}.convoke_delivery ORDER BY id");
    let start = Instant::now();
    let rows = sqlx::query(AssertSqlSafe(all)).fetch_all(&pool).await.unwrap();
    assert!(rows.iter().map(|row| row.get::<Vec<u8>, _>(6).len()).sum::<usize>() > LETTERS);
    told("PostgreSQL", took, start.elapsed().as_secs_f64());
}
