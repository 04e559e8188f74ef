//! Files that older releases have made, in `releases/`: today's program opens them and goes on.
//!
//! Behind each release one is added: `cargo test --all-features --test transport -- makes_the_file --ignored`, and then the
//! line in [`RELEASES`].

use std::path::PathBuf;

use super::*;

const RELEASES: [&str; 1] = ["0.1.0"];

fn file_of(release: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/transports/sqlite/releases/{release}.db"))
}

const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Leaves in a file whatever a program may leave that is killed: of this release, for those that come.
#[actix_rt::test]
#[ignore = "makes the file of a release"]
async fn makes_the_file() {
    let folder = folder();
    let db = Sqlite::open(folder.file("shop.db")).await.unwrap();
    let orders = db.queue("orders").lease(MS).await.unwrap();
    let mut worker = subscriber(&orders).await;
    db.queue("orders").group("audit").await.unwrap();
    publish(&orders, &[packet("again"), packet("bad"), packet("held")]).await;
    for delivery in receive(&mut worker, 3).await {
        match id(&delivery).as_str() {
            "again" => delivery.retry_after(MS).await.unwrap(),
            "bad" => delivery.dead_letter(DeadReason::Permanent, vec!["no".into()]).await.unwrap(),
            // Dropped it would be given back, and so it is left as by a process that was killed.
            _ => std::mem::forget(delivery),
        }
    }
    let mut urgent = packet("urgent");
    (urgent.priority, urgent.topic) = (9, "orders/placed".to_owned());
    urgent.attributes.insert("tenant", 7_u64);
    let mut later = packet("later");
    later.delay = MS;
    publish(&orders, &[keyed("a1", "a"), keyed("a2", "a"), keyed("b1", "b"), later, urgent]).await;
    let once = db.queue("once").deduplicate(FOREVER).await.unwrap();
    publish(&once, &[packet("taken")]).await;
    db.inbox("billing").window(FOREVER).await.unwrap().mark("done").await.unwrap();

    let file = file_of(env!("CARGO_PKG_VERSION"));
    let whole = sqlx::query("VACUUM INTO ?1").bind(file.to_str().unwrap().to_owned());
    whole.execute(db.pool()).await.unwrap();
}

#[actix_rt::test]
async fn a_file_of_an_older_release_opens_and_goes_on() {
    for release in RELEASES {
        let folder = folder();
        std::fs::copy(file_of(release), folder.file("shop.db")).unwrap();
        let db = Sqlite::open(folder.file("shop.db")).await.unwrap();
        let orders = db.queue("orders").await.unwrap();
        // What was lent to who is gone, and what was to be tried again, has had an attempt; of a key one goes at a time.
        let mut worker = subscriber(&orders).await;
        let mut came = receive(&mut worker, 6).await;
        came.sort_by_key(|delivery| (id(delivery) != "urgent", id(delivery)));
        assert_eq!(ids(&came), ["urgent", "a1", "again", "b1", "held", "later"], "{release}");
        let attempts: Vec<_> = came.iter().map(|delivery| delivery.attempt()).collect();
        assert_eq!(attempts, [1, 1, 2, 1, 2, 1], "{release}");
        let urgent = came[0].packet();
        assert_eq!(
            (urgent.priority, urgent.topic.as_str(), urgent.body.as_slice()),
            (9, "orders/placed", &b"body of urgent"[..])
        );
        assert_eq!(urgent.attributes.get("tenant"), Some(&7_u64.into()));
        ack(came).await;
        let rest = receive(&mut worker, 1).await;
        assert_eq!(ids(&rest), ["a2"], "{release}");
        ack(rest).await;
        nothing(&mut worker).await;

        let redriven = redrive(&mut orders.dead_letters(), &orders, 10).await.unwrap();
        assert_eq!((redriven.moved, redriven.kept), (1, 0), "{release}");
        let bad = receive(&mut worker, 1).await;
        assert_eq!(ids(&bad), ["bad"], "{release}");
        ack(bad).await;

        // The other group had everything, one of a key at a time.
        let mut audit = subscriber(&db.queue("orders").group("audit").await.unwrap()).await;
        let mut all = Vec::new();
        while all.len() < 9 {
            for delivery in receive(&mut audit, 1).await {
                all.push(id(&delivery));
                delivery.ack().await.unwrap();
            }
        }
        all.sort();
        assert_eq!(all, ["a1", "a2", "again", "b1", "bad", "bad", "held", "later", "urgent"], "{release}");

        let once = db.queue("once").deduplicate(FOREVER).await.unwrap();
        publish(&once, &[packet("taken"), packet("new")]).await;
        let came = receive(&mut subscriber(&once).await, 2).await;
        assert_eq!(ids(&came), ["taken", "new"], "{release}");
        ack(came).await;
        assert!(!db.inbox("billing").await.unwrap().mark("done").await.unwrap(), "{release}");
    }
}

#[actix_rt::test]
async fn who_looks_at_a_file_of_an_older_release_changes_nothing() {
    for release in RELEASES {
        let folder = folder();
        let file = folder.file("shop.db");
        std::fs::copy(file_of(release), &file).unwrap();
        let before = std::fs::read(&file).unwrap();
        let db = Sqlite::open(&file).existing().await.unwrap();
        let tables = db.tables().await.unwrap();
        assert!(!tables.fit() && tables.there.is_some_and(|there| there < tables.known), "{release}: {tables:?}");
        assert!(tables.to_string().contains("durable rounds; who runs now may go on"), "{release}: {tables}");
        // Whoever needs them is told.
        assert_eq!(kind(db.queue("orders").await), ErrorKind::Missing);
        assert_eq!(std::fs::read(&file).unwrap(), before, "{release}");
        db.migrate().await.unwrap();
        let tables = db.tables().await.unwrap();
        assert!(
            tables.fit() && tables.missing.is_empty() && tables.there == Some(tables.known),
            "{release}: {tables:?}"
        );
        db.queue("orders").await.unwrap();
    }
}
