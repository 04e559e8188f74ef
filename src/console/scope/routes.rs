//! What is registered, and as what.

use actix_web::guard::{self, Guard};
use actix_web::{FromRequest, Handler, Responder, Scope, web};

/// What a room registers its pages with. There is no other way into the scope, so that its list has all of them.
pub(crate) struct Routes {
    scope: Scope,
    list: Vec<(&'static str, &'static str)>,
}

impl Routes {
    pub(super) fn new(path: &str) -> Self {
        Self { scope: web::scope(path), list: Vec::new() }
    }

    /// Has a page answer GET and HEAD. The first, "", answers to the path of the scope with and without a `/` behind it.
    pub(crate) fn get<F, Args>(&mut self, path: &'static str, page: F)
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        if path.is_empty() {
            self.route("GET", "/", reads(), page.clone());
        }
        self.route("GET", path, reads(), page);
    }

    /// Has a write answer POST: a form, of which the gate has looked at everything but its fields.
    pub(crate) fn post<F, Args>(&mut self, path: &'static str, write: F)
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("POST", path, guard::Post(), write);
    }

    fn route<F, Args>(&mut self, method: &'static str, path: &'static str, guard: impl Guard + 'static, handler: F)
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let scope = std::mem::replace(&mut self.scope, web::scope(""));
        self.scope = scope.route(path, web::route().guard(guard).to(handler));
        self.list.push((method, path));
    }

    pub(super) fn into_parts(self) -> (Scope, Vec<(&'static str, &'static str)>) {
        (self.scope, self.list)
    }
}

fn reads() -> impl Guard {
    guard::Any(guard::Get()).or(guard::Head())
}
