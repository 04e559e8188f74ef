//! A thousand services, a million events, and a tenth of all that happens fatal: everything is accounted for, nobody else is
//! harmed, and nothing is left. With `CONVOKE_FULL` set it is ten million.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{Backoff, ServiceState, testing};

use crate::common::{SECOND, in_a_process_of_its_own, settled, sleep};

const SERVICES: u64 = 1_000;
const CALLS: u64 = 1_000_000;

/// The bound on what the memory may have grown by once all services are gone: what the allocator keeps for itself, and
/// the last letters.
const MOST_KEPT: usize = 8 << 20;

/// How many calls all services get together.
fn calls() -> u64 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 10 * CALLS } else { CALLS }
}

/// The memory of this process in bytes that is backed by no file, where the system tells. What is backed by one grows with the
/// parts of the program that have run.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split(' ').skip(1).map_while(|field| field.parse::<usize>().ok());
    Some((pages.next()?.checked_sub(pages.next()?)?) * 4096)
}

/// All services hear it.
#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Job(u64);

/// What all services of a run count.
#[derive(Clone, Default)]
struct Counts {
    handled: Rc<Cell<u64>>,
    built: Rc<Cell<u64>>,
    dropped: Rc<Cell<u64>>,
    fatal: Rc<Cell<u64>>,
}

impl Counts {
    fn add(count: &Cell<u64>) -> u64 {
        count.set(count.get() + 1);
        count.get()
    }

    /// Ends the service in which this is called.
    fn fall(&self) -> ! {
        Self::add(&self.fatal);
        panic!("as told")
    }
}

#[derive(BaseService)]
#[service(on(Job), start = open, begin = begin, stop = close)]
struct Worker {
    counts: Counts,
    place: u64,
    /// Which of all that were built.
    number: u64,
}

impl Drop for Worker {
    fn drop(&mut self) {
        Counts::add(&self.counts.dropped);
        if self.number % 10 == 9 {
            self.counts.fall();
        }
    }
}

impl Worker {
    /// The first thousand start well, a tenth of the others does not.
    async fn open(&mut self) -> Handled {
        if self.number > SERVICES && self.number % 10 == 1 {
            self.counts.fall();
        }
        Ok(())
    }

    fn begin(&mut self, ctx: &mut Context<Self>) {
        let counts = self.counts.clone();
        match self.number % 20 {
            // In a timer, and in a future of its own.
            3 => {
                ctx.run_later(SECOND / 2, move |_, _| counts.fall());
            }
            13 => {
                ctx.run_interval(SECOND / 3, move |_, _| counts.fall());
            }
            7 => {
                let later = sleep(SECOND / 4).into_actor(self);
                ctx.spawn(later.map(move |(), _, _| counts.fall()));
            }
            _ => {}
        }
    }

    fn close(&mut self) -> impl Future<Output = Handled> + use<> {
        let (counts, falls) = (self.counts.clone(), self.number % 10 == 5);
        async move {
            if falls {
                counts.fall();
            }
            Ok(())
        }
    }
}

impl Handler<Heard<Job>> for Worker {
    type Result = Handled;

    /// A tenth of all calls panics, each time in other services.
    fn handle(&mut self, job: Heard<Job>, _: &mut Context<Self>) -> Handled {
        if (job.0 + self.place).is_multiple_of(10) {
            self.counts.fall();
        }
        Counts::add(&self.counts.handled);
        Ok(())
    }
}

/// A service that nothing befalls.
#[derive(BaseService)]
#[service(on(Job))]
struct Neighbor(Rc<Cell<u64>>);

impl Handler<Heard<Job>> for Neighbor {
    type Result = Handled;

    fn handle(&mut self, _: Heard<Job>, _: &mut Context<Self>) -> Handled {
        Counts::add(&self.0);
        Ok(())
    }
}

/// Each event goes to all services: a thousand events come to a million of them.
#[test]
fn a_thousand_services_of_which_a_tenth_always_falls_account_for_everything() {
    in_a_process_of_its_own(
        "services::load::a_thousand_services_of_which_a_tenth_always_falls_account_for_everything",
        || {
            std::panic::set_hook(Box::new(|_| {}));
            testing::run("a thousand services", async || {
                testing::allow_failures();
                let began = Instant::now();
                let bus = EventBus::builder().capacity(1 << 20).dead_letters(100).build();
                let plain = Rc::new(Cell::new(0));
                let count = plain.clone();
                let listener = bus
                    .on(move |_: &Job| {
                        Counts::add(&count);
                    })
                    .unwrap();
                let near = Rc::new(Cell::new(0));
                let count = near.clone();
                let neighbor = Neighbor::supervised(&bus, move |_| Neighbor(count.clone())).await.unwrap();
                let counts = Counts::default();
                let mut services = Vec::new();
                for place in 0..SERVICES {
                    let counts = counts.clone();
                    let service = Worker::supervised(&bus, move |_| {
                        let number = Counts::add(&counts.built);
                        Worker { counts: counts.clone(), place, number }
                    });
                    let service = service
                        .named(format!("worker {place}"))
                        .backoff(Backoff::exponential(SECOND / 10).max_delay(SECOND / 2));
                    services.push(service.budget(1_000_000, SECOND).await.unwrap());
                }
                let before = resident();
                let rounds = calls() / SERVICES;
                for job in 1..=rounds {
                    bus.publish(Job(job)).unwrap();
                    if job % 10 == 0 {
                        sleep(SECOND).await;
                    }
                    // Those that are behind catch up: what waits for them is memory too.
                    if job % (CALLS / SERVICES) == 0 {
                        sleep(600 * SECOND).await;
                        let grown = before.zip(resident()).map(|(before, after)| after.saturating_sub(before) >> 10);
                        println!("figure: {} calls, resident memory grown by {grown:?} KiB", job * SERVICES);
                    }
                }
                settled().await;
                bus.drain().await;
                let restarts: u64 = services.iter().map(|service| u64::from(service.status().restarts)).sum();
                let well = services.iter().filter(|service| !service.status().state.is_over()).count();
                assert_eq!(well as u64, SERVICES, "nobody has failed for good");
                let letters = bus.dead_letters().total();
                assert_eq!(counts.handled.get() + letters, SERVICES * rounds, "accepted = handled + reported");
                assert_eq!(letters, SERVICES * (rounds / 10));
                assert_eq!((plain.get(), near.get()), (rounds, rounds), "who had nothing to do with it was not harmed");
                let stops: Vec<_> = services.into_iter().map(|service| service.stop()).collect();
                for stop in stops {
                    let status = stop.await;
                    assert_eq!(status.state, ServiceState::Stopped, "{status}");
                }
                let status = neighbor.stop().await;
                assert_eq!((status.restarts, status.errors, status.error), (0, 0, None));
                assert_eq!(counts.built.get(), counts.dropped.get(), "each that was built was dropped");
                drop(listener);
                settled().await;
                assert!(bus.subscriptions().is_empty());
                assert_eq!(testing::alive(), [""; 0]);
                let fatal = counts.fatal.get();
                println!(
                    "figure: {SERVICES} services, {} calls, {fatal} panics, {restarts} restarts, {:?}",
                    SERVICES * rounds,
                    began.elapsed()
                );
                if let Some((before, after)) = before.zip(resident()) {
                    let grown = after.saturating_sub(before);
                    println!("figure: after 1000 services that fell, resident memory grown by {} KiB", grown >> 10);
                    assert!(grown < MOST_KEPT, "{grown} bytes");
                }
                assert!(restarts >= letters, "{restarts} restarts");
            });
        },
    );
}
