//! DOOR

mod broker;
mod routing;
mod registration;
mod broker_requests;
mod roster;
mod open_rounds;
mod debts;

pub use broker::Broker;
pub(crate) use broker::ToBroker;
pub use broker_requests::{Abort, BrokerExt, ConsumingActor, Inspect, SetTimeout, Stop};
pub use registration::EmitterSpec;
pub(crate) use registration::{Attend, Enlist, Keep};
pub(crate) use roster::{Ask, Listed, Roster, Route, Wants};
