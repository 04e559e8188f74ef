//! Jobs, durable rounds, stores and tables, over PostgreSQL; durable rounds over Redis.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Postgres, Redis, Source};
use convoke::{AsReturned, JobState, RoundDatabase, Task, TaskFailed, TaskTerms};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::binary::{done, lines, refused, run};
use super::queues::over;
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::redis::RedisServer;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Serialize, Deserialize)]
struct SendReceipt {
    order: u64,
}

impl Task for SendReceipt {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "SendReceipt";
    const TERMS: TaskTerms = TaskTerms::new().attempts(5);
}

/// What it says, and the code that it ends with.
async fn ends(words: &[&str], code: i32) -> String {
    let output = run(words).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    said
}

async fn document(words: &[&str]) -> Value {
    serde_json::from_str(&done(words).await).unwrap()
}

/// Rounds of a broker that the chair alone may abort: looked at, asked why, and aborted by their key.
async fn rounds_are_looked_at_and_aborted<D: RoundDatabase>(db: &D, url: &str) {
    let none = ends(&["rounds", "list", url], 0).await;
    // Where jobs are enqueued there is one that has their batches.
    assert!(none.contains("has no durable broker") || none.contains("no round is open, of one broker"), "{none}");
    let board = Broker::<String>::new(DAY).expects(["legal", "finance"]).durable(db, "board");
    let board = board.aborted_by(["chair"]).await.unwrap();
    let legal = Emitter::join(&board, "legal").await.unwrap();
    let first = legal.emit_for(7, "a secret".into()).committed().await.unwrap();
    let other = legal.emit_for("7", "a secret".into()).committed().await.unwrap();
    let open = lines(&["rounds", "list", url, "--json"]).await;
    assert_eq!(open.iter().map(|round| &round["key"]).collect::<Vec<_>>(), [&json!(7), &json!("7")]);
    assert_eq!((&open[0]["broker"], &open[0]["missing"]), (&json!("board"), &json!(["finance"])));
    assert!(!format!("{open:?}").contains("a secret"));
    let both = document(&["rounds", "why", url, "7", "--json"]).await;
    assert_eq!(both["rounds"].as_array().unwrap().len(), 2, "{both}");
    let text = document(&["rounds", "why", url, "7", "--text", "--json"]).await;
    assert_eq!(text["rounds"][0]["round"], json!(other), "{text}");

    let twice = refused(&["rounds", "abort", url, "7", "--reason", "no", "--by", "chair", "--yes"]).await;
    assert!(twice.contains("--text"), "{twice}");
    let by_nobody = refused(&["rounds", "abort", url, "7", "--text", "--reason", "no", "--by", "ops", "--yes"]).await;
    assert!(by_nobody.contains("`ops` may not abort") && by_nobody.contains("`chair`"), "{by_nobody}");
    let aborted =
        document(&["rounds", "abort", url, "7", "--text", "--reason", "withdrawn", "--by", "chair", "--yes", "--json"])
            .await;
    assert_eq!(aborted["round"], json!(other));
    // Who waits for it in another process is told.
    let outcome = board.outcome(other).await.unwrap();
    assert!(outcome.is_cancelled() && outcome.to_string().contains("withdrawn"), "{outcome}");
    let past = lines(&["rounds", "history", url, "7", "--text", "--json"]).await;
    assert_eq!((past.len(), &past[0]["state"]), (1, &json!("cancelled")));
    let finance = Emitter::join(&board, "finance").await.unwrap();
    assert!(finance.emit_for(7, "yes".into()).await.unwrap().is_resolved());
    let over = refused(&["rounds", "why", url, "7", "--broker", "board"]).await;
    assert!(over.contains(&format!("round {first}")) || over.contains("is over"), "{over}");
    let unknown = refused(&["rounds", "why", url, "7", "--broker", "boards"]).await;
    assert!(unknown.contains("there is no broker `boards`; there is `board`"), "{unknown}");
    let nobody = refused(&["rounds", "why", url, "9"]).await;
    assert!(nobody.contains("has no rounds of `9`"), "{nobody}");
}

