use convoke::prelude::*;
use convoke::testing::Promised;

/// What is tested.
fn on_summons(left: u32, summons: Summons<u32>) {
    match left {
        0 => summons.pledge.veto("sold out"),
        left => summons.pledge.keep(left),
    }
}

#[test]
fn whoever_has_nothing_left_says_so() {
    let (summons, promise) = Summons::by_hand();
    on_summons(0, summons);
    assert_eq!(promise.take(), Some(Promised::Vetoed("sold out".into())));
}
