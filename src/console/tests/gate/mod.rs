//! Who comes in, and who may change what.

/// Every route × role × method × `Sec-Fetch-Site` × `Origin` × token × `Host`.
mod matrix;
/// Who comes in where nobody has said who may, and by which names.
mod doors;
/// What a write has to bring, and what is asked back.
mod writes;
/// The audit log.
mod audit;
/// A write from its form to its end.
mod done;
/// No secret of a URL is shown anywhere.
mod secrets;
