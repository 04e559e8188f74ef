//! A page of records, the last one first.

use actix_web::web;
use askama::Template;
use convoke::{NoPosition, Position, Recorded};
use serde::Deserialize;

use super::read;
use crate::frame::{Ago, Html, PacketShown, Refused, link, shown};
use crate::gate::Visit;
use crate::pages::server_of;
use convoke::transport::Packet;

/// As many records are on a page.
const PAGE: usize = 100;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    store: String,
    topic: String,
    /// What the events are about, and which of these.
    entity: String,
    about: String,
    /// With which position the page begins: `17@5c1f0a3b`, or `17`.
    until: String,
}

struct Row {
    number: u64,
    link: String,
    time: Ago,
    topic: String,
    event: String,
    payload: String,
}

#[derive(Template)]
#[template(path = "pages/records.html")]
struct Records<'a> {
    visit: &'a Visit,
    title: String,
    name: String,
    asked: &'a Asked,
    place: String,
    first: String,
    rows: Vec<Row>,
    next: Option<String>,
}

pub(crate) async fn show(visit: Visit, server: web::Path<String>, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let server = server_of(&visit, &server)?;
    let asked = asked.into_inner();
    if asked.store.is_empty() {
        return Err(Refused::wrong(&visit, "no store is named: choose one on the page of stores"));
    }
    if asked.entity.is_empty() != asked.about.is_empty() {
        return Err(Refused::wrong(
            &visit,
            "what an event is about has a kind and an id, as `Order` and `7`: give both",
        ));
    }
    let works = server.works().await.map_err(|unanswered| Refused::unanswered(&visit, &unanswered))?;
    let topic = if asked.topic.is_empty() { "**" } else { &asked.topic };
    let opened = crate::sight::in_time(works.read(&asked.store, topic)).await;
    let mut wanted = opened.map_err(|unanswered| Refused::unanswered(&visit, &unanswered))?;
    if !asked.entity.is_empty() {
        wanted = wanted.about(&asked.entity, &asked.about);
    }
    let wanted = wanted.backward().limit(PAGE as u64 + 1);
    let wanted = match asked.until.trim() {
        "" => wanted,
        text => {
            // A bare number is completed by the last record, which knows of which store it is.
            let until = match text.parse::<u64>() {
                Ok(number) => {
                    let all = crate::sight::in_time(works.read(&asked.store, "**")).await;
                    let all = all.map_err(|unanswered| Refused::unanswered(&visit, &unanswered))?;
                    let last = read(&visit, all.backward().limit(1)).await?;
                    last.first().map(|last| numbered(last.position(), number)).transpose()
                }
                Err(_) => text.parse::<Position>().map(Some),
            };
            match until.map_err(|error: NoPosition| Refused::wrong(&visit, &error.to_string()))? {
                Some(until) => wanted.until(until),
                None => wanted,
            }
        }
    };
    let mut records = read(&visit, wanted).await?;
    let has_more = records.len() > PAGE;
    // The next page begins with the one that is too many here.
    let next = records.get(PAGE).filter(|_| has_more).map(|record| record.position().to_string());
    records.truncate(PAGE);
    let place = format!("{}/store/{}", visit.base, server.name());
    let of = |until: &str| {
        let Asked { store, topic, entity, about, .. } = &asked;
        link(&place, &[("store", store), ("topic", topic), ("entity", entity), ("about", about), ("until", until)])
    };
    Html::of(&Records {
        title: shown(&server.title()),
        name: shown(&asked.store),
        first: of(""),
        next: next.map(|next| of(&next)),
        rows: records.iter().map(|record| row(&visit, &place, &asked.store, record)).collect(),
        asked: &asked,
        place,
        visit: &visit,
    })
}

/// The position of this number in the same store.
fn numbered(of: Position, number: u64) -> Result<Position, NoPosition> {
    let of = of.to_string();
    let tag = of.split_once('@').map(|(_, tag)| tag).unwrap_or_default();
    format!("{number}@{tag}").parse()
}

fn row(visit: &Visit, place: &str, store: &str, record: &Recorded) -> Row {
    let at = record.position().to_string();
    let packet = packet_of(record);
    let seen = PacketShown::of(&packet, visit.reveals());
    Row {
        number: record.position().number(),
        link: link(&format!("{place}/record"), &[("store", store), ("at", &at)]),
        time: Ago::of(Some(record.time())),
        topic: shown(record.topic()),
        event: seen.event,
        payload: shown(&seen.payload.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// A record as the packet that it would be.
pub(super) fn packet_of(record: &Recorded) -> Packet {
    let mut packet = Packet::new(record.position().to_string(), record.bytes());
    packet.topic = record.topic().to_owned();
    packet
}
