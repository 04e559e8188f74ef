//! How packets are shared out over requests: in order, as few as that takes.
//!
//! `sizes → pack → ranges, each at most 10 packets and 256 KiB`, `answers → spread → a result for each`

use std::ops::Range;

use super::limits::{MAX_BATCH, MAX_BYTES};
use crate::transport::{ErrorKind, TransportError};

/// Shares out in order: as many as fit go into a request, and the next begins with what did not.
pub(in crate::transport) fn pack(sizes: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes, mut end) = (0, 0, 0);
    for size in sizes {
        if end > start && (end - start == MAX_BATCH || bytes + size > MAX_BYTES) {
            batches.push(start..end);
            (start, bytes) = (end, 0);
        }
        bytes += size;
        end += 1;
    }
    if end > start {
        batches.push(start..end);
    }
    batches
}

/// Makes a result for each of `count` entries, whose ids are their numbers, of what the server has said of some. Of which
/// it says nothing nobody knows.
pub(in crate::transport) fn spread<'a>(
    at: &str,
    what: &str,
    count: usize,
    taken: impl IntoIterator<Item = &'a str>,
    refused: impl IntoIterator<Item = (&'a str, TransportError)>,
) -> Vec<Result<(), TransportError>> {
    let mut results: Vec<Option<Result<(), TransportError>>> = vec![None; count];
    let taken = taken.into_iter().map(|id| (id, Ok(())));
    let refused = refused.into_iter().map(|(id, error)| (id, Err(error)));
    for (id, result) in taken.chain(refused) {
        if let Some(slot) = id.parse().ok().and_then(|at: usize| results.get_mut(at)) {
            *slot = Some(result);
        }
    }
    let silence = || {
        let text = format!("could not {what}: the server says nothing of one of several");
        TransportError::new(ErrorKind::Protocol, at, text)
    };
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(silence()))).collect()
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "a batch is a range, and there may be one")]
mod tests {
    use super::*;

    #[test]
    fn no_batch_has_more_than_ten() {
        assert!(pack([]).is_empty());
        assert_eq!(pack([1; 10]), [0..10]);
        assert_eq!(pack([1; 11]), [0..10, 10..11]);
        assert_eq!(pack([1; 25]), [0..10, 10..20, 20..25]);
    }

    #[test]
    fn no_batch_has_more_bytes_than_are_taken() {
        assert_eq!(pack([MAX_BYTES]), [0..1]);
        assert_eq!(pack([MAX_BYTES - 1, 1]), [0..2]);
        assert_eq!(pack([MAX_BYTES - 1, 2]), [0..1, 1..2]);
        assert_eq!(pack([MAX_BYTES, MAX_BYTES]), [0..1, 1..2]);
        assert_eq!(pack([100_000, 100_000, 100_000, 1, 1]), [0..2, 2..5]);
    }

    #[test]
    fn silence_is_an_error_and_a_strange_id_is_not_ours() {
        let refused = [("1", TransportError::new(ErrorKind::Refused, "x", "no"))];
        let results = spread("x", "publish", 3, ["0", "7", "x"], refused);
        assert!(results[0].is_ok());
        assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(results[2].as_ref().unwrap_err().kind(), ErrorKind::Protocol);
    }
}
