//! The clients of the SDK.

use aws_sdk_sqs::Client;

/// Those of one generation.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) plain: Client,
    /// The one whose requests may take as long as a server waits.
    pub(super) polling: Client,
}
