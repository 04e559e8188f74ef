//! What the client's and the server's errors mean for us.
//!
//! `RedisError | ServerError → Fault → TransportError`
//!
//! Of a server's error only the code is quoted: what follows it may repeat arguments, and these are payloads.

use std::sync::Arc;

use ::redis::{ErrorKind as ClientError, RedisError, ServerError};

use crate::transport::{ErrorKind, TransportError, in_vain};

/// An error of the client or the server, judged.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(super) kind: ErrorKind,
    /// Whether the connection is of no use any more.
    pub(super) broken: bool,
    /// Whether the server does not know a script.
    pub(super) no_script: bool,
    /// Whether there is no such stream or group.
    pub(super) no_group: bool,
    /// Whether the group that was to be created is there.
    pub(super) exists: bool,
    /// Whether it lets nobody write, because it is a replica.
    pub(super) read_only: bool,
    text: String,
}

impl Fault {
    fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind, broken: false, no_script: false, no_group: false, exists: false, read_only: false, text }
    }

    fn broken(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { broken: true, ..Self::new(kind, text) }
    }

    /// The server has not answered in time.
    pub(crate) fn silent() -> Self {
        let (kind, text) = in_vain(ErrorKind::Unreachable, "the server does not answer: look whether it is overloaded");
        Self::broken(kind, text)
    }

    pub(super) fn of_connecting(error: &RedisError) -> Self {
        match error.kind() {
            ClientError::Io if !error.is_connection_refusal() => {
                let text = "no connection comes about: check the address, and with rediss the certificate";
                Self::broken(ErrorKind::Unreachable, text)
            }
            _ => Self::of_client(error),
        }
    }

    pub(crate) fn of_client(error: &RedisError) -> Self {
        match error.kind() {
            ClientError::Io if error.is_connection_refusal() => {
                Self::broken(ErrorKind::Unreachable, "nothing listens at its address: look whether the server runs")
            }
            ClientError::Io => Self::broken(ErrorKind::Unreachable, "the connection is lost"),
            // The url was read before; what is left is a name that leads nowhere.
            ClientError::InvalidClientConfig => {
                Self::broken(ErrorKind::Unreachable, "its address cannot be used: check the host in the url")
            }
            ClientError::AuthenticationFailed => Self::denied("AUTH"),
            ClientError::Server(_) | ClientError::Extension => match error.code() {
                Some(code) => Self::of_code(code),
                None => Self::new(ErrorKind::Protocol, "the server has refused a command"),
            },
            _ => Self::broken(ErrorKind::Protocol, "what answers is no redis: check the address"),
        }
    }

    pub(crate) fn of_server(error: &ServerError) -> Self {
        Self::of_code(error.code())
    }

    /// After a failover we may still speak to what is no longer the master.
    pub(super) fn replica(code: &str) -> Self {
        let text = format!("the server is no master ({code}): look for a failover");
        Self { read_only: true, ..Self::broken(ErrorKind::Unreachable, text) }
    }

    fn denied(code: &str) -> Self {
        let text = format!("the server does not let us in ({code}): check user, password and rights");
        Self::broken(ErrorKind::Denied, text)
    }

    fn of_code(code: &str) -> Self {
        match code {
            "NOAUTH" | "WRONGPASS" | "NOPERM" => Self::denied(code),
            "WRONGTYPE" => Self::new(ErrorKind::Refused, "a key of this name is no stream: take another name"),
            "NOSCRIPT" => Self { no_script: true, ..Self::new(ErrorKind::Protocol, "a script is not known") },
            "NOGROUP" | "UNBLOCKED" => {
                let text = "there is no such stream or group: create it, or say create_if_missing";
                Self { no_group: true, ..Self::new(ErrorKind::Missing, text) }
            }
            "BUSYGROUP" => Self { exists: true, ..Self::new(ErrorKind::Refused, "the group is there already") },
            "READONLY" | "MASTERDOWN" => Self::replica(code),
            "LOADING" | "BUSY" | "TRYAGAIN" | "NOREPLICAS" | "MISCONF" | "OOM" => {
                Self::new(ErrorKind::Unreachable, format!("the server takes nothing now ({code}): look at its log"))
            }
            "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => {
                let text = format!("the server is part of a cluster ({code}): take one that is not");
                Self::new(ErrorKind::Refused, text)
            }
            // A code is a word of capitals; anything else might be an argument.
            code if code.len() <= 16 && code.bytes().all(|byte| byte.is_ascii_uppercase()) => Self::new(
                ErrorKind::Protocol,
                format!("the server has refused a command ({code}): it has to be 6.2 or newer"),
            ),
            _ => Self::new(ErrorKind::Protocol, "the server has refused a command: it has to be 6.2 or newer"),
        }
    }

    /// Whether it may be over in a moment.
    pub(crate) fn is_temporary(&self) -> bool {
        self.kind == ErrorKind::Unreachable
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn at(self, name: &Arc<str>) -> TransportError {
        TransportError::new(self.kind, name.clone(), self.text)
    }
}
