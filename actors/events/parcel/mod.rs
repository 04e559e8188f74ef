//! DOOR

mod parcel;
mod within;
mod tap;
mod freight;
mod route;
pub(crate) mod desk;
mod away;
mod board;

pub(crate) use away::Away;
pub(crate) use board::{Board, Ticket};
pub(crate) use desk::{Desk, LocalRoute};
pub(crate) use desk::{Near, station_here};
pub(crate) use freight::{Errand, Freight, Reserved};
pub use parcel::BadPayload;
pub(crate) use parcel::{AnyParcel, Given, HIDDEN};
pub(crate) use parcel::{Parcel, Subject};
pub(crate) use route::{Group, Route};
pub(crate) use tap::Tap;
pub(crate) use tap::Taps;
pub(crate) use within::{Waiting, Within, current};
