//! One round: why it waits, and what was before it.

use actix_web::web;
use askama::Template;
use serde::Deserialize;

use super::seen::RoundSeen;
use super::{in_time, round_id};
use crate::frame::{Html, Refused, link, shown};
use crate::gate::Visit;
use crate::pages::server_of;

/// So many rounds of its key are shown.
const HISTORY: usize = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    broker: String,
    round: String,
}

#[derive(Template)]
#[template(path = "pages/round.html")]
struct RoundPage<'a> {
    visit: &'a Visit,
    title: String,
    broker: &'a str,
    name: String,
    place: String,
    back: String,
    round: RoundSeen,
    history: Vec<RoundSeen>,
}

pub(crate) async fn show(visit: Visit, server: web::Path<String>, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let server = server_of(&visit, &server)?;
    let id = round_id(&visit, &asked.round)?;
    let works = server.works().await.map_err(|unanswered| Refused::unanswered(&visit, &unanswered))?;
    let found = in_time(async {
        let broker = works.rounds().broker(&asked.broker).await?;
        let Some(round) = broker.round(id).await? else { return Ok(None) };
        let history = broker.history(round.key.clone(), HISTORY).await?;
        Ok(Some((round, history)))
    });
    let Some((round, history)) = found.await.map_err(|wrong| wrong.refused(&visit))? else {
        let text = format!("there is no round {id}: outcomes are kept for a while, and then gone");
        return Err(Refused::missing(&visit, &text));
    };
    let place = format!("{}/durable/{}", visit.base, server.name());
    let others = history.iter().filter(|other| other.round != round.round);
    Html::of(&RoundPage {
        title: shown(&server.title()),
        name: shown(&asked.broker),
        broker: &asked.broker,
        back: link(&place, &[("broker", &asked.broker)]),
        history: others.map(|round| RoundSeen::of(round, &place, &asked.broker)).collect(),
        round: RoundSeen::of(&round, &place, &asked.broker),
        place,
        visit: &visit,
    })
}
