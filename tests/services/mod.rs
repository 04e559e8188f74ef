//! Services: one, several that fall together, and an application of them.

/// One alone: its lifecycle, what it hears, what restarts it, who finds it.
mod service;
/// One that has failed for good is seen by everybody.
mod failed_for_good;
/// Supervisors and applications: what falls with which, in which order, within which budget and deadline.
mod supervision;
/// Every end of a service, in every place, under every kind of restart: a table.
mod table;
/// Services under thousands of seeds: nothing is lost without a report, no transition is missing.
mod seeds;
/// Services on several arbiters, asked from plain threads, in real time.
mod threads;
/// A thousand services, a million calls, a tenth of them fatal.
mod load;
/// The watchdog over services: who blocks the arbiter is noticed and named. In real time.
mod health;
/// What is measured of all that runs, the table of the manual that says so, and the alerts.
mod metrics;
/// What a signal ends that comes while a worker or services start.
mod starting;
/// What a signal of the system ends, in processes of their own.
#[cfg(unix)]
mod shutdown;
