//! What the pages of this process show, over real buses, services and brokers.

/// What all of these share: a process to look at, a stream to read, and whether a page is well made.
mod stage;
/// Services that fail and come back.
mod services;
/// Events, who listens to them, and what was not delivered.
mod events;
/// Rounds that wait, and brokers that do not answer.
mod rounds;
/// Schemas, and what has changed between them.
mod schemas;
/// Pages that follow what they show.
mod live;
/// Text of somebody who means no good.
mod hostile;
