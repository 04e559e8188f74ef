//! The table: the number of a requirement and what it asks for, the rules, what is done, and what comes of it.

use convoke::OnVeto::{Cancel, Tolerate, TolerateShare};
use convoke::prelude::*;

use super::case::Step::{
    Aborts, Ends, Feeds, IsLate, IsRefused, Opens, Passes, Reopens, Says, SaysMuch, Together, Took, Vetoes, WaitsFor,
};
use super::case::{Case, Form, Need, Rules, Step};

/// One batch of work.
const K: &str = "batch";
/// A callback, and another one.
const A: &str = "A";
const B: &str = "B";

/// Who answers a callback.
const ONE: &[&str] = &["outside"];
const OUT: &str = "outside";

const TWO: &[&str] = &["a", "b"];
const THREE: &[&str] = &["a", "b", "c"];
const FOUR: &[&str] = &["a", "b", "c", "d"];

/// All of them have to answer, within an hour, and the first who vetoes ends it.
fn all(parties: &'static [&'static str]) -> Rules {
    Rules { parties, need: Need::All, on_veto: Cancel, close: Close::Released, time: 3_600 }
}

fn tolerating(parties: &'static [&'static str], on_veto: OnVeto) -> Rules {
    Rules { on_veto, ..all(parties) }
}

fn least(quorum: usize, parties: &'static [&'static str]) -> Rules {
    Rules { need: Need::AtLeast(quorum), ..all(parties) }
}

/// A callback that is given up after so many seconds.
fn callback(time: u64) -> Rules {
    Rules { time, ..all(ONE) }
}

fn row(name: &'static str, rules: Rules, steps: &[Step]) -> Case {
    Case { name, form: Form::Json, rules, steps: steps.to_vec(), is_none: None }
}

fn formed(form: Form, case: Case) -> Case {
    Case { form, ..case }
}

fn is_none(words: &'static str, case: Case) -> Case {
    Case { is_none: Some(words), ..case }
}

