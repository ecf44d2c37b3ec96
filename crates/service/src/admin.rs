//! What the operator's tools ask a process: is it alive, is it useful, how is it doing. Served on a
//! port of its own, on loopback unless configured otherwise.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};

/// Says whether the process does its job now, or in words why not.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// `/metrics` (Prometheus text), `/healthz` (200 while the process answers), `/readyz` (200, or 503
/// with the reason).
pub fn admin_router(registry: Registry, ready: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(move || async move { metrics(&registry) }))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(move || async move { readiness(&ready) }))
}

fn metrics(registry: &Registry) -> Response {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn readiness(ready: &Readiness) -> Response {
    match ready() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use prometheus::IntCounter;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(router: Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn shows_metrics_health_and_the_reason_for_not_being_ready() {
        let registry = Registry::new();
        let counter = IntCounter::new("sample_total", "a sample").unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        counter.inc_by(3);
        let router = admin_router(registry, Arc::new(|| Err("the disk is full".to_owned())));

        let (status, text) = ask(router.clone(), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("sample_total 3"), "{text}");
        assert_eq!(ask(router.clone(), "/healthz").await.0, StatusCode::OK);
        let (status, text) = ask(router, "/readyz").await;
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "the disk is full\n")
        );

        let ready = admin_router(Registry::new(), Arc::new(|| Ok(())));
        assert_eq!(ask(ready, "/readyz").await.0, StatusCode::OK);
    }
}
