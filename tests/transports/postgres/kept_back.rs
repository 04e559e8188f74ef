//! Somebody keeps vacuum back: what a look costs, and that it finds the same, when it begins at a floor.

use convoke::transport::DeadReason;
use sqlx::{Connection, PgConnection, Row};

use super::*;

/// The dead rows of a key stand before what is alive of it, and vacuum may not take them away: nobody steps over all of them
/// for each delivery.
#[actix_rt::test]
async fn a_key_goes_on_while_vacuum_is_kept_back() {
    const ROUNDS: usize = 40;
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").await.unwrap();
    let mut subscriber = opened(&queue).await;
    let idle = keep_vacuum_back(&server).await;
    for round in 0..ROUNDS {
        let packets: Vec<_> = (0..100).map(|number| keyed(format!("{round}.{number}"), "k")).collect();
        publish(&queue, &packets).await;
        for packet in &packets {
            let came = receive(&mut subscriber, 1).await;
            assert_eq!(ids(&came), [packet.id.as_str()]);
            ack(came).await;
        }
    }
    // One that is published while it is looked how far all is done is no less in its place.
    let found = |drawn: i64, moment: i64| {
        let db = db.clone();
        async move {
            let lane = "(SELECT id FROM shop.convoke_lane WHERE queue = 'orders')";
            let sql = format!("SELECT floor, since FROM shop.convoke_floor_1({lane}, 0, 0, {drawn}, {moment})");
            sqlx::query_as::<_, (i64, i64)>(sqlx::AssertSqlSafe(sql))
                .persistent(false)
                .fetch_one(db.pool())
                .await
                .unwrap()
        }
    };
    publish(&queue, &[keyed("last", "k")]).await;
    let (last, moment): (i64, i64) = sqlx::query_as("SELECT drawn, moment FROM shop.convoke_drawn_1()")
        .persistent(false)
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(found(last, moment).await, (last, moment));
    assert_eq!(found(last - 7, moment - 7).await, (last - 7, moment - 7), "what was drawn later may not be seen yet");
    assert_eq!(found(last + 7, moment).await.0, last);
    let lent = receive(&mut subscriber, 1).await;
    let due = found(last, moment + 3_600_000_000).await.1;
    assert!(moment < due && due < moment + 3_600_000_000, "it is due when its lease ends");
    ack(lent).await;
    assert_eq!(found(last + 7, moment + 3_600_000_000).await, (last + 7, moment + 3_600_000_000));
    drop(idle);
}

/// How many entries of indexes a statement reads, which is undone.
async fn read_by(connection: &mut PgConnection, sql: &str) -> i64 {
    let count = "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))::bigint FROM pg_index \
        WHERE indrelid = 'shop.convoke_delivery'::regclass";
    let mut transaction = connection.begin().await.unwrap();
    let before: i64 = one(&mut transaction, count.to_owned()).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *transaction).await.unwrap();
    let after: i64 = one(&mut transaction, count.to_owned()).await;
    transaction.rollback().await.unwrap();
    after - before
}

async fn one<T>(connection: &mut PgConnection, sql: String) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await.unwrap().try_get_unchecked(0).unwrap()
}

async fn keep_vacuum_back(server: &PostgresServer) -> PgConnection {
    let mut idle = PgConnection::connect(server.url()).await.unwrap();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()").execute(&mut idle).await.unwrap();
    idle
}

/// The last arguments of looks above the floor of the one lane that there is.
async fn floor(connection: &mut PgConnection) -> (String, String) {
    let sql = "SELECT floor.* FROM shop.convoke_drawn_1() AS now, shop.convoke_lane AS lane, \
        shop.convoke_floor_1(lane.id, 0, 0, now.drawn, now.moment) AS floor";
    let row = sqlx::raw_sql(sql).fetch_one(connection).await.unwrap();
    let (id, since, low): (i64, i64, Vec<i64>) = (row.get(0), row.get(1), row.get(2));
    let low: Vec<_> = low.iter().map(i64::to_string).collect();
    let low = format!("true, '{{{}}}'", low.join(","));
    (format!("{id}, {low}"), format!("{id}, {since}, {low}"))
}

#[actix_rt::test]
async fn a_look_above_the_floor_costs_the_same_however_many_rows_are_dead() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").lease(LONG * 60).await.unwrap();
    let mut subscriber = opened(&queue).await;
    let idle = keep_vacuum_back(&server).await;
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    costs_the_same(&queue, &mut subscriber, &mut connection).await;
    drop(idle);
}

