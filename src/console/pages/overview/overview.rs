//! The first page.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;

use super::wrong::{self, Wrong};
use crate::frame::{Age, Figure, Html, Refused, shown};
use crate::gate::Visit;
use crate::pages::of_each;
use crate::scope::Routes;
use crate::sight::{RoundsStand, Sampled, TasksStand, Told, Watched};

pub(in crate::pages) fn routes(routes: &mut Routes) {
    routes.get("", show);
}

/// A server, in few figures.
struct Card {
    title: String,
    link: String,
    age: Age,
    trouble: Option<String>,
    figures: Vec<(&'static str, Figure, bool)>,
}

#[derive(Template)]
#[template(path = "pages/overview.html")]
struct Overview<'a> {
    visit: &'a Visit,
    wrong: Vec<Wrong>,
    cards: Vec<Card>,
    /// Whether there is a server of which nothing is known.
    is_blind: bool,
}

/// What a server has said of itself.
struct Said {
    queues: Told<Sampled>,
    tasks: Told<TasksStand>,
    rounds: Told<RoundsStand>,
}

pub(crate) async fn show(visit: Visit) -> Result<Html, Refused> {
    let said = of_each(&visit, |server| async move {
        let (queues, tasks, rounds) = tokio::join!(server.queues(), server.tasks(), server.rounds());
        Said { queues, tasks, rounds }
    });
    let said = said.await;
    let mut wrong: Vec<Wrong> = visit
        .shown
        .troubles()
        .into_iter()
        .map(|trouble| Wrong {
            gravity: trouble.gravity,
            text: trouble.text,
            link: format!("{}{}", visit.base, trouble.href),
        })
        .collect();
    let mut cards = Vec::new();
    for (server, said) in &said {
        let card = card(&visit, server, said);
        if let Some(trouble) = &card.trouble {
            // Who says which server it is need not be told twice.
            let is_named = trouble.starts_with(&card.title);
            let text = if is_named { trouble.clone() } else { format!("{}: {trouble}", card.title) };
            wrong.push(Wrong { gravity: 2, text, link: card.link.clone() });
        }
        cards.push(card);
        let Said { queues, tasks, rounds } = said;
        wrong.extend(queues.value.iter().flat_map(|queues| wrong::of_queues(&visit.base, server, queues)));
        wrong.extend(tasks.value.iter().flat_map(|tasks| wrong::of_tasks(&visit.base, server, tasks)));
        wrong.extend(rounds.value.iter().flat_map(|rounds| wrong::of_rounds(&visit.base, server, rounds)));
    }
    // What is equally bad stays in its order.
    wrong.sort_by_key(|wrong| std::cmp::Reverse(wrong.gravity));
    let is_blind = cards.iter().any(|card| card.trouble.is_some());
    Html::of(&Overview { visit: &visit, wrong, cards, is_blind })
}

fn card(visit: &Visit, server: &Arc<Watched>, said: &Said) -> Card {
    let Said { queues, tasks, rounds } = said;
    let mut figures = Vec::new();
    if let Some(sampled) = &queues.value {
        let sum = |of: fn(&convoke::look::QueueFigures) -> Option<u64>| {
            let known: Vec<u64> = sampled.queues.iter().filter_map(of).collect();
            let is_least = known.iter().any(|number| *number >= server.counts_to());
            let number =
                (!known.is_empty()).then(|| known.iter().fold(0, |sum: u64, number| sum.saturating_add(*number)));
            Figure { number, is_least }
        };
        figures.push(("queues", Figure::known(u64::try_from(sampled.queues.len()).ok()), false));
        figures.push(("waiting", sum(|queue| queue.waiting), false));
        figures.push(("in flight", sum(|queue| queue.in_flight), false));
        figures.push(("dead", sum(|queue| queue.dead), true));
        figures.push(("parked", sum(|queue| queue.parked), true));
    }
    if let Some(tasks) = &tasks.value {
        let counted = |number| Figure::counted(Some(number), 100_000);
        figures.push(("jobs wait", counted(tasks.figures.waiting), false));
        figures.push(("jobs run", counted(tasks.figures.running), false));
        figures.push(("jobs failed", counted(tasks.figures.failed), true));
    }
    if let Some(rounds) = &rounds.value {
        let open: u64 = rounds.brokers.iter().map(|broker| broker.figures.open).sum();
        figures.push(("rounds open", Figure { number: Some(open), is_least: rounds.has_more }, false));
    }
    let troubles = [&queues.trouble, &tasks.trouble, &rounds.trouble];
    let ages: Vec<Duration> = [queues.age, tasks.age, rounds.age].into_iter().flatten().collect();
    Card {
        title: shown(&server.title()),
        link: format!("{}/queues", visit.base),
        age: Age(ages.into_iter().max()),
        trouble: troubles.into_iter().flatten().next().cloned(),
        figures,
    }
}
