//! How full the queues are.

use std::sync::Arc;

use actix_web::web;
use askama::Template;
use serde::Deserialize;

use crate::frame::{Age, Change, Figure, Html, Refused, Spark, link, shown};
use crate::gate::Visit;
use crate::pages::of_each;
use crate::scope::Routes;
use crate::sight::{QueueSeen, Sampled, Told, Watched};

/// As many queues of a server are on the page.
const MOST: usize = 200;

pub(in crate::pages) fn routes(routes: &mut Routes) {
    routes.get("/queues", show);
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// What the name of a queue has in it.
    name: String,
}

struct Row {
    name: String,
    waiting: Figure,
    change: Change,
    line: Spark,
    oldest: Age,
    in_flight: Figure,
    delayed: Figure,
    dead: Figure,
    parked: Figure,
    letters: String,
}

struct Table {
    id: String,
    title: String,
    age: Age,
    trouble: Option<String>,
    rows: Vec<Row>,
    /// How many more there are.
    more: usize,
    is_known: bool,
}

#[derive(Template)]
#[template(path = "pages/queues.html")]
struct Queues<'a> {
    visit: &'a Visit,
    name: &'a str,
    tables: Vec<Table>,
}

pub(crate) async fn show(visit: Visit, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let said = of_each(&visit, |server| async move { server.queues().await }).await;
    let name = asked.name.to_lowercase();
    let tables = said.iter().map(|(server, told)| table(&visit, server, told, &name)).collect();
    Html::of(&Queues { visit: &visit, name: &asked.name, tables })
}

fn table(visit: &Visit, server: &Arc<Watched>, told: &Told<Sampled>, name: &str) -> Table {
    let all: Vec<QueueSeen<'_>> = told.value.iter().flat_map(|sampled| sampled.seen()).collect();
    let wanted: Vec<_> = all.into_iter().filter(|seen| seen.figures.name.to_lowercase().contains(name)).collect();
    let more = wanted.len().saturating_sub(MOST);
    Table {
        id: format!("queues-{}", server.name()),
        title: shown(&server.title()),
        age: Age(told.age),
        trouble: told.trouble.clone(),
        is_known: told.value.is_some(),
        rows: wanted.into_iter().take(MOST).map(|seen| row(visit, server, seen)).collect(),
        more,
    }
}

fn row(visit: &Visit, server: &Watched, seen: QueueSeen<'_>) -> Row {
    let counted = |number| Figure::counted(number, server.counts_to());
    let queue = seen.figures;
    Row {
        name: shown(&queue.name),
        waiting: counted(queue.waiting),
        change: Change(seen.change),
        line: seen.line,
        oldest: Age(queue.oldest),
        in_flight: counted(queue.in_flight),
        delayed: counted(queue.delayed),
        dead: counted(queue.dead),
        parked: counted(queue.parked),
        letters: link(&format!("{}/dead/{}", visit.base, server.name()), &[("queue", &queue.name)]),
    }
}
