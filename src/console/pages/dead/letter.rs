//! One dead letter: why it died, and what it is.

use actix_web::web;
use askama::Template;
use convoke::look::{LetterId, Reading};
use serde::Deserialize;

use crate::frame::{Ago, Figure, Html, PacketShown, Refused, link, shown, told};
use crate::gate::Visit;
use crate::pages::server_of;
use crate::sight::in_time;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    queue: String,
    id: String,
}

#[derive(Template)]
#[template(path = "pages/letter.html")]
struct LetterPage<'a> {
    visit: &'a Visit,
    title: String,
    queue: &'a str,
    name: String,
    id: String,
    place: String,
    back: String,
    packet: PacketShown,
    published: Ago,
    died: Ago,
    reason: Option<String>,
    errors: Vec<String>,
    attempts: Figure,
    source: String,
    in_place: bool,
    parked: u64,
    is_leased: bool,
}

pub(super) async fn show(visit: Visit, server: web::Path<String>, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let server = server_of(&visit, &server)?;
    let id: LetterId =
        asked.id.parse().map_err(|error: convoke::look::InvalidLetterId| Refused::wrong(&visit, &error.to_string()))?;
    let unanswered = |unanswered| Refused::unanswered(&visit, &unanswered);
    let letters = server.server().await.map_err(unanswered)?.letters(&asked.queue);
    let is_leased = letters.reading() == Reading::UnderALease;
    let found = in_time(letters.get(&id)).await;
    actix_web::rt::spawn(letters.close());
    let Some(letter) = found.map_err(unanswered)? else {
        let text =
            format!("{} has no dead letter {id}: it was redriven or deleted, or somebody has it", told(&asked.queue));
        return Err(Refused::missing(&visit, &text));
    };
    let packet = PacketShown::of(&letter.packet, visit.reveals());
    let place = format!("{}/dead/{}", visit.base, server.name());
    let record = letter.record.as_ref();
    Html::of(&LetterPage {
        title: shown(&server.title()),
        name: shown(&asked.queue),
        queue: &asked.queue,
        id: letter.id.to_string(),
        back: link(&place, &[("queue", &asked.queue)]),
        place,
        published: Ago::of(packet.time),
        packet,
        died: Ago::millis(record.map_or(0, |record| record.time)),
        reason: record.map(|record| record.reason.to_string()),
        errors: record.iter().flat_map(|record| &record.errors).map(|error| told(error)).collect(),
        attempts: Figure::known(record.map(|record| record.attempts.into())),
        source: record.map(|record| shown(&record.source)).unwrap_or_default(),
        in_place: letter.in_place,
        parked: letter.parked,
        is_leased,
        visit: &visit,
    })
}
