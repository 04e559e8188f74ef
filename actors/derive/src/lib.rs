//! The macros of Convoke. Use them from the crate `convoke`, which re-exports them: they expand to `::convoke` paths.

mod test;

use proc_macro::TokenStream;

/// Makes a test of an `async fn`, run by `convoke::testing` in virtual time: an hour's timeout passes at once.
///
/// ```text
/// #[convoke::test]
/// async fn a_round_nobody_completes_is_cancelled() {
///     let broker = Broker::<u32>::new(Duration::from_secs(3600)).start();
///     let stock = Emitter::join(&broker, "stock").await.unwrap();
///     let _payment = Emitter::join(&broker, "payment").await.unwrap();
///     assert!(!stock.emit(3).await.unwrap().is_resolved());
/// }
/// ```
///
/// It comes with the feature `testing`, which belongs under `[dev-dependencies]`.
///
/// The test has a `System` of its own, with one arbiter and no sockets. It fails, and names the actor, when an actor of
/// Convoke is still alive at its end. The function may return a `Result`, as any test may; other attributes
/// (`#[should_panic]`, `#[ignore]`, `#[cfg(…)]`) keep their meaning.
///
/// # Arguments
///
/// - `seeds = 1000`: the test is run once for each of so many seeds, and each seed is another order in which the actors
///   get their turn. A failure names its seed; the environment variable `CONVOKE_SEED` replays that one. Without this
///   argument the test is run once.
/// - `crate = "framework::convoke"`: where Convoke is found, for a crate that re-exports it; `::convoke` by default.
///
/// # Errors
///
/// It is a compile error, at the place concerned, when the function is not `async`, has parameters or generics or a
/// second `#[test]`, and when an argument is unknown, given twice, or no positive number of seeds.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    test::expand(arguments.into(), item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}
