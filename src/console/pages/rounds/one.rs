//! One broker: its parties, what is open, and what was.

use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;

use super::list::Card;
use super::round::{Member, Open, Past};
use crate::frame::{Figure, Html, Refused, shown};
use crate::gate::Visit;

/// As many parties are shown, and as many rounds that are over.
const PARTIES: usize = 100;
const PAST: usize = 100;

/// Which broker, and which rounds.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Of {
    #[serde(default)]
    name: String,
    /// The key of the rounds, or a part of it.
    #[serde(default)]
    key: String,
    /// `missed` for those that were cancelled.
    #[serde(default)]
    only: String,
}

#[derive(Template)]
#[template(path = "rounds/one.html")]
struct Page<'a> {
    visit: &'a Visit,
    card: Card,
    name: &'a str,
    key: String,
    only: String,
    members: Vec<Member>,
    more_members: usize,
    consumers: Vec<String>,
    open: Vec<Open>,
    described: Figure,
    past: Vec<Past>,
    kept: Figure,
}

/// Shows a broker.
pub(crate) async fn show_one(visit: Visit, Query(of): Query<Of>) -> Result<Html, Refused> {
    let brokers = visit.shown.brokers().await;
    let Some(broker) = brokers.iter().find(|broker| *broker.name == *of.name) else {
        return Err(Refused::missing(&visit, &format!("this process has no broker `{}`", shown(&of.name))));
    };
    let is_of =
        |key: Option<&convoke::RoundKey>| of.key.is_empty() || key.is_some_and(|key| key.to_string().contains(&of.key));
    let mut page = Page {
        card: Card::of(broker, &visit.base),
        name: &of.name,
        key: shown(&of.key),
        only: shown(&of.only),
        members: Vec::new(),
        more_members: 0,
        consumers: Vec::new(),
        open: Vec::new(),
        described: Figure::of(0),
        past: Vec::new(),
        kept: Figure::of(0),
        visit: &visit,
    };
    if let Some(Ok(snapshot)) = broker.answer.as_deref() {
        // Those who are missed most stand first.
        let mut stats: Vec<_> = snapshot.emitters.iter().collect();
        stats.sort_by_key(|stats| std::cmp::Reverse((stats.missed + stats.late, stats.last)));
        page.members = stats.iter().take(PARTIES).map(|stats| Member::of(stats, snapshot)).collect();
        page.more_members = stats.len().saturating_sub(PARTIES);
        page.consumers = snapshot.consumers.iter().take(PARTIES).map(|name| shown(name)).collect();
        page.open = snapshot.open.iter().filter(|round| is_of(round.key.as_ref())).map(Open::of).collect();
        page.described = Figure::of(snapshot.open.len() as u64);
        page.kept = Figure::of(snapshot.recent.len() as u64);
        let past = snapshot.recent.iter().rev().filter(|round| is_of(round.key.as_ref()));
        let past = past.filter(|round| of.only != "missed" || !round.is_resolved());
        page.past = past.take(PAST).map(Past::of).collect();
    }
    Html::of(&page)
}
