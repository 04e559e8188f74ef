//! The clients of the SDK.

use aws_sdk_sqs::Client;

/// Those of one generation.
#[derive(Clone)]
pub(in crate::transport::sqs) struct Clients {
    pub(in crate::transport::sqs) plain: Client,
    /// The one whose requests may take as long as a server waits.
    pub(in crate::transport::sqs) polling: Client,
}
