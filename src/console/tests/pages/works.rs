//! Jobs, durable rounds and records.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::SqliteDatabase;
use convoke::{Fault, JobState, TaskDatabase, Tasks, TasksLook};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::shop::{BOTH, On, Shop, between, next};
use crate::jobs::{NobodyDoes, SendReceipt};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "receipts/sent")]
struct ReceiptSent {
    order: u64,
}

async fn send(task: std::sync::Arc<SendReceipt>) -> Result<ReceiptSent, Fault> {
    match task.order {
        1 => Err(Fault::new("the address is none").permanent()),
        order => Ok(ReceiptSent { order }),
    }
}

/// Does two jobs, of which the first fails, and leaves one that nobody does. Returns their numbers.
async fn jobs<D: TaskDatabase>(db: &D) -> [i64; 3] {
    let bus = EventBus::default();
    let tasks = Tasks::new(db, &bus).on(send).unwrap().await.unwrap();
    let receipt = |order| SendReceipt { order, email: "ada@example.org".into() };
    let mut ids = Vec::new();
    for order in [1, 2] {
        let job = tasks.enqueue(receipt(order)).await.unwrap().into_job();
        let status = job.wait(Duration::from_secs(20)).await.unwrap().unwrap();
        assert_eq!(status.state(), if order == 1 { JobState::Failed } else { JobState::Done });
        ids.push(job.id().number());
    }
    let job = tasks.enqueue(NobodyDoes { email: "ada@example.org".into() }).await.unwrap().into_job();
    ids.push(job.id().number());
    tasks.stop().await;
    [ids[0], ids[1], ids[2]]
}

async fn jobs_of(shop: &Shop) -> ([i64; 3], TasksLook) {
    match (&shop.memory, &shop.sqlite) {
        (Some(db), _) => (jobs(db).await, TasksLook::over(db).await.unwrap()),
        (_, Some(db)) => (jobs(db).await, TasksLook::over(db).await.unwrap()),
        _ => unreachable!("a shop has a database"),
    }
}

#[actix_web::test]
async fn jobs_are_listed_by_state_and_task_and_their_lives_are_drawn() {
    for on in BOTH {
        let shop = Shop::new(on, "works-jobs").await;
        let ([failed, done, waits], _) = jobs_of(&shop).await;
        let place = format!("/tasks/{}", shop.server);
        let listed = async |asked: &str| {
            let page = shop.get(&format!("{place}?{asked}")).await;
            assert_eq!(page.status, 200, "{on:?}: {asked}: {}", page.text);
            let ids = between(&page.text, "/job?id=", "\"").into_iter().map(|id| id.parse::<i64>().unwrap());
            ids.collect::<Vec<_>>()
        };
        assert_eq!(listed("").await, [waits, failed, done], "{on:?}");
        assert_eq!(listed("state=failed").await, [failed], "{on:?}");
        assert_eq!(listed("state=done&task=SendReceipt").await, [done], "{on:?}");
        assert_eq!(listed("task=NobodyDoes").await, [waits], "{on:?}");
        assert_eq!(listed("state=running").await, [0; 0], "{on:?}");
        let job = async |id: i64| shop.get(&format!("{place}/job?id={id}")).await.text;
        let page = job(failed).await;
        for text in
            ["the job is failed, attempt 1 of 3", "the address is none", "class=\"bad\"", ">its event<", "Retry"]
        {
            assert!(page.contains(text), "{on:?}: {text}: {page}");
        }
        let page = job(done).await;
        assert!(page.contains("the job is done") && page.contains("&#34;order&#34;: 2"), "{on:?}: {page}");
        let page = job(waits).await;
        assert!(
            page.contains(">attempt 1<") && page.contains("class=\"ahead\"") && page.contains("Cancel"),
            "{on:?}: {page}"
        );
        let page = shop.get("/tasks").await;
        assert!(page.text.contains("1 failed\">1</a>"), "{on:?}: {}", page.text);
        // What it carries is for who may reveal.
        let path = format!("/convoke{place}/job?id={failed}");
        assert!(shop.site.get(&path).await.text.contains("ada@example.org"), "{on:?}");
        let hidden = shop.looks.get(&path).await.text;
        assert!(
            !hidden.contains("ada@example.org") && hidden.contains("of JSON with email, order)"),
            "{on:?}: {hidden}"
        );
        assert!(!hidden.contains("<form method=\"post\""), "{on:?}");
    }
}

