//! What is done to dead letters: another chance, or their end.
//!
//! `POST → which, and how sure → a sweep in the background → the list, with how far it is`

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use convoke::look::LetterId;
use tokio::time::timeout;

use super::list::{noted, which_of};
use crate::frame::{Answer, Fields, Refused, ask, link, shown};
use crate::gate::Visit;
use crate::pages::server_of;
use crate::sight::{Deed, End, Sweep, Wanted, Watched, in_time};

/// How long a page waits for a sweep, so that a short one is over when it is shown.
const PATIENCE: Duration = Duration::from_millis(700);

pub(super) async fn change(
    visit: Visit,
    server: web::Path<String>,
    form: web::Form<Vec<(String, String)>>,
) -> Result<Answer, Refused> {
    let server = server_of(&visit, &server)?.clone();
    let fields = Fields::new(form.into_inner());
    let queue = fields.get("queue").to_owned();
    let place = format!("{}/dead/{}", visit.base, server.name());
    let back = link(&place, &[("queue", &queue)]);
    if queue.is_empty() {
        return Err(Refused::wrong(&visit, "no queue is named"));
    }
    let (deed, wanted, what) = wanted(&visit, &fields)?;
    // What is deleted is gone: that is asked everywhere, not only in production, where the gate asks.
    if deed == Deed::Discard && !visit.sure && !fields.is_sure() {
        let question = format!("{what} of {} will be deleted for good.", shown(&queue));
        return ask(&visit, &format!("{place}/letters"), &fields, (&question, "Delete"), &back);
    }
    let verb = if deed == Deed::Redrive { "redrive dead letters" } else { "delete dead letters" };
    visit.wrote(verb, &format!("{}: {what}", shown(&queue))).await?;
    let connected = server.server().await.map_err(|unanswered| Refused::unanswered(&visit, &unanswered))?;
    let total = total(&server, &connected, &queue, &wanted).await;
    let begun = server.sweeps().begin(&queue, deed, wanted, total);
    let sweep = begun.map_err(|under_way| {
        let done = under_way.deed.done();
        Refused::clash(&visit, &format!("letters of this queue are being {done} already: wait for that, or stop it"))
    })?;
    let letters = connected.letters(&queue);
    let running = actix_web::rt::spawn(run(visit, sweep, letters));
    // One that takes longer is followed on a page of its own.
    let is_over = timeout(PATIENCE, running).await.is_ok();
    Ok(Answer::See(if is_over { back } else { link(&format!("{place}/sweep"), &[("queue", &queue)]) }))
}

/// Runs to its end, also when nobody waits any more, and notes how that was.
async fn run(visit: Visit, sweep: Arc<Sweep>, letters: convoke::look::Letters) {
    sweep.clone().run(letters).await;
    let progress = sweep.progress();
    let end = match &progress.end {
        Some(End::Done) | None => "",
        Some(End::Stopped) => ", and then stopped",
        Some(End::Failed(_)) => ", and then the server failed",
    };
    let of = format!("{}: {} {}{end}", shown(&sweep.queue), progress.done, sweep.deed.done());
    if visit.wrote("ended", &of).await.is_err() {
        log::warn!(target: "convoke::console", "what has come of dead letters cannot be noted: {of}");
    }
}

/// What a form asks for, and how that is said.
fn wanted(visit: &Visit, fields: &Fields) -> Result<(Deed, Wanted, String), Refused> {
    let (deed, is_chosen) = match fields.get("do") {
        "redrive-chosen" => (Deed::Redrive, true),
        "redrive-all" => (Deed::Redrive, false),
        "discard-chosen" => (Deed::Discard, true),
        "discard-all" => (Deed::Discard, false),
        _ => return Err(Refused::wrong(visit, "neither redrive nor delete is asked for")),
    };
    if !is_chosen {
        let which = which_of(fields);
        let what = if which.is_any() { "all letters".to_owned() } else { format!("letters with {}", noted(&which)) };
        return Ok((deed, Wanted::Which(which), what));
    }
    let ids: Result<Vec<LetterId>, _> = fields.all("id").map(str::parse).collect();
    let ids = ids.map_err(|error| Refused::wrong(visit, &error.to_string()))?;
    match ids.len() {
        0 => Err(Refused::wrong(visit, "no letter is chosen: go back, and choose some")),
        1 => Ok((deed, Wanted::These(ids), "1 letter".to_owned())),
        count => Ok((deed, Wanted::These(ids), format!("{count} letters"))),
    }
}

/// How many there are, if a server knows: as far as a database counts is no end.
async fn total(server: &Watched, connected: &convoke::look::Server, queue: &str, wanted: &Wanted) -> Option<u64> {
    match wanted {
        Wanted::Which(which) if which.is_any() => {
            let figures = in_time(connected.queue(queue)).await.ok()?;
            figures.dead.filter(|dead| *dead < server.counts_to())
        }
        _ => None,
    }
}

pub(super) async fn stop(
    visit: Visit,
    server: web::Path<String>,
    form: web::Form<Vec<(String, String)>>,
) -> Result<Answer, Refused> {
    let server = server_of(&visit, &server)?;
    let fields = Fields::new(form.into_inner());
    let queue = fields.get("queue");
    visit.wrote("stop what is done to dead letters", &shown(queue)).await?;
    for sweep in server.sweeps().of(queue) {
        sweep.stop();
    }
    Ok(Answer::See(link(&format!("{}/dead/{}", visit.base, server.name()), &[("queue", queue)])))
}
