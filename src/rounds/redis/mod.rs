//! Rounds in Redis.
//!
//! `work.rs: lua/read.lua → Judge → lua/write.lua, if nobody has written there since`, `look.rs: what somebody asks`
//!
//! In reading order: `builder` describes a server before it is reached, and `handle` is what users hold of one. `settings` asks whether the
//! server keeps what it has confirmed. `rounds` is what is open, and does what store.rs of the folder above says. `work` has rounds judged,
//! `plans` puts what was ruled into the words of a script, and `row` is a signal as it stands in one. `look` is for who asks, and who
//! removes what is old. `names` is what a broker has: rules, consumers and parties, and by `bells` one hears that another process has
//! written. `answer` reads what the server says, and `script` has the scripts, whose keys `lua/common.lua` lists.
//!
//! Redis locks nothing while somebody judges, so a place has a version, which every write of it changes. What was ruled is written by
//! one script, place by place, where the version is still the one that was read; whoever comes too late reads and judges again. That
//! one script writes signals, the end of a round and what consumers are to hear, so there is no moment between them. It looks at all that it
//! will write to before it writes, for a script that fails halfway has written half.
//!
//! All keys of all brokers have one hash tag, so that a cluster has them in one place, where one number can be drawn for all.

mod builder;
mod handle;
mod settings;
mod rounds;
mod work;
mod plans;
mod row;
mod look;
mod names;
mod bells;
mod answer;
mod script;

pub use builder::RedisRoundsBuilder;
pub use handle::RedisRounds;
