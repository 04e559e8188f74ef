//! Schemas, and what has changed between them.

use convoke::prelude::*;
use convoke::schema::Document;
use convoke_console::Shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stage::{page, site, views};

mod before {
    use convoke::prelude::*;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Event, JsonSchema, Serialize, Deserialize)]
    #[event(topic = "orders/placed", name = "OrderPlaced")]
    pub(super) struct OrderPlaced {
        id: u64,
        note: Option<String>,
    }
}

#[derive(Event, JsonSchema, Serialize, Deserialize)]
#[event(topic = "orders/placed", version = 2, example = Self { id: 7, total: 40 })]
struct OrderPlaced {
    id: u64,
    total: u32,
}

fn shown() -> Shown {
    let old = Document::builder("shop", "1.3.0").publishes::<before::OrderPlaced>().build().unwrap();
    let new = Document::builder("shop", "1.4.0").publishes::<OrderPlaced>().build().unwrap();
    Shown::new("shop").document(old).document(new)
}

#[actix_web::test]
async fn two_documents_say_whom_the_step_from_one_to_the_other_breaks() {
    let site = site(&shown(), views).await;
    let text = page(&site, "/schemas").await;
    assert!(text.contains("From shop 1.3.0 to shop 1.4.0"), "{text}");
    assert!(text.contains("field added (required)") && text.contains("badge bad"), "{text}");
    assert!(text.contains("<td>1, 2</td>"), "{text}");
}

#[actix_web::test]
async fn two_versions_of_an_event_are_compared_line_by_line() {
    let site = site(&shown(), views).await;
    let text = page(&site, "/schemas/of?name=OrderPlaced").await;
    assert!(text.contains("breaks writers"), "{text}");
    let (_, lines) = text.split_once("<pre class=\"diff\"").unwrap();
    let (lines, _) = lines.split_once("</pre>").unwrap();
    assert!(lines.contains("<span class=\"come\">+ ") && lines.contains("&#34;total&#34;"), "{lines}");
    assert!(lines.contains("<span class=\"gone\">- ") && lines.contains("&#34;note&#34;"), "{lines}");
    assert!(text.contains("An example") && text.contains("&#34;total&#34;: 40"), "{text}");
    // The other way round it breaks others; and a place that is not there is the last.
    let text = page(&site, "/schemas/of?name=OrderPlaced&old=1&new=0").await;
    assert!(text.contains("breaks readers"), "{text}");
    assert!(!page(&site, "/schemas/of?name=OrderPlaced&old=9&new=9").await.contains("What has changed"));
    assert_eq!(site.get("/convoke/schemas/of?name=Nobody").await.status, 404);
}
