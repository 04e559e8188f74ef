//! Order, de-duplication, groups and who is woken, where PostgreSQL has its own ways.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoke::codec::{Codec, Wire};
use convoke::prelude::*;
use convoke::transport::{DeadReason, ErrorKind, Packet, Postgres, Source, redrive};
use convoke::{Envelope, Worker};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Row};
use tokio::time::Instant;

use crate::transports::logged::{listen, logged};
use crate::transports::servers::postgres::PostgresServer;

use super::{
    LONG, SECOND, ack, count, database, ids, keyed, nothing, opened, other_database, packet, publish, receive, run,
    server,
};

#[tokio::test]
async fn many_publishers_and_subscribers_keep_the_order_of_each_key_and_nothing_waits_for_ever() {
    const KEYS: usize = 7;
    const EACH: usize = 60;
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").await.unwrap();
    let mut publishers = Vec::new();
    for publisher in 0..4 {
        let queue = queue.clone();
        publishers.push(tokio::spawn(async move {
            for number in 0..EACH {
                let packets: Vec<_> =
                    (0..KEYS).map(|key| keyed(format!("{publisher}.{key}.{number:03}"), &format!("k{key}"))).collect();
                publish(&queue, &packets).await;
            }
        }));
    }
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let mut subscribers = Vec::new();
    for _ in 0..4 {
        let (queue, heard) = (queue.clone(), heard.clone());
        subscribers.push(tokio::spawn(async move {
            let mut subscriber = opened(&queue).await;
            loop {
                for delivery in subscriber.receive(9).await.unwrap() {
                    let id = delivery.packet().id.clone();
                    if fastrand::u8(..) < 20 {
                        delivery.retry_after(Duration::from_millis(5)).await.unwrap();
                    } else {
                        // Before the acknowledgement: whoever comes next of this key comes after it.
                        heard.send(id).unwrap();
                        delivery.ack().await.unwrap();
                    }
                }
            }
        }));
    }
    let mut last: BTreeMap<(String, String), String> = BTreeMap::new();
    for _ in 0..4 * KEYS * EACH {
        let id = tokio::time::timeout(LONG, hears.recv()).await.expect("one waits for ever").unwrap();
        let (publisher, key) = (id[..1].to_owned(), id[2..3].to_owned());
        let before = last.insert((publisher, key), id.clone());
        assert!(before.as_ref().is_none_or(|before| *before < id), "{before:?} came before {id}");
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
    tokio::time::sleep(SECOND / 2).await;
    subscribers.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(count(&db, "shop.convoke_delivery").await, 0);
}

#[tokio::test]
async fn what_is_published_while_the_one_before_it_is_just_being_taken_away_waits_for_nobody_else() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").await.unwrap();
    let mut subscriber = opened(&queue).await;
    publish(&queue, &[keyed("a", "k")]).await;
    let first = receive(&mut subscriber, 1).await;
    // An acknowledgement whose commit takes its time.
    let mut slow = db.begin().await.unwrap();
    let done = "SELECT shop.convoke_done_1(array_agg(id), array_agg(lent)) FROM shop.convoke_delivery";
    sqlx::raw_sql(done).execute(&mut *slow).await.unwrap();
    publish(&queue, &[keyed("b", "k"), packet("free")]).await;
    let free = receive(&mut subscriber, 1).await;
    assert_eq!(ids(&free), ["free"]);
    slow.commit().await.unwrap();
    let second = receive(&mut subscriber, 1).await;
    assert_eq!(ids(&second), ["b"]);
    assert_eq!(first.into_iter().next().unwrap().ack().await.unwrap_err().kind(), ErrorKind::Lost);
    ack(free).await;
    ack(second).await;
}

#[tokio::test]
async fn a_key_that_is_published_to_all_the_time_goes_on_also_where_transactions_are_serializable() {
    let server = server().await;
    let db = database(&server, "shop").await;
    run(&db, "ALTER ROLE postgres SET default_transaction_isolation = 'serializable'").await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").await.unwrap();
    publish(&queue, &(0..500).map(|number| keyed(number, "hot")).collect::<Vec<_>>()).await;
    let publishing = {
        let queue = queue.clone();
        tokio::spawn(async move {
            for number in 500.. {
                publish(&queue, &[keyed(number, "hot")]).await;
            }
        })
    };
    let mut subscriber = opened(&queue).await;
    for number in 0..600 {
        let lent = receive(&mut subscriber, 1).await;
        assert_eq!(ids(&lent), [number.to_string()]);
        ack(lent).await;
    }
    publishing.abort();
}

