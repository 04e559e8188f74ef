//! Which trace an event belongs to: a W3C trace context, held as numbers.
//!
//! `traceparent, tracestate → TraceContext → child → traceparent, tracestate`
//!
//! The rules are those of <https://www.w3.org/TR/trace-context/> (version 00).

use std::error::Error as StdError;
use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;
use std::sync::Arc;

use crate::base::debug_is_display;
use crate::runtime;

/// How many characters a `traceparent` of version 00 has, and of a later version at least.
const LENGTH: usize = 55;

/// How long a `tracestate` may be: what everyone has to pass on, and so what one can rely on.
const MAX_STATE: usize = 512;

/// How many members a `tracestate` may have.
const MAX_MEMBERS: usize = 32;

/// How long a key of a `tracestate` may be, and how long a value.
const MAX_WORD: usize = 256;

/// The trace is recorded.
const SAMPLED: u8 = 0b01;

/// The id of the trace is random, of Level 2: who samples by it may rely on that. It holds for the id, so whoever passes the
/// trace on passes this on.
const RANDOM: u8 = 0b10;

/// The flags that have a meaning. The others have to be sent as zero.
const KNOWN_FLAGS: u8 = SAMPLED | RANDOM;

/// The place of an event in a distributed trace: the content of `traceparent` and `tracestate`.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::TraceContext;
///
/// let trace: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse()?;
/// assert_eq!(trace.child().trace_id(), trace.trace_id());
/// assert_eq!(trace.to_string(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
/// # Ok::<(), convoke::TraceError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace: NonZeroU128,
    parent: NonZeroU64,
    flags: u8,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// Starts a new trace.
    ///
    /// The ids are random and marked as random (Level 2 of the standard). The trace is marked as sampled: a recorder of
    /// traces may still leave it out.
    pub fn root() -> Self {
        let trace = u128::from(runtime::random()) << 64 | u128::from(runtime::random());
        Self {
            trace: NonZeroU128::new(trace).unwrap_or(NonZeroU128::MIN),
            parent: new_parent(),
            flags: SAMPLED | RANDOM,
            state: None,
        }
    }

    /// Creates the context of an event that this context's event causes: with the same trace id, flags and state, and a
    /// new parent id.
    pub fn child(&self) -> Self {
        Self { parent: new_parent(), ..self.clone() }
    }

    /// Sets the `tracestate`: at most 512 characters and 32 members.
    ///
    /// A `tracestate` that is empty or breaks the rules is dropped, and the trace continues without one, as the
    /// standard prescribes.
    #[must_use]
    pub fn with_state(mut self, tracestate: &str) -> Self {
        self.state = is_state(tracestate).then(|| tracestate.into());
        self
    }

    /// Returns the id of the whole trace. It is never zero.
    pub fn trace_id(&self) -> u128 {
        self.trace.get()
    }

    /// Returns the id of the step that caused this one. It is never zero.
    pub fn parent_id(&self) -> u64 {
        self.parent.get()
    }

    /// Returns whether the sender may have recorded the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns the `tracestate`, or an empty string if there is none.
    pub fn state(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }
}

fn new_parent() -> NonZeroU64 {
    NonZeroU64::new(runtime::random()).unwrap_or(NonZeroU64::MIN)
}

/// Writes the `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.parent, self.flags)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            None => write!(f, "TraceContext({self})"),
            Some(state) => write!(f, "TraceContext({self}, {state:?})"),
        }
    }
}

/// Reads a `traceparent` of version 00, or the part of a later version that version 00 has too.
impl FromStr for TraceContext {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        let (fixed, rest) = text.as_bytes().split_first_chunk::<LENGTH>().ok_or(TraceError::Form)?;
        if [fixed[2], fixed[35], fixed[52]] != [b'-'; 3] {
            return Err(TraceError::Form);
        }
        match hex(&fixed[..2]).ok_or(TraceError::Form)? {
            0xff => return Err(TraceError::Version),
            0 if !rest.is_empty() => return Err(TraceError::Form),
            // What a later version adds comes after a dash, and is none of ours.
            _ if rest.first().is_some_and(|next| *next != b'-') => return Err(TraceError::Form),
            _ => {}
        }
        let trace = hex(&fixed[3..35]).ok_or(TraceError::Form)?;
        let parent = hex(&fixed[36..52]).ok_or(TraceError::Form)? as u64;
        let flags = hex(&fixed[53..]).ok_or(TraceError::Form)? as u8;
        Ok(Self {
            trace: NonZeroU128::new(trace).ok_or(TraceError::ZeroId)?,
            parent: NonZeroU64::new(parent).ok_or(TraceError::ZeroId)?,
            flags: flags & KNOWN_FLAGS,
            state: None,
        })
    }
}

