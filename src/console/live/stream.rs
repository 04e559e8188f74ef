//! What somebody who follows a page is sent.
//!
//! `a sample → which regions are other than those sent before? → event: ID, data: HTML`

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::rt::spawn;
use actix_web::web::{Bytes, Query};
use actix_web::{HttpResponse, http::StatusCode};
use futures_core::Stream;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::pages::render;
use super::samples::{Sample, Samples};
use crate::frame::LONGEST;
use crate::gate::Visit;
use crate::scope::Routes;
use crate::shown::Counted;

/// After so long a stream ends, and the browser asks for another: by then somebody may have lost the right to look.
const LIFE: Duration = Duration::from_secs(300);

/// When nothing changes, this is how often something is sent, by which it shows that the visitor has gone.
const BREATH: Duration = Duration::from_secs(10);

/// As many samples wait for a browser that is slow; then it gets what is current.
const AHEAD: usize = 1;

/// Which page.
#[derive(Debug, Deserialize)]
pub(crate) struct Followed {
    of: String,
}

pub(crate) fn routes(routes: &mut Routes) {
    routes.get("/live", follow);
}

fn refused(status: StatusCode, text: &'static str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}

/// Follows a page.
async fn follow(mut visit: Visit, Query(followed): Query<Followed>) -> HttpResponse {
    if followed.of.len() > LONGEST {
        return refused(StatusCode::BAD_REQUEST, "the place of the page is too long");
    }
    let (path, query) = followed.of.split_once('?').unwrap_or((&followed.of, ""));
    (visit.path, visit.query) = (path.to_owned(), query.to_owned());
    if render(visit.clone()).is_none() {
        return refused(StatusCode::NOT_FOUND, "no such page can be followed");
    }
    let all = visit.shown.keep(Samples::default);
    let Some((visitor, samples)) = all.join(visit) else {
        return refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many follow pages already: load the page again to see what is new",
        );
    };
    let (sender, chunks) = mpsc::channel(AHEAD);
    drop(spawn(send(samples, sender)));
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Nobody on the way may keep it until there is more.
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Chunks { chunks, _visitor: visitor })
}

/// What is sent to a browser. When it goes, this is dropped, and with it all that is done for it.
struct Chunks {
    chunks: mpsc::Receiver<Bytes>,
    _visitor: Counted,
}

impl Stream for Chunks {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_recv(cx).map(|chunk| chunk.map(Ok))
    }
}

/// Sends what has changed, until the visitor goes, the page does, or its time is over.
async fn send(mut samples: watch::Receiver<Sample>, to: mpsc::Sender<Bytes>) {
    let end = Instant::now() + LIFE;
    let mut sent: HashMap<String, Arc<str>> = HashMap::new();
    let mut chunk = "retry: 3000\n\n".to_owned();
    loop {
        let sample = samples.borrow_and_update().clone();
        for (id, text) in sample.iter() {
            if sent.get(id).is_none_or(|before| before != text) {
                event(id, text, &mut chunk);
                sent.insert(id.clone(), text.clone());
            }
        }
        if !chunk.is_empty() {
            let bytes = Bytes::from(std::mem::take(&mut chunk));
            // A browser that takes nothing is not waited for without end.
            let is_sent = tokio::select! {
                sent = to.send(bytes) => sent.is_ok(),
                () = sleep_until(end) => false,
            };
            if !is_sent {
                return;
            }
        }
        tokio::select! {
            changed = samples.changed() => if changed.is_err() { return },
            () = sleep_until(end.min(Instant::now() + BREATH)) => {
                if Instant::now() >= end {
                    return;
                }
                chunk.push_str(":\n\n");
            }
            () = to.closed() => return,
        }
    }
}

/// Writes an event: a line of data for each line.
fn event(id: &str, text: &str, to: &mut String) {
    to.push_str("event: ");
    to.push_str(id);
    // What ends a line in a stream may also be a carriage return.
    for line in text.split(['\n', '\r']) {
        to.push_str("\ndata: ");
        to.push_str(line);
    }
    to.push_str("\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_line_of_data_for_each_line() {
        let mut text = String::new();
        event("last", "<p>\n</p>\rx", &mut text);
        assert_eq!(text, "event: last\ndata: <p>\ndata: </p>\ndata: x\n\n");
    }
}
