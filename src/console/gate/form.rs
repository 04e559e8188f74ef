//! The form of a write, read before it is handled: it says whether it was ours, and whether it was meant.
//!
//! `a body of at most 256 KiB → fields → { token, sure, those of the page } → the body again, for its handler`

use std::time::Duration;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::rt::time::timeout;
use actix_web::{FromRequest, HttpMessage, web};

use super::denied::Denied;

/// As many bytes has a form at most.
const BYTES: usize = 256 * 1024;

/// So long may it take to come.
const TIME: Duration = Duration::from_secs(30);

const TOKEN: &str = "token";
/// A page of its own may ask by `sure`.
const SURE: &str = "gate";
const ASKS: &str = "asks";

/// Its fields, without those that are the gate's own.
pub(super) type Fields<'a> = Vec<(&'a str, &'a str)>;

/// What a form has.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the form of a request, and leaves the body there for who handles it.
    ///
    /// # Errors
    ///
    /// If it is no form, or too much of one.
    pub(crate) async fn take(request: &mut ServiceRequest) -> Result<Self, Denied> {
        let (http, payload) = request.parts_mut();
        let payload = web::Payload::from_request(http, payload).await;
        let payload = payload.map_err(|_| Denied::new(StatusCode::BAD_REQUEST, "the form cannot be read"))?;
        let taken = timeout(TIME, payload.to_bytes_limited(BYTES)).await;
        let bytes = match taken {
            Ok(Ok(Ok(bytes))) => bytes,
            Ok(Ok(Err(_))) => return Err(Denied::new(StatusCode::BAD_REQUEST, "the form did not come as a whole")),
            Ok(Err(_)) => {
                let text = format!("a form has at most {BYTES} bytes");
                return Err(Denied::new(StatusCode::PAYLOAD_TOO_LARGE, text).hint("choose fewer at a time"));
            }
            Err(_) => return Err(Denied::new(StatusCode::REQUEST_TIMEOUT, "the form did not come in time")),
        };
        if !bytes.is_empty() && !request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let text = "a write is a form: application/x-www-form-urlencoded";
            return Err(Denied::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        let form = std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| web::Query::<Vec<(String, String)>>::from_query(text).ok());
        let Some(form) = form else { return Err(Denied::new(StatusCode::BAD_REQUEST, "the form is none")) };
        request.set_payload(Payload::from(bytes));
        Ok(Self(form.into_inner()))
    }

    fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    pub(super) fn token(&self) -> &str {
        self.field(TOKEN)
    }

    pub(super) fn sure(&self) -> &str {
        self.field(SURE)
    }

    pub(super) fn asks(&self) -> &str {
        self.field(ASKS)
    }

    /// A field of the gate's own pages.
    pub(crate) fn named(&self, name: &str) -> &str {
        self.field(name)
    }

    /// Everything but what is the gate's own.
    pub(super) fn fields(&self) -> Fields<'_> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| *name != TOKEN && *name != SURE).collect()
    }
}