#[tokio::test]
async fn one_key_with_thousands_does_not_hold_up_the_others() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").await.unwrap();
    let hot: Vec<_> = (0..3000).map(|number| keyed(number, "hot")).collect();
    publish(&queue, &hot).await;
    publish(&queue, &[packet("free"), keyed("other", "cool")]).await;
    let mut subscriber = opened(&queue).await;
    let lent = receive(&mut subscriber, 3).await;
    assert_eq!(ids(&lent), ["0", "free", "other"]);
    ack(lent).await;
    assert_eq!(ids(&receive(&mut subscriber, 1).await), ["1"]);
}

#[tokio::test]
async fn a_row_that_others_have_a_share_lock_on_is_lent_and_one_that_is_being_changed_is_left_alone() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").await.unwrap();
    publish(&queue, &[packet(1), packet(2), packet(3)]).await;
    let mut shares = db.begin().await.unwrap();
    // As the check of a foreign key does for a child that is not committed yet.
    let share = "SELECT 1 FROM shop.convoke_delivery WHERE packet = '1' FOR KEY SHARE";
    sqlx::raw_sql(share).execute(&mut *shares).await.unwrap();
    let mut changes = db.begin().await.unwrap();
    let change = "SELECT 1 FROM shop.convoke_delivery WHERE packet = '2' FOR UPDATE";
    sqlx::raw_sql(change).execute(&mut *changes).await.unwrap();
    let mut subscriber = opened(&queue).await;
    // They are held meanwhile: what is dropped comes again.
    let lent = receive(&mut subscriber, 2).await;
    assert_eq!(ids(&lent), ["1", "3"]);
    changes.rollback().await.unwrap();
    shares.rollback().await.unwrap();
    assert_eq!(ids(&receive(&mut subscriber, 1).await), ["2"]);
    ack(lent).await;
}

#[tokio::test]
async fn what_was_published_before_there_was_a_group_waits_for_the_first() {
    let server = server().await;
    let db = database(&server, "shop").await;
    publish(&db.queue("orders").await.unwrap(), &[packet(1)]).await;
    let first = db.queue("orders").group("billing").await.unwrap();
    let second = db.queue("orders").group("shipping").await.unwrap();
    publish(&db.queue("orders").await.unwrap(), &[packet(2)]).await;
    let mut first = opened(&first).await;
    assert_eq!(ids(&receive(&mut first, 2).await), ["1", "2"]);
    let mut shipping = opened(&second).await;
    ack(receive(&mut shipping, 1).await).await;
    nothing(&mut shipping).await;
    publish(&second.for_this_group(), &[packet(3)]).await;
    assert_eq!(ids(&receive(&mut shipping, 1).await), ["3"]);
    second.remove_group().await.unwrap();
    let removed = loop {
        if let Err(error) = shipping.receive(1).await {
            break error;
        }
    };
    assert_eq!(removed.kind(), ErrorKind::Missing);
    assert_eq!(count(&db, "shop.convoke_lane WHERE grp = 'shipping'").await, 0);
    assert_eq!(count(&db, "shop.convoke_delivery").await, 2);
}

#[tokio::test]
async fn what_was_taken_a_moment_ago_is_taken_again_and_not_delivered_but_a_letter_may_be() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").deduplicate(SECOND * 60).await.unwrap();
    publish(&queue, &[packet(1), packet(1), packet(""), packet("")]).await;
    publish(&queue, &[packet(1)]).await;
    let mut subscriber = opened(&queue).await;
    let mut lent = receive(&mut subscriber, 3).await;
    assert_eq!(ids(&lent), ["1", "", ""]);
    lent.remove(0).dead_letter(DeadReason::Rejected, vec!["no".to_owned()]).await.unwrap();
    ack(lent).await;
    let mut dead = queue.dead_letters();
    dead.open(10).await.unwrap();
    let redriven = redrive(&mut dead, &queue, 10).await.unwrap();
    assert_eq!(redriven.moved, 1);
    assert_eq!(receive(&mut subscriber, 1).await[0].packet().body, packet(1).body);

    let short = db.queue("short").deduplicate(Duration::from_millis(1)).await.unwrap();
    publish(&short, &[packet(1)]).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    publish(&short, &[packet(1)]).await;
    assert_eq!(count(&db, "shop.convoke_delivery WHERE packet = '1'").await, 2);
}

