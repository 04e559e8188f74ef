//! Consumers that join, and open rounds that are looked at.

use std::time::Duration;

use actix::prelude::*;
use convoke::Inspect;
use convoke::prelude::*;

use super::Growth;
use crate::events::on_arbiter;
use crate::figure::cpu_time;
use crate::harness::Failure;

pub(super) const ROWS: &[Growth] = &[
    Growth {
        name: "Consumer::join beside n others",
        unit: "join",
        sizes: &[100, 10_000],
        times: 200,
        run: |n, times| on_arbiter(join_beside(n, times)),
    },
    Growth {
        name: "Inspect with n open rounds",
        unit: "snapshot",
        sizes: &[1_000, 100_000, 1_000_000],
        times: 5,
        run: |n, times| on_arbiter(inspect(n, times)),
    },
];

const HOUR: Duration = Duration::from_secs(3_600);

async fn join_beside(n: usize, times: u64) -> Result<Duration, Failure> {
    let broker = Broker::<u64>::new(HOUR).max_members(n + times as usize).start();
    let mut consumers = Vec::new();
    let mut begin = cpu_time();
    for joined in 0..n + times as usize {
        if joined == n {
            begin = cpu_time();
        }
        consumers.push(Consumer::join(&broker, |_: Resolved<u64>| ()).await?);
    }
    Ok(cpu_time() - begin)
}

async fn inspect(n: usize, times: u64) -> Result<Duration, Failure> {
    let broker = Broker::<u64>::new(HOUR).max_open(n).max_waiting(n).start();
    let first = Emitter::join(&broker, "first").await?;
    let silent = Silent.start();
    let _second = broker.add_emitter("second", silent.clone().recipient()).await?;
    let mut opened = Vec::new();
    for key in 0..n as u64 {
        opened.push(actix::spawn(first.emit_for(key, 1)));
        if key % 1_000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    while broker.send(Inspect).await?.open_count < n {
        tokio::task::yield_now().await;
    }
    let begin = cpu_time();
    for _ in 0..times {
        broker.send(Inspect).await?;
    }
    let took = cpu_time() - begin;
    opened.iter().for_each(|round| round.abort());
    Ok(took)
}

/// Is asked for its signal, and does not answer.
struct Silent;

impl Actor for Silent {
    type Context = Context<Self>;
}

impl Handler<Summons<u64>> for Silent {
    type Result = ();

    fn handle(&mut self, Summons { pledge }: Summons<u64>, _: &mut Context<Self>) {
        std::mem::forget(pledge);
    }
}