#[rustfmt::skip]
pub(super) fn rows() -> Vec<Case> {
    vec![
        // Parallel: branches that are named beforehand.
        row("8-1 two branches, both succeed", all(TWO),
            &[Says(K, "a", "task-1"), Says(K, "b", "task-2"), Ends(K, "resolved; a says task-1; b says task-2")]),
        row("8-2 work that has no name of its own", all(TWO),
            &[Says("", "a", "alpha"), Says("", "b", "beta"), Ends("", "resolved; a says alpha; b says beta")]),
        row("8-3 each branch is known by its name", all(&["first", "second"]),
            &[Says(K, "first", "one"), WaitsFor(K, &["second"]), Says(K, "second", "two"),
              Ends(K, "resolved; first says one; second says two")]),
        row("8-4 what branches return is of different types", all(THREE),
            &[Says(K, "a", "hello"), Says(K, "b", "42"), Reopens, Says(K, "c", r#"{"k":"v"}"#),
              Ends(K, r#"resolved; a says hello; b says 42; c says {"k":"v"}"#)]),
        is_none("no name is expected", row("8-5 no branches at all", all(&[]), &[])),
        row("8-6 the first failure ends it, and the last branch is not waited for", all(THREE),
            &[Says(K, "a", "ok"), Vetoes(K, "b", "failed"), Ends(K, "vetoed by b: failed; a says ok; c is missing"), IsLate(K, "c")]),
        row("8-7 a failure is handed on to whoever asked", all(TWO),
            &[Opens(K), Vetoes(K, "a", "failed"), Ends(K, "vetoed by a: failed; b is missing")]),
        row("8-8 enough have succeeded: it ends early", least(2, FOUR),
            &[Says(K, "a", "1"), Says(K, "b", "2"), Ends(K, "resolved; a says 1; b says 2; c is missing; d is missing"),
              IsLate(K, "c"), IsLate(K, "d")]),
        row("8-9 one failure is tolerated, and all come to their end", tolerating(THREE, Tolerate(1)),
            &[Says(K, "a", "1"), Vetoes(K, "b", "failed"), WaitsFor(K, &["c"]), Says(K, "c", "3"),
              Ends(K, "resolved; a says 1; c says 3; b refuses: failed")]),
        row("8-10 one failure more than is tolerated ends it", tolerating(THREE, Tolerate(1)),
            &[Opens(K), Vetoes(K, "a", "failed"), WaitsFor(K, &["b", "c"]), Vetoes(K, "b", "too"),
              Ends(K, "vetoed by b: too; a refuses: failed; c is missing")]),
        row("8-11 branches end in any order, and each is found by its name", all(THREE),
            &[Together(K, &[("c", "r2"), ("a", "r0"), ("b", "r1")]), Ends(K, "resolved; c says r2; a says r0; b says r1")]),
        row("8-13 a larger share has failed than is tolerated", tolerating(FOUR, TolerateShare(25)),
            &[Opens(K), Vetoes(K, "a", "failed"), WaitsFor(K, &["b", "c", "d"]), Vetoes(K, "b", "too"),
              Ends(K, "vetoed by b: too; a refuses: failed; c is missing; d is missing")]),
        row("8-14 one branch waits while the process ends, and the other is not asked again", all(TWO),
            &[Says(K, "a", "b0"), Reopens, Passes(2), IsRefused(K, "a", "has emitted"), Says(K, "b", "b1"),
              Ends(K, "resolved; a says b0; b says b1"), Took(K, 2)]),
        formed(Form::Wrapped, row("8-15 what a branch returns is written in a form of its own", all(TWO),
            &[Says(K, "a", "x"), Reopens, Says(K, "b", "y"), Reopens, Ends(K, "resolved; a says x; b says y")])),
        row("8-16 all have failed, and so many were tolerated", tolerating(THREE, Tolerate(3)),
            &[Opens(K), Vetoes(K, "a", "1"), Vetoes(K, "b", "2"), WaitsFor(K, &["c"]), Vetoes(K, "c", "3"),
              Ends(K, "out of reach; a refuses: 1; b refuses: 2; c refuses: 3")]),
        row("8-17 a number that is never reached", Rules { on_veto: Tolerate(3), ..least(3, THREE) },
            &[Says(K, "a", "1"), Says(K, "c", "3"), WaitsFor(K, &["b"]), Vetoes(K, "b", "failed"),
              Ends(K, "out of reach; a says 1; c says 3; b refuses: failed")]),
        row("8-18 both limits at once: too many failures come before enough successes", Rules { on_veto: Tolerate(1), ..least(3, FOUR) },
            &[Opens(K), Vetoes(K, "a", "1"), WaitsFor(K, &["b", "c", "d"]), Vetoes(K, "b", "2"),
              Ends(K, "vetoed by b: 2; a refuses: 1; c is missing; d is missing")]),
        is_none("at least 1", row("8-19 a limit of zero", least(0, TWO), &[])),
        row("8-20 what has succeeded and what has failed can be told apart", tolerating(THREE, Tolerate(1)),
            &[Says(K, "a", "1"), Vetoes(K, "b", "failed"), Says(K, "c", "3"), Reopens,
              Ends(K, "resolved; a says 1; c says 3; b refuses: failed")]),
        row("8-21 work within a branch of other work", all(&["i", "j"]),
            &[Says("inner", "i", "i1"), Says("inner", "j", "i2"), Says("outer", "j", "0"), Feeds("inner", "i", "outer"),
              Ends("outer", r#"resolved; j says 0; i says ["i1","i2"]"#)]),
        row("8-22 exactly the share has failed that is tolerated", tolerating(FOUR, TolerateShare(25)),
            &[Opens(K), Vetoes(K, "a", "failed"), Says(K, "b", "1"), Says(K, "c", "2"), WaitsFor(K, &["d"]), Says(K, "d", "3"),
              Ends(K, "resolved; b says 1; c says 2; d says 3; a refuses: failed")]),

        // Map: one function for all items, which are required by their names.
        row("9-1 each item is answered for", Rules { need: Need::Required(TWO), ..all(TWO) },
            &[Says(K, "a", "Hello, a!"), Says(K, "b", "Hello, b!"), Ends(K, "resolved; a says Hello, a!; b says Hello, b!")]),
        row("9-2 items without a name of the whole", Rules { need: Need::Required(&["1", "2"]), ..all(&["1", "2"]) },
            &[Says("", "1", "2"), Says("", "2", "4"), Ends("", "resolved; 1 says 2; 2 says 4")]),
        row("9-3 an item and its place", all(&["0", "1", "2"]),
            &[Together(K, &[("0", "10"), ("1", "21"), ("2", "32")]), Ends(K, "resolved; 0 says 10; 1 says 21; 2 says 32")]),
        is_none("no name is required", row("9-4 no items at all", Rules { need: Need::Required(&[]), ..all(&[]) }, &[])),
        row("9-5 the first item that fails ends it", all(THREE),
            &[Says(K, "a", "ok"), Reopens, Vetoes(K, "b", "failed"), Ends(K, "vetoed by b: failed; a says ok; c is missing"),
              IsLate(K, "c")]),
        row("9-6 the failure of an item is handed on, in another process too", all(TWO),
            &[Opens(K), Vetoes(K, "a", "failed"), Reopens, Ends(K, "vetoed by a: failed; b is missing")]),
        row("9-7 enough items have succeeded", least(2, FOUR),
            &[Together(K, &[("d", "4"), ("b", "2")]), Ends(K, "resolved; d says 4; b says 2; a is missing; c is missing"), IsLate(K, "a")]),
        row("9-8 one item may fail", tolerating(THREE, Tolerate(1)),
            &[Says(K, "a", "1"), Vetoes(K, "b", "failed"), Reopens, WaitsFor(K, &["c"]), Says(K, "c", "3"),
              Ends(K, "resolved; a says 1; c says 3; b refuses: failed")]),
        row("9-9 one item more fails than may", tolerating(THREE, Tolerate(1)),
            &[Opens(K), Vetoes(K, "a", "1"), Reopens, Vetoes(K, "b", "2"), Ends(K, "vetoed by b: 2; a refuses: 1; c is missing"),
              IsLate(K, "c")]),
        row("9-10 a larger share of the items fails than may", tolerating(FOUR, TolerateShare(25)),
            &[Opens(K), Vetoes(K, "d", "1"), Reopens, Vetoes(K, "c", "2"),
              Ends(K, "vetoed by c: 2; d refuses: 1; a is missing; b is missing")]),
        row("9-11 items end in any order, and each is found by its name", all(THREE),
            &[Says(K, "b", "r1"), Reopens, Together(K, &[("c", "r2"), ("a", "r0")]), Ends(K, "resolved; b says r1; c says r2; a says r0")]),
        row("9-13 items are named by what they are", all(&["item-1", "item-2"]),
            &[Says(K, "item-1", "10"), WaitsFor(K, &["item-2"]), Says(K, "item-2", "20"), Ends(K, "resolved; item-1 says 10; item-2 says 20")]),
        formed(Form::Wrapped, row("9-14 what items return is written in a form of its own", all(TWO),
            &[Together(K, &[("a", "A"), ("b", "B")]), Reopens, Ends(K, "resolved; a says A; b says B")])),
        row("9-15 an item waits while the process ends", Rules { need: Need::Required(TWO), ..all(TWO) },
            &[Says(K, "a", "r0"), Reopens, Passes(1), WaitsFor(K, &["b"]), Reopens, Says(K, "b", "r1"),
              Ends(K, "resolved; a says r0; b says r1"), Took(K, 1)]),
        row("9-16 results that are large together", all(FOUR),
            &[SaysMuch(K, "a", 71_680), SaysMuch(K, "b", 71_680), SaysMuch(K, "c", 71_680), Reopens, SaysMuch(K, "d", 71_680), Reopens,
              Ends(K, "resolved; a says 71680 bytes; b says 71680 bytes; c says 71680 bytes; d says 71680 bytes")]),
        row("9-17 the process ends behind what has succeeded", all(TWO),
            &[Together(K, &[("a", "A"), ("b", "B")]), Passes(1), Reopens, Passes(1), Ends(K, "resolved; a says A; b says B"), Took(K, 0)]),
        row("9-18 the process ends behind what has failed in part", tolerating(TWO, Tolerate(1)),
            &[Says(K, "a", "A"), Vetoes(K, "b", "failed"), Passes(1), Reopens, Passes(1), Ends(K, "resolved; a says A; b refuses: failed"),
              Took(K, 0)]),

        // Callbacks: somebody opens a round and goes on, and another one answers by its key.
        row("4-1 a callback is answered", callback(3_600), &[Opens(A), Says(A, OUT, "done"), Ends(A, "resolved; outside says done")]),
        row("4-2 a callback with a name", callback(3_600),
            &[Opens("approval"), WaitsFor("approval", ONE), Says("approval", OUT, "yes"), Ends("approval", "resolved; outside says yes")]),
        row("4-3 nobody answers in time, and whoever comes then is late", callback(5),
            &[Opens(A), Ends(A, "timed out; outside is missing"), Took(A, 5), IsLate(A, OUT)]),
        row("4-6 the other side reports a failure", callback(3_600),
            &[Opens(A), Vetoes(A, OUT, "not approved"), Ends(A, "vetoed by outside: not approved")]),
        row("4-7 a failure comes while something else is done", callback(3_600),
            &[Opens(A), Says(B, OUT, "a step"), Vetoes(A, OUT, "not approved"), Ends(B, "resolved; outside says a step"),
              Ends(A, "vetoed by outside: not approved")]),
        row("4-8 the time is over while something else is done", callback(5),
            &[Opens(A), Says(B, OUT, "a step"), Ends(A, "timed out; outside is missing"), Took(A, 5)]),
        row("4-9 an answer comes while nobody waits for it", callback(3_600),
            &[Opens(A), Passes(2), Says(A, OUT, "done"), Reopens, Passes(3), Ends(A, "resolved; outside says done"), Took(A, 2)]),
        row("4-10 a failure comes while nobody waits for it", callback(3_600),
            &[Opens(A), Passes(2), Vetoes(A, OUT, "not approved"), Reopens, Passes(3), Ends(A, "vetoed by outside: not approved"), Took(A, 2)]),
        row("4-11 the time is over while nobody waits", callback(3),
            &[Opens(A), Passes(6), IsLate(A, OUT), Reopens, Ends(A, "timed out; outside is missing"), Took(A, 3)]),
        row("4-12 an answer is there, and the process ends twice behind it", callback(3_600),
            &[Opens(A), Reopens, Says(A, OUT, "done"), Reopens, Passes(2), Reopens, Ends(A, "resolved; outside says done")]),
        row("4-13 a failure is there, and whoever asked goes on", callback(3_600),
            &[Opens(A), Reopens, Vetoes(A, OUT, "not approved"), Reopens, Ends(A, "vetoed by outside: not approved"), Passes(2),
              Says(A, OUT, "again"), Ends(A, "resolved; outside says again")]),
        row("4-14 the time is over, and whoever asked goes on", callback(3),
            &[Opens(A), Reopens, Ends(A, "timed out; outside is missing"), Passes(2), Reopens, IsLate(A, OUT), Says(A, OUT, "again"),
              Ends(A, "resolved; outside says again")]),
        formed(Form::Dated, row("4-15 an answer is read as a moment", callback(3_600),
            &[Opens(A), Says(A, OUT, "@1700000000"), Reopens, Ends(A, "resolved; outside says 1700000000, a second later 1700000001")])),
        formed(Form::Counted, row("4-16 an answer is read as a number", callback(3_600),
            &[Opens(A), Says(A, OUT, "21"), Reopens, Ends(A, "resolved; outside says 21, twice that is 42")])),
        row("4-17 one callback behind the other", callback(3_600),
            &[Opens(A), Says(A, OUT, "1"), Ends(A, "resolved; outside says 1"), Opens(B), Reopens, Says(B, OUT, "2"),
              Ends(B, "resolved; outside says 2")]),
        row("4-18 two callbacks, awaited as they were made", callback(3_600),
            &[Opens(A), Opens(B), Says(B, OUT, "2"), Says(A, OUT, "1"), Ends(A, "resolved; outside says 1"), Ends(B, "resolved; outside says 2")]),
        row("4-19 two callbacks, awaited the other way round", callback(3_600),
            &[Opens(A), Opens(B), Says(A, OUT, "1"), WaitsFor(B, ONE), Reopens, Says(B, OUT, "2"), Ends(B, "resolved; outside says 2"),
              Ends(A, "resolved; outside says 1")]),

        // Callbacks of which the other side is told first: here a party that hands the key on.
        row("7-1 the other side is told the key, and answers", callback(3_600),
            &[Opens(A), Reopens, Says(A, OUT, "done"), Ends(A, "resolved; outside says done")]),
        row("7-2 under a name that is fixed", callback(3_600),
            &[Opens("approval"), Reopens, Says("approval", OUT, "done"), Ends("approval", "resolved; outside says done")]),
        row("7-3 under no name", all(&["wrapper", "outside"]),
            &[Says("", "wrapper", "told"), Reopens, Says("", OUT, "done"), Ends("", "resolved; wrapper says told; outside says done")]),
        row("7-4 the other side was told, and reports a failure", callback(3_600),
            &[Opens(A), Reopens, Vetoes(A, OUT, "not approved"), Reopens, Ends(A, "vetoed by outside: not approved")]),
        row("7-5 the other side was told, and never answers", callback(3),
            &[Opens(A), Reopens, Ends(A, "timed out; outside is missing"), Took(A, 3), IsLate(A, OUT)]),
        row("7-6 a failure is a value, and whoever asked returns something else", callback(3_600),
            &[Opens(A), Vetoes(A, OUT, "not approved"), Ends(A, "vetoed by outside: not approved"), Says(B, OUT, "recovered"),
              Ends(B, "resolved; outside says recovered")]),
        row("7-7 the other side cannot be told, and whoever asked gives it up", callback(3_600),
            &[Opens(A), Passes(1), Reopens, Aborts(A, "it could not be told, twice"),
              Ends(A, "aborted: it could not be told, twice; outside is missing"), Took(A, 1)]),
        row("7-8 a callback within other work", all(&["wrapper", "outside"]),
            &[Says(A, "wrapper", "told"), Says(A, OUT, "done"), Says(K, OUT, "0"), Reopens, Feeds(A, "wrapper", K),
              Ends(K, r#"resolved; outside says 0; wrapper says ["told","done"]"#)]),
        row("7-9 two, one behind the other, each with its own end", callback(3_600),
            &[Opens("first"), Says("first", OUT, "1"), Ends("first", "resolved; outside says 1"), Opens("second"), Says("second", OUT, "2"),
              Ends("second", "resolved; outside says 2"), Ends("first", "resolved; outside says 1")]),
        row("7-10 behind a wait and behind other work", callback(3_600),
            &[Passes(1), Says(B, OUT, "a step"), Ends(B, "resolved; outside says a step"), Opens(A), Reopens, Says(A, OUT, "done"),
              Ends(A, "resolved; outside says done"), Took(A, 0)]),
        row("7-11 an answer is an object", callback(3_600),
            &[Opens(A), Says(A, OUT, r#"{"status":"approved"}"#), Reopens, Ends(A, r#"resolved; outside says {"status":"approved"}"#)]),
        row("7-14 the time is over, and whoever asked returns something else", callback(3),
            &[Opens(A), Ends(A, "timed out; outside is missing"), Took(A, 3), Says(B, OUT, "timed out, handled"),
              Ends(B, "resolved; outside says timed out, handled")]),
        row("7-15 an answer that says nothing", callback(3_600),
            &[Opens(A), Says(A, OUT, "null"), Reopens, Ends(A, "resolved; outside says null")]),
    ]
}
