//! A service fails and comes back; what was sent to it meanwhile has waited.

use actix::prelude::*;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Act, Stage, Tone};

#[derive(Event, Serialize, Deserialize)]
struct OrderPaid {
    id: u64,
}

/// The one that the service does not survive.
const UNLUCKY: u64 = 13;
/// What its panic says; the command keeps it from the terminal.
pub(crate) const PANIC: &str = "an unlucky order";

#[derive(BaseService)]
#[service(on(OrderPaid))]
struct Billing {
    act: Act,
}

impl Handler<Heard<OrderPaid>> for Billing {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPaid>, _: &mut Context<Self>) -> Handled {
        assert!(order.id != UNLUCKY, "{PANIC}");
        self.act.row("orders", Tone::Good, 100, format!("order {} is billed", order.id));
        Ok(())
    }
}

pub(super) async fn play(stage: &Stage) -> Result<(), Failure> {
    let act =
        stage.begin("A service", "it fails, and comes back", [("billing", "is not there"), ("orders", "none yet")]);
    let bus = EventBus::default();
    let seen = act.clone();
    let status = bus.on(move |status: &ServiceStatus| {
        let (tone, full) = match status.state {
            ServiceState::Running => (Tone::Good, 100),
            ServiceState::Restarting => (Tone::Back, 50),
            ServiceState::Failed => (Tone::Bad, 0),
            _ => (Tone::Waits, 25),
        };
        seen.row("billing", tone, full, format!("is {}", status.state));
    })?;
    let for_service = act.clone();
    let billing = Billing::supervised(&bus, move |_| Billing { act: for_service.clone() }).await?;
    act.pause(600).await;
    for id in [7, UNLUCKY, 8, 9] {
        bus.publish(OrderPaid { id })?;
    }
    bus.drain().await;
    act.verdict(Tone::Good, "order 13 has killed it; 8 and 9 have waited until it was back");
    act.pause(1_200).await;
    // What is shown is how it runs.
    drop(status);
    drop(billing.stop().await);
    Ok(())
}