#[actix_web::test]
async fn a_job_that_failed_is_tried_again_and_one_that_waits_is_cancelled() {
    for on in BOTH {
        let shop = Shop::new(on, "works-changed").await;
        let ([failed, done, waits], look) = jobs_of(&shop).await;
        let place = format!("/tasks/{}/job", shop.server);
        let state = async |id: i64| look.job(id.to_string().parse().unwrap()).status().await.unwrap().unwrap();
        let change = async |id: i64, what: &str| {
            shop.post(&place, &[("id", &id.to_string()), ("do", what)]).await.status.as_u16()
        };
        assert_eq!(change(failed, "retry").await, 303, "{on:?}");
        assert_eq!(state(failed).await.state(), JobState::Waiting, "{on:?}");
        assert_eq!(change(waits, "cancel").await, 303, "{on:?}");
        assert!(state(waits).await.is_cancelled(), "{on:?}");
        // What makes no sense is refused, and says so.
        assert_eq!(change(done, "cancel").await, 409, "{on:?}");
        assert_eq!(change(done, "retry").await, 409, "{on:?}");
        assert_eq!(change(done + 1_000, "retry").await, 404, "{on:?}");
        assert_eq!(change(done + 1_000, "cancel").await, 404, "{on:?}");
        assert_eq!(change(done, "burn").await, 400, "{on:?}");
        assert_eq!(shop.post(&place, &[("id", "x"), ("do", "retry")]).await.status, 400, "{on:?}");
        assert_eq!(state(done).await.state(), JobState::Done, "{on:?}");
    }
}

#[actix_web::test]
async fn many_jobs_are_paged_each_once() {
    let shop = Shop::new(On::Sqlite, "works-paged").await;
    let tasks = shop.sqlite.as_ref().unwrap().tasks().await.unwrap();
    for _ in 0..250 {
        let _ = tasks.enqueue(NobodyDoes { email: String::new() }).await.unwrap();
    }
    let (mut seen, mut path) = (std::collections::BTreeSet::new(), format!("/tasks/{}?state=waiting", shop.server));
    for _ in 0..3 {
        let page = shop.get(&path).await;
        seen.extend(between(&page.text, "/job?id=", "\"").into_iter().map(str::to_owned));
        match next(&page.text) {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), 250);
}

async fn approvals(db: &SqliteDatabase) {
    let hour = Duration::from_secs(3600);
    let approvals =
        Broker::<String>::new(hour).expects(["legal", "finance", "chair"]).durable(db, "approvals").await.unwrap();
    let payments =
        Broker::<String>::new(hour).expects(["bank"]).durable(db, "payments").aborted_by(["chair"]).await.unwrap();
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    legal.emit_for(7, "yes".to_owned()).committed().await.unwrap();
    legal.emit_for("7", "yes".to_owned()).committed().await.unwrap();
    payments.open(7).await.unwrap();
}

