//! The manual: a chapter for each subject. Every chapter begins with a program that runs, and says when not to use what it
//! describes.
//!
//! | chapter | answers |
//! |---|---|
//! | [`rounds`] | who has to be there, policies and limits, keys, vetoes, actors as parties |
//! | [`durable`] | rounds over processes and restarts: signals as rows, rules, consumers, what is set aside |
//! | [`events`] | emit or publish, listeners and their arguments, middleware, dead letters, questions |
//! | [`topics`] | wildcards, JSON, retained events |
//! | [`services`] | lifecycle, restarts, budgets, supervision |
//! | [`application`] | a web server, services, workers and shutdown as one |
//! | [`leaving`] | routes, workers, wire forms, retries, dead letters, de-duplication |
//! | [`outbox`] | an event and its row, or neither: outbox, relay, order of commits, parking, other clients |
//! | [`store`] | what has happened, again: positions, conditions, replay, projections, old versions |
//! | [`tasks`] | what is to be done later: jobs, attempts, failures, schedules, limits, cancelling |
//! | [`schema`] | documents of events, validation, and whom a change breaks |
//! | [`servers`] | order, delays, leases, limits and losses by server |
//! | [`testing`] | virtual time, waiting for events, probes, fakes, seeds |
//! | [`production`] | logs, metrics, health, limits and defaults, speed |
//! | [`trouble`] | you see this, because of that: do this |
//! | [`command`] | `convoke new`, `convoke make …`: an application to begin with, and one file more |
//! | [`console`] | pages that show what runs and repair what failed: mounted into an application, or by themselves; who may what |
//! | [`coming_from`] | Celery, Laravel, Akka, actix-broker, tokio's channels: how you say it here |
//!
//! The module exists in the documentation alone: no program compiles it.

// A chapter links what is behind features. Without those its links are not checked: `.ci/run` documents with all.

#[doc = include_str!("rounds/rounds.md")]
pub mod rounds {}

#[cfg_attr(not(all(feature = "redis", feature = "testing")), allow(rustdoc::broken_intra_doc_links))]
#[doc = include_str!("rounds/durable.md")]
pub mod durable {}

#[cfg_attr(not(feature = "discover"), allow(rustdoc::broken_intra_doc_links))]
#[doc = include_str!("events.md")]
pub mod events {}

#[doc = include_str!("topics.md")]
pub mod topics {}

#[doc = include_str!("services.md")]
pub mod services {}

#[doc = include_str!("application.md")]
pub mod application {}

#[cfg_attr(not(all(feature = "sqlite", feature = "testing")), allow(rustdoc::broken_intra_doc_links))]
#[doc = include_str!("leaving.md")]
pub mod leaving {}

#[doc = include_str!("kept/outbox.md")]
pub mod outbox {}

#[doc = include_str!("kept/store.md")]
pub mod store {}

#[doc = include_str!("tasks.md")]
pub mod tasks {}

#[cfg_attr(not(feature = "schema"), allow(rustdoc::broken_intra_doc_links))]
#[doc = include_str!("schema.md")]
pub mod schema {}

#[cfg_attr(
    not(all(feature = "rabbitmq", feature = "redis", feature = "sns", feature = "sqlite", feature = "sqs")),
    allow(rustdoc::broken_intra_doc_links)
)]
#[doc = include_str!("servers.md")]
pub mod servers {}

#[cfg_attr(not(feature = "testing"), allow(rustdoc::broken_intra_doc_links))]
#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("production.md")]
pub mod production {}

#[doc = include_str!("trouble.md")]
pub mod trouble {}

#[doc = include_str!("tools/command.md")]
pub mod command {}

#[doc = include_str!("tools/console.md")]
pub mod console {}

#[doc = include_str!("coming_from.md")]
pub mod coming_from {}
