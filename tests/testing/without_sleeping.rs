use convoke::prelude::*;
use std::time::Duration;

#[convoke::test]
async fn a_payment_that_never_comes_cancels_the_round() {
    let broker = Broker::new(Duration::from_secs(3600)).start();
    let stock = Emitter::join(&broker, "stock").await.unwrap();
    let _payment = Emitter::join(&broker, "payment").await.unwrap();

    let outcome = stock.emit("3 left").await.unwrap();
    assert_eq!(outcome.to_string(), "round #1 cancelled after 3600s: timed out; missing payment");
}

/// A doctest does not compile what is under `#[convoke::test]`, so the README's test stands above, word for word.
#[test]
fn the_readme_shows_the_test_above() {
    let readme = include_str!("../../README.md");
    let shown = readme
        .split("```")
        .find_map(|block| block.strip_prefix("rust\n").filter(|code| code.contains("#[convoke::test]")));
    let shown = shown.expect("the README has a block with `#[convoke::test]`");
    assert!(
        include_str!("without_sleeping.rs").starts_with(shown),
        "the README shows another test than this file:\n{shown}"
    );
}
