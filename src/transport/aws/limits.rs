//! How much SNS and SQS take.

/// How many bytes a packet and a batch may have: what SNS takes, and what SQS is sure to take.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// How many attributes a packet may have: with more, SNS drops what is delivered raw.
pub(crate) const MAX_ATTRIBUTES: usize = 10;

/// How many packets go in a request.
pub(crate) const MAX_BATCH: usize = 10;

/// How many requests of one call are on their way at once.
pub(crate) const REQUESTS: usize = 4;
