//! One event: its schema, and two of its versions side by side.

use actix_web::web::Query;
use askama::Template;
use convoke::schema::EventSchema;
use serde::Deserialize;

use super::diff::{Line, diff};
use super::list::{Changed, class};
use crate::frame::{Html, Refused, block, pretty, shown, told};
use crate::gate::Visit;

/// As many changes are shown.
const CHANGES: usize = 200;

/// Which event, and which two of its schemas: their places in the list of this page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Of {
    #[serde(default)]
    name: String,
    old: Option<usize>,
    new: Option<usize>,
}

/// A schema of the event.
struct Version {
    at: usize,
    text: String,
    is_old: bool,
    is_new: bool,
}

/// A line of the two, with its sign.
struct DiffLine {
    sign: &'static str,
    class: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "schemas/one.html")]
struct Page<'a> {
    visit: &'a Visit,
    name: String,
    topic: String,
    entity: String,
    is_personal: bool,
    versions: Vec<Version>,
    changes: Vec<Changed>,
    is_compared: bool,
    lines: Vec<DiffLine>,
    schema: String,
    example: String,
}

/// Shows the schemas of an event.
pub(crate) async fn show_one(visit: Visit, Query(of): Query<Of>) -> Result<Html, Refused> {
    let documents = visit.shown.documents();
    let mut schemas: Vec<(&EventSchema, String)> = Vec::new();
    for document in documents {
        for schema in
            document.registry().iter().filter(|schema| schema.name() == of.name || shown(schema.name()) == of.name)
        {
            // The same in several documents is one: the first that had it is named.
            if !schemas.iter().any(|(known, _)| *known == schema) {
                let text = format!(
                    "version {}, in {} {}",
                    schema.version(),
                    shown(document.title()),
                    shown(document.version())
                );
                schemas.push((schema, text));
            }
        }
    }
    let Some(last) = schemas.len().checked_sub(1) else {
        return Err(Refused::missing(&visit, &format!("no document has a schema of `{}`", shown(&of.name))));
    };
    let new = of.new.unwrap_or(last).min(last);
    let old = of.old.unwrap_or(new.saturating_sub(1)).min(last);
    let (before, after) = (schemas[old].0, schemas[new].0);
    let (old_text, new_text) = (before.to_text(), after.to_text());
    let is_compared = old != new;
    let changes = before.compat(after);
    let changes = changes.iter().take(CHANGES);
    let changes = changes.map(|change| Changed { text: told(&change.to_string()), class: class(change.breaks()) });
    let lines = diff(&old_text, &new_text).filter(|_| is_compared).unwrap_or_default().into_iter().map(|line| {
        let (sign, class, text) = match line {
            Line::Both(text) => (" ", "same", text),
            Line::Gone(text) => ("-", "gone", text),
            Line::Come(text) => ("+", "come", text),
        };
        DiffLine { sign, class, text: told(text) }
    });
    let versions = schemas.iter().enumerate().map(|(at, (_, text))| Version {
        at,
        text: text.clone(),
        is_old: at == old,
        is_new: at == new,
    });
    let page = Page {
        name: shown(&of.name),
        topic: shown(after.topic()),
        entity: shown(after.entity()),
        is_personal: after.contains_personal_data(),
        versions: versions.collect(),
        changes: changes.collect(),
        is_compared,
        lines: lines.collect(),
        schema: block(&new_text),
        // It is made by the application as an example, and stands in the document that is published.
        example: after.example().map(|example| pretty(example.clone())).unwrap_or_default(),
        visit: &visit,
    };
    Html::of(&page)
}
