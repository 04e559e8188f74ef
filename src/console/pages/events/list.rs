//! The events of each bus, with who listens to them.

use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;

use super::catalog::{Catalog, what};
use super::drawing::Drawing;
use crate::frame::{Figure, Html, Refused, link, shown};
use crate::gate::Visit;
use crate::shown::ListenerShown;

/// As many events are on a page.
const PAGE: usize = 100;

/// As many listeners of one event are shown.
const HEARD: usize = 50;

/// Which events.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// What the name or the topic contains.
    #[serde(default)]
    name: String,
    /// The name and the topic of the last one on the page before.
    #[serde(default)]
    after: String,
    #[serde(default)]
    topic: String,
}

/// A listener.
struct Heard {
    name: String,
    what: String,
    rate: String,
    waiting: Figure,
    working: Figure,
    done: Figure,
    failed: Figure,
    dropped: Figure,
}

impl Heard {
    fn of(listener: &ListenerShown) -> Self {
        Self {
            name: shown(&listener.name),
            what: shown(&what(&listener.hears)),
            rate: listener.rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}")),
            waiting: Figure::of(listener.waiting as u64),
            working: Figure::of(listener.working as u64),
            done: Figure::of(listener.done),
            failed: Figure::of(listener.failed),
            dropped: Figure::of(listener.dropped),
        }
    }
}

/// An event.
struct Row {
    name: String,
    topic: String,
    marks: Vec<&'static str>,
    schema: String,
    listeners: Vec<Heard>,
    left_out: usize,
}

/// A bus.
struct Bus {
    name: String,
    rows: Vec<Row>,
    others: Vec<Heard>,
    left_out: usize,
    unheard: Figure,
    letters: Figure,
    all_letters: Figure,
    dead: String,
    last: String,
    next: Option<String>,
    drawing: Drawing,
}

#[derive(Template)]
#[template(path = "events/list.html")]
struct Page<'a> {
    visit: &'a Visit,
    name: String,
    buses: Vec<Bus>,
}

/// Shows the events of all buses.
pub(crate) async fn show(visit: Visit, Query(asked): Query<Asked>) -> Result<Html, Refused> {
    let part = asked.name.to_lowercase();
    let base = &visit.base;
    let mut buses = Vec::new();
    for bus in visit.shown.buses() {
        let publisher = visit.shown.find_bus(&bus.name).map(|bus| bus.publisher().to_owned()).unwrap_or_default();
        let catalog = Catalog::of(&bus, &publisher, visit.shown.documents());
        let is_wanted = |name: &str, topic: &str| {
            part.is_empty() || name.to_lowercase().contains(&part) || topic.to_lowercase().contains(&part)
        };
        let mut rest = catalog.events.iter().filter(|event| {
            let is_later = asked.after.is_empty() || (&*event.name, &*event.topic) > (&*asked.after, &*asked.topic);
            is_later && is_wanted(&event.name, &event.topic)
        });
        let page: Vec<_> = rest.by_ref().take(PAGE).collect();
        let next = rest.next().and(page.last()).map(|last| {
            let asked = [("name", &*asked.name), ("after", &*last.name), ("topic", &*last.topic)];
            link(&format!("{base}/events"), &asked)
        });
        let rows = page.iter().map(|event| {
            let mut marks = Vec::new();
            let marked = [
                (event.is_personal, "personal data"),
                (event.is_local, "stays in the process"),
                (event.is_published, "published by this service"),
                (event.listeners.is_empty(), "nobody listens"),
            ];
            marks.extend(marked.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark));
            let schema = match event.versions.last() {
                Some(_) => link(&format!("{base}/schemas/of"), &[("name", &event.name)]),
                None => String::new(),
            };
            Row {
                name: shown(&event.name),
                topic: shown(&event.topic),
                marks,
                schema,
                listeners: event.listeners.iter().take(HEARD).map(|listener| Heard::of(listener)).collect(),
                left_out: event.listeners.len().saturating_sub(HEARD),
            }
        });
        let (kept, total, _) = bus.letters;
        buses.push(Bus {
            name: shown(&bus.name),
            rows: rows.collect(),
            others: catalog.others.iter().take(HEARD).map(|listener| Heard::of(listener)).collect(),
            left_out: catalog.others.len().saturating_sub(HEARD),
            unheard: Figure::of(bus.unheard),
            letters: Figure::of(kept as u64),
            all_letters: Figure::of(total),
            dead: link(&format!("{base}/events/dead"), &[("bus", &bus.name)]),
            last: link(&format!("{base}/events/last"), &[("bus", &bus.name)]),
            next,
            drawing: Drawing::of(&page),
        });
    }
    Html::of(&Page { visit: &visit, name: shown(&asked.name), buses })
}
