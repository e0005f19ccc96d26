//! The stream of new and changed alerts (server-sent events).

use crate::call::Call;
use crate::problem::Problem;
use crate::watch::{Told, Watch, place, read_place};
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Response};
use http_body_util::channel::Channel;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;

/// A line is sent at least so often, so that a connection that is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream ends after this time; browsers come back with the place of the last event, and are asked anew who they are.
const LONGEST: Duration = Duration::from_secs(10 * 60);

fn event(told: &Told) -> Bytes {
    Bytes::from(format!("event: alert\nid: {}\ndata: {}\n\n", told.id, told.data))
}

/// Opens the stream.
///
/// # Errors
/// Where there are too many already.
pub async fn answer(call: Call, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
    let app = Arc::clone(&call.app);
    let permit = Arc::clone(&app.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::too_many("Too many streams are open; close one.").after(30))?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(read_place);
    let mut events = app.watch.listen(&app);
    let reading = Arc::clone(&app);
    let missed = tokio::task::spawn_blocking(move || {
        reading.readers.read(|reader| match last {
            Some(mark) => Watch::since(reader, &mark),
            None => Ok(vec![Told { id: place(&reader.mark()?), data: String::new() }]),
        })
    })
    .await
    .map_err(|_| Problem::internal("the stream could not begin"))??;

    let (mut sender, body) = Channel::<Bytes, Infallible>::new(16);
    tokio::spawn(async move {
        let _permit = permit;
        let end = Instant::now() + LONGEST;
        // Tells the place from which to go on, and how soon to come back.
        let first = missed.first().map_or_else(String::new, |told| format!("id: {}\n", told.id));
        if sender.send_data(Bytes::from(format!("retry: 3000\n{first}event: ready\ndata:\n\n"))).await.is_err() {
            return;
        }
        for told in missed.iter().filter(|told| !told.data.is_empty()) {
            if sender.send_data(event(told)).await.is_err() {
                return;
            }
        }
        while Instant::now() < end {
            let line = match tokio::time::timeout(HEARTBEAT, events.recv()).await {
                Ok(Ok(told)) => event(&told),
                Ok(Err(RecvError::Lagged(_))) => Bytes::from_static(b"event: lost\ndata:\n\n"),
                Ok(Err(RecvError::Closed)) => return,
                Err(_) => Bytes::from_static(b": still here\n\n"),
            };
            if sender.send_data(line).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
