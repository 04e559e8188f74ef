//! The dead letters of a bus, the latest first.

use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;

use crate::frame::{Ago, Figure, Html, Refused, guarded, link, shown, told};
use crate::gate::Visit;

/// As many are on a page.
const PAGE: usize = 50;

/// Which of them.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Letters {
    #[serde(default)]
    bus: String,
    /// Those before this one.
    before: Option<u64>,
    /// What the event or the listener is called.
    #[serde(default)]
    name: String,
}

/// A dead letter.
struct Row {
    id: u64,
    event: String,
    topic: String,
    listener: String,
    reason: String,
    time: Ago,
    payload: String,
}

#[derive(Template)]
#[template(path = "events/dead.html")]
struct Page<'a> {
    visit: &'a Visit,
    bus: String,
    /// As it is, for the form.
    key: &'a str,
    name: String,
    rows: Vec<Row>,
    kept: Figure,
    total: Figure,
    forgotten: Figure,
    next: Option<String>,
    events: String,
}

/// Shows the dead letters of a bus.
pub(crate) async fn show_dead(visit: Visit, Query(asked): Query<Letters>) -> Result<Html, Refused> {
    let Some(bus) = visit.shown.find_bus(&asked.bus) else {
        return Err(Refused::missing(&visit, &format!("this process has no bus `{}`", shown(&asked.bus))));
    };
    let letters = bus.dead_letters();
    let part = asked.name.to_lowercase();
    let all = letters.list();
    let mut rest = all.iter().rev().filter(|letter| {
        let is_named = |name: &str| part.is_empty() || name.to_lowercase().contains(&part);
        asked.before.is_none_or(|before| letter.id < before)
            && (is_named(&letter.event) || letter.listener.as_deref().is_some_and(is_named))
    });
    let page: Vec<_> = rest.by_ref().take(PAGE).collect();
    let next = rest.next().and(page.last()).map(|last| {
        let before = last.id.to_string();
        let asked = [("bus", &*asked.bus), ("name", &*asked.name), ("before", &*before)];
        link(&format!("{}/events/dead", visit.base), &asked)
    });
    let rows = page.into_iter().map(|letter| Row {
        id: letter.id,
        event: shown(&letter.event),
        topic: shown(&letter.topic),
        listener: letter.listener.as_deref().map(shown).unwrap_or_default(),
        reason: told(&letter.reason.to_string()),
        time: Ago::of(Some(letter.time)),
        payload: match letter.payload() {
            Some(payload) => guarded(&payload, visit.reveals()),
            None => "(it has no form as JSON)".to_owned(),
        },
    });
    let page = Page {
        bus: shown(&asked.bus),
        key: &asked.bus,
        name: shown(&asked.name),
        rows: rows.collect(),
        kept: Figure::of(all.len() as u64),
        total: Figure::of(letters.total()),
        forgotten: Figure::of(letters.forgotten()),
        next,
        events: format!("{}/events", visit.base),
        visit: &visit,
    };
    Html::of(&page)
}
