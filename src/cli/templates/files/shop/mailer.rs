//! What sends mail.

use std::io;

/// Stands for your own, and says only that a mail would be sent.
#[derive(Debug)]
pub struct Mailer;

impl Mailer {
    /// Sends a mail.
    ///
    /// # Errors
    ///
    /// If it cannot be sent.
    pub fn send(&self, text: &str) -> io::Result<()> {
        log::info!("mail: {text}");
        Ok(())
    }
}
