//! The scripts by which each step of durable rounds is one on the server.
//!
//! `lua/*.lua → Script → RedisStore::call`

use std::sync::LazyLock;

use crate::transport::redis::Script;

macro_rules! scripts {
    ($($name:ident = $file:literal;)+) => {$(
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("lua/common.lua"), include_str!($file))));
    )+};
}

scripts! {
    READ = "lua/read.lua";
    WRITE = "lua/write.lua";
    DUE = "lua/due.lua";
    KEPT = "lua/kept.lua";
    ENDED = "lua/ended.lua";
    FIGURES = "lua/figures.lua";
    PURGE = "lua/purge.lua";
    REGISTER = "lua/register.lua";
    ENROLL = "lua/enroll.lua";
    FORGET = "lua/forget.lua";
    CONSUMER = "lua/consumer.lua";
    PARTY = "lua/party.lua";
}