#[tokio::test]
async fn who_waits_in_another_process_is_woken_without_polling() {
    let server = server().await;
    let here = database(&server, "shop").await.queue("orders").await.unwrap();
    // Another handle of the database is what another process has.
    let there = database(&server, "shop").await.queue("orders").poll_every(LONG).wait(SECOND * 20).await.unwrap();
    let mut there = opened(&there).await;
    // It listens from its first wait on.
    let waits = tokio::spawn(async move {
        let first = receive(&mut there, 1).await;
        let (heard, at) = (ids(&first), Instant::now());
        ack(first).await;
        (heard, at, there)
    });
    tokio::time::sleep(SECOND * 2).await;
    let start = Instant::now();
    publish(&here, &[packet(1)]).await;
    let (heard, at, _there) = waits.await.unwrap();
    assert_eq!(heard, ["1"]);
    // Well before it looks by itself.
    assert!(at - start < SECOND * 10, "it was woken after {:?}", at - start);
}

#[tokio::test]
async fn where_vacuum_is_kept_back_a_queue_goes_on_and_the_log_says_who_does_so() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").await.unwrap();
    listen();
    let mut open = sqlx::PgConnection::connect(server.url()).await.unwrap();
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_backend_pid()";
    let holder: i32 = sqlx::raw_sql(begin).fetch_one(&mut open).await.unwrap().try_get(0).unwrap();
    // What a busy hour leaves behind, as rows that no look may skip.
    publish(&queue, &[packet("first")]).await;
    run(
        &db,
        "INSERT INTO shop.convoke_delivery (lane, state, due, rank, packet, topic, body) \
            SELECT lane, 0, now(), 255, 'x', '', '' FROM shop.convoke_delivery, generate_series(1, 150000); \
         DELETE FROM shop.convoke_delivery WHERE packet = 'x'",
    )
    .await;
    run(&db, "VACUUM shop.convoke_delivery").await;
    tokio::time::sleep(SECOND * 6).await;
    let packets: Vec<_> = (0..200).map(packet).collect();
    publish(&queue, &packets).await;
    let mut subscriber = opened(&queue).await;
    let mut lent = receive(&mut subscriber, 10).await;
    assert_eq!(ids(&lent)[0], "first");
    // One that came back stands before what is ready, and is found all the same.
    lent.remove(0).release().await.unwrap();
    ack(lent).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 192 {
        let lent = receive(&mut subscriber, 1).await;
        seen.extend(ids(&lent));
        ack(lent).await;
    }
    assert!(seen.contains("first"));
    let said = format!("the transaction of process {holder} of the server is open for");
    let end = Instant::now() + LONG;
    while !logged().contains(&said) {
        assert!(Instant::now() < end, "nothing was said of {holder}:\n{}", logged());
        tokio::time::sleep(SECOND / 10).await;
    }
}