/// What looks read after 200 packets and after 2200: above the floor that is the same.
async fn costs_the_same(queue: &Postgres, subscriber: &mut Postgres, connection: &mut PgConnection) {
    let mut found = Vec::new();
    for round in [2, 20] {
        for batch in 0..round {
            let packets: Vec<_> = (0..100)
                .map(|number| match number % 2 {
                    0 => packet(format!("{round}.{batch}.{number}")),
                    _ => keyed(format!("{round}.{batch}.{number}"), &format!("k{number}")),
                })
                .collect();
            publish(queue, &packets).await;
            let lent = receive(subscriber, packets.len()).await;
            futures_util::future::join_all(lent.into_iter().map(Delivery::ack)).await;
        }
        let lane: i64 = one(connection, "SELECT id FROM shop.convoke_lane".to_owned()).await;
        let (of_ids, of_all) = floor(connection).await;
        let lend = |rest: &str| format!("SELECT * FROM shop.convoke_lend_1({lane}, 10, 9999, 30000, NULL, NULL{rest})");
        found.push([
            // The dead rows of what was lent are due when their leases would have ended.
            read_by(connection, &format!("SELECT * FROM shop.convoke_wake_1({lane}, 3600000)")).await,
            read_by(connection, &lend("")).await,
            read_by(connection, &format!("SELECT * FROM shop.convoke_wake_1({lane}, 1000, {of_all})")).await,
            read_by(connection, &lend(&format!(", {of_ids}"))).await,
        ]);
    }
    println!(
        "figure: entries that a look reads after 200 and after 2200 (wake, lend, and both above the floor): {found:?}"
    );
    let (first, last) = (&found[0], &found[1]);
    assert!(last[0] >= 2200 && last[1] >= 2200, "vacuum was not kept back: {found:?}");
    assert_eq!((first[2], first[3]), (last[2], last[3]), "{found:?}");
}

/// A letter in its place with what is behind it, and what is held back for long, are below all else.
#[actix_rt::test]
async fn what_stays_for_long_does_not_hold_the_floor_down() {
    const BEHIND: usize = 100;
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").lease(LONG * 60).await.unwrap();
    let mut subscriber = opened(&queue).await;
    let idle = keep_vacuum_back(&server).await;
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    let connection = &mut connection;
    let mut lasting = vec![keyed("dead", "hot")];
    lasting.extend((0..BEHIND).map(|number| keyed(format!("behind {number}"), "hot")));
    lasting.extend((0..BEHIND).map(|number| packet(format!("far {number}"))));
    lasting.iter_mut().skip(1 + BEHIND).for_each(|packet| packet.delay = LONG * 600);
    publish(&queue, &lasting).await;
    receive(&mut subscriber, 1).await.remove(0).park(DeadReason::Permanent, Vec::new()).await.unwrap();
    nothing(&mut subscriber).await;
    costs_the_same(&queue, &mut subscriber, connection).await;

    // All that comes of these is found, in its order, by who looks above the floor as it was before.
    let (of_ids, of_all) = floor(connection).await;
    subscriber.close().await.unwrap();
    publish(&queue, &[packet("free"), keyed("last", "hot")]).await;
    let lane: i64 = one(connection, "SELECT id FROM shop.convoke_lane".to_owned()).await;
    let wake = format!("SELECT is_ready FROM shop.convoke_wake_1({lane}, 1000, {of_all})");
    let lend = format!(
        "SELECT array_agg(packet ORDER BY id), array_agg(id ORDER BY id), array_agg(lent ORDER BY id) \
         FROM shop.convoke_lend_1({lane}, 2, 9999, 30000, NULL, NULL, {of_ids})"
    );
    let come = async |connection: &mut PgConnection| {
        let lent = sqlx::raw_sql(sqlx::AssertSqlSafe(lend.clone())).fetch_one(&mut *connection).await.unwrap();
        let packets = lent.get::<Option<Vec<String>>, _>(0).unwrap_or_default();
        let (ids, lents): (Option<Vec<i64>>, Option<Vec<i32>>) = (lent.get(1), lent.get(2));
        if let (Some(ids), Some(lents)) = (ids, lents) {
            let done = format!("SELECT shop.convoke_done_1(ARRAY{ids:?}::bigint[], ARRAY{lents:?})");
            sqlx::raw_sql(sqlx::AssertSqlSafe(done)).execute(&mut *connection).await.unwrap();
        }
        packets
    };
    assert_eq!(come(connection).await, ["free"], "all else of the key is behind the letter");
    assert!(!one::<bool>(connection, wake.clone()).await);
    assert_eq!(queue.parking().redrive_all().await.unwrap(), 1);
    assert!(one::<bool>(connection, wake.clone()).await);
    publish(&queue, &[packet("more")]).await;
    assert_eq!(come(connection).await, ["dead", "more"]);
    for number in 0..BEHIND {
        assert_eq!(come(connection).await, [format!("behind {number}")]);
    }
    assert_eq!(come(connection).await, ["last"]);
    assert_eq!(come(connection).await, [""; 0]);
    // Somebody else finds that it is due now.
    run(&db, "UPDATE shop.convoke_delivery SET due = clock_timestamp() WHERE packet = 'far 7'").await;
    assert!(one::<bool>(connection, wake).await);
    assert_eq!(come(connection).await, ["far 7"]);
    drop(idle);
}

