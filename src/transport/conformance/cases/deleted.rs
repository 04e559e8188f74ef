//! What somebody deletes at the server while it is in hand: it is gone there, and nobody says that it comes again.

use super::super::{Case, Lab, Verdict, cases, ensure, ensure_kind, failed, name, packet};
use crate::transport::{DeadReason, ErrorKind};

pub(super) const CASES: &[Case] = cases!(false; what_is_deleted_in_hand_is_not_said_to_come_again);

async fn what_is_deleted_in_hand_is_not_said_to_come_again(lab: &Lab<'_>) -> Verdict {
    let queue = format!("deleted-{:08x}", fastrand::u32(..));
    let channel = lab.channel_with(|wants| wants.name.clone_from(&queue)).await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&["done", "failed", "dead"].map(packet)).await?;
    let mut lent = Vec::new();
    while lent.len() < 3 {
        lent.extend(subscriber.some(3).await?);
    }
    lab.delete_all(&queue).await?;
    for delivery in lent {
        match name(delivery.packet()).as_str() {
            "failed" => {
                let again = delivery.retry_after(std::time::Duration::ZERO).await;
                ensure_kind(again, ErrorKind::Lost, "to have what is deleted tried again")?;
            }
            "dead" => match delivery.dead_letter(DeadReason::Permanent, Vec::new()).await {
                // Whoever says so has it.
                Ok(()) => {
                    let mut undertaker = channel.undertaker().await?;
                    loop {
                        let letter = undertaker.next().await?;
                        let is_it = name(letter.packet()) == "dead";
                        letter.ack().await?;
                        if is_it {
                            break;
                        }
                    }
                }
                Err(error) => ensure(error.kind() == ErrorKind::Lost, || format!("to bury what is deleted: {error}"))?,
            },
            _ => match delivery.ack().await {
                Err(error) if error.kind() != ErrorKind::Lost => {
                    return failed(format!("what is done was not: {error}"));
                }
                _ => {}
            },
        }
    }
    Ok(String::new())
}
