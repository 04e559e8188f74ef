//! What is told of all of them as a tree: changes, causes, what is left.

use convoke::testing::expect_failure;
use convoke::{BudgetLeft, ServiceView, Services};

use super::*;

fn view<'a>(views: &'a [ServiceView], name: &str) -> &'a ServiceView {
    let found =
        views.iter().find_map(|one| if *one.status.service == *name { Some(one) } else { find(&one.children, name) });
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn find<'a>(views: &'a [ServiceView], name: &str) -> Option<&'a ServiceView> {
    views.iter().find_map(|one| if *one.status.service == *name { Some(one) } else { find(&one.children, name) })
}

fn left(view: &ServiceView) -> Option<(u32, u32)> {
    view.budget.map(|BudgetLeft { restarts, left, .. }| (left, restarts))
}

fn changes(view: &ServiceView) -> String {
    let text = |change: &convoke::ServiceChange| match &change.error {
        Some(error) => format!("{} ({error})", change.state),
        None => change.state.to_string(),
    };
    view.changes.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[convoke::test]
async fn each_has_its_place_its_changes_and_the_restarts_that_are_left() {
    expect_failure("b");
    let stage = Stage::new();
    let inner = Supervisor::one_for_all(&stage.bus, "inner")
        .budget(3, 60 * SECOND)
        .add(stage.member("a"))
        .add(stage.member("b").budget(2, 60 * SECOND));
    let services = Services::new(&stage.bus).add(inner).add(stage.member("c")).await.unwrap();
    let tree = services.tree();
    let views = tree.look();
    let places: Vec<_> =
        views.iter().map(|view| (view.status.service.to_string(), view.strategy, view.children.len())).collect();
    assert_eq!(places, [("inner".to_owned(), Some(Strategy::OneForAll), 2), ("c".to_owned(), None, 0)]);
    assert_eq!(changes(view(&views, "b")), "starting, running");
    assert_eq!(
        (left(view(&views, "inner")), left(view(&views, "b")), left(view(&views, "c"))),
        (Some((3, 3)), Some((2, 2)), Some((5, 5)))
    );

    sleep(SECOND).await;
    stage.publish("b", Act::Panic);
    settled().await;
    let views = tree.look();
    assert_eq!(changes(view(&views, "b")), "starting, running, restarting (panicked: as told), starting, running");
    assert_eq!(changes(view(&views, "a")), "starting, running, stopping, restarting, starting, running");
    assert_eq!(
        (left(view(&views, "inner")), left(view(&views, "b")), left(view(&views, "a"))),
        (Some((2, 3)), Some((1, 2)), Some((5, 5)))
    );
    assert_eq!(view(&views, "b").status.restarts, 1);

    // A restart counts for the time in which they run.
    sleep(61 * SECOND).await;
    let views = tree.look();
    assert_eq!((left(view(&views, "inner")), left(view(&views, "b"))), (Some((3, 3)), Some((2, 2))));
    drop(at_once(services.shutdown()).await);
    assert_eq!(changes(view(&tree.look(), "c")), "starting, running, stopping, stopped", "it outlives the handle");
}

#[convoke::test]
async fn one_beyond_its_budget_says_so_and_has_none_left() {
    expect_failure("b");
    let stage = Stage::new();
    let member = stage.member("b").budget(1, 60 * SECOND).await.unwrap();
    let tree = member.tree();
    for _ in 0..2 {
        stage.publish("b", Act::Panic);
        settled().await;
    }
    let views = tree.look();
    let last = "failed (panicked: as told; 1 restart within 60s of running is the most)";
    assert!(changes(&views[0]).ends_with(last), "{}", changes(&views[0]));
    assert_eq!((views.len(), left(&views[0]), views[0].changes_before), (1, Some((0, 1)), 0));
}

#[convoke::test]
async fn of_many_changes_the_last_are_kept() {
    expect_failure("b");
    let stage = Stage::new();
    let member = stage.member("b").budget(1_000, SECOND).await.unwrap();
    for _ in 0..100 {
        stage.publish("b", Act::Panic);
        settled().await;
    }
    let views = member.tree().look();
    // Each time it restarts, starts and runs; before that it has started and run.
    assert_eq!((views[0].changes.len() as u64, views[0].changes_before), (32, 302 - 32));
    assert_eq!(views[0].changes[31].state, ServiceState::Running);
}
