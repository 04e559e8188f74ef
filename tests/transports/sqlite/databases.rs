//! One handle of a file, from which queues and inboxes come.

use super::*;

#[actix_rt::test]
async fn queues_and_inboxes_of_one_handle_share_its_file_and_its_transactions() {
    let folder = folder();
    let db = Sqlite::open(folder.file("shop.db")).await.unwrap();
    let (orders, inbox) = (db.queue("orders").await.unwrap(), db.inbox("billing").await.unwrap());
    publish(&orders, &[packet(1)]).await;
    // A handle by the short form sees the same.
    let other = Sqlite::queue("orders").at(folder.file("shop.db")).await.unwrap();
    ack(receive(&mut subscriber(&other).await, 1).await).await;

    let mut transaction = db.begin().await.unwrap();
    // What has read may write all the same, for it holds the lock.
    sqlx::query("SELECT count(*) FROM convoke_inbox").fetch_one(&mut *transaction).await.unwrap();
    assert!(inbox.mark_in(&mut transaction, "7").await.unwrap());
    transaction.rollback().await.unwrap();
    assert!(!inbox.seen("7").await.unwrap());
    assert!(inbox.mark("7").await.unwrap());
    assert!(!db.inbox("shipping").await.unwrap().seen("7").await.unwrap());
    db.migrate().await.unwrap();
}

#[actix_rt::test]
async fn a_pool_of_the_application_gets_tables_when_it_is_asked_for_them() {
    let folder = folder();
    let options = SqliteConnectOptions::new().filename(folder.file("shop.db")).create_if_missing(true);
    let pool = SqlitePoolOptions::new().connect_with(options.pragma("journal_mode", "WAL")).await.unwrap();
    let db = Sqlite::over(&pool).await.unwrap();
    for missing in [db.queue("orders").await.map(drop), db.inbox("billing").await.map(drop)] {
        let missing = missing.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Missing);
        assert!(missing.to_string().contains("call `migrate()`"), "{missing}");
    }
    let (one, two) = tokio::join!(db.migrate(), db.migrate());
    one.and(two).unwrap();
    publish(&db.queue("orders").await.unwrap(), &[packet(1)]).await;
    for inbox in ["two words", &"x".repeat(81)] {
        assert_eq!(kind(db.inbox(inbox).await), ErrorKind::Unsupported, "{inbox}");
    }
    db.inbox("").await.unwrap();
    assert_eq!(kind(Sqlite::open("").await), ErrorKind::Unsupported);
    assert_eq!(kind(Sqlite::open(":memory:").await), ErrorKind::Unsupported);
    for url in ["postgres://bob:geheim@localhost/shop", "sqlite://bob:geheim@localhost/shop"] {
        let queue = Sqlite::queue("orders").at(url).await.map(drop).unwrap_err();
        let inbox = SqliteInbox::at(url).await.map(drop).unwrap_err();
        for error in [Sqlite::open(url).await.map(drop).unwrap_err(), queue, inbox] {
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }
    // A transaction of another file, which has such a table too, or none; and no transaction, whose mark would stay.
    let inbox = db.inbox("billing").await.unwrap();
    let other = SqlitePoolOptions::new().connect("sqlite::memory:").await.unwrap();
    assert_eq!(kind(inbox.mark_in(&mut other.begin().await.unwrap(), "7").await), ErrorKind::Missing);
    let other = Sqlite::open(folder.file("other.db")).await.unwrap();
    assert_eq!(kind(inbox.mark_in(&mut other.begin().await.unwrap(), "7").await), ErrorKind::Missing);
    assert_eq!(kind(inbox.mark_in(&mut pool.acquire().await.unwrap(), "7").await), ErrorKind::Refused);
    assert!(!inbox.seen("7").await.unwrap() && !other.inbox("billing").await.unwrap().seen("7").await.unwrap());
}

#[actix_rt::test]
async fn what_is_small_and_what_is_large_come_as_they_were_and_in_their_order() {
    let folder = folder();
    for encoding in ["UTF-8", "UTF-16"] {
        let file = folder.file(&format!("{encoding}.db"));
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .pragma("encoding", format!("'{encoding}'"));
        let pool = SqlitePoolOptions::new().connect_with(options.pragma("journal_mode", "WAL")).await.unwrap();
        let db = Sqlite::over(&pool).await.unwrap();
        db.migrate().await.unwrap();
        let queue = db.queue("orders").await.unwrap();
        let mut subscriber = subscriber(&queue).await;
        let packets: Vec<Packet> = [10, 20_000, 0, 16_000, 100_000, 1]
            .into_iter()
            .enumerate()
            .map(|(place, bytes)| {
                let body = (0..bytes).map(|byte| u8::try_from((byte + place) % 256).unwrap()).collect::<Vec<_>>();
                let mut packet = Packet::new(format!("{place} \"ä\u{0}"), body);
                packet.topic = "orders/placed".to_owned();
                packet.attributes.insert("color", "blue \"\u{1f600}\"");
                packet
            })
            .collect();
        publish(&queue, &packets).await;
        let came = receive(&mut subscriber, packets.len()).await;
        for (came, packet) in came.iter().zip(&packets) {
            let came = came.packet();
            assert_eq!((&came.id, &came.topic, &came.body), (&packet.id, &packet.topic, &packet.body), "{encoding}");
            assert_eq!(came.attributes, packet.attributes, "{encoding}");
        }
        ack(came).await;
    }
}

#[actix_rt::test]
async fn a_pool_that_is_closed_is_closed_for_what_writes_too() {
    let folder = folder();
    let (file, log) = (folder.file("shop.db"), folder.file("shop.db-wal"));
    let db = Sqlite::open(&file).await.unwrap();
    let queue = db.queue("orders").await.unwrap();
    publish(&queue, &[packet(1)]).await;
    db.pool().close().await;
    assert_eq!(kind(queue.publish(&[packet(2)]).await.remove(0)), ErrorKind::Closed);
    // Nobody has the file open any more: SQLite takes its log away with the last connection.
    let gone = async {
        while std::path::Path::new(&log).exists() {
            tokio::time::sleep(MS).await;
        }
    };
    tokio::time::timeout(SECOND, gone).await.unwrap();
    let mut subscriber = subscriber(&Sqlite::queue("orders").at(&file).await.unwrap()).await;
    assert_eq!(receive(&mut subscriber, 1).await.len(), 1);
}

#[actix_rt::test]
async fn what_is_written_needs_no_connection_of_the_pool() {
    let folder = folder();
    let db = Sqlite::open(folder.file("shop.db")).await.unwrap();
    let queue = db.queue("orders").await.unwrap();
    let mut all = Vec::new();
    while let Ok(Ok(connection)) = tokio::time::timeout(SECOND / 4, db.pool().acquire()).await {
        all.push(connection);
    }
    assert_eq!(all.len(), 4);
    publish(&queue, &[packet(1)]).await;
}
