//! How an event leaves the process.

/// Which events leave by which route, in which form, and what becomes of those that cannot.
mod routes;
/// Routes whose server is away: for how long they try, and where what waits is afterwards.
mod away;
/// Routes whose publisher does not do what it should.
mod moody;
/// Routes that may not publish.
mod denied;
/// What leaves by a route can be read by a worker: size, depth and attributes.
mod fitting;
