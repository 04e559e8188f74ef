//! Services that start one after the other, and one that restarts among many.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{Backoff, Restart, Supervisor};

use super::Growth;
use crate::events::on_arbiter;
use crate::figure::cpu_time;
use crate::harness::Failure;

pub(super) const ROWS: &[Growth] = &[
    Growth {
        name: "n services that start one after the other",
        unit: "service",
        sizes: &[1_000, 10_000],
        times: 1,
        run: |n, _| on_arbiter(async move { Ok(start(n).await? / n as u32) }),
    },
    Growth {
        name: "a restart of the last under a supervisor of n (rest_for_one)",
        unit: "restart",
        sizes: &[100, 1_000, 10_000],
        times: 50,
        run: |n, times| on_arbiter(restart(n, times)),
    },
];

/// Stops by itself when it is told to.
#[derive(BaseService)]
#[service(start = count)]
struct Shop {
    starts: Rc<Cell<u64>>,
}

impl Shop {
    fn count(&mut self) {
        self.starts.set(self.starts.get() + 1);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Close;

impl Handler<Close> for Shop {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

async fn start(n: usize) -> Result<Duration, Failure> {
    let (bus, starts) = (EventBus::new(), Rc::new(Cell::new(0)));
    let mut services = Services::new(&bus);
    for number in 0..n {
        let starts = starts.clone();
        let shop = Shop::supervised(&bus, move |_| Shop { starts: starts.clone() }).named(format!("shop {number}"));
        services = services.add(shop);
    }
    let begin = cpu_time();
    let handle = services.await?;
    let took = cpu_time() - begin;
    handle.shutdown().await;
    if starts.get() == n as u64 { Ok(took) } else { Err("not all have started".into()) }
}

async fn restart(n: usize, times: u64) -> Result<Duration, Failure> {
    let (bus, starts) = (EventBus::new(), Rc::new(Cell::new(0)));
    let limitless = |supervisor: Supervisor| supervisor.budget(u32::MAX, Duration::from_secs(1));
    let (mut supervisor, mut address) = (limitless(Supervisor::rest_for_one(&bus, "shops")), None);
    for number in 0..n {
        let starts = starts.clone();
        let mut shop = Shop::supervised(&bus, move |_| Shop { starts: starts.clone() })
            .named(format!("shop {number}"))
            .restart(Restart::Always)
            .budget(u32::MAX, Duration::from_secs(1))
            .backoff(Backoff::none());
        if number == n - 1 {
            address = Some(shop.addr());
        }
        supervisor = supervisor.add(shop);
    }
    let address = address.ok_or("no service")?;
    let handle = supervisor.await?;
    let begin = cpu_time();
    for restart in 1..=times {
        address.try_send(Close)?;
        while starts.get() < n as u64 + restart {
            tokio::task::yield_now().await;
        }
    }
    let took = cpu_time() - begin;
    handle.stop().await;
    Ok(took)
}
