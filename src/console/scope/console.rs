//! What an application says of its console.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use actix_web::HttpRequest;
use actix_web::dev::{AppService, HttpServiceFactory};

use super::routes::Routes;
use crate::gate::Allowed;
use crate::shown::Shown;

/// Begins a console whose pages are under this path, `/convoke` for one.
///
/// An empty path is the whole of a server. It is given to [`App::service`](actix_web::App::service), before what would answer the
/// same path.
#[must_use = "a console is reached once it was given to `App::service`"]
pub fn scope(path: &str) -> Console {
    let path = path.trim_matches('/');
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    Console { path, shown: Shown::default(), allow: None, hosts: None, is_production: false, audit: None }
}

/// A console, to be given to [`App::service`](actix_web::App::service); [`scope`] begins one.
#[must_use = "a console is reached once it was given to `App::service`"]
pub struct Console {
    path: String,
    shown: Shown,
    allow: Option<Rc<dyn Fn(&HttpRequest) -> Allowed>>,
    hosts: Option<Vec<String>>,
    is_production: bool,
    audit: Option<PathBuf>,
}

impl Console {
    /// Names what it shows. Default: nothing.
    pub fn showing(mut self, shown: &Shown) -> Self {
        self.shown = shown.clone();
        self
    }

    /// Says who may look, and who may do what; it is asked for each request.
    ///
    /// Default: whoever comes from this machine, by its own name, may view. Nobody may change anything.
    pub fn allow(mut self, allow: impl Fn(&HttpRequest) -> Allowed + 'static) -> Self {
        self.allow = Some(Rc::new(allow));
        self
    }

    /// Names the hosts that it answers to, each with its port or for every port: `shop.example`, `shop.example:8443`.
    pub fn hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Says that this is production: every write asks back before it is done. Default: false.
    pub fn production(mut self, is_production: bool) -> Self {
        self.is_production = is_production;
        self
    }

    /// Names the file that tells who did what, when and from where. Default: none.
    pub fn audit(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit = Some(path.into());
        self
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Console");
        debug.field("path", &self.path).field("hosts", &self.hosts).field("production", &self.is_production);
        debug.field("audit", &self.audit).field("allow", &self.allow.is_some()).finish_non_exhaustive()
    }
}

/// Returns what every console answers: the method, and the path behind that of its scope, as actix-web writes it.
#[must_use]
pub fn routes() -> Vec<(&'static str, &'static str)> {
    all("").into_parts().1
}

/// Every room that has pages.
fn all(path: &str) -> Routes {
    Routes::new(path)
}

impl HttpServiceFactory for Console {
    fn register(self, config: &mut AppService) {
        let (scope, _) = all(&self.path).into_parts();
        scope.register(config);
    }
}
