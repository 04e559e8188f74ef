//! One record.

use actix_web::web;
use askama::Template;
use convoke::{NoPosition, Position};
use serde::Deserialize;

use super::list::packet_of;
use super::read;
use crate::frame::{Ago, Html, PacketShown, Refused, link, shown};
use crate::gate::Visit;
use crate::pages::server_of;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    store: String,
    at: String,
}

#[derive(Template)]
#[template(path = "pages/record.html")]
struct RecordPage<'a> {
    visit: &'a Visit,
    title: String,
    name: String,
    back: String,
    position: Position,
    time: Ago,
    topic: String,
    packet: PacketShown,
    published: Ago,
}

pub(crate) async fn show(visit: Visit, server: web::Path<String>, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let server = server_of(&visit, &server)?;
    let position: Position =
        asked.at.parse().map_err(|error: NoPosition| Refused::wrong(&visit, &error.to_string()))?;
    let works = server.works().await.map_err(|unanswered| Refused::unanswered(&visit, &unanswered))?;
    let opened = crate::sight::in_time(works.read(&asked.store, "**")).await;
    let opened = opened.map_err(|unanswered| Refused::unanswered(&visit, &unanswered))?;
    let record = read(&visit, opened.backward().until(position).limit(1)).await?;
    let Some(record) = record.first().filter(|record| record.position() == position) else {
        return Err(Refused::missing(&visit, &format!("there is no record at {position}")));
    };
    let packet = PacketShown::of(&packet_of(record), visit.reveals());
    let place = format!("{}/store/{}", visit.base, server.name());
    Html::of(&RecordPage {
        title: shown(&server.title()),
        name: shown(&asked.store),
        back: link(&place, &[("store", &asked.store)]),
        position,
        time: Ago::of(Some(record.time())),
        topic: shown(record.topic()),
        published: Ago::of(packet.time),
        packet,
        visit: &visit,
    })
}
