//! Which queues have dead letters.

use askama::Template;

use crate::frame::{Age, Figure, Html, Refused, link, shown};
use crate::gate::Visit;
use crate::pages::of_each;

struct Row {
    name: String,
    dead: Figure,
    parked: Figure,
    link: String,
}

struct Table {
    id: String,
    title: String,
    age: Age,
    trouble: Option<String>,
    is_known: bool,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "pages/dead.html")]
struct Dead<'a> {
    visit: &'a Visit,
    tables: Vec<Table>,
}

pub(crate) async fn show(visit: Visit) -> Result<Html, Refused> {
    let said = of_each(&visit, |server| async move { server.queues().await }).await;
    let tables = said.iter().map(|(server, told)| {
        let counted = |number| Figure::counted(number, server.counts_to());
        let all = told.value.iter().flat_map(|sampled| &sampled.queues);
        let dead =
            all.filter(|queue| queue.dead.is_none_or(|dead| dead > 0) || queue.parked.is_some_and(|parked| parked > 0));
        let row = |queue: &convoke::look::QueueFigures| Row {
            name: shown(&queue.name),
            dead: counted(queue.dead),
            parked: counted(queue.parked),
            link: link(&format!("{}/dead/{}", visit.base, server.name()), &[("queue", &queue.name)]),
        };
        Table {
            id: format!("dead-{}", server.name()),
            title: shown(&server.title()),
            age: Age(told.age),
            trouble: told.trouble.clone(),
            is_known: told.value.is_some(),
            rows: dead.map(row).collect(),
        }
    });
    let tables = tables.collect();
    Html::of(&Dead { visit: &visit, tables })
}
