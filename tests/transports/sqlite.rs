//! SQLite: the fixture of the suite, and what only SQLite does: groups, the inbox, a file that is broken, locked or full,
//! and processes that are killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoke::transport::conformance::{Channel, Fixture, GROUPS, Wants};
use convoke::transport::{
    BoxFuture, DeadLetterRecord, DeadReason, Delivery, ErrorKind, Packet, Publisher, Source, Sqlite, SqliteInbox,
    TransportError, redrive,
};
use convoke::{Inbox, MemoryInbox};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::servers::sqlite::Folder;

mod files;
mod kills;
mod lending;
mod model;

/// All channels are queues of one file. There is no server to kill: `kills` kills processes instead.
pub(crate) struct SqliteFixture {
    folder: Folder,
}

impl SqliteFixture {
    pub(crate) fn start() -> Result<Self, String> {
        let folder = Folder::new().map_err(|error| format!("there is no folder for temporary files: {error}"))?;
        Ok(Self { folder })
    }
}

impl Fixture for SqliteFixture {
    fn name(&self) -> &str {
        "sqlite"
    }

    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>> {
        Box::pin(async move {
            let builder =
                Sqlite::queue(&wants.name).at(self.folder.file("queues.db")).lease(wants.lease).deadline(LONG);
            let queue = builder.clone().await?;
            let mut groups = BTreeMap::new();
            for group in GROUPS.into_iter().filter(|_| wants.fan_out) {
                groups.insert(group, builder.clone().group(group).await?);
            }
            let (publisher, dead) = (Arc::new(queue.clone()), queue.dead_letters());
            let subscribe =
                move |group: &str| -> Box<dyn Source> { Box::new(groups.get(group).unwrap_or(&queue).clone()) };
            let dead: Box<dyn Fn() -> Box<dyn Source> + Send + Sync> = Box::new(move || Box::new(dead.clone()));
            Ok(Channel { publisher, subscribe: Box::new(subscribe), dead: Some(dead) })
        })
    }

    fn delete_all<'a>(&'a self, name: &'a str) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(async move {
            let queue = Sqlite::queue(name).at(self.folder.file("queues.db")).deadline(LONG).await.unwrap();
            let delete = "DELETE FROM convoke_delivery WHERE lane IN (SELECT id FROM convoke_lane WHERE queue = ?1)";
            sqlx::query(delete).bind(name.to_owned()).execute(queue.pool()).await.unwrap();
        }))
    }
}

#[test]
fn conforms() {
    super::conform("sqlite", async || SqliteFixture::start());
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

fn folder() -> Folder {
    Folder::new().unwrap()
}

async fn queue(folder: &Folder) -> Sqlite {
    Sqlite::queue("orders").at(folder.file("orders.db")).await.unwrap()
}

async fn subscriber(queue: &Sqlite) -> Sqlite {
    let mut subscriber = queue.clone();
    subscriber.open(100).await.unwrap();
    subscriber
}

async fn publish(queue: &Sqlite, packets: &[Packet]) {
    for taken in queue.publish(packets).await {
        taken.unwrap();
    }
}

fn packet(id: impl ToString) -> Packet {
    Packet::new(id.to_string(), format!("body of {}", id.to_string()))
}

fn keyed(id: impl ToString, key: &str) -> Packet {
    let mut packet = packet(id);
    packet.key = Some(key.to_owned());
    packet
}

/// Receives until there are so many.
async fn receive(subscriber: &mut Sqlite, count: usize) -> Vec<Delivery> {
    let all = async {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(subscriber.receive(count - all.len()).await.unwrap());
        }
        all
    };
    tokio::time::timeout(LONG, all).await.expect("it never came")
}

async fn nothing(subscriber: &mut Sqlite) {
    let ids: Vec<_> = subscriber.receive(100).await.unwrap().iter().map(id).collect();
    assert_eq!(ids, [""; 0]);
}

fn id(delivery: &Delivery) -> String {
    delivery.packet().id.clone()
}

fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(id).collect()
}

