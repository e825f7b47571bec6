//! The dashboard: one page, its script and its style, served out of the program itself.
//!
//! It asks nothing of any other host and needs no build. The files hold no data, so they are shown to everybody; what
//! they ask for is asked with the reader's own token or session. `lightweight-charts.js` is TradingView's library of
//! that name, version 5.2.1, under the Apache License 2.0, which stands beside it.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, Uri, header};

/// Path, kind, content.
const FILES: [(&str, &str, &[u8]); 9] = [
    ("/", "text/html; charset=utf-8", include_bytes!("assets/index.html")),
    ("/dashboard.css", "text/css; charset=utf-8", include_bytes!("assets/dashboard.css")),
    ("/dashboard.js", "text/javascript; charset=utf-8", include_bytes!("assets/dashboard.js")),
    ("/daemon.js", "text/javascript; charset=utf-8", include_bytes!("assets/daemon.js")),
    ("/panels.js", "text/javascript; charset=utf-8", include_bytes!("assets/panels.js")),
    ("/ticket.js", "text/javascript; charset=utf-8", include_bytes!("assets/ticket.js")),
    ("/icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
    ("/lightweight-charts.js", "text/javascript; charset=utf-8", include_bytes!("assets/lightweight-charts.js")),
    (
        "/lightweight-charts-LICENSE.txt",
        "text/plain; charset=utf-8",
        include_bytes!("assets/lightweight-charts-LICENSE.txt"),
    ),
];

/// Every path that the dashboard's files are at.
pub fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(path, ..)| *path)
}

/// The file at the request's path; the routes are made of `paths`, so there is one.
pub async fn file(uri: Uri) -> Response<Body> {
    let Some((_, kind, content)) = FILES.iter().find(|(path, ..)| *path == uri.path()) else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(Body::from(Bytes::from_static(content)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // A new version of the program is a new page.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
