//! Which page has sent a request: a browser says so, and a page cannot have it say anything else.
//!
//! `Sec-Fetch-Site, or Origin → a read: let through | a write: let through | let through with a token`

use actix_web::http::header::{HeaderMap, ORIGIN};

use super::hosts::Host;

/// What is shown of a write by its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// The browser says that a page of ours has sent it.
    Ours,
    /// The browser says of it what older ones do, and those over a network without TLS: it needs the token of its form as well.
    WithToken,
}

/// The value of a header that may be there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<Result<&'a str, ()>> {
    let mut all = headers.get_all(name);
    let value = all.next()?;
    Some(if all.next().is_some() { Err(()) } else { value.to_str().map_err(|_| ()) })
}

/// Whether a read may be answered: one that another site has sent only where somebody goes to our page, by a link.
pub(super) fn may_read(headers: &HeaderMap) -> bool {
    match one(headers, "sec-fetch-site") {
        None | Some(Ok("same-origin" | "none")) => true,
        Some(_) => {
            let is_page = one(headers, "sec-fetch-dest").is_none_or(|to| to == Ok("document"));
            one(headers, "sec-fetch-mode") == Some(Ok("navigate")) && is_page
        }
    }
}

/// Whether a write may go on.
///
/// # Errors
///
/// Why not.
pub(crate) fn may_write(headers: &HeaderMap, host: &Host) -> Result<Write, &'static str> {
    match one(headers, "sec-fetch-site") {
        Some(Ok("same-origin")) => return Ok(Write::Ours),
        Some(_) => return Err("another page than one of this console has sent it"),
        None => {}
    }
    let origin = match one(headers, ORIGIN.as_str()) {
        Some(Ok(origin)) => origin,
        Some(Err(())) => return Err("its Origin is none"),
        None => return Err("nothing says which page has sent it: it has neither Sec-Fetch-Site nor Origin"),
    };
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    match authority.and_then(Host::read) {
        Some(origin) if origin == *host => Ok(Write::WithToken),
        _ => Err("another page than one of this console has sent it"),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn a_read_from_another_site_is_a_page_that_somebody_goes_to() {
        for all in [
            &[][..],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        ] {
            assert!(may_read(&headers(all)), "{all:?}");
        }
        for all in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(!may_read(&headers(all)), "{all:?}");
        }
    }

    #[test]
    fn a_write_is_of_our_own_page_alone() {
        let host = Host::read("shop.example:8443").unwrap();
        let may = |all: &[(&'static str, &'static str)]| may_write(&headers(all), &host).ok();
        assert_eq!(may(&[("sec-fetch-site", "same-origin"), ("origin", "null")]), Some(Write::Ours));
        assert_eq!(may(&[("origin", "https://Shop.example:8443")]), Some(Write::WithToken));
        for all in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://shop.example")],
            &[("origin", "https://shop.example:8443.evil.example")],
            &[("origin", "shop.example:8443")],
            &[("origin", "https://shop.example:8443"), ("origin", "https://shop.example:8443")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://shop.example:8443")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://shop.example:8443")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "Same-Origin")],
        ] {
            assert_eq!(may(all), None, "{all:?}");
        }
    }
}
