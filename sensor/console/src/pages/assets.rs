//! Styles, scripts and pictures: part of the binary.

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::route::{Returns, Route};
use crate::secret;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// Routes of assets.
pub static ROUTES: &[Route] = &[
    Route::page("/assets/{file}", "asset", "A style, script or picture of the pages.")
        .for_anyone()
        .gives(Returns::Bytes("*/*"))
        .plain(asset),
    Route::page("/robots.txt", "robots", "Nothing here is for search engines.")
        .for_anyone()
        .gives(Returns::Bytes("text/plain"))
        .plain(|_| Ok(Answer::bytes("text/plain; charset=utf-8", b"User-agent: *\nDisallow: /\n".to_vec()))),
    Route::page("/favicon.ico", "favicon", "The picture of the page, for browsers that look here.")
        .for_anyone()
        .gives(Returns::Bytes("image/svg+xml"))
        .plain(|_| Ok(Answer::bytes("image/svg+xml", include_bytes!("../../assets/icon.svg").to_vec()))),
];

const FILES: &[(&str, &str, &[u8])] = &[
    ("console.css", "text/css; charset=utf-8", include_bytes!("../../assets/console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/console.js")),
    ("htmx.min.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/htmx.min.js")),
    ("htmx.LICENSE", "text/plain; charset=utf-8", include_bytes!("../../assets/htmx.LICENSE")),
    ("icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")),
];

/// Changes when an asset does.
pub fn stamp() -> &'static str {
    static STAMP: OnceLock<String> = OnceLock::new();
    STAMP.get_or_init(|| {
        let mut digest = Sha256::new();
        FILES.iter().for_each(|(_, _, bytes)| digest.update(bytes));
        secret::hexadecimal(digest.finalize().get(..6).unwrap_or_default())
    })
}

fn asset(call: &Call) -> Result<Answer, Problem> {
    let file = FILES.iter().find(|(name, ..)| *name == call.part("file"));
    let (_, media, bytes) = file.ok_or_else(|| Problem::not_found("No such file."))?;
    // With the stamp in its address it never changes.
    let kept = if call.one("v") == Some(stamp()) { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(Answer::bytes(media, bytes.to_vec()).with("cache-control", kept))
}
