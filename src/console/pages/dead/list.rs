//! A page of the dead letters of a queue.

use actix_web::web;
use askama::Template;
use convoke::look::{Letter, LetterId, Reading};
use convoke::transport::ErrorKind;
use serde::Deserialize;

use super::finding::{Found, find};
use super::progress::{SHOWN, SweepShown};
use crate::frame::{Ago, Figure, Html, PacketShown, Refused, link, shown, told};
use crate::gate::Visit;
use crate::pages::server_of;
use crate::sight::{REASONS, Unanswered, Which, in_time};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    queue: String,
    /// Behind which letter the page begins.
    after: String,
    event: String,
    key: String,
    reason: String,
    error: String,
}

struct Row {
    id: String,
    link: String,
    died: Ago,
    event: String,
    key: Option<String>,
    reason: String,
    error: String,
    attempts: Figure,
    in_place: bool,
    parked: u64,
}

#[derive(Template)]
#[template(path = "pages/letters.html")]
struct List<'a> {
    visit: &'a Visit,
    title: String,
    queue: &'a str,
    name: String,
    asked: &'a Asked,
    place: String,
    whole: String,
    reasons: Vec<(&'static str, String, bool)>,
    is_any: bool,
    rows: Vec<Row>,
    looked: Figure,
    next: Option<String>,
    is_leased: bool,
    sweeps: Vec<SweepShown>,
    /// Where those are followed.
    progress: String,
}

pub(crate) async fn show(visit: Visit, server: web::Path<String>, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let server = server_of(&visit, &server)?;
    let asked = asked.into_inner();
    if asked.queue.is_empty() {
        return Err(Refused::wrong(&visit, "no queue is named: choose one on the page of dead letters"));
    }
    let after = match asked.after.as_str() {
        "" => None,
        text => Some(text.parse::<LetterId>().map_err(|error| Refused::wrong(&visit, &error.to_string()))?),
    };
    let which = Which {
        event: asked.event.clone(),
        key: asked.key.clone(),
        reason: asked.reason.clone(),
        error: asked.error.clone(),
    };
    let unanswered = |unanswered| Refused::unanswered(&visit, &unanswered);
    let connected = server.server().await.map_err(unanswered)?;
    let letters = connected.letters(&asked.queue);
    let is_leased = letters.reading() == Reading::UnderALease;
    let found = find(&letters, &which, after).await;
    // Others may have them again.
    actix_web::rt::spawn(letters.close());
    let Found { letters, next, looked } = found.map_err(unanswered)?;
    // Of a name that was misspelled nobody should read that nothing has died.
    if letters.is_empty()
        && let Err(Unanswered::Said(error)) = in_time(connected.queue(&asked.queue)).await
        && error.kind() == ErrorKind::Missing
    {
        return Err(Refused::of(&visit, &error));
    }
    let place = format!("{}/dead/{}", visit.base, server.name());
    let page = List {
        title: shown(&server.title()),
        name: shown(&asked.queue),
        queue: &asked.queue,
        rows: letters.iter().map(|letter| row(&visit, &place, &asked.queue, letter)).collect(),
        reasons: REASONS.iter().map(|(word, reason)| (*word, reason.to_string(), *word == asked.reason)).collect(),
        is_any: which.is_any(),
        looked: Figure::known(u64::try_from(looked).ok()),
        next: next.map(|next| asked.link(&place, &next.to_string())),
        whole: asked.link(&place, ""),
        sweeps: server.sweeps().of(&asked.queue).iter().take(SHOWN).map(SweepShown::of).collect(),
        progress: link(&format!("{place}/sweep"), &[("queue", &asked.queue)]),
        asked: &asked,
        place,
        is_leased,
        visit: &visit,
    };
    Html::of(&page)
}

impl Asked {
    /// The same list, behind another letter.
    fn link(&self, place: &str, after: &str) -> String {
        let Self { queue, event, key, reason, error, .. } = self;
        let asked = [("queue", queue), ("event", event), ("key", key), ("reason", reason), ("error", error)];
        let mut asked: Vec<(&str, &str)> = asked.map(|(name, value)| (name, value.as_str())).into();
        asked.push(("after", after));
        link(place, &asked)
    }
}

fn row(visit: &Visit, place: &str, queue: &str, letter: &Letter) -> Row {
    let packet = PacketShown::of(&letter.packet, visit.reveals());
    let id = letter.id.to_string();
    let record = letter.record.as_ref();
    Row {
        link: link(&format!("{place}/letter"), &[("queue", queue), ("id", &id)]),
        id,
        died: Ago::millis(record.map_or(0, |record| record.time)),
        event: packet.event,
        key: packet.key,
        reason: record.map_or_else(|| "nobody has written down why".to_owned(), |record| record.reason.to_string()),
        error: record.and_then(|record| record.errors.first()).map(|error| shown(error)).unwrap_or_default(),
        attempts: Figure::known(record.map(|record| record.attempts.into())),
        in_place: letter.in_place,
        parked: letter.parked,
    }
}

/// Which letters a form means that names none.
pub(super) fn which_of(fields: &crate::frame::Fields) -> Which {
    let of = |name| fields.get(name).to_owned();
    Which { event: of("event"), key: of("key"), reason: of("reason"), error: of("error") }
}

/// As it is noted: what is filtered by, and nothing personal.
pub(super) fn noted(which: &Which) -> String {
    let mut noted = Vec::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            noted.push(format!("{name} {}", told(value)));
        }
    };
    add("event", &which.event);
    add("reason", &which.reason);
    add("key", if which.key.is_empty() { "" } else { "(hidden)" });
    add("error", if which.error.is_empty() { "" } else { "(hidden)" });
    if noted.is_empty() { "all".to_owned() } else { noted.join(", ") }
}
