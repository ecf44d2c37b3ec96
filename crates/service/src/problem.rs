//! Errors a caller can act on: `application/problem+json`.
//!
//! Spec: RFC 9457.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

/// One problem document. Says what was wrong in words, which rule says so, and where.
///
/// Spec: RFC 9457 §3.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    #[serde(flatten)]
    extra: Map<String, Value>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem whose title is the same for all of its type.
    pub fn new(status: StatusCode, title: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: title.into(),
            status: status.as_u16(),
            detail: None,
            rule: None,
            pointer: None,
            extra: Map::new(),
            retry_after_s: None,
        }
    }

    /// The URI that names the type of problem; `about:blank` when not given.
    #[must_use]
    pub fn kind(mut self, uri: impl Into<String>) -> Self {
        self.kind = uri.into();
        self
    }

    /// What is wrong with this very request, in plain words.
    #[must_use]
    pub fn detail(mut self, words: impl Into<String>) -> Self {
        self.detail = Some(words.into());
        self
    }

    /// The id of the rule that was broken.
    #[must_use]
    pub fn rule(mut self, id: impl Into<String>) -> Self {
        self.rule = Some(id.into());
        self
    }

    /// Where in the submitted document, as a JSON pointer (RFC 6901).
    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// One more member. The names of the standard members are not available.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        assert!(!MEMBERS.contains(&name), "{name} has a method of its own");
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// When to try again, in seconds; sent as `Retry-After`.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The status it is sent with.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("set from a StatusCode")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("text, integers and maps with text keys");
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

const MEMBERS: [&str; 6] = ["type", "title", "status", "detail", "rule", "pointer"];

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn says_what_where_and_when_to_try_again() {
        let response = Problem::new(StatusCode::CONFLICT, "another record is there")
            .detail("this object has revision 3 with other bytes")
            .rule("E10")
            .pointer("/record/rev")
            .with("index", 17)
            .retry_after_s(2)
            .into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "type": "about:blank", "title": "another record is there", "status": 409,
                "detail": "this object has revision 3 with other bytes",
                "rule": "E10", "pointer": "/record/rev", "index": 17
            })
        );
    }

    #[test]
    #[should_panic(expected = "has a method of its own")]
    fn a_standard_member_cannot_be_given_twice() {
        let _ = Problem::new(StatusCode::OK, "t").with("status", 1);
    }
}
