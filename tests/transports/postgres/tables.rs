//! How the tables come about, and what is said where they are not as they should be.

use convoke::transport::{AnyQueue, ErrorKind, Postgres, Publisher};
use futures_util::future::join_all;

use super::{count, database, keyed, kind, opened, other_database, packet, publish, receive, run, server};
use crate::transports::servers::free_port;

#[tokio::test]
async fn tables_are_made_when_they_are_asked_for_and_never_else() {
    let server = server().await;
    let missing = Postgres::queue("orders").at(server.url()).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Missing);
    assert!(missing.to_string().contains("call `migrate()`"), "{missing}");

    let db = Postgres::connect(server.url()).schema("shop").await.unwrap();
    assert_eq!(kind(db.inbox("billing").await), ErrorKind::Missing);
    assert_eq!(kind(db.queue("orders").await), ErrorKind::Missing);
    let none = db.tables().await.unwrap();
    assert!(none.there.is_none() && !none.fit(), "{none:?}");
    // Ten at once, over connections of their own.
    let all = join_all((0..10).map(|_| async {
        let db = Postgres::connect(server.url()).schema("shop").await.unwrap();
        db.migrate().await
    }));
    all.await.into_iter().for_each(|migrated| migrated.unwrap());
    assert_eq!(count(&db, "shop.convoke_schema").await, 1);
    db.queue("orders").await.unwrap();
    // What stands in another schema is nothing to this one.
    assert_eq!(kind(Postgres::queue("orders").at(server.url()).await), ErrorKind::Missing);
    Postgres::queue("orders").at(server.url()).create_if_missing().await.unwrap();
    let any = AnyQueue::open(server.url(), "orders").await.unwrap();
    assert_eq!(any.name(), "postgres:orders");
}

#[tokio::test]
async fn in_a_rolling_deploy_an_older_program_goes_on_until_a_step_forbids_it() {
    let server = server().await;
    let db = database(&server, "shop").await;
    run(&db, "UPDATE shop.convoke_schema SET version = 99, oldest = 1").await;
    let queue = db.queue("orders").await.unwrap();
    publish(&queue, &[packet(1)]).await;
    db.migrate().await.unwrap();
    assert_eq!(count(&db, "shop.convoke_schema WHERE version = 99").await, 1);

    let newer = db.tables().await.unwrap();
    assert!(newer.fit() && newer.there == Some(99) && newer.missing.is_empty(), "{newer:?}");

    run(&db, "UPDATE shop.convoke_schema SET version = 99, oldest = 98").await;
    assert!(db.tables().await.unwrap().are_too_new());
    for refused in [db.migrate().await.unwrap_err(), db.queue("orders").await.unwrap_err()] {
        assert_eq!(refused.kind(), ErrorKind::Refused);
        assert!(refused.to_string().contains("update this one"), "{refused}");
    }
    run(&db, "UPDATE shop.convoke_schema SET version = 0, oldest = 0").await;
    let older = db.queue("orders").await.unwrap_err();
    assert_eq!(older.kind(), ErrorKind::Missing);
    let tables = db.tables().await.unwrap();
    assert!(!tables.fit() && tables.missing.len() == usize::try_from(tables.known).unwrap(), "{tables:?}");
    let text = older.to_string();
    assert!(text.contains("this program needs version ") && text.contains(": call `migrate()`"), "{older}");
}

#[tokio::test]
async fn a_wrong_name_address_or_right_is_an_error_that_says_so_and_no_secret() {
    let server = server().await;
    for schema in ["", "Shop", "shop; DROP TABLE orders", "2shop"] {
        assert_eq!(kind(Postgres::connect(server.url()).schema(schema).await), ErrorKind::Unsupported, "{schema}");
    }
    let db = database(&server, "shop").await;
    for queue in ["", "a b", "a'b", "a\0b", &"x".repeat(81)] {
        assert_eq!(kind(db.queue(queue).await), ErrorKind::Unsupported, "{queue}");
    }
    assert_eq!(kind(db.queue("orders").dead_letter_queue("orders").await), ErrorKind::Unsupported);
    for inbox in ["two words", &"x".repeat(81)] {
        assert_eq!(kind(db.inbox(inbox).await), ErrorKind::Unsupported, "{inbox}");
    }
    db.inbox("").await.unwrap();
    for url in
        ["orders.db", "mysql://bob:geheim@localhost/shop", "localhost:5432/shop", "postgres://localhost?sslmode=yes"]
    {
        let error = Postgres::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(
            error.to_string().contains("postgres://user:password@host") && !error.to_string().contains("geheim"),
            "{error}"
        );
    }

    let nowhere = format!("postgres://user:geheim@127.0.0.1:{}/shop", free_port());
    let nobody = Postgres::connect(nowhere.as_str()).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Unreachable);
    assert!(nobody.to_string().contains("nothing listens at its address"), "{nobody}");
    let no_database = Postgres::connect(other_database(&server, "geheim")).await.unwrap_err();
    assert_eq!(no_database.kind(), ErrorKind::Missing);

    run(&db, "CREATE ROLE guest LOGIN").await;
    let guest = Postgres::connect(server.url().replace("postgres@", "guest@")).schema("shop").await.unwrap();
    let refused = guest.queue("orders").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    assert_eq!(kind(guest.migrate().await), ErrorKind::Denied);
    let no_host = Postgres::connect("postgres://user:geheim@no-such-host.invalid/shop").await.unwrap_err();
    assert_eq!(no_host.kind(), ErrorKind::Unreachable);
    assert!(no_host.to_string().contains("look at the host of the URL"), "{no_host}");
    for error in [nobody, no_database, refused, no_host] {
        assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
    }
    let shown = format!("{:?} {:?}", Postgres::queue("orders").at(nowhere), db);
    assert!(!shown.contains("geheim") && !shown.contains("127.0.0.1"), "{shown}");
}

#[tokio::test]
async fn what_postgresql_cannot_keep_is_refused_by_itself() {
    let server = server().await;
    let queue = database(&server, "shop").await.queue("orders").await.unwrap();
    let mut with_topic = packet(2);
    with_topic.topic = "a\0b".to_owned();
    let long = "k".repeat(100_000);
    let taken = queue.publish(&[packet("a\0b"), with_topic, keyed(3, "a\0b"), keyed(4, &long), packet(5)]).await;
    let kinds: Vec<_> = taken.into_iter().map(|taken| taken.map_err(|error| error.kind())).collect();
    assert_eq!(kinds[..3], [Err(ErrorKind::Refused); 3]);
    assert_eq!(kinds[3..], [Ok(()), Ok(())]);
    let received = receive(&mut opened(&queue).await, 2).await;
    assert_eq!(received[0].packet().key.as_deref(), Some(long.as_str()));
}
