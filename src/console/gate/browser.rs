//! What tells one browser from another, so that the token of a form is good in the browser that has loaded it alone. It lets nobody
//! in: who somebody is says the application.
//!
//! `a cookie, or a new one → Browser → the token of a form`

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};

use super::key::{derived, is_key, new_key};
use super::person::Person;

const NAME: &str = "convoke-console";

/// A browser.
#[derive(Clone, Debug)]
pub(super) struct Browser {
    id: String,
    is_new: bool,
}

impl Browser {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let id = cookies(headers, NAME).find(|id| is_key(id))?.to_owned();
        Some(Self { id, is_new: false })
    }

    /// One that has not been here yet; nothing where the system gives no random bytes.
    pub(super) fn new() -> Option<Self> {
        Some(Self { id: new_key()?, is_new: true })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What its forms have, for this person and until this process ends.
    pub(super) fn token(&self, person: &Person) -> Option<String> {
        derived("form", &[&self.id, person.name()])
    }

    /// What it is to keep, if it is new. With a link from elsewhere it comes too, or each such link would make those of other pages
    /// worthless.
    pub(super) fn cookie(&self, base: &str) -> Option<HeaderValue> {
        if !self.is_new {
            return None;
        }
        let text =
            format!("{NAME}={}; Path={}; HttpOnly; SameSite=Lax", self.id, if base.is_empty() { "/" } else { base });
        HeaderValue::from_str(&text).ok()
    }
}

/// The values of every cookie of this name.
pub(crate) fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(it, _)| *it == name).map(|(_, value)| value)
}
