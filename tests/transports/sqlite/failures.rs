//! A file that is locked, new or wrong, and secrets.

use super::*;

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
    for (queue, begins) in [(&own, false), (&theirs, false), (&own, true), (&theirs, true)] {
        let mut all = Vec::new();
        for _ in 0..queue.pool().options().get_max_connections() {
            let mut connection = queue.pool().acquire().await.unwrap();
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
            sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
            assert!(transaction.rollback().await.is_err());
            all.push(connection);
        }
        drop(all);
        if begins {
            // A transaction of the application, or a projection.
            let db = Sqlite::over(queue.pool()).await.unwrap();
            db.begin().await.unwrap().rollback().await.unwrap();
        }
        // Three are a transaction.
        publish(queue, &[packet(1), packet(2), packet(3)]).await;
        ack(receive(&mut subscriber(queue).await, 3).await).await;
    }
}

#[actix_rt::test]
async fn what_is_wrong_with_a_file_is_said() {
    let folder = folder();
    let open = |name: &str| Sqlite::queue("orders").at(folder.file(name)).deadline(SECOND).into_future();
    let failed = |result: Result<Sqlite, TransportError>, kind: ErrorKind, text: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    };
    let refused = |result, text: &str| failed(result, ErrorKind::Refused, text);
    std::fs::create_dir(folder.file("folder")).unwrap();
    refused(open("folder").await, "it is a folder");
    failed(open("missing/orders.db").await, ErrorKind::Denied, "cannot be opened");
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
    sqlx::query("UPDATE convoke_schema SET version = 99, oldest = 98").execute(queue.pool()).await.unwrap();
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
    assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("may not be written"), "{error}");
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
