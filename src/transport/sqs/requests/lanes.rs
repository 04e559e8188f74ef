//! Requests about single deliveries, ten at a time, and several tens at once when there are so many.
//!
//! `ack, extend, release → Lanes → the first Batcher with room → DeleteMessageBatch, ChangeMessageVisibilityBatch`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
};

use super::clients::Clients;
use crate::transport::aws::{Fresh, MAX_BATCH, failure, refusal, spread};
use crate::transport::{Batcher, BoxFuture, ErrorKind, TransportError};

/// How many requests of a kind are on their way at once.
const LANES: usize = 8;

type Answer = Result<(), TransportError>;

/// Takes the first lane in which less than a batch waits: few things go together, and many do not wait for each other.
pub(in crate::transport::sqs) struct Lanes<T> {
    lanes: Vec<(Arc<AtomicUsize>, Batcher<T, Answer>)>,
}

impl<T: Send + 'static> Lanes<T> {
    pub(in crate::transport::sqs) fn new<F>(run: F) -> Self
    where
        F: Fn(Vec<T>) -> BoxFuture<'static, Vec<Answer>> + Send + Sync + 'static,
    {
        let run = Arc::new(run);
        let lane = |_| {
            let run = run.clone();
            (Arc::new(AtomicUsize::new(0)), Batcher::new(MAX_BATCH, move |items| run(items)))
        };
        Self { lanes: (0..LANES).map(lane).collect() }
    }

    /// Asks for one thing at once, not when the future is polled.
    ///
    /// # Errors
    ///
    /// Those of the request; `Closed` if the runtime in which it ran is gone.
    pub(in crate::transport::sqs) fn push(
        &self,
        name: &Arc<str>,
        item: T,
    ) -> impl Future<Output = Answer> + Send + use<T> {
        let waits = |lane: &&(Arc<AtomicUsize>, _)| lane.0.load(Ordering::Relaxed);
        let room =
            self.lanes.iter().find(|lane| waits(lane) < MAX_BATCH).or_else(|| self.lanes.iter().min_by_key(waits));
        let asked = room.map(|(waiting, batcher)| (Waiting::new(waiting), batcher.push(item)));
        let name = name.clone();
        async move {
            let answer = match asked {
                Some((_waiting, answer)) => answer.await,
                None => None,
            };
            answer.unwrap_or_else(|| {
                let text = "the runtime in which it was to be settled is gone: it comes again";
                Err(TransportError::new(ErrorKind::Closed, name, text))
            })
        }
    }
}

/// Counts one that waits.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns what deletes the messages of these receipt handles.
pub(in crate::transport::sqs) fn deletes(
    clients: Arc<Fresh<Clients>>,
    url: String,
    name: Arc<str>,
) -> impl Fn(Vec<String>) -> BoxFuture<'static, Vec<Answer>> + Send + Sync + 'static {
    move |handles| {
        let (clients, url, name) = (clients.clone(), url.clone(), name.clone());
        Box::pin(async move {
            let count = handles.len();
            let entries = handles.into_iter().enumerate().map(|(at, handle)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle);
                entry.build()
            });
            let entries = match entries.collect::<Result<Vec<_>, _>>() {
                Ok(entries) => entries,
                Err(_) => return vec![Err(unbuilt(&name)); count],
            };
            let asked = clients
                .ask(|clients| clients.plain.delete_message_batch().queue_url(url).set_entries(Some(entries)).send());
            match asked.await {
                Ok(answer) => {
                    let taken = answer.successful.iter().map(|done| done.id.as_str());
                    spread(&name, "acknowledge", count, taken, lost(&name, "acknowledge", &answer.failed))
                }
                Err(error) => vec![Err(failure(&name, "acknowledge", &error)); count],
            }
        })
    }
}

/// Returns what sets for how many seconds from now the messages of these receipt handles stay invisible.
pub(in crate::transport::sqs) fn changes(
    clients: Arc<Fresh<Clients>>,
    url: String,
    name: Arc<str>,
) -> impl Fn(Vec<(String, i32)>) -> BoxFuture<'static, Vec<Answer>> + Send + Sync + 'static {
    move |wishes| {
        let (clients, url, name) = (clients.clone(), url.clone(), name.clone());
        Box::pin(async move {
            let count = wishes.len();
            let entries = wishes.into_iter().enumerate().map(|(at, (handle, seconds))| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
                entry.receipt_handle(handle).visibility_timeout(seconds).build()
            });
            let entries = match entries.collect::<Result<Vec<_>, _>>() {
                Ok(entries) => entries,
                Err(_) => return vec![Err(unbuilt(&name)); count],
            };
            let asked = clients.ask(|clients| {
                clients.plain.change_message_visibility_batch().queue_url(url).set_entries(Some(entries)).send()
            });
            match asked.await {
                Ok(answer) => {
                    let taken = answer.successful.iter().map(|done| done.id.as_str());
                    spread(&name, "change the lease", count, taken, lost(&name, "change the lease", &answer.failed))
                }
                Err(error) => vec![Err(failure(&name, "change the lease", &error)); count],
            }
        })
    }
}

/// What was refused for one of several. A FIFO queue says of a receipt that is too old that its parameter is invalid.
fn lost<'a>(
    name: &'a str,
    what: &'a str,
    failed: &'a [BatchResultErrorEntry],
) -> impl Iterator<Item = (&'a str, TransportError)> {
    failed.iter().map(move |failed| {
        let error = match failed.code.as_str() {
            code if code.ends_with("InvalidParameterValue") => refusal(name, what, "ReceiptHandleIsInvalid", None),
            code => refusal(name, what, code, failed.message()),
        };
        (failed.id.as_str(), error)
    })
}

fn unbuilt(name: &str) -> TransportError {
    TransportError::new(ErrorKind::Protocol, name, "a request lacks a part: report it as a fault of this crate")
}