#[test]
fn what_postgres_keeps_beside_queues_is_looked_at_and_repaired() {
    actix::System::new().block_on(async {
        let Some(server) = over(PostgresServer::start().await) else { return };
        let schema = format!("t{}", convoke::Uuid::now_v7().simple());
        let db = Postgres::connect(server.url()).schema(&schema).await.unwrap();
        let url = &*format!("{}{}schema={schema}", server.url(), if server.url().contains('?') { '&' } else { '?' });

        let check = ends(&["migrate", url, "--check"], 1).await;
        assert!(check.contains("there are no tables"), "{check}");
        assert!(db.tables().await.unwrap().there.is_none(), "nothing is made by asking");
        assert!(refused(&["tasks", "list", url]).await.contains("its tables are not there"));
        assert!(done(&["migrate", url]).await.contains("Tables migrated to version"));
        ends(&["migrate", url, "--check"], 0).await;

        let tasks = db.tasks().await.unwrap();
        let jobs = tasks.enqueue_all((0..5).map(|order| SendReceipt { order })).await.unwrap();
        let (first, second) = (jobs[0].id().to_string(), jobs[1].id().to_string());
        let listed = lines(&["tasks", "list", url, "--task", "SendReceipt", "--json"]).await;
        assert_eq!(listed.len(), 5);
        assert!(listed.iter().all(|job| job["state"] == "waiting"), "{listed:?}");
        let cancel = ["tasks", "cancel", url, &first];
        let hands = tokio::join!(run(&cancel), run(&cancel));
        assert!(hands.0.status.success() && hands.1.status.success(), "both have it end");
        assert!(jobs[0].status().await.unwrap().unwrap().is_cancelled());
        let bus = EventBus::default();
        let function = async |receipt: std::sync::Arc<SendReceipt>| -> Result<(), String> {
            Err(format!("no address of order {}", receipt.order))
        };
        let worker = convoke::Tasks::new(&db, &bus).on(function).unwrap().await.unwrap();
        for job in &jobs {
            // It would be tried again, with waits between.
            if job.id().to_string() != first {
                job.cancel().await.unwrap();
            }
            let ended = job.wait(Duration::from_secs(60)).await.unwrap().unwrap();
            assert_eq!(ended.state(), JobState::Cancelled);
        }
        worker.stop().await;
        assert_eq!(lines(&["tasks", "list", url, "--state", "cancelled", "--json"]).await.len(), 5);
        assert!(done(&["tasks", "retry", url, &second]).await.contains("waits once more"));
        assert!(refused(&["tasks", "retry", url, &second]).await.contains("is waiting"));
        assert!(refused(&["tasks", "cancel", url, &first]).await.contains("has ended already"));
        assert!(done(&["tasks", "show", url, &second]).await.contains("SendReceipt in queue default"));
        assert!(refused(&["tasks", "show", url, "7"]).await.contains("has no job 7"));

        rounds_are_looked_at_and_aborted(&db, url).await;

        let orders = db.store("orders").await.unwrap();
        for number in 0..3 {
            orders.append_json("orders/placed", json!({"id": number})).await.unwrap();
        }
        let mut audit = db.queue("audit").await.unwrap();
        audit.open(1).await.unwrap();
        let into = &*format!("{url}#audit");
        let told = document(&["replay", url, "orders", "--into", into, "--json"]).await;
        assert_eq!(told["told"], 3, "{told}");
        let rest = told["position"].as_str().unwrap();
        let none = document(&["replay", url, "orders", "--from", rest, "--into", into, "--json"]).await;
        assert_eq!(none["told"], 0);
        assert!(refused(&["replay", url, "order", "--into", into]).await.contains("there is `orders`"));
        assert_eq!(audit.backlog().await.unwrap(), Some(3));
    });
}

#[test]
fn rounds_of_redis_are_looked_at_and_aborted() {
    actix::System::new().block_on(async {
        let Some(server) = over(RedisServer::own(crate::transports::servers::redis::DURABLE).await) else { return };
        let db = Redis::rounds(server.url()).prefix("shop").await.unwrap();
        let url = &*format!("{}{}prefix=shop", server.url(), if server.url().contains('?') { '&' } else { '?' });
        rounds_are_looked_at_and_aborted(&db, url).await;
        let said = refused(&["tasks", "list", url]).await;
        assert!(said.contains("a Redis keeps no tasks"), "{said}");
        let said = refused(&["migrate", url]).await;
        assert!(said.contains("nothing to migrate"), "{said}");
    });
}
