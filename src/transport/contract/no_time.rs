//! The clock that stands still, as that of a test: no wait for a server or a file is long enough under it.
//!
//! `a transport that waited in vain, or is about to open a socket → NO_TIME → TransportError`

use super::error::ErrorKind;
#[cfg(any(feature = "postgres", feature = "rabbitmq", feature = "sns", feature = "sqs"))]
use super::error::TransportError;

/// What is wrong then.
const NO_TIME: &str = "under virtual time nobody waits for what is outside this process: test it in real time, with \
    `#[actix::test]` instead of `#[convoke::test]`, or over `Memory`";

/// Makes the error of who has waited in vain: of a clock that stands still it is no wonder.
pub(crate) fn in_vain(kind: ErrorKind, text: impl Into<String>) -> (ErrorKind, String) {
    match crate::__private::stands_still() {
        true => (ErrorKind::Unsupported, NO_TIME.to_owned()),
        false => (kind, text.into()),
    }
}

/// Whether a socket may be opened here: under `#[convoke::test]` there are none.
#[cfg(any(feature = "postgres", feature = "rabbitmq", feature = "sns", feature = "sqs"))]
pub(crate) fn sockets(at: &str) -> Result<(), TransportError> {
    match crate::__private::is_virtual() {
        true => Err(TransportError::new(ErrorKind::Unsupported, at, NO_TIME)),
        false => Ok(()),
    }
}
