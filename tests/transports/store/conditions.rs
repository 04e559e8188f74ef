//! What must not have happened, so that something is appended.

use convoke::{Condition, Outgoing, Pattern, Position, StoreError, nothing_since};

use super::{Base, Moved, elsewhere, filled, moved, noted, numbers, orders};

pub(super) async fn nothing_may_have_happened_since<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    let first = store.append(moved(1, 1)).when(nothing_since(Position::START)).await.unwrap();
    let error = store.append(moved(1, 2)).when(nothing_since(Position::START)).await.unwrap_err();
    assert_eq!(error, StoreError::Conflict { position: first, event: "Moved".into() });
    assert_eq!(store.head().await.unwrap(), first, "nothing was appended");
    let second = store.append_all([moved(1, 2), moved(1, 3)]).when(nothing_since(first)).await.unwrap();
    assert_eq!(second.number(), 3);
    let error = store.append(moved(1, 4)).when(nothing_since(first)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { position, .. } if position.number() == 2), "the first: {error}");
    assert_eq!(store.verify().await.unwrap(), second);
}

pub(super) async fn only_what_matches_topic_and_entity_is_in_the_way<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 3, 1).await;
    let head = store.head().await.unwrap();
    store.append(moved(1, 1)).await.unwrap();
    store.append(noted("between")).await.unwrap();
    let free: [Condition; 6] = [
        nothing_since(head).about_other("Order", 2),
        nothing_since(head).about_other("Orders", 1),
        nothing_since(head).of_other("orders/*/late"),
        nothing_since(head).of_other("payments/**"),
        nothing_since(head).of_other("notes/*").about_other("Order", 1),
        nothing_since(head).of_other(["payments/*", "x"]).about_other("Order", 1),
    ];
    for (place, condition) in free.into_iter().enumerate() {
        let appended = store.append(moved(100 + place as u32, 1)).when(condition).await;
        assert!(appended.is_ok(), "{place}: {appended:?}");
    }
    let taken: [(Condition, u64); 6] = [
        (nothing_since(head), 4),
        (nothing_since(head).about("Order", 1), 4),
        (nothing_since(head).of_other("notes/*"), 5),
        (nothing_since(head).of_other("**/taken"), 5),
        (nothing_since(head).of("orders/**").about("Order", 1), 4),
        (nothing_since(head).of_other(["payments/*", "notes/taken"]), 5),
    ];
    let before = store.head().await.unwrap();
    for (place, (condition, expected)) in taken.into_iter().enumerate() {
        match store.append(moved(1, 2)).when(condition).await {
            Err(StoreError::Conflict { position, .. }) => assert_eq!(position.number(), expected, "{place}"),
            other => panic!("{place}: {other:?}"),
        }
    }
    assert_eq!(store.head().await.unwrap(), before);
    let wrong = store.append(moved(1, 2)).when(nothing_since(head).of("a//b")).await.unwrap_err();
    assert!(matches!(wrong, StoreError::Topic(_)), "{wrong}");
    // Far behind the position, where the first is not among the first that are looked at.
    store.append_all((0..700).map(|step| moved(9, step))).await.unwrap();
    store.append(noted("far")).await.unwrap();
    let error = store.append(moved(1, 2)).when(nothing_since(before).of_other("notes/*")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict { event, .. } if event == "Noted"), "{error}");
}

pub(super) async fn of_two_that_have_decided_by_the_same_only_one_appends<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    for round in 0..10 {
        let decided = store.head().await.unwrap();
        let attempts =
            (0..8).map(|step| store.append(moved(round, step)).when(nothing_since(decided).about("Order", round)));
        let attempts = futures_util::future::join_all(attempts.map(IntoFuture::into_future)).await;
        let appended = attempts.iter().filter(|attempt| attempt.is_ok()).count();
        let conflicts = attempts.iter().filter(|attempt| matches!(attempt, Err(StoreError::Conflict { .. }))).count();
        assert_eq!((appended, conflicts), (1, 7), "{attempts:?}");
    }
    let all = store.read("**").all().await.unwrap();
    let rounds: Vec<_> = all.iter().map(|record| record.event::<Moved>().unwrap().order).collect();
    assert_eq!(rounds, (0..10).collect::<Vec<_>>());
}

pub(super) async fn a_condition_on_a_position_that_is_none_is_an_error<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 2).await;
    let other = elsewhere(&base).await;
    let error = store.append(moved(1, 3)).when(nothing_since(other)).await.unwrap_err();
    assert!(matches!(error, StoreError::Elsewhere { .. }), "{error}");
    let head = store.head().await.unwrap();
    let ahead: Position = head.to_string().replace("2@", "7@").parse().unwrap();
    let error = store.append(moved(1, 3)).when(nothing_since(ahead)).await.unwrap_err();
    assert_eq!(error, StoreError::Ahead { position: ahead, last: head });
    assert_eq!(store.head().await.unwrap(), head);
}

pub(super) async fn a_condition_about_what_no_event_is_about_is_an_error<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    for (kind, id) in [("Orders", 1), ("Order", 2)] {
        let error = store.append(moved(1, 1)).when(nothing_since(Position::START).about(kind, id)).await.unwrap_err();
        assert_eq!(error, StoreError::NotAbout { entity: kind.into(), found: "Order".into() });
        assert!(error.to_string().contains("about_other"), "{error}");
    }
    let error = store.append(noted("")).when(nothing_since(Position::START).about("Order", 1)).await.unwrap_err();
    assert!(matches!(&error, StoreError::NotAbout { found, .. } if found != "Order"), "{error}");
    assert_eq!(store.head().await.unwrap(), Position::START);
    let both = store.append_all([moved(2, 1), moved(1, 1)]).when(nothing_since(Position::START).about("Order", 1));
    assert_eq!(both.await.unwrap().number(), 2, "one of them is enough");
    let other = store.append(moved(3, 1)).when(nothing_since(Position::START).about_other("Order", 1)).await;
    assert!(matches!(other, Err(StoreError::Conflict { position, .. }) if position.number() == 2), "{other:?}");
}

