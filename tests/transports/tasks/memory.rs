//! Tasks in a database of this process, in virtual time.

use super::all_over;

all_over! { [convoke::test] crate::transports::outbox::memory::Here }
