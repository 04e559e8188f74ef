//! Servers that cannot be reached.

/// Routes whose server is killed and started again.
mod away;
/// What is said of a server or a file under virtual time.
mod virtual_time;
