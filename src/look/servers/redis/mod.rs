//! Redis: streams, their groups, and the streams of their dead letters.
//!
//! `redis://… → Link → { figures.lua → figures, XRANGE → letters → back.lua, XREAD → what is new }`
//!
//! In reading order: `redis` asks, `reply` reads what is answered, and `news` reads what comes over a connection of its own.

mod redis;
mod reply;
mod news;

pub(super) use redis::RedisLook;
