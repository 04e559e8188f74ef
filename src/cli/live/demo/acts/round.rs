//! A round fills up emitter by emitter; another is cancelled, and names who is missing.

use std::time::Duration;

use actix::clock::timeout;
use convoke::prelude::*;

use super::{Stage, Tone};

const PARTIES: [(&str, &str); 3] = [("stock", "3 left"), ("payment", "paid"), ("fraud", "no fraud")];
/// How long a round waits for those who do not answer.
const PATIENCE: Duration = Duration::from_millis(900);

pub(super) async fn play(stage: &Stage) -> Result<(), Failure> {
    let act =
        stage.begin("A round", "ship when all three have answered", PARTIES.map(|(who, _)| (who, "owes a signal")));
    let broker = Broker::new(PATIENCE).expects(PARTIES.map(|(who, _)| who)).start();
    let shipped = act.clone();
    let ship = move |round: Resolved<&'static str>| {
        shipped.verdict(Tone::Good, format!("order 7 is shipped: {:?}", round.payloads()));
    };
    let _ship = Consumer::join(&broker, ship).await?;
    let mut parties = Vec::new();
    for (who, _) in PARTIES {
        parties.push(Emitter::join(&broker, who).await?);
    }

    act.pause(500).await;
    let mut answers = Vec::new();
    for (emitter, (who, says)) in parties.iter().zip(PARTIES) {
        answers.push(actix::spawn(emitter.emit_for("order 7", says)));
        act.row(who, Tone::Good, 100, says);
        // Well within the patience of the round, together.
        act.pause(250).await;
    }
    for answer in answers {
        answer.await??;
    }
    act.pause(1_200).await;

    for (who, _) in PARTIES {
        act.row(who, Tone::Waits, 0, "owes a signal for order 8");
    }
    act.pause(400).await;
    // The third stays a party of the round, and says nothing.
    let [stock, payment, _] = &parties[..] else { return Ok(()) };
    let (stock, payment) = (stock.emit_for("order 8", "2 left"), payment.emit_for("order 8", "paid"));
    act.row("stock", Tone::Good, 100, "2 left");
    act.row("payment", Tone::Good, 100, "paid");
    let both = async { tokio::join!(stock, payment) };
    let (outcome, _) = timeout(Duration::from_secs(10), both).await?;
    if let Some(cancelled) = outcome?.cancelled() {
        let missing: Vec<String> = cancelled.missing().map(|emitter| emitter.name.to_string()).collect();
        for who in &missing {
            act.row(who, Tone::Bad, 0, "said nothing");
        }
        act.verdict(Tone::Bad, format!("order 8 is cancelled for all: {} is missing", missing.join(", ")));
    }
    act.pause(1_000).await;
    Ok(())
}
