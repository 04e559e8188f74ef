//! The task `SendInvoice`.

use std::sync::Arc;

use convoke::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Mailer;

/// The invoice of an order is to be sent. It waits in the database as JSON.
#[derive(Task, Clone, Debug, Serialize, Deserialize)]
#[task(attempts = 5, timeout = "30s", unique(order))]
pub struct SendInvoice {
    pub order: u64,
}

/// Sends it, at least once.
///
/// # Errors
///
/// If the mail cannot be sent: then it is tried again, five times in all.
pub async fn send_invoice(task: Arc<SendInvoice>, mailer: Inject<Mailer>) -> Handled {
    mailer.send(&format!("the invoice of order {}", task.order))?;
    Ok(())
}
