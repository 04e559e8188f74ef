//! One service, and what it has gone through.

use std::time::SystemTime;

use actix_web::web::Query;
use askama::Template;
use convoke::{ServiceState, ServiceView};
use serde::Deserialize;

use super::row::{Row, class};
use super::strip::Strip;
use crate::frame::{Ago, Figure, Html, Refused, link, shown, told};
use crate::gate::Visit;

/// Which service.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Of {
    #[serde(default)]
    name: String,
}

/// A change of its state.
struct Change {
    state: String,
    class: &'static str,
    at: Ago,
    error: String,
    is_restart: bool,
}

/// Something that it hears.
struct Hears {
    what: String,
    waiting: Figure,
    done: Figure,
    failed: Figure,
    dropped: Figure,
}

#[derive(Template)]
#[template(path = "services/one.html")]
struct Page<'a> {
    visit: &'a Visit,
    row: Row,
    strip: Strip,
    changes: Vec<Change>,
    before: Figure,
    needs: Vec<(String, String)>,
    children: Vec<Row>,
    hears: Vec<Hears>,
}

/// The service of this name, which a link may have cut.
fn find<'a>(views: &'a [ServiceView], name: &str) -> Option<&'a ServiceView> {
    views.iter().find_map(|view| {
        if *view.status.service == *name || shown(&view.status.service) == name {
            Some(view)
        } else {
            find(&view.children, name)
        }
    })
}

/// Shows a service.
pub(crate) async fn show_one(visit: Visit, Query(of): Query<Of>) -> Result<Html, Refused> {
    let trees = visit.shown.trees();
    let Some(view) = trees.iter().find_map(|tree| find(&tree.views, &of.name)) else {
        return Err(Refused::missing(&visit, &format!("this process has no service `{}`", shown(&of.name))));
    };
    let place = format!("{}/services/of", visit.base);
    let changes = view.changes.iter().rev().map(|change| Change {
        state: change.state.to_string(),
        class: class(change.state),
        at: Ago::of(Some(change.at)),
        error: change.error.as_deref().map(told).unwrap_or_default(),
        is_restart: matches!(change.state, ServiceState::Restarting | ServiceState::Failed),
    });
    let needs = view.needs.iter().map(|name| (shown(name), link(&place, &[("name", &shown(name))])));
    let hears = visit.shown.buses().into_iter().flat_map(|bus| bus.listeners);
    let hears = hears.filter(|listener| *listener.name == *of.name).take(100).map(|listener| Hears {
        what: shown(&crate::pages::events::what(&listener.hears)),
        waiting: Figure::of(listener.waiting as u64),
        done: Figure::of(listener.done),
        failed: Figure::of(listener.failed),
        dropped: Figure::of(listener.dropped),
    });
    let page = Page {
        row: Row::of(view, 0, &visit.base),
        strip: Strip::of(&view.changes, SystemTime::now()),
        changes: changes.collect(),
        before: Figure::of(view.changes_before),
        needs: needs.collect(),
        children: view.children.iter().take(100).map(|child| Row::of(child, 0, &visit.base)).collect(),
        hears: hears.collect(),
        visit: &visit,
    };
    Html::of(&page)
}
