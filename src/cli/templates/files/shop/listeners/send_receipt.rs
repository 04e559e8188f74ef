//! The listener `send_receipt`.

use std::io;
use std::sync::Arc;

use convoke::prelude::*;

use crate::Mailer;
use crate::events::OrderPlaced;

/// Sends a receipt for every order. The bus provides the mailer.
///
/// # Errors
///
/// If the mail cannot be sent. The other listeners hear the order all the same.
pub async fn send_receipt(order: Arc<OrderPlaced>, mailer: Inject<Mailer>) -> io::Result<()> {
    mailer.send(&format!("thank you for order {}", order.id))
}
