//! All services.

use actix_web::web::Query;
use askama::Template;
use convoke::{ServiceState, ServiceView};
use serde::Deserialize;

use super::row::Row;
use crate::frame::{Age, Figure, Html, Refused, shown, told};
use crate::gate::Visit;

/// As many lines are shown; whoever has more looks for some of them.
const MOST: usize = 300;

/// Which services.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// What their names contain.
    #[serde(default)]
    name: String,
    /// `wrong` for those that do not run.
    #[serde(default)]
    only: String,
}

/// The services of one application.
struct Group {
    rows: Vec<Row>,
    /// What is wrong with all of them.
    alarm: String,
    is_ready: Option<bool>,
    left_out: usize,
}

/// A worker, a relay, or who does tasks.
struct Side {
    name: String,
    kind: &'static str,
    state: &'static str,
    class: &'static str,
    text: String,
    figures: Vec<(&'static str, Figure)>,
    since: Age,
}

#[derive(Template)]
#[template(path = "services/list.html")]
struct Page<'a> {
    visit: &'a Visit,
    asked: &'a Asked,
    groups: Vec<Group>,
    sides: Vec<Side>,
}

/// Shows all services.
pub(crate) async fn show(visit: Visit, Query(asked): Query<Asked>) -> Result<Html, Refused> {
    let part = asked.name.to_lowercase();
    let wanted = |view: &ServiceView| {
        let is_wrong = !matches!(view.status.state, ServiceState::Running | ServiceState::Stopped);
        (asked.only != "wrong" || is_wrong) && view.status.service.to_lowercase().contains(&part)
    };
    let mut room = MOST;
    let groups = visit.shown.trees().into_iter().map(|services| {
        let mut rows = Vec::new();
        services.views.iter().for_each(|view| Row::add(view, 0, &visit.base, &wanted, &mut rows));
        let left_out = rows.len().saturating_sub(room);
        rows.truncate(room);
        room -= rows.len();
        let alarm = match (services.is_live, services.blocked_by) {
            (Some(false), Some(service)) => {
                format!(
                    "Their arbiter does not answer: `{}` blocks it. What is shown was true before.",
                    shown(&service)
                )
            }
            (Some(false), None) => {
                "Their arbiter does not answer, or a service has failed that liveness needs.".to_owned()
            }
            _ => String::new(),
        };
        Group { rows, alarm, is_ready: services.is_ready, left_out }
    });
    let groups = groups.collect();
    let sides = visit.shown.sides().into_iter().map(|side| {
        let (state, class) = match (side.has_ended, side.is_healthy) {
            (true, _) => ("ended", "calm"),
            (_, true) => ("healthy", "good"),
            (_, false) => ("unhealthy", "bad"),
        };
        Side {
            name: shown(&side.name),
            kind: side.kind,
            state,
            class,
            text: told(&side.text),
            figures: side.figures.into_iter().map(|(name, number)| (name, Figure::of(number))).collect(),
            since: Age(side.since),
        }
    });
    let sides = sides.collect();
    Html::of(&Page { visit: &visit, asked: &asked, groups, sides })
}
