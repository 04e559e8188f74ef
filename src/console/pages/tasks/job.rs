//! One job.

use actix_web::web;
use askama::Template;
use convoke::{JobId, JobState};
use serde::Deserialize;
use serde_json::Value;

use super::life::Life;
use super::list::{class, when};
use crate::frame::{Bar, Html, Refused, block, guarded, link, shown, told};
use crate::gate::Visit;
use crate::pages::server_of;
use crate::sight::in_time;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    id: String,
}

#[derive(Template)]
#[template(path = "pages/job.html")]
struct JobPage<'a> {
    visit: &'a Visit,
    title: String,
    place: String,
    id: JobId,
    task: String,
    of_task: String,
    queue: String,
    state: JobState,
    class: &'static str,
    is_cancelled: bool,
    attempt: u32,
    attempts: u32,
    when: String,
    life: Life,
    reason: Option<String>,
    progress: String,
    bar: Option<Bar>,
    steps: Vec<(String, String)>,
    payload: String,
    event: Option<String>,
}

impl JobPage<'_> {
    fn may_retry(&self) -> bool {
        matches!(self.state, JobState::Failed | JobState::Cancelled)
    }
}

pub(crate) async fn show(visit: Visit, server: web::Path<String>, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let server = server_of(&visit, &server)?;
    let id = id_of(&visit, &asked.id)?;
    let unanswered = |unanswered| Refused::unanswered(&visit, &unanswered);
    let works = server.works().await.map_err(unanswered)?;
    let found = in_time(async {
        let job = works.tasks().await?.job(id);
        let Some(status) = job.status().await? else { return Ok(None) };
        let steps = if status.state().is_over() { Vec::new() } else { job.steps().await? };
        Ok(Some((status, steps)))
    });
    let Some((status, steps)) = found.await.map_err(unanswered)? else {
        return Err(Refused::missing(
            &visit,
            &format!("there is no job {id}: what has ended is kept for a while, and then gone"),
        ));
    };
    let reveals = visit.reveals();
    let payload =
        status.payload::<Value>().map_or_else(|_| "it is no JSON".to_owned(), |payload| guarded(&payload, reveals));
    let event: Option<Value> = status.result().ok().flatten();
    let (text, fraction) = status.progress();
    let place = format!("{}/tasks/{}", visit.base, server.name());
    // What has come of a step is JSON, of which nobody has said that it may be seen.
    let result = |text: &str| match serde_json::from_str::<Value>(text) {
        Ok(value) => guarded(&value, reveals),
        Err(_) if reveals => block(text),
        Err(_) => crate::frame::HIDDEN.to_owned(),
    };
    Html::of(&JobPage {
        title: shown(&server.title()),
        id,
        task: shown(status.task()),
        of_task: link(&place, &[("task", status.task())]),
        queue: shown(status.queue()),
        state: status.state(),
        class: class(status.state()),
        is_cancelled: status.is_cancelled(),
        attempt: status.attempt(),
        attempts: status.attempts(),
        when: when(&status),
        life: Life::of(&status, &steps, event.is_some()),
        reason: status.reason().map(told),
        progress: text.map(shown).unwrap_or_default(),
        bar: fraction.map(|part| Bar { part }),
        steps: steps.iter().map(|step| (shown(&step.name), result(&step.result))).collect(),
        payload,
        event: event.map(|event| guarded(&event, reveals)),
        place,
        visit: &visit,
    })
}

pub(super) fn id_of(visit: &Visit, text: &str) -> Result<JobId, Refused> {
    text.parse().map_err(|_| Refused::wrong(visit, "the id of a job is a number, as the page of jobs shows it"))
}
