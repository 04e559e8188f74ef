//! The list of files, and how they are answered.

use std::fmt::Write;
use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, web};
use sha2::{Digest, Sha256};

use crate::scope::Routes;

struct File {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    /// Its name with a part of the hash of its text.
    path: String,
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const DRAWING: &str = "image/svg+xml";

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    vec![
        File::new("console.css", STYLE, include_str!("files/console.css")),
        File::new("htmx.js", SCRIPT, include_str!("files/htmx.js")),
        File::new("sse.js", SCRIPT, include_str!("files/sse.js")),
        File::new("morph.js", SCRIPT, include_str!("files/morph.js")),
        File::new("icon.svg", DRAWING, include_str!("files/icon.svg")),
    ]
});

impl File {
    fn new(name: &'static str, kind: &'static str, text: &'static str) -> Self {
        let mut hash = String::new();
        for byte in &Sha256::digest(text.as_bytes())[..8] {
            // Into a string nothing fails.
            let _ = write!(hash, "{byte:02x}");
        }
        let path = match name.rsplit_once('.') {
            Some((stem, end)) => format!("{stem}-{hash}.{end}"),
            None => format!("{name}-{hash}"),
        };
        Self { name, kind, text, path }
    }
}

/// The name of a file as its path ends: with the hash of what it has, so that another text has another path.
pub(crate) fn named(name: &str) -> &str {
    FILES.iter().find(|file| file.name == name).map_or(name, |file| &file.path)
}

pub(crate) fn routes(routes: &mut Routes) {
    routes.get("/assets/{file}", answer);
}

async fn answer(path: web::Path<String>) -> HttpResponse {
    let Some(file) = FILES.iter().find(|file| file.path == *path) else { return HttpResponse::NotFound().finish() };
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, HeaderValue::from_static(file.kind)));
    // For this browser alone: it was let through.
    answer.insert_header((CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")));
    answer.body(file.text)
}
