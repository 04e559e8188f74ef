//! How what somebody else has made is shown: text, times, numbers, drawings, packets.
//!
//! `a packet → personal.rs: may it be seen? → packet.rs: PacketShown`, `a text → text.rs: shown | told | block → a template, which escapes it`
//!
//! In reading order: `text` is text from outside, `time` times and numbers, `charts` small drawings. `packet` is a packet as it is shown, and
//! `personal` whether what is in it may be.
//!
//! What must hold: text from outside is on no page but by `shown`, `told` or `block`, which cut it and take its control characters; what
//! is markup in it is escaped by the templates. What has `HtmlSafe` writes numbers and words of ours alone. A payload, a key and the values beside
//! them are shown if the packet says that it contains no personal data, or to who may reveal. An authorization is never shown.

mod text;
mod time;
mod charts;
mod packet;
mod personal;

pub(crate) use charts::{Bar, Spark};
pub(crate) use packet::{PacketShown, guarded, pretty};
pub(crate) use text::{block, link, shown, told};
pub(crate) use time::{Age, Ago, Change, Figure};

/// What stands where a value would that may be personal.
pub(crate) const HIDDEN: &str = "(hidden)";