async fn ack(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        delivery.ack().await.unwrap();
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, TransportError>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[actix_rt::test]
async fn a_packet_comes_as_it_was() {
    let folder = folder();
    let queue = queue(&folder).await;
    let mut there = packet("a\0 ü 🦀");
    there.topic = "orders/placed".into();
    there.key = Some(String::new());
    there.priority = 255;
    there.body = (0..=255).cycle().take(100_000).collect();
    there.attributes.insert("name", "ü\"\\\n\0");
    there.attributes.insert("", "");
    there.attributes.insert("number", 18_446_744_073_709_551_615_u64);
    there.attributes.insert("list", ["a", ""]);
    publish(&queue, &[there.clone(), Packet::default()]).await;
    let mut worker = subscriber(&queue).await;
    assert_eq!(worker.backlog().await.unwrap(), Some(2));
    let came = receive(&mut worker, 2).await;
    assert_eq!(worker.backlog().await.unwrap(), Some(0));
    assert_eq!((came[0].packet(), came[1].packet()), (&there, &Packet::default()));
    assert_eq!((came[0].attempt(), came[0].source(), came[0].lease()), (1, "sqlite:orders", Some(30 * SECOND)));
    ack(came).await;
    nothing(&mut worker).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM convoke_message").fetch_one(queue.pool()).await.unwrap();
    assert_eq!(left, 0);
}

#[actix_rt::test]
async fn each_end_is_what_it_says() {
    let folder = folder();
    let queue = queue(&folder).await;
    publish(&queue, &["ack", "retry", "dead", "release"].map(packet)).await;
    let mut worker = subscriber(&queue).await;
    for delivery in receive(&mut worker, 4).await {
        match delivery.packet().id.as_str() {
            "ack" => delivery.ack().await.unwrap(),
            "retry" => delivery.retry_after(300 * MS).await.unwrap(),
            "dead" => delivery.dead_letter(DeadReason::Permanent, vec!["no".into()]).await.unwrap(),
            _ => delivery.release().await.unwrap(),
        }
    }
    let came = receive(&mut worker, 2).await;
    assert_eq!(ids(&came), ["release", "retry"]);
    assert_eq!([came[0].attempt(), came[1].attempt()], [1, 2]);
    ack(came).await;
    let mut dead = queue.dead_letters();
    assert_eq!(Source::name(&dead), "sqlite:orders-dead");
    dead.open(10).await.unwrap();
    let came = receive(&mut dead, 1).await;
    let record = DeadLetterRecord::of(came[0].packet()).unwrap();
    assert_eq!((record.reason, record.attempts, &*record.errors[0]), (DeadReason::Permanent, 1, "no"));
    drop(came);
    let redriven = redrive(&mut dead, &queue, 10).await.unwrap();
    assert_eq!(redriven.moved, 1);
    let came = receive(&mut worker, 1).await;
    assert_eq!((came[0].packet(), came[0].attempt()), (&packet("dead"), 1));
    ack(came).await;
}

#[actix_rt::test]
async fn what_is_dropped_is_given_back() {
    let folder = folder();
    let queue = queue(&folder).await;
    publish(&queue, &[packet(1)]).await;
    let mut worker = subscriber(&queue).await;
    for _ in 0..3 {
        let came = receive(&mut worker, 1).await;
        assert_eq!(came[0].attempt(), 1);
    }
    // A receive that is dropped takes nothing with it.
    for _ in 0..50 {
        let _ = tokio::time::timeout(Duration::ZERO, worker.receive(1)).await;
        tokio::task::yield_now().await;
    }
    let came = receive(&mut worker, 1).await;
    assert_eq!(came[0].attempt(), 1);
}

#[actix_rt::test]
async fn a_lease_that_runs_out_is_another_attempt_and_the_old_one_is_lost() {
    let folder = folder();
    let queue = Sqlite::queue("orders").at(folder.file("orders.db")).lease(200 * MS).await.unwrap();
    publish(&queue, &[packet(1)]).await;
    let (mut first, mut second) = (subscriber(&queue).await, subscriber(&queue).await);
    let mut lent = receive(&mut first, 1).await;
    lent[0].extend(LONG).await.unwrap();
    nothing(&mut second).await;
    lent[0].extend(MS).await.unwrap();
    let again = receive(&mut second, 1).await;
    assert_eq!(again[0].attempt(), 2);
    assert_eq!(kind(lent[0].extend(LONG).await), ErrorKind::Lost);
    assert_eq!(kind(lent.remove(0).ack().await), ErrorKind::Lost);
    ack(again).await;
    nothing(&mut first).await;
}

#[actix_rt::test]
async fn one_of_a_key_comes_at_a_time_and_in_order() {
    let folder = folder();
    let queue = queue(&folder).await;
    publish(&queue, &[keyed(1, "a"), keyed(2, "a"), keyed(3, "b"), packet(4), keyed(5, "a")]).await;
    let mut worker = subscriber(&queue).await;
    let mut came = receive(&mut worker, 3).await;
    assert_eq!(ids(&came), ["1", "3", "4"]);
    nothing(&mut worker).await;
    came.remove(0).retry_after(100 * MS).await.unwrap();
    let mut came = receive(&mut worker, 1).await;
    assert_eq!(id(&came[0]), "1");
    came.remove(0).ack().await.unwrap();
    let mut came = receive(&mut worker, 1).await;
    assert_eq!(id(&came[0]), "2");
    came.remove(0).dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
    assert_eq!(id(&receive(&mut worker, 1).await[0]), "5");
}

#[actix_rt::test]
async fn the_higher_comes_first_and_what_is_held_back_later() {
    let folder = folder();
    let queue = queue(&folder).await;
    let mut packets = [1, 2, 3, 4].map(packet);
    packets[1].priority = 9;
    packets[2].priority = 255;
    packets[3].delay = 200 * MS;
    publish(&queue, &packets).await;
    let mut worker = subscriber(&queue).await;
    assert_eq!(worker.backlog().await.unwrap(), Some(4));
    assert_eq!(ids(&receive(&mut worker, 4).await), ["3", "2", "1", "4"]);
}

#[actix_rt::test]
async fn each_group_gets_everything_from_when_it_is_there() {
    let folder = folder();
    let file = folder.file("orders.db");
    let group = |name: &str| Sqlite::queue("orders").at(&file).group(name);
    let publisher = queue(&folder).await;
    publish(&publisher, &[packet(1)]).await;
    let mut billing = group("billing").await.unwrap();
    let mut mail = group("mail").await.unwrap();
    publish(&publisher, &[packet(2), packet(3)]).await;
    billing.open(10).await.unwrap();
    mail.open(10).await.unwrap();
    // What was there before any group waits for the first.
    let came = receive(&mut billing, 3).await;
    assert_eq!(ids(&came), ["1", "2", "3"]);
    ack(came).await;
    nothing(&mut billing).await;
    let mut came = receive(&mut mail, 2).await;
    assert_eq!(ids(&came), ["2", "3"]);
    came.remove(0).dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
    ack(came).await;
    // What died in one group comes back there alone.
    let mut dead = mail.dead_letters();
    assert_eq!(redrive(&mut dead, &mail.for_this_group(), 10).await.unwrap().moved, 1);
    assert_eq!(ids(&receive(&mut mail, 1).await), ["2"]);
    nothing(&mut billing).await;
    // A group that has ended keeps nothing.
    mail.remove_group().await.unwrap();
    publish(&publisher, &[packet(4)]).await;
    ack(receive(&mut billing, 1).await).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM convoke_message").fetch_one(mail.pool()).await.unwrap();
    assert_eq!(left, 0);
}

#[actix_rt::test]
async fn a_twin_is_taken_and_not_delivered() {
    let folder = folder();
    let queue = Sqlite::queue("orders").at(folder.file("orders.db")).deduplicate(LONG).await.unwrap();
    publish(&queue, &[packet(1), packet(1), packet(""), packet("")]).await;
    publish(&queue, &[packet(1), packet(2)]).await;
    let mut worker = subscriber(&queue).await;
    let mut came = receive(&mut worker, 4).await;
    assert_eq!(ids(&came), ["1", "", "", "2"]);
    came.remove(0).dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
    ack(came).await;
    assert_eq!(redrive(&mut queue.dead_letters(), &queue, 10).await.unwrap().moved, 1);
    ack(receive(&mut worker, 1).await).await;
    nothing(&mut worker).await;
    let short = Sqlite::queue("other").at(folder.file("orders.db")).deduplicate(MS).await.unwrap();
    publish(&short, &[packet(1)]).await;
    tokio::time::sleep(20 * MS).await;
    publish(&short, &[packet(1)]).await;
    assert_eq!(receive(&mut subscriber(&short).await, 2).await.len(), 2);
}

#[actix_rt::test]
async fn no_more_is_lent_than_was_said() {
    let folder = folder();
    let queue = queue(&folder).await;
    publish(&queue, &(0..10).map(packet).collect::<Vec<_>>()).await;
    let mut worker = queue.clone();
    worker.open(3).await.unwrap();
    let mut came = receive(&mut worker, 3).await;
    nothing(&mut worker).await;
    came.remove(0).ack().await.unwrap();
    assert_eq!(ids(&worker.receive(10).await.unwrap()), ["3"]);
    drop(came);
    assert_eq!(worker.receive(0).await.unwrap().len(), 0);
    worker.close().await.unwrap();
    assert_eq!(kind(worker.receive(1).await), ErrorKind::Closed);
    worker.backlog().await.unwrap().unwrap();
}

#[actix_rt::test]
async fn who_waits_is_woken_by_what_its_process_does_and_by_what_becomes_due() {
    let folder = folder();
    let hour = 3600 * SECOND;
    // Two handles that know nothing of each other, by two names of one file.
    let queue = queue(&folder).await;
    std::os::unix::fs::symlink(folder.path(), folder.file("link")).unwrap();
    let other = Sqlite::queue("orders").at(folder.file("link/orders.db")).poll_every(hour).wait(20 * SECOND);
    let mut worker = other.await.unwrap();
    worker.open(10).await.unwrap();
    let waiting = tokio::task::spawn_local(async move {
        let mut came = worker.receive(10).await.unwrap();
        came.remove(0).retry_after(50 * MS).await.unwrap();
        let mut came = worker.receive(10).await.unwrap();
        assert_eq!(came[0].attempt(), 2);
        came.remove(0).release().await.unwrap();
        ack(worker.receive(10).await.unwrap()).await;
        ids(&worker.receive(10).await.unwrap())
    });
    tokio::time::sleep(50 * MS).await;
    publish(&queue, &[packet(1)]).await;
    while count(&queue, "convoke_delivery").await > 0 {
        tokio::time::sleep(MS).await;
    }
    publish(&queue, &[packet(2)]).await;
    assert_eq!(waiting.await.unwrap(), ["2"]);
}

async fn count(queue: &Sqlite, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(queue.pool()).await.unwrap()
}

#[actix_rt::test]
async fn a_file_that_stays_locked_is_an_error_in_time_and_then_works_again() {
    let folder = folder();
    let queue = Sqlite::queue("orders").at(folder.file("orders.db")).deadline(300 * MS).await.unwrap();
    publish(&queue, &[packet(1)]).await;
    let mut worker = subscriber(&queue).await;
    let lent = receive(&mut worker, 1).await;
    let options = SqliteConnectOptions::new().filename(folder.file("orders.db"));
    let mut other = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(kind(queue.publish(&[packet(2)]).await.remove(0)), ErrorKind::Unreachable);
    for delivery in lent {
        assert_eq!(kind(delivery.ack().await), ErrorKind::Unreachable);
    }
    assert_eq!(kind(worker.receive(1).await), ErrorKind::Unreachable);
    // Who only reads waits for nobody.
    worker.backlog().await.unwrap();
    let another = Sqlite::queue("another").at(folder.file("orders.db")).deadline(300 * MS);
    another.clone().await.unwrap();
    assert_eq!(kind(another.group("new").await), ErrorKind::Unreachable);
    lock.rollback().await.unwrap();
    let again = async {
        while queue.publish(&[packet(3)]).await.remove(0).is_err() {}
        while !worker.receive(10).await.is_ok_and(|came| came.iter().any(|came| id(came) == "3")) {}
    };
    tokio::time::timeout(LONG, again).await.unwrap();
}

/// A full disk does this: SQLite rolls back by itself, and the client goes on as if it had not.
#[actix_rt::test]
async fn a_transaction_that_sqlite_has_ended_by_itself_keeps_nobody_from_the_next() {
    let folder = folder();
    let own = queue(&folder).await;
    let options = SqliteConnectOptions::new().filename(folder.file("theirs.db")).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let theirs = Sqlite::queue("orders").pool(&pool).await.unwrap();
    for queue in [own, theirs] {
        let mut all = Vec::new();
        for _ in 0..queue.pool().options().get_max_connections() {
            let mut connection = queue.pool().acquire().await.unwrap();
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
            sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
            assert!(transaction.rollback().await.is_err());
            all.push(connection);
        }
        drop(all);
        // Three are a transaction.
        publish(&queue, &[packet(1), packet(2), packet(3)]).await;
        ack(receive(&mut subscriber(&queue).await, 3).await).await;
    }
}

#[actix_rt::test]
async fn what_is_wrong_with_a_file_is_said() {
    let folder = folder();
    let open = |name: &str| Sqlite::queue("orders").at(folder.file(name)).deadline(SECOND).into_future();
    let refused = |result: Result<Sqlite, TransportError>, text: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    };
    std::fs::create_dir(folder.file("folder")).unwrap();
    refused(open("folder").await, "cannot be opened");
    refused(open("missing/orders.db").await, "cannot be opened");
    std::fs::write(folder.file("text"), "no database, ".repeat(1000)).unwrap();
    refused(open("text").await, "no database of SQLite");

    // One whose tables are torn.
    let queue = open("torn.db").await.unwrap();
    publish(&queue, &(0..200).map(packet).collect::<Vec<_>>()).await;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(queue.pool()).await.unwrap();
    queue.pool().close().await;
    assert_eq!(kind(queue.publish(&[packet(1)]).await.remove(0)), ErrorKind::Closed);
    let mut bytes = std::fs::read(folder.file("torn.db")).unwrap();
    bytes[4096..].fill(0xff);
    std::fs::write(folder.file("torn.db"), bytes).unwrap();
    refused(open("torn.db").await, "damaged");

    // One that is newer than we are.
    let queue = open("newer.db").await.unwrap();
    sqlx::query("UPDATE convoke_schema SET version = 99").execute(queue.pool()).await.unwrap();
    refused(open("newer.db").await, "version 99");

    // One that may not be written to, and one that may not grow.
    open("orders.db").await.unwrap();
    let pool = async |options: SqliteConnectOptions| {
        SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.filename(folder.file("orders.db")))
            .await
            .unwrap()
    };
    let read_only = pool(SqliteConnectOptions::new().read_only(true)).await;
    let queue = Sqlite::queue("orders").pool(&read_only).await.unwrap();
    let error = queue.publish(&[packet(1)]).await.remove(0).unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("may not be written"), "{error}");
    let full = pool(SqliteConnectOptions::new().pragma("max_page_count", "30")).await;
    let queue = Sqlite::queue("orders").pool(&full).await.unwrap();
    let large = Packet::new("1", vec![0; 1_000_000]);
    let results = queue.publish(&[large]).await;
    let error = results[0].clone().unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("the disk is full"), "{error}");
    publish(&queue, &[packet(1)]).await;

    for name in ["", "a b", "a'b", &"a".repeat(81)] {
        assert_eq!(kind(Sqlite::queue(name).at(folder.file("orders.db")).await), ErrorKind::Unsupported);
    }
    for none in [":memory:", "sqlite:", "sqlite:///orders.db?mode=ro"] {
        assert_eq!(kind(Sqlite::queue("a").at(none).await), ErrorKind::Unsupported, "{none}");
    }
}

