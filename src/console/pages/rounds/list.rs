//! All brokers, each with the rounds that are open longest.

use askama::Template;

use super::round::{Open, span};
use crate::frame::{Figure, Html, Refused, link, shown, told};
use crate::gate::Visit;
use crate::shown::BrokerShown;

/// As many open rounds of each broker are shown.
const ROUNDS: usize = 5;

/// A broker.
pub(super) struct Card {
    pub(super) name: String,
    link: String,
    /// Why it says nothing, or for how long it has not.
    pub(super) trouble: String,
    pub(super) timeout: String,
    pub(super) open: Figure,
    pub(super) resolved: Figure,
    pub(super) cancelled: Figure,
    pub(super) last: String,
    rounds: Vec<Open>,
    left_out: usize,
}

impl Card {
    pub(super) fn of(broker: &BrokerShown, base: &str) -> Self {
        let snapshot = broker.answer.as_ref().and_then(|answer| answer.as_ref().as_ref().ok());
        let failed = broker.answer.as_ref().and_then(|answer| answer.as_ref().as_ref().err());
        let trouble = match (failed, broker.late) {
            (Some(error), _) => told(error),
            (None, Some(late)) if snapshot.is_some() => format!(
                "It has not answered for {}: its arbiter is blocked or busy. What is shown is {} old.",
                span(late),
                span(broker.age)
            ),
            (None, Some(late)) => format!("It has not answered for {}: its arbiter is blocked or busy.", span(late)),
            (None, None) => String::new(),
        };
        let count = |count: Option<u64>| Figure::known(count);
        let rounds: Vec<_> =
            snapshot.map(|snapshot| snapshot.open.iter().take(ROUNDS).map(Open::of).collect()).unwrap_or_default();
        let open = snapshot.map(|snapshot| snapshot.open_count);
        Self {
            name: shown(&broker.name),
            link: link(&format!("{base}/rounds/of"), &[("name", &*broker.name)]),
            trouble,
            timeout: snapshot.map_or_else(|| "–".to_owned(), |snapshot| span(snapshot.timeout)),
            open: count(open.map(|open| open as u64)),
            resolved: count(snapshot.map(|snapshot| snapshot.resolved)),
            cancelled: count(snapshot.map(|snapshot| snapshot.cancelled)),
            last: snapshot
                .and_then(|snapshot| snapshot.most_often_last.as_ref())
                .map(|who| shown(&who.name))
                .unwrap_or_default(),
            left_out: open.unwrap_or(0).saturating_sub(rounds.len()),
            rounds,
        }
    }
}

#[derive(Template)]
#[template(path = "rounds/list.html")]
struct Page<'a> {
    visit: &'a Visit,
    cards: Vec<Card>,
}

/// Shows all brokers.
pub(crate) async fn show(visit: Visit) -> Result<Html, Refused> {
    let brokers = visit.shown.brokers().await;
    let cards = brokers.iter().map(|broker| Card::of(broker, &visit.base)).collect();
    Html::of(&Page { visit: &visit, cards })
}
