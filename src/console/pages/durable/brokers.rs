//! The durable brokers of every database.

use askama::Template;

use crate::frame::{Age, Figure, Html, Refused, link, shown};
use crate::gate::Visit;
use crate::pages::of_each;

struct Row {
    name: String,
    link: String,
    open: Figure,
    awaited: Figure,
    aside: Figure,
    over: Figure,
    overdue: Age,
    is_overdue: bool,
}

struct Table {
    id: String,
    title: String,
    age: Age,
    trouble: Option<String>,
    rows: Vec<Row>,
    has_more: bool,
    is_known: bool,
}

#[derive(Template)]
#[template(path = "pages/durable.html")]
struct Durable<'a> {
    visit: &'a Visit,
    tables: Vec<Table>,
}

pub(crate) async fn show(visit: Visit) -> Result<Html, Refused> {
    let said = of_each(&visit, |server| async move { server.rounds().await }).await;
    let of_rounds = said.iter().filter(|(server, _)| server.has_rounds());
    let tables = of_rounds.map(|(server, told)| {
        let place = format!("{}/durable/{}", visit.base, server.name());
        let counted = |number| Figure::counted(Some(number), 100_000);
        let rows = told.value.iter().flat_map(|stand| &stand.brokers).map(|broker| Row {
            name: shown(&broker.name),
            link: link(&place, &[("broker", &broker.name)]),
            open: counted(broker.figures.open),
            awaited: counted(broker.figures.awaited),
            aside: counted(broker.figures.aside),
            over: counted(broker.figures.over),
            overdue: Age(broker.figures.overdue),
            is_overdue: broker.figures.overdue.is_some_and(|overdue| overdue.as_secs() > 0),
        });
        Table {
            id: format!("durable-{}", server.name()),
            title: shown(&server.title()),
            age: Age(told.age),
            trouble: told.trouble.clone(),
            rows: rows.collect(),
            has_more: told.value.as_ref().is_some_and(|stand| stand.has_more),
            is_known: told.value.is_some(),
        }
    });
    let tables = tables.collect();
    Html::of(&Durable { visit: &visit, tables })
}
