//! Codecs: how an event becomes bytes and attributes, and how it is read back.
//!
//! `Envelope → Codec → Packet → transport/`, `transport/ → Packet → read → Envelope → worker/`
//!
//! | codec | what other programs see |
//! |---|---|
//! | [`Wire`](struct@Wire) | `{"metadata": {…}, "payload": …}`, with three attributes |
//! | [`CloudEvents::structured`] | the JSON format of CloudEvents 1.0, with four attributes |
//! | [`CloudEvents::binary`] | the payload alone; everything else is an attribute of CloudEvents 1.0 |
//!
//! You choose a codec to write with. To read you need none: [`read`] recognizes every one of these forms, whether this
//! crate or another producer has written it.
//!
//! In reading order: `write` is the trait that `wire` and `cloud_events` implement. `read` recognizes every form by its
//! `mode` and its `fields`. `cloud_event` reads a CloudEvent, `percent` escapes and unescapes texts for headers, and
//! `error` says why a packet is no event. `leaves` is what leaves without a bus, with all that is known of it. `upcasts` lift
//! what was written in an old version to the present one.
//!
//! An event that is written is read back unchanged, and no error quotes what was read.

mod write;
mod wire;
mod cloud_events;
mod read;
mod mode;
mod fields;
mod cloud_event;
mod percent;
mod error;
mod leaves;
mod upcasts;

pub use cloud_events::{Binding, CloudEvents};
pub use error::CodecError;
pub(crate) use leaves::Unpressed;
pub use leaves::{Leaves, Outgoing};
pub(crate) use read::check_attributes;
pub use read::read;
pub(crate) use upcasts::Upcasts;
pub use wire::Wire;
pub use write::Codec;