#[actix_rt::test]
async fn what_is_too_large_fails_alone() {
    let folder = folder();
    let queue = Sqlite::queue("orders").at(folder.file("orders.db")).max_bytes(1000).await.unwrap();
    let mut crowded = packet(3);
    (0..257).for_each(|number: u64| drop(crowded.attributes.insert(number.to_string(), "")));
    let large = |bytes: usize| Packet::new(bytes.to_string(), vec![0; bytes]);
    let results = queue.publish(&[large(1001), large(1000), crowded, packet(4)]).await;
    let kinds: Vec<_> = results.into_iter().map(|result| result.err().map(|error| error.kind())).collect();
    assert_eq!(kinds, [Some(ErrorKind::TooLarge), None, Some(ErrorKind::TooLarge), None]);
    let mut worker = subscriber(&queue).await;
    let mut came = receive(&mut worker, 2).await;
    assert_eq!(ids(&came), ["1000", "4"]);
    // A dead letter has room for its record.
    came.remove(0).dead_letter(DeadReason::Permanent, vec!["x".repeat(1000); 16]).await.unwrap();
    let mut dead = queue.dead_letters();
    dead.open(1).await.unwrap();
    let letter = &receive(&mut dead, 1).await[0];
    assert_eq!(DeadLetterRecord::of(letter.packet()).unwrap().errors.len(), 16);
}