#[tokio::test]
async fn an_inbox_marks_in_the_transaction_of_the_handler() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let inbox = db.inbox("billing").await.unwrap();
    let mut undone = db.begin().await.unwrap();
    assert!(inbox.mark_in(&mut undone, "1").await.unwrap());
    undone.rollback().await.unwrap();
    assert!(!inbox.seen("1").await.unwrap());

    let mut done = db.begin().await.unwrap();
    assert!(inbox.mark_in(&mut done, "1").await.unwrap());
    assert!(!inbox.mark_in(&mut done, "1").await.unwrap());
    // Who marks the same at the same time waits, and finds it marked.
    let second = tokio::spawn({
        let inbox = inbox.clone();
        async move { inbox.mark("1").await.unwrap() }
    });
    tokio::time::sleep(SECOND / 5).await;
    assert!(!second.is_finished());
    done.commit().await.unwrap();
    assert!(!second.await.unwrap());
    assert!(inbox.seen("1").await.unwrap());
    assert!(!db.inbox("shipping").await.unwrap().seen("1").await.unwrap());

    let short = db.inbox("short").window(Duration::from_millis(1)).await.unwrap();
    assert!(short.mark("1").await.unwrap());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!short.seen("1").await.unwrap());
    assert!(short.mark("1").await.unwrap());

    // A transaction of a database that has no such tables.
    run(&db, "CREATE DATABASE other").await;
    let other = Postgres::connect(other_database(&server, "other")).await.unwrap();
    let mut wrong = other.begin().await.unwrap();
    assert_eq!(inbox.mark_in(&mut wrong, "2").await.unwrap_err().kind(), ErrorKind::Missing);
    let mut alone = db.pool().acquire().await.unwrap();
    assert_eq!(inbox.mark_in(&mut alone, "2").await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(!inbox.seen("2").await.unwrap());
    // One that a text has ended, of which sqlx knows nothing.
    let mut ended = db.begin().await.unwrap();
    assert!(inbox.mark_in(&mut ended, "3").await.unwrap());
    sqlx::query("ROLLBACK").execute(&mut *ended).await.unwrap();
    assert_eq!(inbox.mark_in(&mut ended, "3").await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(!inbox.seen("3").await.unwrap());
}

/// A body that is a text is sent as one.
#[actix_rt::test]
async fn bodies_come_as_they_are_whether_texts_or_bytes() {
    let server = server().await;
    let db = database(&server, "bodies").await;
    let queue = db.queue("orders").await.unwrap();
    let mut subscriber = opened(&queue).await;
    let bodies: [&[u8]; 8] = [
        b"",
        "{\"name\": \"\\\\x41 ü\"}".as_bytes(),
        b"\\x41",
        b"a\0b",
        b"\xff\xfe",
        b"\n\t\x01",
        b"\\",
        "\u{1f600}".as_bytes(),
    ];
    let packets: Vec<_> =
        bodies.iter().enumerate().map(|(place, body)| Packet::new(place.to_string(), body.to_vec())).collect();
    // Once in either form of bytes.
    for _ in 0..2 {
        publish(&queue, &packets).await;
        let came = receive(&mut subscriber, packets.len()).await;
        for (came, packet) in came.iter().zip(&packets) {
            assert_eq!((&came.packet().id, &came.packet().body), (&packet.id, &packet.body));
        }
        ack(came).await;
    }
}

/// A commit is a flush of the disk, and a round trip is the network's: what they cost elsewhere is not seen here, but how many they are.
#[actix_rt::test]
async fn a_worker_that_drains_a_queue_commits_for_many_at_a_time() {
    const EVENTS: usize = 10_000;
    let server = server().await;
    run(&database(&server, "other").await, "CREATE DATABASE drained").await;
    let url = other_database(&server, "drained");
    let db = Postgres::connect(&url).await.unwrap();
    db.migrate().await.unwrap();
    let queue = db.queue("drained").await.unwrap();
    let event = |number: usize| Envelope::new(Metadata::of::<Drained>(), serde_json::json!({ "number": number }));
    let packets: Vec<_> = (0..EVENTS).map(|number| Wire.write(&event(number))).collect();
    publish(&queue, &packets).await;
    db.pool().close().await;
    let before = commits(&server).await;
    let db = Postgres::connect(&url).await.unwrap();
    let bus = EventBus::default();
    let (heard, mut all) = tokio::sync::watch::channel(0);
    let _heard = bus.on(async move |_: Arc<Drained>| heard.send_modify(|heard| *heard += 1)).unwrap();
    let worker = Worker::new(db.queue("drained").await.unwrap(), &bus).start().await.unwrap();
    let done = async move {
        all.wait_for(|heard| *heard == EVENTS).await.unwrap();
    };
    worker.run_until(done).await.unwrap();
    assert_eq!(count(&db, "convoke_delivery").await, 0);
    db.pool().close().await;
    let each = (commits(&server).await - before) as f64 / EVENTS as f64;
    println!("figure: {each:.4} commits an event, drained by a worker of the defaults");
    // Less on a machine that is fast: the more are done at the same time, the more are settled by one.
    assert!(each <= 0.1, "{each}");
}

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
#[event(topic = "queue/drained")]
struct Drained {
    number: usize,
}

/// How many there were in the database so far, once all who committed there have gone: only then are they counted.
async fn commits(server: &PostgresServer) -> i64 {
    let mut elsewhere = sqlx::PgConnection::connect(server.url()).await.unwrap();
    let counted = "SELECT xact_commit, (SELECT count(*) FROM pg_stat_activity AS a WHERE a.datname = d.datname AND \
        backend_type = 'client backend') FROM pg_stat_database AS d WHERE datname = 'drained'";
    let (mut last, end) = (-1, Instant::now() + LONG);
    loop {
        let row = sqlx::raw_sql(counted).fetch_one(&mut elsewhere).await.unwrap();
        let (commits, alive): (i64, i64) = (row.get(0), row.get(1));
        if alive == 0 && commits == last {
            return commits;
        }
        assert!(Instant::now() < end, "{alive} are still there");
        last = if alive == 0 { commits } else { -1 };
        tokio::time::sleep(SECOND / 4).await;
    }
}
