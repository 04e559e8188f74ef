//! How an event becomes bytes and attributes, and back.
//!
//! `Envelope → Codec → Packet → transport/`, `transport/ → Packet → read → Envelope → worker/`
//!
//! | codec | what others see |
//! |---|---|
//! | [`Wire`](struct@Wire) | `{"metadata": {…}, "payload": …}`, with three attributes |
//! | [`CloudEvents::structured`] | the JSON format of CloudEvents 1.0, with four attributes |
//! | [`CloudEvents::binary`] | the payload alone; everything else is an attribute of CloudEvents 1.0 |
//!
//! Who writes chooses one; who reads gets any of them by [`read`], from us or from others.
//!
//! In reading order: `write` is the trait, by which `wire` and `cloud_events` write; `read` recognizes every form by its `mode`
//! and its `fields`, `cloud_event` is one as it is read, `percent` how a text stands in a header, and `error` why it is no event.
//!
//! What is written is read to the letter, and no error quotes what was read.

mod write;
mod wire;
mod cloud_events;
mod read;
mod mode;
mod fields;
mod cloud_event;
mod percent;
mod error;

pub use cloud_events::{Binding, CloudEvents};
pub use error::CodecError;
pub(crate) use read::check_attributes;
pub use read::read;
pub use wire::Wire;
pub use write::Codec;
