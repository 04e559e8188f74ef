//! The frame around every page: answers, why there is none, what comes of a form, and where one can go.
//!
//! `a page's struct ─▶ templates/frame/base.html ─▶ Html`, `POST ─▶ Fields ─▶ a page that asks back, or it is done ─▶ Answer`
//!
//! In reading order: `html` is a page as an answer and why there is none, `form` what comes of a form, `nav` where one can go, and `live`
//! which pages are followed.

mod html;
mod form;
mod nav;
mod live;

pub(crate) use crate::view::{
    Age, Ago, Bar, Change, Figure, HIDDEN, PacketShown, Spark, block, guarded, link, pretty, shown, told,
};
pub(crate) use form::{Fields, ask};
pub(crate) use html::{Answer, Html, Refused};
pub(crate) use live::{LONGEST, place};
pub(crate) use nav::groups;
