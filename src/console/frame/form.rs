//! The fields of a form that writes, and the page that asks back before anything is written.
//!
//! `POST → Fields → is it sure? ─ no, and it is asked: ask.html, the same fields once more ─ yes: it is done`

use askama::Template;

use super::html::{Answer, Html, Refused};
use crate::gate::Visit;

/// What says that somebody was asked back.
const SURE: &str = "sure";

/// The fields of a form, in their order: a name may come several times.
#[derive(Clone, Debug)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn new(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// The first of this name; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// All of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether somebody was asked back, and is sure.
    pub(crate) fn is_sure(&self) -> bool {
        self.get(SURE) == "yes"
    }
}

#[derive(Template)]
#[template(path = "frame/ask.html")]
struct Ask<'a> {
    visit: &'a Visit,
    action: &'a str,
    fields: Vec<&'a (String, String)>,
    question: &'a str,
    verb: &'a str,
    back: &'a str,
}

/// The page that asks back: the same form once more, and what it will do.
///
/// # Errors
///
/// Those of [`Html::of`].
pub(crate) fn ask(
    visit: &Visit,
    action: &str,
    fields: &Fields,
    (question, verb): (&str, &str),
    back: &str,
) -> Result<Answer, Refused> {
    let fields = fields.0.iter().filter(|(name, _)| name != SURE && name != "token").collect();
    Html::of(&Ask { visit, action, fields, question, verb, back }).map(Answer::Page)
}