/// At most 32 digits in lower case, which is the only case that the standard allows.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// Whether this is a `tracestate` that says something.
fn is_state(text: &str) -> bool {
    if text.len() > MAX_STATE || text.split(',').count() > MAX_MEMBERS {
        return false;
    }
    let mut keys = Vec::new();
    for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        // Empty members are allowed.
        if member.is_empty() {
            continue;
        }
        let Some((key, value)) = member.split_once('=') else { return false };
        if !is_key(key.as_bytes()) || !is_value(value.as_bytes()) || keys.contains(&key) {
            return false;
        }
        keys.push(key);
    }
    !keys.is_empty()
}

/// The keys of Level 2, which are those of Level 1 and more.
fn is_key(key: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.len() <= MAX_WORD
        && key.first().is_some_and(letter)
        && key.iter().all(|byte| letter(byte) || b"_-*/@".contains(byte))
}

fn is_value(value: &[u8]) -> bool {
    // The blanks at its end have been cut off.
    (1..=MAX_WORD).contains(&value.len()) && value.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'=')
}

/// The error of parsing a text that is not a `traceparent`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceError {
    /// The text does not have the form of a `traceparent`: 2, 32, 16 and 2 hexadecimal digits in lower case, separated
    /// by dashes.
    Form,
    /// The version is `ff`, which the standard forbids.
    Version,
    /// The id of the trace or the id of the parent is zero.
    ZeroId,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not a traceparent: write 00-<32 digits>-<16 digits>-<2 digits>, hexadecimal, in lower case",
            Self::Version => "`ff` is no version of a traceparent: write 00",
            Self::ZeroId => "the id of a trace and that of its parent are never zero: draw random ones",
        })
    }
}

impl StdError for TraceError {}

