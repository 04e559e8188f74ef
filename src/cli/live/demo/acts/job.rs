//! A task is tried again, fails for good, is a dead letter, and is brought back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::clock::timeout;
use convoke::prelude::*;
use convoke::transport::Sqlite;
use convoke::{Attempt, Fault, Tasks};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Stage, Tone};

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 3, first_wait = "10ms")]
struct SendInvoice {
    order: u64,
}

#[derive(Event, Serialize, Deserialize)]
struct InvoiceSent {
    order: u64,
}

/// What the task needs, and is away at first.
struct MailServer {
    is_there: AtomicBool,
}

pub(super) async fn play(stage: &Stage, folder: &Path) -> Result<(), Failure> {
    let act =
        stage.begin("A task", "kept until it is done", [("invoice", "waits in a database"), ("event", "none yet")]);
    let db = Sqlite::open(folder.join("jobs.db")).await?;
    let server = Arc::new(MailServer { is_there: AtomicBool::new(false) });
    let bus = EventBus::builder().provide_as::<MailServer>(server.clone()).build();
    // An end is known to the database before its event is heard.
    let (heard, mut hears) = mpsc::unbounded_channel();
    let (hears_sent, hears_failed) = (heard.clone(), heard);
    let sent = act.clone();
    let _sent = bus.on(move |event: &InvoiceSent| {
        sent.row("event", Tone::Good, 100, format!("InvoiceSent for order {}", event.order));
        let _ = hears_sent.send(());
    })?;
    let failed = act.clone();
    let _failed = bus.on(move |failure: &convoke::TaskFailed| {
        failed.row("event", Tone::Bad, 100, format!("TaskFailed: {}", failure.detail));
        let _ = hears_failed.send(());
    })?;
    let tried = act.clone();
    let send = async move |task: Arc<SendInvoice>, attempt: Attempt, server: Inject<MailServer>| {
        if !server.is_there.load(Ordering::Relaxed) {
            tried.row("invoice", Tone::Back, 33, format!("attempt {}: the mail server is away", attempt.number()));
            tried.pause(500).await;
            return Err(Fault::new("the mail server is away"));
        }
        tried.row("invoice", Tone::Good, 100, format!("attempt {}: sent", attempt.number()));
        Ok(InvoiceSent { order: task.order })
    };
    let tasks = Tasks::new(&db, &bus).on(send)?.await?;
    let job = tasks.enqueue(SendInvoice { order: 7 }).await?;
    let limit = Duration::from_secs(30);
    if let Some(status) = job.wait(limit).await? {
        timeout(limit, hears.recv()).await?;
        act.row("invoice", Tone::Bad, 100, format!("a dead letter after {} attempts", status.attempt()));
    }
    act.pause(1_200).await;
    server.is_there.store(true, Ordering::Relaxed);
    act.row("invoice", Tone::Back, 50, "the mail server is back: tried once more");
    act.pause(700).await;
    job.retry().await?;
    let done = job.wait(limit).await?;
    timeout(limit, hears.recv()).await?;
    tasks.stop().await;
    if done.is_some_and(|status| status.state() == convoke::JobState::Done) {
        act.verdict(Tone::Good, "it failed three times, was kept, and is done");
    }
    act.pause(1_200).await;
    Ok(())
}
