//! Where somebody says by what they come in. It stands before the gate, and asks for the same of a request.
//!
//! `GET /enter?key=… → a cookie, and on to the pages`, `POST /enter, with the password → the same`

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE};
use actix_web::rt::spawn;
use actix_web::rt::time::sleep;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::door::Door;
use crate::gate::{Denied, Form, Host, Hosts, dress, may_write, page};

/// Where it is.
pub(super) const PATH: &str = "/enter";

/// So long nobody tries another password after one that was wrong.
const WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
pub(super) struct Given {
    key: Option<String>,
}

/// Asks for the password.
#[derive(Debug, Template)]
#[template(path = "serve/enter.html")]
struct Enter {
    was_wrong: bool,
}

/// What this needs to know.
pub(super) struct Entrance {
    pub(super) door: Arc<Door>,
    pub(super) hosts: Hosts,
}

impl Entrance {
    fn host(&self, request: &HttpRequest) -> Result<Host, Denied> {
        match Host::of(request.head()) {
            Some(host) if self.hosts.has(&host) => Ok(host),
            _ => Err(Denied::new(StatusCode::FORBIDDEN, "this console does not answer to that host")
                .hint("`convoke console` names its hosts by --host")),
        }
    }

    fn opened(&self) -> HttpResponse {
        match self.door.open() {
            Some(cookie) => {
                let mut answer = to("/");
                answer.headers_mut().insert(SET_COOKIE, cookie);
                answer
            }
            None => Denied::new(StatusCode::SERVICE_UNAVAILABLE, "the system gives no random bytes").response(),
        }
    }

    fn asks(&self, was_wrong: bool) -> HttpResponse {
        let status = if was_wrong { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        if self.door.has_password() {
            return page(status, &Enter { was_wrong });
        }
        Denied::new(StatusCode::UNAUTHORIZED, "this key opens nothing, or has been used")
            .hint("Each start of `convoke console` prints a URL with a new one, which is good once")
            .link("/", "Go on, if you have come in by it in this browser")
            .response()
    }
}

pub(super) async fn get(
    entrance: web::Data<Entrance>,
    request: HttpRequest,
    given: Option<web::Query<Given>>,
) -> HttpResponse {
    let key = given.and_then(|given| given.into_inner().key);
    let had_key = key.is_some();
    let answer = match (entrance.host(&request), key) {
        (Err(denied), _) => denied.response(),
        // Who only fetches it in advance would have the key used up.
        (Ok(_), Some(_)) if ["sec-purpose", "purpose"].iter().any(|name| request.headers().contains_key(*name)) => {
            Denied::new(StatusCode::FORBIDDEN, "a key is not fetched in advance").response()
        }
        (Ok(_), Some(key)) if entrance.door.take(&key) => entrance.opened(),
        // From a page without referrer no form could be sent.
        (Ok(_), Some(_)) if entrance.door.has_password() => to(PATH),
        (Ok(_), _) => entrance.asks(false),
    };
    let mut answer = dressed(answer);
    if had_key {
        // Nothing of a URL with a key goes anywhere.
        answer.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    answer
}

fn to(path: &'static str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

pub(super) async fn post(entrance: web::Data<Entrance>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let mut request = ServiceRequest::from_parts(request, body.into_inner());
    dressed(match try_password(&entrance, &mut request).await {
        Ok(answer) => answer,
        Err(denied) => denied.response(),
    })
}

/// What is neither asked for nor sent.
pub(super) async fn neither() -> HttpResponse {
    dressed(Denied::new(StatusCode::METHOD_NOT_ALLOWED, "this is a form").response())
}

async fn try_password(entrance: &Entrance, request: &mut ServiceRequest) -> Result<HttpResponse, Denied> {
    let host = entrance.host(request.request())?;
    may_write(request.headers(), &host).map_err(|why| Denied::new(StatusCode::FORBIDDEN, why))?;
    let form = Form::take(request).await?;
    let Ok(turn) = Arc::clone(&entrance.door.turn).try_acquire_owned() else {
        return Err(Denied::new(StatusCode::TOO_MANY_REQUESTS, "somebody else is trying a password")
            .hint("Try again in a second"));
    };
    if entrance.door.is_password(form.named("password")) {
        return Ok(entrance.opened());
    }
    log::warn!(
        target: "convoke::console", "a password was wrong, from {}",
        request.peer_addr().map_or_else(|| "somewhere".to_owned(), |peer| peer.ip().to_string())
    );
    // Also if who tried it does not wait for the answer.
    spawn(async move {
        sleep(WAIT).await;
        drop(turn);
    });
    Ok(entrance.asks(true))
}

fn dressed(mut answer: HttpResponse) -> HttpResponse {
    dress(answer.headers_mut());
    answer
}
