//! The open rounds of a broker, or all of a key.

use actix_web::web;
use askama::Template;
use convoke::DurableRound;
use serde::Deserialize;

use super::key::keys;
use super::seen::RoundSeen;
use super::{in_time, round_id};
use crate::frame::{Html, Refused, link, shown};
use crate::gate::Visit;
use crate::pages::server_of;

/// As many rounds are on a page.
const PAGE: usize = 100;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    broker: String,
    /// Behind which round the page begins.
    behind: String,
    key: String,
}

#[derive(Template)]
#[template(path = "pages/open_rounds.html")]
struct Rounds<'a> {
    visit: &'a Visit,
    title: String,
    name: String,
    asked: &'a Asked,
    place: String,
    first: String,
    rounds: Vec<RoundSeen>,
    parties: Vec<String>,
    consumers: Vec<String>,
    next: Option<String>,
}

pub(crate) async fn show(visit: Visit, server: web::Path<String>, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let server = server_of(&visit, &server)?;
    let asked = asked.into_inner();
    if asked.broker.is_empty() {
        return Err(Refused::wrong(&visit, "no broker is named: choose one on the page of durable rounds"));
    }
    let behind = match asked.behind.as_str() {
        "" => None,
        text => Some(round_id(&visit, text)?),
    };
    let works = server.works().await.map_err(|unanswered| Refused::unanswered(&visit, &unanswered))?;
    let found = in_time(async {
        let broker = works.rounds().broker(&asked.broker).await?;
        let rounds = match asked.key.as_str() {
            "" => broker.rounds(behind, PAGE + 1).await?,
            word => {
                let mut all: Vec<DurableRound> = Vec::new();
                for key in keys(word) {
                    all.extend(broker.history(Some(key), PAGE).await?);
                }
                all.truncate(PAGE);
                all
            }
        };
        Ok((rounds, broker.parties().await?, broker.consumers().await?))
    });
    let (mut rounds, parties, consumers) = found.await.map_err(|wrong| wrong.refused(&visit))?;
    let has_more = rounds.len() > PAGE;
    rounds.truncate(PAGE);
    let place = format!("{}/durable/{}", visit.base, server.name());
    let of = |behind: &str| link(&place, &[("broker", &asked.broker), ("behind", behind)]);
    Html::of(&Rounds {
        title: shown(&server.title()),
        name: shown(&asked.broker),
        first: of(""),
        next: rounds.last().filter(|_| has_more).map(|round| of(&round.round.get().to_string())),
        rounds: rounds.iter().map(|round| RoundSeen::of(round, &place, &asked.broker)).collect(),
        parties: parties.iter().map(|party| shown(&party.name)).collect(),
        consumers: consumers.iter().map(|consumer| shown(consumer)).collect(),
        asked: &asked,
        place,
        visit: &visit,
    })
}
