//! Whom a change breaks: of schemas as JSON, of types, of whole documents; and whether that is so.

/// Changes of one schema, each in both directions, with a value that shows whom it breaks.
mod table;
/// The rows of the table.
mod rows;
/// Changes of a type, as a derive makes schemas.
mod types;
/// Events, versions, topics, names.
mod events;
/// Random schemas and values: nobody is broken of whom it was not said.
mod sound;
/// Schemas that name themselves, that are deep, and that are not understood.
mod bounded;
