//! The scripts by which several steps on the server are one.
//!
//! `lua/*.lua → Script → link.rs (EVALSHA, or EVAL where the server does not know it yet)`

use std::sync::LazyLock;

use ::redis::{Cmd, cmd};

/// A script, which the server knows by its hash once it has seen it.
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    pub(crate) fn new(code: &'static str) -> Self {
        Self { code, hash: ::redis::Script::new(code).get_hash().to_owned() }
    }

    /// Makes the call of it; `known` unless the server has said that it does not know it.
    pub(super) fn call(&self, known: bool, keys: &[&str], add: impl FnOnce(&mut Cmd)) -> Cmd {
        let mut call = if known { cmd("EVALSHA") } else { cmd("EVAL") };
        call.arg(if known { &self.hash } else { self.code }).arg(keys.len());
        for key in keys {
            call.arg(*key);
        }
        add(&mut call);
        call
    }
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)+) => {$(
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    )+};
}

scripts! {
    ACK = "lua/common.lua" "lua/ack.lua";
    LATER = "lua/common.lua" "lua/later.lua";
    EXTEND = "lua/common.lua" "lua/extend.lua";
    MARK = "lua/common.lua" "lua/mark.lua";
    BURY = "lua/common.lua" "lua/bury.lua";
    LOOK = "lua/common.lua" "lua/look.lua";
    TRIM = "lua/common.lua" "lua/trim.lua";
    LEAVE = "lua/common.lua" "lua/leave.lua";
    BACKLOG = "lua/common.lua" "lua/backlog.lua";
}

/// Keeps a packet until it is due. It stands in the middle of a pipeline, where a second attempt by its code is not possible,
/// and is short enough to be sent each time.
pub(super) const DELAY: &str = include_str!("lua/delay.lua");
