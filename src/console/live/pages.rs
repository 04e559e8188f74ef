//! Which pages are live: those that have a region which is.

use std::future::Future;
use std::pin::Pin;

use actix_web::web::{Path, Query};
use serde::de::DeserializeOwned;

use crate::frame::{Html, Refused};
use crate::gate::Visit;
use crate::pages::{dead, durable, events, overview, queues, rounds, services, store, tasks};

/// A page that is being made.
pub(super) type Rendering = Pin<Box<dyn Future<Output = Result<Html, Refused>>>>;

/// Makes the page that this visit is of; `None` if there is none that is live, or its query makes no sense.
pub(super) fn render(visit: Visit) -> Option<Rendering> {
    let (path, query) = (visit.path.clone(), visit.query.clone());
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let of = |server: &str| Path::from(server.to_owned());
    if let [room, server, rest @ ..] = &segments[..] {
        let (server, query) = (of(server), query.as_str());
        match (*room, rest) {
            ("dead", ["sweep"]) => return Some(boxed(dead::show_sweep(visit, server, asked(query)?))),
            ("tasks", []) => return Some(boxed(tasks::show_list(visit, server, asked(query)?))),
            ("tasks", ["job"]) => return Some(boxed(tasks::show_job(visit, server, asked(query)?))),
            ("durable", []) => return Some(boxed(durable::show_list(visit, server, asked(query)?))),
            ("durable", ["round"]) => return Some(boxed(durable::show_round(visit, server, asked(query)?))),
            _ => {}
        }
    }
    Some(match path.as_str() {
        "" | "/" => boxed(overview::show(visit)),
        "/queues" => boxed(queues::show(visit, asked(&query)?)),
        "/dead" => boxed(dead::show(visit)),
        "/tasks" => boxed(tasks::show(visit)),
        "/durable" => boxed(durable::show(visit)),
        "/store" => boxed(store::show(visit)),
        "/services" => boxed(services::show(visit, asked(&query)?)),
        "/services/of" => boxed(services::show_one(visit, asked(&query)?)),
        "/events" => boxed(events::show(visit, asked(&query)?)),
        "/events/last" => boxed(events::show_last(visit, asked(&query)?)),
        "/rounds" => boxed(rounds::show(visit)),
        "/rounds/of" => boxed(rounds::show_one(visit, asked(&query)?)),
        _ => return None,
    })
}

fn boxed(page: impl Future<Output = Result<Html, Refused>> + 'static) -> Rendering {
    Box::pin(page)
}

fn asked<T: DeserializeOwned>(query: &str) -> Option<Query<T>> {
    Query::from_query(query).ok()
}
