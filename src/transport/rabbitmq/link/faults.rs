//! What the client says went wrong, in our words.
//!
//! `lapin::Error → its code → TransportError: a kind, and what to do`

use std::sync::Arc;

use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Error, ErrorKind as Cause};

use crate::transport::{ErrorKind, TransportError, in_vain};

/// Tells of an error of the client: what was tried, and what came of it. It quotes what the server says, which names
/// queues, exchanges and users, but neither passwords nor payloads; and nothing that could not be read.
pub(crate) fn fault(at: &Arc<str>, tried: &str, error: &Error) -> TransportError {
    let (kind, text) = told(error);
    TransportError::new(kind, at.clone(), format!("it could not {tried}: {text}"))
}

/// Why deliveries are no longer ours, when this has ended the channel that they were lent on.
pub(crate) fn reason(error: &Error) -> String {
    match told(error) {
        (ErrorKind::Unreachable, text) if !text.contains(TIMED_OUT) => GONE.to_owned(),
        (_, text) => text,
    }
}

/// Nobody has said why.
pub(crate) const GONE: &str = "the connection on which it was lent is gone";

/// What RabbitMQ from 4.3 on does with a consumer of a quorum queue, where those before it close the channel. It does not say
/// why, and there is no other reason while the queue is there and its server is.
pub(crate) const TAKEN_BACK: &str = "the server has ended the consumer and taken back what it had lent, as it does with \
    what is not settled within its `consumer_timeout`: set that above the longest listener, on the server or as \
    `x-consumer-timeout` of the queue";

/// What the servers before that say when they close the channel.
const TIMED_OUT: &str = "delivery acknowledgement on channel";

fn told(error: &Error) -> (ErrorKind, String) {
    match error.kind() {
        Cause::ProtocolError(error) if error.get_message().as_str().contains(TIMED_OUT) => {
            let text =
                format!("{}: set the `consumer_timeout` of the server above the longest listener", error.get_message());
            (ErrorKind::Unreachable, text)
        }
        Cause::ProtocolError(error) => {
            let kind = kind_of(error);
            (kind, format!("{}{}", error.get_message(), advice(kind)))
        }
        Cause::IOError(error) | Cause::RuntimeShutdownError(error) => {
            (ErrorKind::Unreachable, format!("{error}{}", advice(ErrorKind::Unreachable)))
        }
        Cause::MissingHeartbeatError => {
            (ErrorKind::Unreachable, "the server has gone silent: try again later".to_owned())
        }
        Cause::ParsingError(_) | Cause::SerialisationError(_) | Cause::InvalidProtocolVersion(_) => {
            (ErrorKind::Protocol, "the other end does not speak AMQP 0-9-1: check host and port".to_owned())
        }
        _ => (ErrorKind::Unreachable, "the connection is closed: try again later".to_owned()),
    }
}

/// What was waited for did not come in time.
pub(crate) fn late(at: &Arc<str>, tried: &str, deadline: std::time::Duration) -> TransportError {
    let text = format!("it could not {tried}: the server has not answered for {deadline:?}: try again later");
    let (kind, text) = in_vain(ErrorKind::Unreachable, text);
    TransportError::new(kind, at.clone(), text)
}

fn kind_of(error: &AMQPError) -> ErrorKind {
    match error.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => ErrorKind::Missing,
        AMQPErrorKind::Soft(AMQPSoftError::NOROUTE) => ErrorKind::Unroutable,
        AMQPErrorKind::Soft(AMQPSoftError::CONTENTTOOLARGE) => ErrorKind::TooLarge,
        // `NOT_ALLOWED` says that there is no such virtual host, or that the user may not enter it.
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
        | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED | AMQPHardError::INVALIDPATH) => ErrorKind::Denied,
        AMQPErrorKind::Soft(_) => ErrorKind::Refused,
        AMQPErrorKind::Hard(
            AMQPHardError::CONNECTIONFORCED | AMQPHardError::RESOURCEERROR | AMQPHardError::INTERNALERROR,
        ) => ErrorKind::Unreachable,
        AMQPErrorKind::Hard(_) => ErrorKind::Protocol,
    }
}

fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Missing => ": create it, or say `create_if_missing`",
        ErrorKind::Denied => ": check user, password, virtual host and rights",
        ErrorKind::Refused => ": check what kind of queue it is, and with what it was made",
        ErrorKind::Unreachable => ": check that the server runs, and try again later",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_let_in_has_sent_nothing_wrong() {
        let of = |kind| kind_of(&AMQPError::new(kind, "as it says".into()));
        for denied in [
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED),
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED),
            AMQPErrorKind::Hard(AMQPHardError::INVALIDPATH),
        ] {
            assert_eq!(of(denied), ErrorKind::Denied);
        }
        assert_eq!(of(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)), ErrorKind::Refused);
        assert_eq!(of(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)), ErrorKind::Missing);
    }
}
