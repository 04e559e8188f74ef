//! How jobs end, and when they come again.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use convoke::prelude::*;
use convoke::transport::{DeadReason, Packet, Publisher};
use convoke::{Attempt, Fault, JobId, Services, TaskSender};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Over, done_at};
use crate::common::SECOND;
use crate::tasks::lab::{MINUTE, Register, Registered, failing};

#[convoke::test]
async fn a_job_is_done_and_its_event_is_heard() {
    let over = Over::new();
    let (calls, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    assert!(job > JobId::START);
    over.ended().await;
    assert_eq!((over.heard().names(), over.heard().only()), (vec!["Registered".to_owned()], json!({"id": 7})));
    assert_eq!((calls.get(), over.dead().await), (1, Vec::new()));
    assert!(tasks.health().healthy);
    let report = tasks.stop().await.unwrap();
    assert!(report.drained && report.done == 1, "{report}");
}

#[convoke::test]
async fn a_failure_is_told_after_the_last_attempt_and_the_job_is_a_dead_letter() {
    let over = Over::new();
    let tasks = over.tasks().on(failing("no line")).unwrap().await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    over.ended().await;
    let told = json!({"id": 7, "detail": "no line", "code": "failed", "origin": "crm", "data": {"tries": 1}});
    assert_eq!((over.heard().names(), over.heard().only()), (vec!["RegistrationFailed".to_owned()], told));
    assert_eq!(over.dead().await, [(DeadReason::Exhausted, "no line".to_owned())]);
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn one_that_fails_is_tried_again_as_its_task_says_and_not_as_others_do() {
    let over = Over::new();
    let (calls, function) = done_at(3);
    // Another task with more attempts changes nothing.
    let tasks = over.tasks().on(function).unwrap().on(|_: &Clean| {}).unwrap().await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    over.ended().await;
    assert_eq!((over.heard().names(), calls.get()), (vec!["Registered".to_owned()], 3));
    let (calls, function) = done_at(4);
    tasks.stop().await.unwrap();
    let tasks = over.tasks().on(function).unwrap().on(|_: &Clean| {}).unwrap().await.unwrap();
    tasks.enqueue(Register { id: 8 }).await.unwrap();
    over.ended().await;
    assert_eq!(
        (over.heard().names(), calls.get()),
        (vec!["Registered".to_owned(), "RegistrationFailed".to_owned()], 3)
    );
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn what_an_error_says_of_itself_counts() {
    let over = Over::new();
    let times = Rc::new(RefCell::new(Vec::new()));
    let noted = times.clone();
    let register = async move |user: Arc<Register>, attempt: Attempt| -> Result<Registered, Fault> {
        noted.borrow_mut().push((Instant::now(), attempt.number(), attempt.is_last()));
        match (user.id, attempt.number()) {
            (1, _) => Err(Fault::new("gone").code("gone").permanent()),
            (_, 1) => Err(Fault::new("busy").retry_after(90 * SECOND)),
            _ => Ok(Registered { id: user.id }),
        }
    };
    let tasks = over.tasks().on(register).unwrap().await.unwrap();
    tasks.enqueue(Register { id: 1 }).await.unwrap();
    over.ended().await;
    assert_eq!((over.heard().only()["code"].clone(), times.take().len()), ("gone".into(), 1));
    assert_eq!(over.dead().await, [(DeadReason::Permanent, "gone".to_owned())]);
    tasks.enqueue(Register { id: 2 }).await.unwrap();
    over.ended().await;
    let times = times.take();
    assert_eq!(times.iter().map(|(_, number, last)| (*number, *last)).collect::<Vec<_>>(), [(1, false), (2, false)]);
    assert_eq!(times[1].0 - times[0].0, 90 * SECOND);
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn a_panic_is_an_error_like_others() {
    let over = Over::new();
    let tasks = over.tasks().on(|_: &Register| -> () { panic!("oh") }).unwrap().await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    over.ended().await;
    let told = over.heard().only();
    assert_eq!((told["code"].as_str(), told["detail"].as_str()), (Some("panicked"), Some("it panicked: oh")));
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn a_job_is_due_after_a_delay_or_at_a_time() {
    let over = Over::new();
    let start = Instant::now();
    let times = Rc::new(RefCell::new(Vec::new()));
    let noted = times.clone();
    let register = move |user: &Register| noted.borrow_mut().push((user.id, start.elapsed().as_secs()));
    let tasks = over.tasks().on(register).unwrap().await.unwrap();
    tasks.enqueue(Register { id: 1 }).after(60 * MINUTE).await.unwrap();
    tasks.enqueue(Register { id: 2 }).at(SystemTime::UNIX_EPOCH).await.unwrap();
    let all = tasks.enqueue_all([Register { id: 3 }, Register { id: 4 }]).after(MINUTE).await;
    let ids: std::collections::BTreeSet<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids.len(), 2);
    over.ended().await;
    let mut times = times.take();
    times.sort_unstable();
    assert_eq!(times, [(1, 3600), (2, 0), (3, 60), (4, 60)]);
    tasks.stop().await.unwrap();
}

#[derive(Debug, Task, Serialize, Deserialize)]
#[task(expires = "1h", attempts = 7, first_wait = "1h", longest_wait = "3h")]
struct Clean {}

#[convoke::test]
async fn one_that_has_waited_for_too_long_fails_and_a_second_attempt_may_come_later() {
    let over = Over::new();
    let sender = TaskSender::to(&over.queue);
    sender.enqueue(Clean {}).await.unwrap();
    sleep(61 * MINUTE).await;
    let tasks = over.tasks().on(|_: &Clean| -> () { panic!("it has expired") }).unwrap().await.unwrap();
    over.ended().await;
    let told = over.heard().only();
    assert_eq!((over.heard().names(), told["code"].as_str()), (vec!["TaskFailed".to_owned()], Some("expired")));
    assert_eq!(told["task"], "Clean");
    tasks.stop().await.unwrap();
    let clean = async |_: Arc<Clean>, attempt: Attempt| if attempt.number() < 6 { Err("not yet") } else { Ok(()) };
    let tasks = over.tasks().on(clean).unwrap().await.unwrap();
    // What it waits for before it is due does not count.
    sender.enqueue(Clean {}).after(2 * 60 * MINUTE).await.unwrap();
    over.ended().await;
    assert_eq!(over.heard().names(), ["TaskFailed"]);
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn what_is_more_urgent_goes_first_where_the_server_knows_priorities() {
    let over = Over::new();
    let sender = TaskSender::to(&over.queue);
    for (id, priority) in [(1, -9), (2, 0), (3, 9), (4, 1)] {
        sender.enqueue(Register { id }).priority(priority).await.unwrap();
    }
    let order = Rc::new(RefCell::new(Vec::new()));
    let noted = order.clone();
    let register = async move |user: Arc<Register>| {
        noted.borrow_mut().push(user.id);
        sleep(SECOND).await;
    };
    let tasks = over.tasks().concurrency(1).prefetch(0).on(register).unwrap().await.unwrap();
    over.ended().await;
    assert_eq!(*order.borrow(), [3, 4, 2, 1]);
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn what_nobody_does_and_what_is_no_job_are_dead_letters() {
    let over = Over::new();
    let tasks = over.tasks().on(|_: &Register| {}).unwrap().await.unwrap();
    TaskSender::to(&over.queue).enqueue(Clean {}).await.unwrap();
    over.ended().await;
    assert_eq!(over.dead().await, [(DeadReason::Unknown, "nobody does the task `Clean` here".to_owned())]);
    over.queue.publish(&[Packet::new("1", "{}")]).await.pop().unwrap().unwrap();
    over.ended().await;
    let why = "it is no job: it has no attribute `convoke-task`";
    assert_eq!(over.dead().await, [(DeadReason::Broken, why.to_owned())]);
    assert!(over.heard().names().is_empty());
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn a_payload_of_another_type_is_unreadable_and_quotes_nothing() {
    let over = Over::new();
    let tasks = over.tasks().on(|_: &Register| {}).unwrap().await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    let mut packet = over.queue.packets().pop().unwrap();
    over.ended().await;
    packet.body = br#"{"id":"secret"}"#.to_vec();
    over.queue.publish(&[packet]).await.pop().unwrap().unwrap();
    over.ended().await;
    let told = over.heard().only();
    assert_eq!(told["code"], "unreadable");
    assert!(!told["detail"].as_str().unwrap().contains("secret"), "{told}");
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn a_function_enqueues_others() {
    let over = Over::new();
    let clean = async |_: Arc<Clean>, tasks: TaskSender| -> Result<(), Fault> {
        tasks.enqueue(Register { id: 7 }).await?;
        Ok(())
    };
    let (calls, function) = done_at(1);
    let tasks = over.tasks().on(clean).unwrap().on(function).unwrap().await.unwrap();
    tasks.enqueue(Clean {}).await.unwrap();
    over.ended().await;
    assert_eq!(calls.get(), 1);
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn what_a_job_tells_continues_what_it_was_asked_for_in() {
    let over = Over::new();
    let sender = TaskSender::to(&over.queue);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (noted, also) = (seen.clone(), seen.clone());
    let _asks = over.lab.bus.on(async move |_: Arc<Asked>, metadata: Metadata| {
        noted.borrow_mut().push(metadata);
        sender.enqueue(Register { id: 7 }).await.unwrap();
    });
    let _hears = over.lab.bus.on(move |_: &Registered, metadata: Metadata| also.borrow_mut().push(metadata)).unwrap();
    let (_, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().await.unwrap();
    over.lab.bus.emit(Asked {}).await;
    over.ended().await;
    let seen = seen.take();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[1].correlation, seen[1].causation), (seen[0].correlation, Some(seen[0].id)));
    assert_eq!(seen[1].trace.trace_id(), seen[0].trace.trace_id());
    tasks.stop().await.unwrap();
}

#[derive(Event, Serialize, Deserialize)]
struct Asked {}

#[convoke::test]
async fn it_is_one_of_the_services_of_an_application() {
    let over = Over::new();
    let (calls, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().named("mails");
    let services = Services::new(&over.lab.bus).add(tasks).await.unwrap();
    assert_eq!(services.statuses()[0].to_string(), "mails is running");
    TaskSender::to(&over.queue).enqueue(Register { id: 7 }).await.unwrap();
    over.ended().await;
    assert_eq!(calls.get(), 1);
    assert!(services.shutdown().await.is_clean());
}
