//! cqrs-es over PostgreSQL: events one by one and in hundreds, each for an aggregate of its own, and commands to one aggregate.
//!
//! Arguments: a URL, how many one by one, how many in hundreds, how many commands. Prints one line of JSON.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::time::Instant;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use postgres_es::postgres_cqrs;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Moved {
    text: String,
}

impl DomainEvent for Moved {
    fn event_type(&self) -> String {
        "Moved".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Order {
    moves: usize,
}

/// How many times it moves.
struct Move(usize);

impl Aggregate for Order {
    const TYPE: &'static str = "Order";
    type Command = Move;
    type Event = Moved;
    type Error = Infallible;
    type Services = ();

    async fn handle(&mut self, Move(times): Move, (): &(), sink: &EventSink<Self>) -> Result<(), Infallible> {
        for _ in 0..times {
            sink.write(Moved { text: "x".repeat(1000) }, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _: Moved) {
        self.moves += 1;
    }
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, url, single, many, commands] = arguments.as_slice() else {
        return Err("a URL and three numbers are wanted".into());
    };
    let (single, many, commands): (usize, usize, usize) = (single.parse()?, many.parse()?, commands.parse()?);
    let pool = sqlx::PgPool::connect(url).await?;
    let table = "CREATE TABLE IF NOT EXISTS events (aggregate_type text NOT NULL, aggregate_id text NOT NULL, \
                 sequence bigint NOT NULL, event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, \
                 metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence))";
    sqlx::query(table).execute(&pool).await?;
    let run = std::process::id();
    let orders = postgres_cqrs::<Order>(pool, Vec::new(), ());

    let timed = |start: Instant, used: f64| json!([start.elapsed().as_secs_f64(), cpu() - used]);
    let (start, used) = (Instant::now(), cpu());
    for at in 0..single {
        orders.execute(&format!("{run}-one-{at}"), Move(1)).await?;
    }
    let one = timed(start, used);
    let (start, used) = (Instant::now(), cpu());
    for at in 0..many / 100 {
        orders.execute(&format!("{run}-hundred-{at}"), Move(100)).await?;
    }
    let hundreds = timed(start, used);
    let (start, used) = (Instant::now(), cpu());
    for _ in 0..commands {
        orders.execute(&format!("{run}-many"), Move(1)).await?;
    }
    println!("{}", json!({ "one": one, "hundreds": hundreds, "commands": timed(start, used) }));
    Ok(())
}
