//! A round is ended by hand.
//!
//! `POST → are you sure? → is it still the open one of its key? → BrokerLook::abort, by who asks → the round`

use actix_web::web;
use convoke::DurableState;

use super::{in_time, round_id};
use crate::frame::{Answer, Fields, Refused, ask, link, shown};
use crate::gate::Visit;
use crate::pages::server_of;

/// The longest reason, in characters.
const LONGEST: usize = 500;

pub(super) async fn abort(
    visit: Visit,
    server: web::Path<String>,
    form: web::Form<Vec<(String, String)>>,
) -> Result<Answer, Refused> {
    let server = server_of(&visit, &server)?;
    let fields = Fields::new(form.into_inner());
    let (name, id) = (fields.get("broker"), round_id(&visit, fields.get("round"))?);
    let reason: String = fields.get("reason").trim().chars().take(LONGEST).collect();
    if reason.is_empty() {
        return Err(Refused::wrong(&visit, "no reason is given: everyone who waits for the round is told it"));
    }
    let place = format!("{}/durable/{}", visit.base, server.name());
    let back = link(&format!("{place}/round"), &[("broker", name), ("round", &id.get().to_string())]);
    // Nothing opens it again: that is asked everywhere, not only in production, where the gate asks.
    if !visit.sure && !fields.is_sure() {
        let question = format!(
            "Round {id} of {} will be aborted, and whoever waits for it is told: {}.",
            shown(name),
            shown(&reason)
        );
        return ask(&visit, &format!("{place}/abort"), &fields, (&question, "Abort"), &back);
    }
    visit.wrote("abort a round", &format!("{}: round {id}", shown(name))).await?;
    let works = server.works().await.map_err(|unanswered| Refused::unanswered(&visit, &unanswered))?;
    let who = visit.person.name().to_owned();
    let aborted = in_time(async {
        let broker = works.rounds().broker(name).await?;
        let Some(round) = broker.round(id).await? else { return Ok(None) };
        // A round is aborted by its key: that of another one must not end instead.
        if matches!(round.state, DurableState::Resolved | DurableState::Cancelled(_)) {
            return Ok(None);
        }
        broker.abort(round.key, reason, Some(&who)).await.map(Some)
    });
    match aborted.await.map_err(|wrong| wrong.refused(&visit))? {
        Some(aborted) if aborted == id => Ok(Answer::See(back)),
        Some(other) => {
            let text =
                format!("round {id} had closed at that moment, and the next one of its key was aborted: {other}");
            Err(Refused::clash(&visit, &text))
        }
        None => Err(Refused::clash(&visit, &format!("round {id} is over already"))),
    }
}
