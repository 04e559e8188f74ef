//! What a server lends to one subscriber, from when it comes to when the server knows how it ended.
//!
//! `the server → feed.rs → subscriber.rs → Delivery → receipt.rs → acks.rs: many at once, by tags.rs → the server`
//!
//! In reading order: `feed` is what the server sends, `subscriber` makes deliveries of it, `receipt` settles one of them,
//! `acks` says so to the server in as few words as `tags` finds, and `marks` remembers what was heard alone.
//!
//! A delivery is settled on the channel that it came by, or not at all: what a channel had lent is lent anew when it is gone.

mod feed;
mod subscriber;
mod receipt;
mod acks;
mod tags;
mod marks;

pub(crate) use subscriber::Subscriber;