#[actix_rt::test]
async fn a_look_above_the_floor_lends_the_same() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").lease(LONG * 60).await.unwrap();
    let mut subscriber = opened(&queue).await;
    let idle = keep_vacuum_back(&server).await;
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut lent: Vec<Delivery> = Vec::new();
    for round in 0..20 {
        let packets: Vec<_> = (0..chance.usize(1..40))
            .map(|number| {
                let mut packet = packet(format!("{round}.{number}"));
                packet.key = chance.bool().then(|| format!("k{}", chance.u8(0..8)));
                packet.priority = *chance.choice(&[0, 0, 0, 7, 255]).unwrap();
                packet
            })
            .collect();
        publish(&queue, &packets).await;
        lent.extend(subscriber.receive(chance.usize(1..20)).await.unwrap());
        chance.shuffle(&mut lent);
        for delivery in lent.drain(..chance.usize(0..=lent.len())) {
            match chance.u8(0..8) {
                0 => delivery.retry_after(Duration::ZERO).await.unwrap(),
                1 => delivery.retry_after(Duration::from_millis(1)).await.unwrap(),
                2 => delivery.retry_after(LONG * 60).await.unwrap(),
                3 => delivery.release().await.unwrap(),
                4 if delivery.packet().key.is_some() => {
                    delivery.park(DeadReason::Permanent, Vec::new()).await.unwrap();
                }
                _ => delivery.ack().await.unwrap(),
            }
        }
        // As it was when others settle what stays below it: the floor of before is good for longer.
        let before = floor(&mut connection).await;
        for letter in queue.parking().dead_letters(100).await.unwrap() {
            match chance.u8(0..6) {
                0 => assert!(queue.parking().redrive(letter.position).await.unwrap()),
                1 => assert!(queue.parking().discard(letter.position).await.unwrap()),
                _ => {}
            }
        }
        // What is held back for a moment is due by the time of the first of two looks.
        let soon = "SELECT count(*) FROM shop.convoke_delivery WHERE state = 1 \
            AND due BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 min'";
        while one::<i64>(&mut connection, soon.to_owned()).await > 0 {}
        let lane: i64 = one(&mut connection, "SELECT id FROM shop.convoke_lane".to_owned()).await;
        let (mut found, mut floors) = (Vec::new(), vec![(String::new(), String::new())]);
        for (of_ids, of_all) in [before, floor(&mut connection).await] {
            floors.push((format!(", {of_ids}"), format!(", {of_all}")));
        }
        for (rest, rest_of_wake) in floors {
            let mut transaction = connection.begin().await.unwrap();
            let is_ready: bool =
                one(&mut transaction, format!("SELECT is_ready FROM shop.convoke_wake_1({lane}, 1000{rest_of_wake})"))
                    .await;
            let lend =
                format!("SELECT array_agg(id) FROM shop.convoke_lend_1({lane}, 7, 9999, 30000, NULL, NULL{rest})");
            let ids: Option<Vec<i64>> = one(&mut transaction, lend).await;
            transaction.rollback().await.unwrap();
            let mut ids = ids.unwrap_or_default();
            ids.sort_unstable();
            found.push((is_ready, ids));
        }
        assert_eq!(found[0], found[1], "in round {round}, above the floor of before");
        assert_eq!(found[0], found[2], "in round {round}");
    }
    drop(idle);
}
