//! The few shapes that successful answers have, each with its caching rule.

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::error::ApiError;

/// How long an answer may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caching {
    /// The path names bytes that never change.
    Immutable,
    /// A new answer may be there any moment.
    NoStore,
}

impl Caching {
    pub(super) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Immutable => "public, max-age=31536000, immutable",
            Self::NoStore => "no-store",
        })
    }
}

pub(super) fn json<T: Serialize>(status: StatusCode, caching: Caching, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => bytes(status, "application/json", caching, body.into()),
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

pub(super) fn bytes(
    status: StatusCode,
    media_type: &'static str,
    caching: Caching,
    body: Bytes,
) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, caching.header());
    response
}
