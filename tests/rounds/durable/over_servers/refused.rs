//! Some signals of a batch that the database refuses for good: each of the others is a row all the same.

use convoke::prelude::*;
use futures_util::future::join_all;

use super::{DAY, approvals, board};
use crate::transports::outbox::sqlite::File;

#[actix_rt::test]
async fn what_is_refused_holds_up_no_other() {
    let base = <File as crate::transports::outbox::Base>::new().await;
    let approvals = approvals::<File>(&base.db, DAY).await.unwrap();
    let [legal, finance, chair] = board(&approvals).await;
    let refuses = "CREATE TRIGGER refuses BEFORE INSERT ON convoke_round_row WHEN NEW.name = 'finance' \
        BEGIN SELECT RAISE(ABORT, 'not by finance'); END";
    sqlx::raw_sql(refuses).execute(base.db.pool()).await.unwrap();
    let signed = (0..40).map(|key| {
        let emitter = match key % 4 {
            1 => &finance,
            2 => &chair,
            _ => &legal,
        };
        emitter.emit_for(key, format!("{key}")).committed()
    });
    for (key, signed) in (0..).zip(join_all(signed).await) {
        let is_refused = match &signed {
            Ok(_) => false,
            Err(EmitError::Database(why)) => why.contains("SQLite refused it"),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(is_refused, key % 4 == 1, "{key}: {signed:?}");
    }
    // And what comes behind it is written as ever.
    assert!(legal.emit_for(1, "behind".to_owned()).committed().await.is_ok());
    assert_eq!(approvals.figures().await.unwrap().open, 31);
}
