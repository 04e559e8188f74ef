//! The round `shipping`.

use std::time::Duration;

use actix::Addr;
use convoke::prelude::*;

/// Who has to be there.
pub const PARTIES: [&str; 2] = ["payment", "stock"];

/// How long they have, from the first signal on.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// Starts the broker of these rounds. It lives as long as its address, or what has joined it.
pub fn start() -> Addr<Broker<String>> {
    let broker = Broker::new(TIMEOUT).expects(PARTIES);
    broker.named("shipping").start()
}

/// Has both parties signal for an order, and returns how its round has ended. In an application each party is elsewhere.
///
/// # Errors
///
/// If a party cannot join, or the broker is gone.
pub async fn ship(order: u64) -> Result<Outcome<String>, Failure> {
    let broker = start();
    let payment = Emitter::join(&broker, "payment").await?;
    let stock = Emitter::join(&broker, "stock").await?;
    let paid = payment.emit_for(order, "paid".to_owned());
    let in_stock = stock.emit_for(order, "3 left".to_owned());
    paid.await?;
    Ok(in_stock.await?)
}
