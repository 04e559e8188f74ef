//! Actors of your own: a warehouse is summoned to every round, an accountant hears of those that are resolved.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use actix::prelude::*;
use convoke::prelude::*;
use std::{error::Error, time::Duration};

/// An emitter. The membership lies in its field, so that whatever ends the actor, a panic too, ends it as well.
struct Warehouse {
    stock: Vec<&'static str>,
    broker: Addr<Broker<&'static str>>,
    membership: Option<Membership<&'static str>>,
}

impl Actor for Warehouse {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        let joining = self.broker.add_emitter("warehouse", ctx.address().recipient());
        joining.into_actor(self).map(|joined, warehouse, _| warehouse.membership = joined.ok()).spawn(ctx);
    }
}

impl Handler<Summons<&'static str>> for Warehouse {
    type Result = ();
    fn handle(&mut self, Summons { pledge }: Summons<&'static str>, ctx: &mut Context<Self>) {
        let Some(thing) = self.stock.pop() else { return pledge.veto("sold out") };
        ctx.run_later(Duration::from_millis(400), move |_, _| pledge.keep(thing));
    }
}

/// A consumer. If it fails, it says so, and `outcome.consumed()` names it.
struct Accountant;
impl Actor for Accountant {
    type Context = Context<Self>;
}

impl Handler<Resolved<&'static str>> for Accountant {
    type Result = Handled;
    fn handle(&mut self, round: Resolved<&'static str>, _: &mut Context<Self>) -> Handled {
        let bar = |at: Duration| "━".repeat(at.as_millis() as usize / 10);
        round.signals().for_each(|s| println!("{:>9} {}● {}", s.emitter, bar(s.at), s.payload));
        Ok(())
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let broker = Broker::new(Duration::from_secs(1)).release(Release::required(["buyer", "warehouse"])).start();
    let _warehouse = Warehouse { stock: vec!["a desk", "a lamp"], broker: broker.clone(), membership: None }.start();
    let accountant = Accountant.start().recipient::<Resolved<_>>();
    let _accounting = broker.add_consumer("accountant", accountant).await?;
    let buyer = Emitter::join(&broker, "buyer").await?;
    for wish in ["Ada wants one", "Bob wants one", "Cleo wants one"] {
        println!("{}\n", buyer.emit(wish).await?);
    }
    Ok(())
}
