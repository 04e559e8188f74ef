//! No secret of a URL is shown anywhere: every page that a link leads to is read, by somebody who may see everything.

use std::collections::{BTreeSet, VecDeque};

use convoke::look::Address;
use convoke_console::{Shown, scope};

use crate::common::{Site, all};

const SECRET: &str = "geheim-7f3a";

#[actix_web::test]
async fn no_page_has_a_secret_of_a_url() {
    let mut shown = Shown::new("shop");
    let mut count = 0;
    for url in [
        format!("postgres://ada:{SECRET}@127.0.0.1:1/shop#orders"),
        format!("redis://:{SECRET}@127.0.0.1:1#orders"),
        format!("rediss://ada:{SECRET}@127.0.0.1:1#orders"),
        format!("amqp://ada:{SECRET}@127.0.0.1:1/%2f#orders"),
        format!("postgres://127.0.0.1:1/shop?user=ada&password={SECRET}#orders"),
    ] {
        // What this build does not know has no page either.
        let Ok(address) = url.parse::<Address>() else { continue };
        shown = shown.at(address);
        count += 1;
    }
    assert!(count >= 4, "{count} addresses");
    let site = Site::new(scope("/convoke").showing(&shown).allow(all)).await;
    let (mut seen, mut open) = (BTreeSet::new(), VecDeque::from(["/convoke".to_owned()]));
    while let Some(path) = open.pop_front() {
        if !seen.insert(path.clone()) {
            continue;
        }
        assert!(seen.len() < 500, "there is no end of pages: {path}");
        let answer = site.get(&path).await;
        assert!(!answer.text.contains(SECRET), "{path}: {}", answer.text);
        assert!(!format!("{:?}", answer.headers).contains(SECRET), "{path}: {:?}", answer.headers);
        assert_ne!(answer.status, 500, "{path}: {}", answer.text);
        for part in answer.text.split("href=\"").skip(1) {
            let link = part.split('"').next().unwrap_or_default().replace("&amp;", "&").replace("&#38;", "&");
            if link.starts_with("/convoke") {
                open.push_back(link);
            }
        }
    }
    println!("figure: {} pages", seen.len());
}