#[test]
fn many_open_a_new_file_at_once() {
    let folder = folder();
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let file = folder.file("orders.db");
            std::thread::spawn(move || {
                actix_rt::System::new().block_on(async {
                    let queue = Sqlite::queue("orders").at(file).deadline(LONG).await.unwrap();
                    publish(&queue, &[packet(number)]).await;
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    actix_rt::System::new().block_on(async {
        let queue = queue(&folder).await;
        assert_eq!(receive(&mut subscriber(&queue).await, 8).await.len(), 8);
    });
}

#[test]
fn a_handle_outlives_the_runtime_in_which_it_was_opened() {
    let folder = folder();
    let mut handle = actix_rt::System::new().block_on(async {
        let mut queue = queue(&folder).await;
        publish(&queue, &[packet(1), packet(2)]).await;
        queue.open(10).await.unwrap();
        // One is lent when the runtime ends, and one is on its way.
        std::mem::forget(receive(&mut queue, 1).await);
        let _ = tokio::time::timeout(Duration::ZERO, queue.receive(1)).await;
        queue
    });
    let work = async {
        publish(&handle, &[packet(3)]).await;
        handle.open(10).await.unwrap();
        ack(receive(&mut handle, 1).await).await;
        handle.clone()
    };
    let handle = actix_rt::System::new().block_on(work);
    let other = std::thread::spawn(move || {
        actix_rt::System::new().block_on(async {
            publish(&handle, &[packet(4)]).await;
            ack(receive(&mut subscriber(&handle).await, 1).await).await;
        });
    });
    other.join().unwrap();
}

/// Everything at once, by threads that share nothing but the file.
#[test]
fn each_is_done_once_by_many_threads() {
    let folder = folder();
    let file = folder.file("orders.db");
    let open = move |file| Sqlite::queue("orders").at(file).deadline(LONG).into_future();
    let publishers = (0..4).map(|publisher| {
        let file = file.clone();
        std::thread::spawn(move || {
            actix_rt::System::new().block_on(async {
                let queue = open(file).await.unwrap();
                for batch in 0..10 {
                    let packets: Vec<_> =
                        (0..25).map(|number| packet(publisher * 1000 + batch * 25 + number)).collect();
                    publish(&queue, &packets).await;
                }
            });
            Vec::new()
        })
    });
    let workers = (0..4).map(|_| {
        let file = file.clone();
        std::thread::spawn(move || {
            actix_rt::System::new().block_on(async {
                let mut worker = open(file).await.unwrap();
                worker.open(20).await.unwrap();
                let mut done = Vec::new();
                loop {
                    let came = tokio::time::timeout(LONG, worker.receive(20)).await.unwrap().unwrap();
                    if came.is_empty() {
                        return done;
                    }
                    done.extend(ids(&came));
                    ack(came).await;
                }
            })
        })
    });
    let threads: Vec<_> = publishers.chain(workers).collect();
    let mut done: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    // A worker may have left while a publisher was slow.
    done.extend(actix_rt::System::new().block_on(async {
        let mut worker = open(file).await.unwrap();
        worker.open(1000).await.unwrap();
        let mut rest = Vec::new();
        while rest.len() + done.len() < 1000 {
            let came = tokio::time::timeout(LONG, worker.receive(1000)).await.unwrap().unwrap();
            rest.extend(ids(&came));
            ack(came).await;
        }
        rest
    }));
    done.sort_unstable();
    done.dedup();
    assert_eq!(done.len(), 1000);
}

#[convoke::test]
async fn an_inbox_in_memory_forgets_in_time() {
    let inbox = MemoryInbox::new(SECOND).most(2);
    assert!(!inbox.seen("1").await.unwrap());
    assert!(inbox.mark("1").await.unwrap());
    assert!(!inbox.mark("1").await.unwrap());
    tokio::time::sleep(999 * MS).await;
    assert!(inbox.clone().seen("1").await.unwrap());
    assert!(inbox.mark("2").await.unwrap());
    tokio::time::sleep(MS).await;
    assert!(!inbox.seen("1").await.unwrap() && inbox.seen("2").await.unwrap());
    assert!(inbox.mark("1").await.unwrap() && inbox.mark("3").await.unwrap());
    assert_eq!(inbox.len(), 2);
    assert!(!inbox.seen("2").await.unwrap() && inbox.seen("1").await.unwrap() && inbox.seen("3").await.unwrap());
}

#[actix_rt::test]
async fn an_inbox_in_a_file_shares_the_transaction_of_the_work() {
    let folder = folder();
    let queue = queue(&folder).await;
    let inbox = SqliteInbox::new(queue.pool()).await.unwrap();
    sqlx::query("CREATE TABLE stock (item INTEGER)").execute(queue.pool()).await.unwrap();
    let work = async |commit: bool| {
        let mut transaction = queue.pool().begin_with("BEGIN IMMEDIATE").await.unwrap();
        let new = inbox.mark_in(&mut transaction, "7").await.unwrap();
        if new {
            sqlx::query("INSERT INTO stock VALUES (1)").execute(&mut *transaction).await.unwrap();
        }
        if commit {
            transaction.commit().await.unwrap()
        } else {
            transaction.rollback().await.unwrap()
        }
        new
    };
    assert!(work(false).await);
    assert!(!inbox.seen("7").await.unwrap());
    assert!(work(true).await);
    assert!(!work(true).await);
    assert_eq!(count(&queue, "stock").await, 1);
    assert!(inbox.seen("7").await.unwrap() && !inbox.mark("7").await.unwrap());
    // Another of the same file, by its own name.
    let other = SqliteInbox::at(folder.file("orders.db")).named("other").window(MS).await.unwrap();
    assert!(!other.seen("7").await.unwrap());
    for number in 0..100 {
        assert!(other.mark(&number.to_string()).await.unwrap());
    }
    tokio::time::sleep(20 * MS).await;
    assert!(!other.seen("99").await.unwrap());
    for _ in 0..20 {
        tokio::time::sleep(5 * MS).await;
        assert!(other.mark("again").await.unwrap());
    }
    assert_eq!(count(&queue, "convoke_inbox").await, 2);
}

/// Tells a process that it is to write what it logs.
const LOGS: &str = "CONVOKE_TEST_SQLITE_LOGS";

const CANARY: &str = "canary-4711";

/// In a process of its own: a logger is for good, and this one writes what every crate logs, at every level.
#[test]
fn no_log_and_no_error_has_a_payload() {
    let name = concat!(module_path!(), "::no_log_and_no_error_has_a_payload");
    if std::env::var_os(LOGS).is_some() {
        env_logger::builder().filter_level(log::LevelFilter::Trace).init();
        return actix_rt::System::new().block_on(show_everything());
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name.split_once("::").unwrap().1, "--nocapture"]).env(LOGS, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("sqlx::query") && said.contains("it is over"), "{said}");
    assert!(!said.contains(CANARY), "{said}");
}

async fn show_everything() {
    let folder = folder();
    let options = SqliteConnectOptions::new().filename(folder.file("orders.db")).create_if_missing(true);
    // One that logs its statements, and can be full.
    let options = options.pragma("max_page_count", "100").journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let pool = SqlitePoolOptions::new().connect_with(options).await.unwrap();
    let builder = Sqlite::queue("orders").pool(&pool).deduplicate(LONG).group("group");
    let mut queue = builder.clone().await.unwrap();
    let mut there = Packet::new("id", CANARY);
    there.attributes.insert("name", CANARY);
    publish(&queue, &[there.clone()]).await;
    queue.open(10).await.unwrap();
    let mut came = receive(&mut queue, 1).await;
    println!("{builder:?} {queue:?} {came:?}");
    came[0].extend(LONG).await.unwrap();
    came.remove(0).release().await.unwrap();
    let mut came = receive(&mut queue, 1).await;
    came.remove(0).dead_letter(DeadReason::Broken, vec![CANARY.into()]).await.unwrap();
    there.id = "large".into();
    there.body = CANARY.repeat(100_000).into();
    for result in queue.publish(&[there]).await {
        println!("{}", result.unwrap_err());
    }
    println!("it is over");
}