pub(super) async fn a_condition_of_topics_that_no_event_has_is_an_error<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 2, 1).await;
    let head = store.head().await.unwrap();
    for (topics, found) in [(&["order/*"][..], "orders/moved"), (&["orders/move", "notes/*"][..], "orders/moved")] {
        let error = store.append(moved(1, 1)).when(nothing_since(head).of(topics)).await.unwrap_err();
        assert_eq!(
            error,
            StoreError::NotOf {
                topics: topics.iter().rev().copied().collect::<Vec<_>>().join(", "),
                found: found.into()
            }
        );
        assert!(error.to_string().contains("of_other") && !error.is_temporary(), "{error}");
    }
    // Of several one is enough, but it has to be about what the condition is about.
    let both = || store.append_all([Outgoing::new(moved(1, 1)), Outgoing::new(noted("x"))]);
    let error = both().when(nothing_since(head).of("notes/*").about("Order", 1)).await.unwrap_err();
    assert_eq!(error, StoreError::NotOf { topics: "notes/*".into(), found: "orders/moved".into() });
    assert_eq!(store.head().await.unwrap(), head);
    let last = both().when(nothing_since(head).of("notes/*")).await.unwrap();
    // Each of several patterns has to be right, and those that are meant are named beside.
    let several = nothing_since(last).of(["orders/shiped", "orders/moved", "order/*"]).about("Order", 1);
    let error = both().when(several).await.unwrap_err();
    assert_eq!(error, StoreError::NotOf { topics: "order/*, orders/shiped".into(), found: "orders/moved".into() });
    let error = store.append(moved(1, 1)).when(nothing_since(last).of(["orders/moved", "notes/*"])).await.unwrap_err();
    assert_eq!(error, StoreError::NotOf { topics: "notes/*".into(), found: "orders/moved".into() });
    let beside = nothing_since(last).of("orders/moved").of_other("orders/shipped").about("Order", 1);
    let last = both().when(beside.clone()).await.unwrap();
    let again = both().when(beside).await;
    assert!(matches!(&again, Err(StoreError::Conflict { event, .. }) if event == "Moved"), "{again:?}");
    let both_count = nothing_since(head).of("notes/*").of_other("orders/moved");
    let in_the_way = store.append(noted("x")).when(both_count).await;
    assert!(matches!(&in_the_way, Err(StoreError::Conflict { event, .. }) if event == "Moved"), "{in_the_way:?}");
    let last = both().when(nothing_since(last).of_other("orders/shipped").about("Order", 1)).await.unwrap();
    // A transaction says the same, and is as it was.
    let mut transaction = base.begin().await;
    let error = store.append(moved(1, 1)).when(nothing_since(last).of("x")).within(&mut transaction).await.unwrap_err();
    assert!(matches!(error, StoreError::NotOf { .. }), "{error}");
    store.append(moved(1, 1)).within(&mut transaction).await.unwrap();
    B::commit(transaction).await;
    // Nothing at all is no topic.
    let none = nothing_since(last).of(Vec::<Pattern>::new());
    assert_eq!(store.append(moved(1, 1)).when(none).await.unwrap_err(), StoreError::NoPattern);
    assert_eq!(store.verify().await.unwrap().number(), head.number() + 7);
}

/// In as many statements as it takes, alone and within a transaction.
pub(super) async fn several_are_appended_under_a_condition_or_none<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 2, 1).await;
    let mut last = store.head().await.unwrap();
    for count in [1, 2, 3, 4, 5, 16, 17, 120] {
        let stale = last;
        let before = store.head().await.unwrap().number();
        for topics in [None, Some("orders/*")] {
            let condition = |position| {
                let condition = nothing_since(position).about("Order", 1);
                topics.map_or(condition.clone(), |topics| condition.of(topics))
            };
            let moves = || (0..count).map(|step| moved(1, step));
            last = store.append_all(moves()).when(condition(last)).await.unwrap();
            let mut transaction = base.begin().await;
            store.append_all(moves()).when(condition(last)).within(&mut transaction).await.unwrap();
            B::commit(transaction).await;
            let error = store.append_all(moves()).when(condition(stale)).await.unwrap_err();
            assert!(
                matches!(error, StoreError::Conflict { position, .. } if position.number() == before + 1),
                "{error}"
            );
            // Of another topic: it may be in the way, and is not.
            let free = nothing_since(stale).of_other("notes/*").about("Order", 1);
            last = store.append(moved(1, 0)).when(free).await.unwrap();
            // Of another order.
            store.append(moved(0, 0)).await.unwrap();
        }
        assert_eq!(store.head().await.unwrap().number(), before + 2 * (2 * u64::from(count) + 2), "{count}");
    }
    store.verify().await.unwrap();
    let of_one = store.read("**").about("Order", 1).all().await.unwrap();
    let alone = numbers(&of_one);
    let among = store.read("**").all().await.unwrap();
    let among: Vec<_> = among.iter().filter(|record| record.event::<Moved>().unwrap().order == 1).cloned().collect();
    assert_eq!(alone, numbers(&among));
}
