//! All schemas, and what has changed from one document to the next.

use std::collections::BTreeMap;

use askama::Template;
use convoke::schema::{Breaks, compat};

use crate::frame::{Html, Refused, link, shown, told};
use crate::gate::Visit;

/// As many changes of each pair of documents are shown, and as many events.
const CHANGES: usize = 100;
const EVENTS: usize = 500;

/// An event.
struct Row {
    name: String,
    link: String,
    topic: String,
    versions: String,
    is_personal: bool,
    documents: String,
}

/// What has changed.
pub(super) struct Changed {
    pub(super) text: String,
    pub(super) class: &'static str,
}

/// From one document to the next.
struct Step {
    old: String,
    new: String,
    changes: Vec<Changed>,
    left_out: usize,
    verdict: &'static str,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "schemas/list.html")]
struct Page<'a> {
    visit: &'a Visit,
    rows: Vec<Row>,
    left_out: usize,
    steps: Vec<Step>,
}

/// Whom changes break, in words, and their color.
pub(super) fn verdict(readers: bool, writers: bool) -> (&'static str, &'static str) {
    match (readers, writers) {
        (false, false) => ("breaks nobody", "good"),
        (true, false) => ("breaks readers", "bad"),
        (false, true) => ("breaks writers", "bad"),
        (true, true) => ("breaks readers and writers", "bad"),
    }
}

pub(super) fn class(breaks: Breaks) -> &'static str {
    match breaks {
        Breaks::None => "good",
        Breaks::Unknown => "warn",
        _ => "bad",
    }
}

/// What all documents say of one event.
#[derive(Default)]
struct Found<'a> {
    versions: Vec<u32>,
    topic: &'a str,
    is_personal: bool,
    /// The places of those that have it.
    documents: Vec<usize>,
}

/// Shows all schemas.
pub(crate) async fn show(visit: Visit) -> Result<Html, Refused> {
    let documents = visit.shown.documents();
    let called = |at: usize| format!("{} {}", shown(documents[at].title()), shown(documents[at].version()));
    let mut events: BTreeMap<&str, Found<'_>> = BTreeMap::new();
    for (at, document) in documents.iter().enumerate() {
        for schema in document.registry().iter() {
            let event = events.entry(schema.name()).or_default();
            if !event.versions.contains(&schema.version()) {
                event.versions.push(schema.version());
            }
            event.topic = schema.topic();
            event.is_personal |= schema.contains_personal_data();
            if !event.documents.contains(&at) {
                event.documents.push(at);
            }
        }
    }
    let left_out = events.len().saturating_sub(EVENTS);
    let rows = events.into_iter().take(EVENTS).map(|(name, mut found)| {
        found.versions.sort_unstable();
        Row {
            name: shown(name),
            link: link(&format!("{}/schemas/of", visit.base), &[("name", name)]),
            topic: shown(found.topic),
            versions: found.versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            is_personal: found.is_personal,
            documents: found.documents.into_iter().map(called).collect::<Vec<_>>().join(", "),
        }
    });
    let rows = rows.collect();
    let steps = documents.windows(2).enumerate().map(|(at, pair)| {
        let changes = compat(&pair[0], &pair[1]);
        let (verdict, class_of_all) = verdict(changes.breaks_readers(), changes.breaks_writers());
        let shown = changes.iter().take(CHANGES);
        let shown = shown.map(|change| Changed { text: told(&change.to_string()), class: class(change.breaks()) });
        Step {
            old: called(at),
            new: called(at + 1),
            changes: shown.collect(),
            left_out: changes.len().saturating_sub(CHANGES),
            verdict,
            class: class_of_all,
        }
    });
    let steps = steps.collect();
    Html::of(&Page { visit: &visit, rows, left_out, steps })
}
