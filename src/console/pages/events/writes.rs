//! What may be done with the dead letters of a bus: given back to it, or thrown away.

use actix_web::http::header;
use actix_web::web::Form;
use actix_web::{HttpResponse, Result};
use convoke::EventBus;
use serde::Deserialize;

use crate::frame::{Refused, link, shown};
use crate::gate::Visit;

/// Which dead letter.
#[derive(Debug, Deserialize)]
pub(crate) struct Letter {
    bus: String,
    /// Its number; none for all of them.
    #[serde(default)]
    id: Option<u64>,
}

fn bus_of(visit: &Visit, letter: &Letter) -> Result<EventBus, Refused> {
    let bus = visit.shown.find_bus(&letter.bus).cloned();
    bus.ok_or_else(|| Refused::missing(visit, &format!("this process has no bus `{}`", shown(&letter.bus))))
}

fn what(letter: &Letter) -> String {
    match letter.id {
        Some(id) => format!("dead letter {id} of the bus {}", letter.bus),
        None => format!("all dead letters of the bus {}", letter.bus),
    }
}

fn back(visit: &Visit, letter: &Letter) -> HttpResponse {
    let place = link(&format!("{}/events/dead", visit.base), &[("bus", &letter.bus)]);
    HttpResponse::SeeOther().insert_header((header::LOCATION, place)).finish()
}

/// Gives a dead letter back to the bus, or all of them.
pub(crate) async fn redrive(visit: Visit, Form(letter): Form<Letter>) -> Result<HttpResponse> {
    let bus = bus_of(&visit, &letter)?;
    visit.wrote("redrive", &what(&letter)).await?;
    match letter.id {
        Some(id) => {
            bus.dead_letters().redrive(id).map_err(|error| Refused::clash(&visit, &error.to_string()))?;
        }
        None => {
            let taken = bus.dead_letters().redrive_all();
            visit.wrote("redriven", &format!("{taken} of the bus {}", letter.bus)).await?;
        }
    }
    Ok(back(&visit, &letter))
}

/// Throws a dead letter away.
pub(crate) async fn discard(visit: Visit, Form(letter): Form<Letter>) -> Result<HttpResponse> {
    let bus = bus_of(&visit, &letter)?;
    let Some(id) = letter.id else { return Err(Refused::wrong(&visit, "name the dead letter").into()) };
    visit.wrote("discard", &what(&letter)).await?;
    if bus.dead_letters().take(id).is_none() {
        return Err(Refused::missing(&visit, &format!("dead letter {id} is no longer kept")).into());
    }
    Ok(back(&visit, &letter))
}
