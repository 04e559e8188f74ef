//! What users see of Convoke, as one binary: a module for each subject, and what must hold of all of it.
#![cfg(test)]

/// Waiting in virtual time, parties by name, an actor of the user's own: helpers, no tests.
mod common;

// A round, in the order in which one meets it.

/// From the first signal to the outcome that everybody hears; every form of emit, veto, abort and leave.
mod rounds;
/// Every variant of every policy, and every deadline.
mod policies;
/// Rounds by key, and the limit on how many are open.
mod keyed;
/// Signals that come after their round, and the limit on how many rounds are remembered.
mod late;
/// Closures and actors that receive outcomes, and what becomes of those that fail.
mod consumers;
/// Actors of the user's own as emitters: summons, pledge, membership.
mod summons;

/// Our prelude beside the one of actix.
mod prelude;

// Events.

/// What `#[derive(Event)]` makes of a type: every shape, every key and its default.
mod derive;
/// What `#[listener]` marks, and `EventBus::discover` finds.
mod discover;
/// Typed events: who is called, in which order, and what the report says.
mod events;
/// Published events: order, concurrency, and what happens when too many wait.
mod queues;
/// The last event of a topic, for those who come later.
mod retained;
/// What was caused by what: ids, traces, and cycles that are stopped.
mod causes;
/// JSON and types together: wildcards, overlaps, payloads that do not fit.
mod topics;
/// Every form of listener, what it may ask for, its name; actors from within and by recipient.
mod listeners;
/// Questions and their answers.
mod asking;
/// What was not delivered or has failed: kept, listened to, given back.
mod dead_letters;
/// Personal data is shown in no `Debug`, no error and no log.
mod personal;
/// A canary through every `Debug` and `Display` of what can hold an event or a key.
mod personal_debug;
/// What comes from outside is shown on one line, without what controls, and cut.
mod shown;
/// What stands around listeners: the order of nesting, and every ready-made middleware.
mod middleware;
/// The bus on several arbiters and plain threads, in real time.
mod bus_threads;
/// What waits for an arbiter that stands still, in real time.
mod standstill;
/// What a hostile caller tries with the bus.
mod bus_hostile;

// A service.

/// One alone: its lifecycle, what it hears, what restarts it, who finds it.
mod services;
/// One that has failed for good is seen by everybody.
mod failed_for_good;
/// Supervisors and applications: what falls with which, in which order, within which budget and deadline.
mod supervision;
/// Every end of a service, in every place, under every kind of restart: a table.
mod service_table;
/// Services under thousands of seeds: nothing is lost without a report, no transition is missing.
mod service_seeds;
/// Services on several arbiters, asked from plain threads, in real time.
mod service_threads;
/// A thousand services, a million calls, a tenth of them fatal.
mod service_load;

// What a broker tells, and who knows it.

/// `Brokers`, the registry.
mod registry;
/// `Inspect`, and its JSON.
mod snapshot;

// When things go wrong.

/// Errors by name, with their exact text.
mod bad_input;
/// What is stopped, lost or crashes: nobody is left waiting.
mod losses;
/// What a hostile caller tries.
mod hostile;

// An application, and what is outside it.

/// The watchdog over services: who blocks the arbiter is noticed and named. In real time.
mod health;
/// What a signal of the system ends, in processes of their own.
#[cfg(unix)]
mod shutdown;

// An event outside of the process.

/// Which events leave by which route, in which form, and what becomes of those that cannot.
mod routes;
/// Routes whose server is away: for how long they try, and where what waits is afterwards.
mod routes_away;
/// The worker over a queue in memory: how each delivery ends, and how the worker does.
mod worker;
/// What a worker does with a verdict that nobody stores: it is kept, and nobody hears the event again.
mod worker_verdicts;
/// How much memory a worker takes for what waits and for what is heard.
mod worker_bounds;
/// How a worker ends when the server is away, and what its report says of what it had.
mod worker_end;
/// A worker whose server says nothing, though it is asked.
mod worker_silence;
/// What a signal ends that comes while a worker or services start.
mod starting;
/// What a worker hears, of what its process died, and who is taken along: nobody.
mod worker_attempts;
/// What others get while a worker is paused or drains.
mod worker_pause;
/// Under a worker the server settles what fails, and the bus keeps no dead letter of it.
mod final_letters;
/// The queue in this process: every ability, and every fault of a server that a test can play.
mod memory;
/// The suite that every transport has to pass, over transports that are wrong.
mod conformance;
/// Every codec to the letter and back, what others write, and which form is which.
mod codec;
/// CloudEvents as each server's binding has them: what is escaped, what is in quotes, what a time may be.
mod bindings;
/// A float that is no number is an error wherever it would become JSON.
mod not_a_number;
/// What leaves by a route can be read by a worker: size, depth and attributes.
mod fitting;
/// Which copies of an event are one, by whatever its publisher knows it.
mod identity;
/// The keys of an envelope in camel, snake and Pascal case, read and written.
mod wire_cases;
/// Any bytes at any decoder; every limit at, below and above it; what is secret is in nothing that is shown.
mod bytes;

// How to test with it.

/// The test that the README shows, word for word.
mod without_sleeping;
/// Those that TESTING.md shows, and the texts of failures there.
mod page;
/// `#[convoke::test]` itself: virtual time, the leak check, seeds.
mod testing;
/// What has failed and was not looked at fails a test.
mod green_over_a_panic;
/// Waiting for events, and what is said when they do not come.
mod synchronizer;
/// An actor that notes what it is sent: as emitter, consumer, listener and dependency; summonses and outcomes by hand.
mod probe;
/// A bus that records what is emitted, and calls nobody.
mod fake_bus;

// What must hold whatever the order, the load and the clock.

/// Several arbiters and plain threads; the only module in real time that is not about load.
mod threads;
/// Thousands of seeds, each another order of events.
mod seeds;
/// The bus under thousands of seeds.
mod bus_seeds;
/// Much of a bus: memory that is given back, work that does not grow with those who have nothing to do.
mod bus_load;
/// A session that always has another message waiting closes on time.
mod flood;
/// Rounds and events in bursts from several threads, after which nobody pushes.
mod hammer;
/// A million rounds leave nothing behind; what an open round costs.
mod load;
