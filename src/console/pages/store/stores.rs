//! The stores of every database.

use askama::Template;

use crate::frame::{Html, Refused, link, shown};
use crate::gate::Visit;
use crate::pages::of_each;

struct Table {
    id: String,
    title: String,
    trouble: Option<String>,
    stores: Vec<(String, String)>,
    has_more: bool,
    is_known: bool,
}

#[derive(Template)]
#[template(path = "pages/stores.html")]
struct Stores<'a> {
    visit: &'a Visit,
    tables: Vec<Table>,
}

pub(crate) async fn show(visit: Visit) -> Result<Html, Refused> {
    let said = of_each(&visit, |server| async move { server.stores().await }).await;
    let of_works = said.iter().filter(|(server, _)| server.has_works());
    let tables = of_works.map(|(server, told)| {
        let place = format!("{}/store/{}", visit.base, server.name());
        let names = told.value.iter().flat_map(|stand| &stand.names);
        Table {
            id: format!("store-{}", server.name()),
            title: shown(&server.title()),
            trouble: told.trouble.clone(),
            stores: names.map(|name| (shown(name), link(&place, &[("store", name)]))).collect(),
            has_more: told.value.as_ref().is_some_and(|stand| stand.has_more),
            is_known: told.value.is_some(),
        }
    });
    let tables = tables.collect();
    Html::of(&Stores { visit: &visit, tables })
}