debug_is_display!(TraceError);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn read(text: &str) -> Result<String, TraceError> {
        text.parse::<TraceContext>().map(|trace| trace.to_string())
    }

    #[test]
    fn a_traceparent_is_read_into_its_numbers_and_written_as_it_was() {
        let trace: TraceContext = PARENT.parse().unwrap();
        assert_eq!(trace.trace_id(), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(trace.parent_id(), 0xb7ad_6b71_6920_3331);
        assert!(trace.is_sampled());
        assert_eq!(trace.to_string(), PARENT);
        assert_eq!(format!("{trace:?}"), format!("TraceContext({PARENT})"));
    }

    #[test]
    fn whatever_is_not_quite_a_traceparent_is_an_error() {
        for (text, error) in [
            ("", TraceError::Form),
            (&PARENT[..54], TraceError::Form),
            (&format!("{PARENT}-"), TraceError::Form),
            (&PARENT.to_uppercase(), TraceError::Form),
            (&PARENT.replace('-', "_"), TraceError::Form),
            (&PARENT.replace("0af7", "0ag7"), TraceError::Form),
            (&PARENT.replace("0af7", "+af7"), TraceError::Form),
            (&PARENT.replace("00-", "0x-"), TraceError::Form),
            (&PARENT.replace("0af7", "\u{e9}f7"), TraceError::Form),
            (&PARENT.replace("00-", "ff-"), TraceError::Version),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", TraceError::ZeroId),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", TraceError::ZeroId),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for text in [PARENT.replace("00-", "01-"), PARENT.replace("00-", "cc-") + "-what-the-future-brings"] {
            assert_eq!(read(&text).as_deref(), Ok(PARENT), "{text}");
        }
        assert_eq!(read(&(PARENT.replace("00-", "01-") + ".")), Err(TraceError::Form));
    }

    #[test]
    fn flags_without_a_meaning_are_sent_on_as_zero() {
        assert_eq!(read(&PARENT.replace("-01", "-ff")).as_deref(), Ok(PARENT.replace("-01", "-03").as_str()));
        assert!(!PARENT.replace("-01", "-fe").parse::<TraceContext>().unwrap().is_sampled());
    }

    #[test]
    fn a_child_has_the_trace_the_flags_and_the_state_and_another_parent() {
        let parent = PARENT.parse::<TraceContext>().unwrap().with_state("congo=t61rcWkgMzE");
        let child = parent.child();
        assert_eq!(
            (child.trace_id(), child.is_sampled(), child.state()),
            (parent.trace_id(), true, "congo=t61rcWkgMzE")
        );
        assert_ne!(child.parent_id(), parent.parent_id());
        assert!(!PARENT.replace("-01", "-00").parse::<TraceContext>().unwrap().child().is_sampled());
    }

    #[test]
    fn two_roots_are_two_traces() {
        let (one, other) = (TraceContext::root(), TraceContext::root());
        assert_ne!(one.trace_id(), other.trace_id());
        assert!(one.is_sampled() && one.state().is_empty());
        assert_eq!(one.to_string().parse(), Ok(one));
    }

    #[test]
    fn an_id_that_is_random_is_said_to_be_and_one_of_others_is_what_they_say() {
        let root = TraceContext::root();
        assert!(root.to_string().ends_with("-03") && root.child().to_string().ends_with("-03"), "{root}");
        for flags in ["-00", "-01", "-02", "-03"] {
            let read = PARENT.replace("-01", flags).parse::<TraceContext>().unwrap();
            assert!(read.to_string().ends_with(flags) && read.child().to_string().ends_with(flags), "{read}");
        }
    }

    #[test]
    fn a_seed_determines_a_trace() {
        use crate::testing::in_virtual_time;

        let under = |seed| {
            crate::runtime::Seed::lay(Some(seed));
            in_virtual_time(async { TraceContext::root().child() })
        };
        assert_eq!(under(7), under(7));
        assert_ne!(under(7), under(8));
    }

    #[test]
    fn a_tracestate_by_the_rules_is_kept_to_the_letter() {
        let members = |count| (0..count).map(|key| format!("k{key}=v")).collect::<Vec<_>>().join(",");
        for text in [
            "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
            "fw529a3039@dt=FfIBhQ",
            "a=1, b=2 ,\tc=3,,",
            "0key=a value with blanks",
            &members(32),
            &format!("{}={}", "k".repeat(256), "v".repeat(255)),
        ] {
            assert_eq!(PARENT.parse::<TraceContext>().unwrap().with_state(text).state(), text);
        }
    }

    #[test]
    fn a_tracestate_against_the_rules_is_dropped_and_the_trace_goes_on() {
        let members = |count| (0..count).map(|key| format!("k{key}=v")).collect::<Vec<_>>().join(",");
        for text in [
            "",
            " , ,",
            "novalue",
            "empty=",
            "=1",
            "Upper=1",
            "_first=1",
            "a=b=c",
            "a=1,a=2",
            "a=\u{e9}",
            "a=\u{7}",
            &members(33),
            &format!("{}=v", "k".repeat(257)),
            &format!("k={}", "v".repeat(257)),
            &format!("{}={}", "k".repeat(256), "v".repeat(256)),
        ] {
            let trace = PARENT.parse::<TraceContext>().unwrap().with_state("before=1").with_state(text);
            assert_eq!((trace.state(), trace.to_string().as_str()), ("", PARENT), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_is_read_again_as_the_same(
            text in "(00|[0-9a-g]{2})-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,3})?"
        ) {
            if let Ok(trace) = text.parse::<TraceContext>() {
                prop_assert_eq!(trace.to_string().parse(), Ok(trace));
            }
        }

        #[test]
        fn no_text_is_too_odd_to_be_looked_at(parent in ".{0,80}", state in ".{0,600}") {
            let trace = parent.parse().unwrap_or_else(|_| PARENT.parse::<TraceContext>().unwrap()).with_state(&state);
            prop_assert!(trace.state().is_empty() || trace.state() == state);
        }
    }
}
