//! Which release a server is: it says so before anything else, and the client keeps it to itself.
//!
//! `a connection of its own → AMQP's first frame → "version" → (4, 3)`

use std::io::{self, Read, Write};
use std::time::Duration;

use lapin::tcp::AMQPUriTcpExt;
use lapin::uri::AMQPUri;

/// Says that it speaks AMQP 0-9-1.
const HELLO: &[u8; 8] = b"AMQP\0\0\x09\x01";

/// A frame is its type, its channel and its size, and then so many bytes.
const FRAME: usize = 7;

/// What names the release among the properties of the server: a field, and that it is a text.
const VERSION: &[u8] = b"\x07versionS";

/// No server says more than this of itself.
const MOST: usize = 64 * 1024;

/// Asks for the release, major and minor; `None` if it cannot be told. The server logs that the connection was closed early,
/// so this is asked only where it matters.
pub(crate) async fn release(uri: &AMQPUri, deadline: Duration) -> Option<(u32, u32)> {
    let mut uri = uri.clone();
    let millis = deadline.as_millis().try_into().unwrap_or(u64::MAX);
    uri.query.connection_timeout.get_or_insert(millis);
    let frame = tokio::task::spawn_blocking(move || greeting(&uri, deadline)).await.ok()?.ok()?;
    version(&frame)
}

fn greeting(uri: &AMQPUri, deadline: Duration) -> io::Result<Vec<u8>> {
    let mut stream = uri.connect().map_err(io::Error::other)?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(deadline))?;
    stream.write_all(HELLO)?;
    stream.flush()?;
    let mut head = [0; FRAME];
    stream.read_exact(&mut head)?;
    let size = head.last_chunk().map_or(0, |size| u32::from_be_bytes(*size));
    let mut frame = vec![0; usize::try_from(size).unwrap_or(MOST).min(MOST)];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn version(frame: &[u8]) -> Option<(u32, u32)> {
    let at = frame.windows(VERSION.len()).position(|window| window == VERSION)?;
    let (size, rest) = frame.get(at + VERSION.len()..)?.split_first_chunk()?;
    let text = rest.get(..usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
    let mut numbers = std::str::from_utf8(text).ok()?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_what_the_server_says_of_itself() {
        let said = |version: &[u8]| -> Vec<u8> {
            [b"\x07productS\0\0\0\x08RabbitMQ", VERSION, version, b"\x08platformS"].concat()
        };
        assert_eq!(version(&said(b"\0\0\0\x05")), None);
        assert_eq!(version(&said(b"\0\0\0\x054.3.6")), Some((4, 3)));
        assert_eq!(version(&said(b"\0\0\0\x0c4.4.0-beta.1")), Some((4, 4)));
        assert_eq!(version(&said(b"\0\0\0\x064.3.66")), Some((4, 3)));
        assert_eq!(version(&said(b"\0\0\0\xff4.3.6")), None);
        assert_eq!(version(&said(b"\xff\xff\xff\xff4.3.6")), None);
        assert_eq!(version(&said(b"\0\0\0\x014")), None);
        assert_eq!(version(b"nothing"), None);
    }
}
