//! Who has been let in.
//!
//! `a key, once, or the password → a cookie → the person`

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use tokio::sync::Semaphore;

use crate::gate::{Allowed, Person, cookies, derived, is_same, new_key};

/// What lets somebody in, and as whom.
pub(super) struct Door {
    person: Person,
    /// Until somebody has come by it.
    key: Mutex<Option<String>>,
    password: Option<String>,
    /// Of this start; a cookie is derived from it.
    start: String,
    /// Browsers keep one jar for all ports of a machine.
    cookie: String,
    /// One password at a time is tried, and a second goes by after each that was wrong.
    pub(super) turn: Arc<Semaphore>,
}

impl Door {
    /// Nothing where the system gives no random bytes.
    pub(super) fn new(person: Person, password: Option<String>, port: u16) -> Option<Self> {
        Some(Self {
            person,
            key: Mutex::new(None),
            password,
            start: new_key()?,
            cookie: format!("convoke-console-{port}"),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Makes the key that somebody may come by, once.
    pub(super) fn cut(&self) -> Option<String> {
        let new = new_key()?;
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(new.clone());
        Some(new)
    }

    /// Takes the key: who comes with it a second time is too late.
    pub(super) fn take(&self, given: &str) -> bool {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = key.as_deref().is_some_and(|key| is_same(key, given));
        if is_it {
            *key = None;
        }
        is_it
    }

    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    pub(super) fn is_password(&self, given: &str) -> bool {
        // Compared as what is derived, so that the time says nothing of its length either.
        let derive = |text: &str| derived("password", &[text]);
        match (self.password.as_deref().and_then(derive), derive(given)) {
            (Some(wanted), Some(given)) => is_same(&wanted, &given),
            _ => false,
        }
    }

    /// The cookie of somebody who was let in; nothing where the system gives no random bytes.
    pub(super) fn open(&self) -> Option<HeaderValue> {
        let session = new_key()?;
        let proof = self.proof(&session)?;
        let text = format!("{}={session}.{proof}; Path=/; HttpOnly; SameSite=Strict", self.cookie);
        HeaderValue::from_str(&text).ok()
    }

    fn proof(&self, session: &str) -> Option<String> {
        derived("session", &[&self.start, session])
    }

    /// Who asks, by the cookie.
    pub(super) fn who(&self, request: &HttpRequest) -> Allowed {
        let is_in = cookies(request.headers(), &self.cookie).any(|cookie| {
            let Some((session, proof)) = cookie.split_once('.') else { return false };
            self.proof(session).is_some_and(|wanted| is_same(&wanted, proof))
        });
        if is_in { Allowed::As(self.person.clone()) } else { Allowed::Unknown }
    }
}
