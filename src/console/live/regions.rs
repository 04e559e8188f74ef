//! The live regions of a page.
//!
//! `<section id="services" data-live …>…</section> → ("services", …)`

const BEGIN: &str = "<section id=\"";
const END: &str = "</section>";

/// The regions of a page by their ids, each with what is in it. Nobody outside can write one: the templates escape what is not ours.
pub(super) fn regions(page: &str) -> Vec<(String, String)> {
    let mut regions = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        rest = after;
        let Some((id, after)) = after.split_once('"') else { break };
        let Some((attributes, after)) = after.split_once('>') else { break };
        if !attributes.trim_start().starts_with("data-live") {
            continue;
        }
        let Some((inner, after)) = after.split_once(END) else { break };
        regions.push((id.to_owned(), inner.to_owned()));
        rest = after;
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_live_region_is_found_and_nothing_else() {
        let page = "<main><section id=\"still\"><p>x</p></section><section id=\"a\" data-live sse-swap=\"a\"><p>1</p>\n2</section>\
                    <h2>x</h2><section id=\"b\" data-live></section>&lt;section id=&quot;c&quot; data-live&gt;</main>";
        let found = [("a".to_owned(), "<p>1</p>\n2".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(regions(page), found);
        for broken in ["", "<section id=\"", "<section id=\"a\"", "<section id=\"a\" data-live>no end"] {
            assert_eq!(regions(broken), []);
        }
    }
}
