//! What an application says of its console.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::{AppService, HttpServiceFactory, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, web};

use super::routes::Routes;
use crate::assets;
use crate::gate::{Allowed, Denied, Gate, Guard, Hosts, Log};
use crate::live;
use crate::pages;
use crate::shown::Shown;
use crate::sight::Sight;

/// Begins a console whose pages are under this path, `/convoke` for one.
///
/// An empty path is the whole of a server. It is given to [`App::service`](actix_web::App::service), before what would answer the
/// same path.
#[must_use = "a console is reached once it was given to `App::service`"]
pub fn scope(path: &str) -> Console {
    let path = path.trim_matches('/');
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    Console {
        path,
        shown: Shown::default(),
        allow: None,
        named: None,
        hosts: None,
        is_production: false,
        audit: None,
        sign_in: None,
    }
}

/// A console, to be given to [`App::service`](actix_web::App::service); [`scope`] begins one.
///
/// Whatever it is told, a write has to come from a page of its own, and no page of another site may read it or frame it.
#[must_use = "a console is reached once it was given to `App::service`"]
pub struct Console {
    path: String,
    shown: Shown,
    allow: Option<Guard>,
    named: Option<Vec<String>>,
    /// Those of who serves it by itself.
    hosts: Option<Hosts>,
    is_production: bool,
    audit: Option<PathBuf>,
    sign_in: Option<&'static str>,
}

impl Console {
    /// Names what it shows. Default: nothing.
    pub fn showing(mut self, shown: &Shown) -> Self {
        self.shown = shown.clone();
        self
    }

    /// Says who may look, and who may do what; it is asked for each request, on the thread that answers it.
    ///
    /// Default: whoever comes from this machine may view, by a name that it has for itself, as `localhost`, and not through a proxy.
    /// Nobody may change anything, and everybody else is answered with 403.
    pub fn allow(mut self, allow: impl Fn(&HttpRequest) -> Allowed + 'static) -> Self {
        self.allow = Some(Rc::new(allow));
        self
    }

    /// Names the hosts that it answers to, each for every port or with its own: `shop.example`, `shop.example:8443`. It answers to no
    /// others then; a proxy has to pass the `Host` on.
    ///
    /// Default: `localhost` and the addresses of this machine. With [`allow`](Self::allow) every address that is a number as well, but
    /// no name: a page elsewhere can have a name of its own lead here, and would read this console by it.
    pub fn hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.named = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Says that this is production: every write asks back before it is done. Default: false.
    pub fn production(mut self, is_production: bool) -> Self {
        self.is_production = is_production;
        self
    }

    /// Names the file that tells who did what, when and from where, a line of JSON for each beginning and each end; it is made where
    /// it is missing. What cannot be noted there is not done, and answered with 503. Default: none.
    pub fn audit(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit = Some(path.into());
        self
    }

    /// Has other hosts than those that an application names.
    pub(crate) fn answering_to(mut self, hosts: Hosts) -> Self {
        self.hosts = Some(hosts);
        self
    }

    /// Says where somebody signs in who is unknown.
    pub(crate) fn signing_in_at(mut self, path: &'static str) -> Self {
        self.sign_in = Some(path);
        self
    }

    fn gate(self) -> Gate {
        let hosts = self.hosts.unwrap_or_else(|| Hosts::new(self.named.as_deref(), self.allow.is_some()));
        Gate {
            sight: Sight::of(&self.shown),
            shown: self.shown,
            allow: self.allow,
            hosts,
            is_production: self.is_production,
            log: self.audit.map(Log::at),
            sign_in: self.sign_in,
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Console");
        debug.field("path", &self.path).field("hosts", &self.named).field("production", &self.is_production);
        debug.field("audit", &self.audit).field("allow", &self.allow.is_some()).finish_non_exhaustive()
    }
}

/// Returns what every console answers: the method, and the path behind that of its scope, as actix-web writes it. `GET` stands for
/// `HEAD` too.
#[must_use]
pub fn routes() -> Vec<(&'static str, &'static str)> {
    all("").into_parts().1
}

/// Every room that has pages.
fn all(path: &str) -> Routes {
    let mut routes = Routes::new(path);
    assets::routes(&mut routes);
    pages::routes(&mut routes);
    live::routes(&mut routes);
    routes
}

/// What no page answers, behind the gate as they are.
async fn nothing() -> HttpResponse {
    Denied::new(StatusCode::NOT_FOUND, "there is no such page").response()
}

impl HttpServiceFactory for Console {
    fn register(self, config: &mut AppService) {
        let (scope, _) = all(&self.path).into_parts();
        let gate = Rc::new(self.gate());
        let pass = move |request: ServiceRequest, next: Next<BoxBody>| Rc::clone(&gate).pass(request, next);
        scope.default_service(web::to(nothing)).wrap(from_fn(pass)).register(config);
    }
}
