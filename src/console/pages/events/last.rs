//! What has passed on a bus since somebody looks.

use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;

use crate::frame::{Age, Ago, Figure, Html, Refused, guarded, shown};
use crate::gate::Visit;

/// As many signs of a payload are shown: a hundred of them are sent each second to who follows the page.
const SIGNS: usize = 1_000;

/// Which bus.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Of {
    #[serde(default)]
    bus: String,
}

/// An event that has passed.
struct Row {
    at: Ago,
    name: String,
    topic: String,
    cause: String,
    marks: Vec<&'static str>,
    payload: String,
}

#[derive(Template)]
#[template(path = "events/last.html")]
struct Page<'a> {
    visit: &'a Visit,
    bus: String,
    rows: Vec<Row>,
    came: Figure,
    for_: Age,
    pairs: Vec<(String, String, Figure)>,
}

/// The beginning of a payload.
fn begun(payload: &str) -> String {
    match payload.char_indices().nth(SIGNS) {
        Some((end, _)) => format!("{}…", &payload[..end]),
        None => payload.to_owned(),
    }
}

/// Shows the last events, from now on.
pub(crate) async fn show_last(visit: Visit, Query(of): Query<Of>) -> Result<Html, Refused> {
    let Some(passed) = visit.shown.passed(&of.bus) else {
        return Err(Refused::missing(&visit, &format!("this process has no bus `{}`", shown(&of.bus))));
    };
    let rows = passed.events.iter().map(|event| {
        let marked = [
            (event.is_personal(), "personal data"),
            (event.is_foreign(), "from another process"),
            (event.is_question(), "a question"),
        ];
        Row {
            at: Ago::of(Some(event.at)),
            name: shown(&event.name()),
            topic: shown(&event.topic()),
            cause: event.cause().as_deref().map(shown).unwrap_or_default(),
            marks: marked.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect(),
            payload: match event.payload() {
                Some(payload) => begun(&guarded(&payload, visit.reveals())),
                None => "(it has no form as JSON)".to_owned(),
            },
        }
    });
    let pairs = passed.pairs.iter().map(|(cause, effect, count)| (shown(cause), shown(effect), Figure::of(*count)));
    let page = Page {
        bus: shown(&of.bus),
        rows: rows.collect(),
        came: Figure::of(passed.came),
        for_: Age(Some(passed.for_)),
        pairs: pairs.collect(),
        visit: &visit,
    };
    Html::of(&page)
}
