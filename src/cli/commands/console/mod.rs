//! `convoke console`: its arguments, and in `served.rs` what it does, where it was built with the feature `console`.

#[cfg(feature = "console")]
mod served;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[cfg(not(feature = "console"))]
use crate::error::{Error, Result};
#[cfg(not(feature = "console"))]
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke console sqlite:shop.db
  convoke console redis://localhost postgres://localhost/shop --operate
  convoke console --context shop --context mails
  convoke console --context shop --listen 0.0.0.0:7070 --password-file console.password

It prints a URL with a key in it, which lets one browser in and is worth nothing afterwards. With a password, whoever
has that comes in; it stands in a file or in CONVOKE_CONSOLE_PASSWORD, and has 12 characters at least. On an address
that others reach it does not start without one, and what it says is not encrypted: let a proxy do that.

Where a context is production every write asks back, and where it has an audit log each is noted there.
Ctrl-C ends it.";

/// Serves pages that show what runs on servers, and may repair what failed
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[cfg_attr(not(feature = "console"), command(hide = true))]
#[cfg_attr(not(feature = "console"), allow(dead_code, reason = "it only says what it would need"))]
pub(super) struct Console {
    /// Where, as redis://localhost, sqlite:shop.db; several are shown together
    #[arg(value_name = "URL")]
    urls: Vec<String>,

    /// A context of convoke.toml, beside those URLs; several are shown together
    #[arg(short, long = "context", value_name = "NAME")]
    contexts: Vec<String>,

    /// The address that it listens on; of port 0 the system chooses one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,

    /// A name that it is reached by, if that is neither localhost nor a number
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,

    /// A file whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Lets whoever comes in change things: redrive, discard, retry, cancel, abort
    #[arg(long)]
    operate: bool,

    /// Shows payloads and keys that may be personal
    #[arg(long)]
    reveal: bool,
}

#[cfg(not(feature = "console"))]
impl Console {
    pub(super) fn run(&self, _: &Terminal) -> Result<()> {
        Err(Error::refused("this `convoke` was built without the console")
            .hint("cargo install convoke-cli --features console"))
    }
}
