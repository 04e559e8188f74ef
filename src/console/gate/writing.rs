//! What a write has to be: of somebody who may, of a page of ours, meant, and noted.
//!
//! `may they? → which page? → its form → in production: sure? → a line in the log → its handler → a line in the log`

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError, rt};

use super::browser::Browser;
use super::denied::{Denied, Sure};
use super::form::Form;
use super::gate::Gate;
use super::hosts::Host;
use super::key::{derived, is_same};
use super::origin::{Write, may_write};
use super::visit::Visit;
use crate::view::shown;

/// As many fields are shown of it.
const TOLD: usize = 20;

impl Gate {
    pub(super) async fn write(
        &self,
        mut request: ServiceRequest,
        visit: Visit,
        host: &Host,
        next: Next<BoxBody>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let visit = match self.allowed(&mut request, visit, host).await {
            Ok(visit) => visit,
            Err(answer) => return Ok(request.into_response(answer)),
        };
        let entry = visit.entry.clone();
        request.extensions_mut().insert(visit);
        // To its end, also when its browser has gone away meanwhile.
        let done = rt::spawn(async move { next.call(request).await }).await;
        let answer = match done {
            Ok(answer) => answer,
            Err(error) => {
                log::error!(target: "convoke::console", "a write has panicked: {error}");
                let denied = Denied::new(StatusCode::INTERNAL_SERVER_ERROR, "it has failed, and may be done in part");
                Err(InternalError::from_response(error, denied.response()).into())
            }
        };
        if let Some(entry) = entry {
            let status =
                answer.as_ref().map_or_else(|error| error.as_response_error().status_code(), ServiceResponse::status);
            if let Err(error) = entry.end(status).await {
                log::error!(target: "convoke::console", "how a write ended is not noted ({status}): {error}");
            }
        }
        answer
    }

    /// Everything that comes before it is done.
    async fn allowed(
        &self,
        request: &mut ServiceRequest,
        mut visit: Visit,
        host: &Host,
    ) -> Result<Visit, HttpResponse> {
        let refused = |person: &str, why: &str| {
            log::warn!(target: "convoke::console", "a write of `{}` was refused: {why}", person.escape_debug());
            Denied::new(StatusCode::FORBIDDEN, why)
        };
        let name = visit.person.name().to_owned();
        if !visit.operates() {
            let denied = refused(&name, "you may look, and change nothing");
            return Err(denied.hint("Who may operate says the application by `.allow(…)`").response());
        }
        let write = may_write(request.headers(), host).map_err(|why| refused(&name, why).response())?;
        let form = Form::take(request).await.map_err(|denied| denied.response())?;
        let browser = Browser::of(request.headers());
        let token = browser.as_ref().and_then(|browser| browser.token(&visit.person));
        if write == Write::WithToken && !token.as_ref().is_some_and(|token| is_same(token, form.token())) {
            let denied =
                refused(&name, "its form is of another session, or of a time before the application was restarted");
            return Err(denied.hint("Load the page again, and do it from there").response());
        }
        visit.token = token.unwrap_or_default();
        if self.is_production {
            let browser = browser.as_ref().map_or("", Browser::id);
            if let Some(asks) = unsure(request, &visit, browser, &form) {
                return Err(asks);
            }
            visit.sure = true;
        }
        if let Some(log) = self.log.clone() {
            let route = format!("{} {}", request.method(), request.match_pattern().unwrap_or_default());
            let begun = log.begin(&route, request.match_info().get("server"), &name, from(request)).await;
            visit.entry = Some(begun.map_err(|error| error.error_response())?);
        }
        Ok(visit)
    }
}

/// The page that asks, unless somebody has said that they are sure of this very write.
fn unsure(request: &ServiceRequest, visit: &Visit, browser: &str, form: &Form) -> Option<HttpResponse> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let fields = form.fields();
    let mut words = vec![browser, visit.person.name(), request.method().as_str(), target];
    words.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
    let Some(sure) = derived("sure", &words) else {
        return Some(Denied::new(StatusCode::SERVICE_UNAVAILABLE, "the system gives no random bytes").response());
    };
    if is_same(&sure, form.sure()) {
        return None;
    }
    let asks: String = match form.asks() {
        "" => format!("Shall this be done: {}?", request.path()),
        asks => asks.to_owned(),
    };
    let told = fields.iter().filter(|(name, _)| *name != "asks").take(TOLD);
    let told = told.map(|(name, value)| (shown(name), shown(value))).collect();
    Some(Sure { visit, asks: &shown(&asks), told, fields, sure: &sure }.response())
}

/// Where it came from, and what a proxy says of that, which anybody may have written.
fn from(request: &ServiceRequest) -> Option<String> {
    let peer = request.peer_addr()?.ip().to_string();
    let through = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok());
    Some(match through {
        Some(through) => format!("{peer}, said to be for {}", through.chars().take(100).collect::<String>()),
        None => peer,
    })
}
