//! How far a sweep over letters is, for who looks.

use std::sync::Arc;

use actix_web::web;
use askama::Template;
use serde::Deserialize;

use crate::frame::{Bar, Figure, Html, Refused, link, shown, told};
use crate::gate::Visit;
use crate::pages::server_of;
use crate::sight::{End, Sweep};

/// As many of a queue are shown.
pub(super) const SHOWN: usize = 3;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    queue: String,
}

#[derive(Template)]
#[template(path = "pages/sweeps.html")]
struct Sweeps<'a> {
    visit: &'a Visit,
    title: String,
    queue: &'a str,
    name: String,
    place: String,
    back: String,
    sweeps: Vec<SweepShown>,
}

impl Sweeps<'_> {
    fn is_under_way(&self) -> bool {
        self.sweeps.iter().any(SweepShown::is_under_way)
    }
}

pub(crate) async fn show(visit: Visit, server: web::Path<String>, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let server = server_of(&visit, &server)?;
    let sweeps: Vec<SweepShown> = server.sweeps().of(&asked.queue).iter().take(SHOWN).map(SweepShown::of).collect();
    if sweeps.is_empty() {
        return Err(Refused::missing(
            &visit,
            "nothing is done to letters of this queue, and nothing was since the start",
        ));
    }
    let place = format!("{}/dead/{}", visit.base, server.name());
    let page = Sweeps {
        title: shown(&server.title()),
        name: shown(&asked.queue),
        queue: &asked.queue,
        back: link(&place, &[("queue", &asked.queue)]),
        place,
        sweeps,
        visit: &visit,
    };
    Html::of(&page)
}

/// A sweep, as a page shows it.
pub(super) struct SweepShown {
    pub(super) verb: &'static str,
    pub(super) done: Figure,
    pub(super) total: Option<Figure>,
    pub(super) bar: Option<Bar>,
    pub(super) missing: u64,
    pub(super) died_since: u64,
    /// How it has ended, and whether that is well.
    pub(super) end: Option<(String, bool)>,
}

impl SweepShown {
    pub(super) fn of(sweep: &Arc<Sweep>) -> Self {
        let progress = sweep.progress();
        let part = progress.total.filter(|total| *total > 0 && progress.end.is_none()).map(|total| {
            #[expect(clippy::cast_precision_loss, reason = "a part of a drawing")]
            let part = (progress.done + progress.missing) as f64 / total as f64;
            Bar { part }
        });
        Self {
            verb: sweep.deed.done(),
            done: Figure::of(progress.done),
            total: progress.total.map(Figure::of),
            bar: part,
            missing: progress.missing,
            died_since: progress.died_since,
            end: progress.end.map(|end| match end {
                End::Done => ("done".to_owned(), true),
                End::Stopped => ("stopped: the rest is as it was".to_owned(), true),
                End::Failed(error) => (told(&error), false),
            }),
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.end.is_none()
    }
}
