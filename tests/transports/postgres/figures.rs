//! What is counted: no more pages are read with more rows.

use sqlx::Row;

use super::*;

/// Up to so many are counted.
const MOST: i64 = 10_000;

/// How many rows of each kind there are, first and then in all: of what stands among others, four times as many are looked at.
fn rows() -> [i64; 2] {
    if std::env::var_os("CONVOKE_FULL").is_some() { [50_000, 1_000_000] } else { [45_000, 90_000] }
}

/// How many pages the server looks at for this.
async fn pages(database: &PostgresDatabase, sql: &str) -> i64 {
    let mut connection = database.pool().acquire().await.unwrap();
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}");
    let mut pages = 0;
    // At the first time it reads what a function is made of.
    for _ in 0..2 {
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(explain.clone())).fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let buffers = plan.iter().find(|line| line.trim_start().starts_with("Buffers: shared"));
        let of = |kind: &str| {
            let number = buffers?.split_whitespace().find_map(|word| word.strip_prefix(kind))?;
            number.parse::<i64>().ok()
        };
        pages = of("hit=").unwrap_or_default() + of("read=").unwrap_or_default();
        assert!(pages > 0, "{plan:?}");
    }
    pages
}

/// Compares pages with few rows to those with many.
fn are_as_many(what: &str, pages: &[Vec<i64>]) {
    let [few, many] = pages else { panic!("{pages:?}") };
    println!("figure: pages that are looked at to count {what}, with {:?} rows of each kind: {pages:?}", rows());
    // As much as a page of an index has on it more or less.
    assert!(few.iter().zip(many).all(|(few, many)| *many <= few + few / 10 + 20), "{pages:?}");
}

#[actix_rt::test]
async fn the_backlog_and_what_is_parked_are_counted_by_so_many_pages_however_much_there_is() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let kinds = [("ready", 0, MOST), ("held", 1, MOST), ("lent", 2, 0), ("behind", 3, MOST), ("dead", 4, 0)];
    let mut queues = Vec::new();
    for (name, ..) in kinds {
        queues.push(opened(&db.queue(name).poll_every(LONG).await.unwrap()).await);
    }
    let (mut found, mut there) = (Vec::new(), 0);
    for rows in rows() {
        for (name, state, _) in kinds {
            // Nothing is due, and each has a key of its own.
            let fill = format!(
                "INSERT INTO shop.convoke_delivery (lane, state, due, rank, packet, topic, key, key_hash, body) \
                 SELECT lane.id, {state}, now() + interval '1 day', 255, 'x', '', 'k', hashint8extended(n, 0), repeat('x', 200)::bytea \
                 FROM shop.convoke_lane AS lane, generate_series({there} + 1, {rows}) AS n WHERE lane.queue = '{name}'"
            );
            run(&db, &fill).await;
        }
        there = rows;
        run(&db, "ANALYZE shop.convoke_delivery").await;
        let mut of_all = Vec::new();
        for ((name, _, waiting), queue) in kinds.into_iter().zip(&mut queues) {
            assert_eq!(queue.backlog().await.unwrap(), Some(waiting.unsigned_abs()), "{name}");
            let figures = queue.parking().figures().await.unwrap();
            assert_eq!((figures.dead, figures.parked), (if name == "dead" { MOST.unsigned_abs() } else { 0 }, 0));
            // Letters are listed and redriven by the same index; none stands so far behind.
            let last = i64::MAX;
            for count in [
                format!("shop.convoke_backlog_1(id, {MOST})"),
                format!("shop.convoke_parked_1(id, {MOST})"),
                "(SELECT count(*) FROM shop.convoke_letters_1(id, 0, 10, 100))".to_owned(),
                format!("shop.convoke_redrive_1(id, {last}, {last}, 10)"),
            ] {
                let sql = format!("SELECT {count} FROM shop.convoke_lane WHERE queue = '{name}' AND grp = ''");
                of_all.push(pages(&db, &sql).await);
            }
        }
        found.push(of_all);
    }
    are_as_many("a backlog, what is parked, and letters: ready, held back, lent, behind another, dead", &found);
}

#[actix_rt::test]
async fn the_figures_of_an_outbox_are_counted_by_so_many_pages_however_much_there_is() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let most = MOST.unsigned_abs();
    let kinds = [("Ready", 0, (most, 0, 0)), ("Dead", 1, (0, most, 0)), ("Parked", 2, (0, 0, most))];
    let (mut found, mut there) = (Vec::new(), 0);
    for rows in rows() {
        for (name, state, _) in kinds {
            let fill = format!(
                "INSERT INTO shop.convoke_outbox (created, lane, state, outbox, packet, topic, key, key_hash, body) \
                 SELECT now() - interval '1 day', n % 16, {state}, '{name}', 'x', '', 'k', hashint8extended(n, 0), repeat('x', 200)::bytea \
                 FROM generate_series({there} + 1, {rows}) AS n"
            );
            run(&db, &fill).await;
        }
        there = rows;
        run(&db, "ANALYZE shop.convoke_outbox").await;
        let mut of_all = Vec::new();
        for (name, state, wanted) in kinds {
            let figures = db.outbox(name).await.unwrap().figures().await.unwrap();
            assert_eq!((figures.ready, figures.dead, figures.parked), wanted, "{name}");
            assert_eq!(figures.oldest.is_some_and(|oldest| oldest >= LONG * 60 * 24), state == 0, "{figures:?}");
            let starts = vec!["0"; 16].join(",");
            let sql = format!("SELECT * FROM shop.convoke_outbox_figures_1('{name}', {MOST}, '{{{starts}}}')");
            of_all.push(pages(&db, &sql).await);
        }
        found.push(of_all);
    }
    are_as_many("the rows of an outbox: ready, dead, parked", &found);
}
