//! The gate itself: what is asked of every request, in this order.
//!
//! ```text
//! a request ─▶ Host: is it ours? ─▶ allow: who is it? ─┬─ a read: sent by whom? ─▶ a page
//!                                                      └─ a write ─▶ writing.rs
//! ```

use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, SET_COOKIE};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};

use super::audit::Log;
use super::browser::Browser;
use super::denied::Denied;
use super::headers::dress;
use super::hosts::{Host, Hosts};
use super::origin::may_read;
use super::person::{Allowed, Person};
use super::visit::Visit;
use crate::shown::Shown;
use crate::sight::Sight;

/// Which headers a proxy adds. Behind one, everybody comes from its machine.
const PROXIES: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Who says who may look.
pub(crate) type Guard = Rc<dyn Fn(&HttpRequest) -> Allowed>;

/// What stands before every page.
pub(crate) struct Gate {
    pub(crate) shown: Shown,
    pub(crate) sight: Sight,
    pub(crate) allow: Option<Guard>,
    pub(crate) hosts: Hosts,
    pub(crate) is_production: bool,
    pub(crate) log: Option<Log>,
    /// Where somebody says who they are, if it is this console that asks.
    pub(crate) sign_in: Option<&'static str>,
}

impl Gate {
    /// Answers a request: lets it through to its page, or says why not.
    pub(crate) async fn pass(
        self: Rc<Self>,
        request: ServiceRequest,
        next: Next<BoxBody>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        match self.answer(request, next).await {
            Ok(mut answer) => {
                dress(answer.headers_mut());
                Ok(answer)
            }
            // What fails so becomes an answer further out, where nobody dresses it.
            Err(error) => {
                let mut answer = error.error_response();
                dress(answer.headers_mut());
                Err(InternalError::from_response(error, answer).into())
            }
        }
    }

    async fn answer(&self, request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
        let (host, visit) = match self.visit(&request) {
            Ok(found) => found,
            Err(denied) => return Ok(request.into_response(denied.response())),
        };
        if is_read(request.method()) {
            self.read(request, visit, next).await
        } else {
            self.write(request, visit, &host, next).await
        }
    }

    /// Who asks, and by which host.
    fn visit(&self, request: &ServiceRequest) -> Result<(Host, Visit), Denied> {
        let Some(host) = Host::of(request.head()) else {
            return Err(Denied::new(StatusCode::BAD_REQUEST, "the request names no host, or two"));
        };
        if !self.hosts.has(&host) {
            let text = format!("this console does not answer to the host {}", host.text());
            return Err(Denied::new(StatusCode::FORBIDDEN, text).hint(
                "An application names the hosts of its console by `.hosts([…])`, and `convoke console` by --host",
            ));
        }
        let person = match &self.allow {
            Some(allow) => match allow(request.request()) {
                Allowed::As(person) => person,
                Allowed::Unknown => return Err(self.unknown()),
                Allowed::Refused => return Err(Denied::new(StatusCode::FORBIDDEN, "you may not look at this console")),
            },
            None => of_this_machine(request, &host)?,
        };
        let (base, path) = split(request);
        let visit = Visit {
            person,
            base,
            token: String::new(),
            production: self.is_production,
            sure: false,
            is_still: !is_read(request.method()),
            shown: self.shown.clone(),
            sight: self.sight.clone(),
            path,
            query: request.query_string().to_owned(),
            entry: None,
        };
        Ok((host, visit))
    }

    fn unknown(&self) -> Denied {
        let denied = Denied::new(StatusCode::UNAUTHORIZED, "nobody knows who you are");
        match self.sign_in {
            Some(path) => denied.link(path, "Sign in"),
            None => denied.hint("Sign in to the application that has this console, and come again"),
        }
    }

    async fn read(
        &self,
        request: ServiceRequest,
        mut visit: Visit,
        next: Next<BoxBody>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        if !may_read(request.headers()) {
            let denied = Denied::new(StatusCode::FORBIDDEN, "a page of another site has asked for this");
            return Ok(request.into_response(denied.response()));
        }
        let browser = Browser::of(request.headers()).or_else(Browser::new);
        let cookie = browser.as_ref().and_then(|browser| browser.cookie(&visit.base));
        visit.token = browser.and_then(|browser| browser.token(&visit.person)).unwrap_or_default();
        request.extensions_mut().insert(visit);
        let mut answer = next.call(request).await?;
        if let Some(cookie) = cookie.filter(|_| is_html(answer.headers())) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(answer)
    }
}

/// Where nobody has said who may look: who comes from this machine may, by a name that it has for itself, and not through a proxy.
fn of_this_machine(request: &ServiceRequest, host: &Host) -> Result<Person, Denied> {
    let is_near = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    // Older proxies say nothing of themselves, but speak as no browser does.
    let is_passed_on =
        request.version() < Version::HTTP_11 || PROXIES.iter().any(|name| request.headers().contains_key(*name));
    if is_near && host.is_loopback() && !is_passed_on {
        return Ok(Person::named("this machine"));
    }
    let text = "without a guard, only who comes from this machine itself may look at this console";
    Err(Denied::new(StatusCode::FORBIDDEN, text)
        .hint("The application says who else may by `.allow(…)`, as the chapter on the console shows"))
}

/// Where the scope begins, and where in it this is.
fn split(request: &ServiceRequest) -> (String, String) {
    let matched = request.match_info();
    let (whole, path) = (matched.as_str(), matched.unprocessed());
    let base = whole.strip_suffix(path).unwrap_or(whole).trim_end_matches('/');
    (base.to_owned(), path.to_owned())
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}