#[actix_web::test]
async fn a_round_says_why_it_waits_and_is_aborted_by_hand() {
    let shop = Shop::new(On::Sqlite, "works-rounds").await;
    approvals(shop.sqlite.as_ref().unwrap()).await;
    let page = shop.get("/durable").await;
    assert!(page.text.contains("?broker=approvals\">approvals</a></th><td class=\"number\">2</td>"), "{}", page.text);
    let place = format!("/durable/{}", shop.server);
    let page = shop.get(&format!("{place}?broker=approvals")).await;
    assert_eq!(between(&page.text, "&#38;round=", "\"").len(), 2, "{}", page.text);
    assert!(page.text.contains("finance, chair") || page.text.contains("chair, finance"), "{}", page.text);
    // A number and a text of the same signs are two keys, and both are found.
    let page = shop.get(&format!("{place}?broker=approvals&key=7")).await;
    let rounds = between(&page.text, "&#38;round=", "\"");
    assert_eq!(rounds.len(), 2, "{}", page.text);
    let round = rounds[0].to_owned();
    let page = shop.get(&format!("{place}/round?broker=approvals&round={round}")).await;
    assert!(page.text.contains("Why it waits") && page.text.contains("have not kept the promise"), "{}", page.text);
    let abort = format!("{place}/abort");
    let of = |broker: &'static str, round: &str, reason: &'static str| {
        [("broker", broker), ("round", round), ("reason", reason), ("sure", "yes")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let send = async |fields: [(String, String); 4]| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        shop.post(&abort, &fields).await
    };
    assert_eq!(send(of("approvals", &round, " ")).await.status, 400);
    assert_eq!(send(of("none", &round, "no")).await.status, 404);
    assert_eq!(send(of("approvals", "x", "no")).await.status, 400);
    // Nothing opens it again: it is asked first.
    let reason = "the contract was withdrawn";
    let asked = shop.post(&abort, &[("broker", "approvals"), ("round", &round), ("reason", reason)]).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert!(asked.text.contains(&format!("Round #{round} of approvals will be aborted")), "{}", asked.text);
    assert_eq!((asked.field("reason"), asked.field("sure")), (Some(reason), Some("yes")));
    let page = shop.get(&format!("{place}/round?broker=approvals&round={round}")).await;
    assert!(page.text.contains("Why it waits") && !page.text.contains(reason), "{}", page.text);
    let done = send(of("approvals", &round, reason)).await;
    assert_eq!(done.status, 303, "{}", done.text);
    let page = shop.get(&format!("{place}/round?broker=approvals&round={round}")).await;
    assert!(page.text.contains("the contract was withdrawn") && page.text.contains(">cancelled<"), "{}", page.text);
    assert!(!page.text.contains("/abort\""), "what is over is not ended again: {}", page.text);
    assert_eq!(send(of("approvals", &round, "once more")).await.status, 409);
    // The rules of a round say who may.
    let page = shop.get(&format!("{place}?broker=payments")).await;
    let other = between(&page.text, "&#38;round=", "\"")[0].to_owned();
    let refused = send(of("payments", &other, "no")).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("chair"), "{}", refused.text);
    for (path, status) in [
        (format!("{place}?broker=none"), 404),
        (place.clone(), 400),
        (format!("{place}/round?broker=approvals&round=99"), 404),
        (format!("{place}/round?broker=approvals&round=x"), 400),
    ] {
        assert_eq!(shop.get(&path).await.status.as_u16(), status, "{path}");
    }
}

#[actix_web::test]
async fn records_are_browsed_from_the_last_by_topic_and_position() {
    let shop = Shop::new(On::Sqlite, "works-records").await;
    let orders = shop.sqlite.as_ref().unwrap().store("orders").await.unwrap();
    let all = (1..=250_u64).map(|number| {
        let topic = if number % 5 == 0 { "notes/taken" } else { "orders/placed" };
        convoke::JsonEvent::new(topic, json!({"id": number}))
    });
    orders.append_all(all).await.unwrap();
    let page = shop.get("/store").await;
    assert!(page.text.contains(">orders</a>"), "{}", page.text);
    let place = format!("/store/{}?store=orders", shop.server);
    let listed = |page: &str| -> Vec<u64> {
        let rows = page.split("<tbody>").nth(1).unwrap_or_default();
        between(rows, "&#38;at=", "%40").into_iter().map(|number| number.parse().unwrap()).collect()
    };
    let (mut seen, mut path) = (Vec::new(), place.clone());
    for _ in 0..3 {
        let page = shop.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        seen.extend(listed(&page.text));
        match next(&page.text) {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen, (1..=250).rev().collect::<Vec<_>>());
    let notes = listed(&shop.get(&format!("{place}&topic=notes/*")).await.text);
    assert_eq!(notes, (1..=50).rev().map(|number| number * 5).collect::<Vec<_>>());
    let from = listed(&shop.get(&format!("{place}&until=17")).await.text);
    assert_eq!(from, (1..=17).rev().collect::<Vec<_>>());
    let page = shop.get(&place).await;
    let record =
        between(&page.text, "href=\"/convoke", "\"").into_iter().find(|link| link.contains("/record?")).unwrap();
    let page = shop.get(&record.replace("&#38;", "&")).await;
    assert!(page.text.contains("Record 250") && page.text.contains("&#34;id&#34;: 250"), "{}", page.text);
    for (asked, status) in [
        ("&until=9999", 400),
        ("&until=x", 400),
        ("&until=17%4000000000", 400),
        ("&topic=a//b", 400),
        ("&entity=Order", 400),
    ] {
        assert_eq!(shop.get(&format!("{place}{asked}")).await.status.as_u16(), status, "{asked}");
    }
    assert_eq!(shop.get(&format!("/store/{}?store=none", shop.server)).await.status, 404);
}
