//! The public HTTP interface: which path is served by which function, under which limits.
//!
//! Reading and writing have limits of their own, so that a flood of one does not stop the other.
//! Everything a reader gets stops at the size of the published head.

use std::sync::Arc;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::{HeaderValue, header};
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;

mod answers;
mod app;
mod compat;
mod documents;
mod error;
mod log;
mod objects;
mod proofs;
mod query;
pub mod receipt;
mod records;
pub(crate) mod refuse;
mod registry;
mod respond;
mod revisions;
mod submit;
mod tiles;
mod transfers;

use answers::{AnswerRoom, hold};
use error::ApiError;

pub(crate) use app::App;
pub(crate) use log::policy_words;
pub(crate) use transfers::Transfers;

/// What is served at once.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "they are limits")]
pub(crate) struct Concurrency {
    pub(crate) reads_max: usize,
    pub(crate) writes_max: usize,
    /// Bytes of large answers on their way, for reads and for writes each.
    pub(crate) answer_bytes_max: usize,
}

/// The public interface as a tower service.
pub(crate) fn router(app: Arc<App>, concurrency: Concurrency) -> Router {
    let writes = Router::new().route("/v1/records", post(submit::post_records));
    let reads = Router::new()
        .route("/checkpoint", get(tiles::checkpoint))
        .route("/tile/{*path}", get(tiles::tile))
        .route("/v1/log", get(log::log))
        .route("/v1/witnesses", get(log::witnesses))
        .route("/v1/submitters", get(registry::submitters))
        .route("/v1/profiles/{*id}", get(registry::profile))
        .route("/v1/records/{index}", get(records::record))
        .route("/v1/objects", get(objects::list))
        .route("/v1/objects/{*object}", get(objects::object))
        .route("/v1/proofs/{index}", get(proofs::proof))
        .route("/v1/proofs/{index}/{size}", get(proofs::proof_at))
        .route("/v1/receipts/{index}", get(proofs::receipt))
        .route("/v1/consistency/{from}/{to}", get(proofs::consistency))
        .route("/v1/checkpoints/{size}", get(proofs::checkpoint_at))
        .route("/ct/v1/get-sth", get(compat::get_sth))
        .route("/ct/v1/get-sth-consistency", get(compat::get_sth_consistency))
        .route("/ct/v1/get-proof-by-hash", get(compat::get_proof_by_hash));
    let held = |router: Router<Arc<App>>| {
        let room = AnswerRoom::new(concurrency.answer_bytes_max, Arc::clone(&app.core.metrics));
        router.layer(from_fn_with_state(room, hold))
    };
    let writes = held(limited(writes, concurrency.writes_max, &app));
    let reads = held(limited(reads, concurrency.reads_max, &app));
    // Each direction has limits of its own (`Transfers`): a document takes long, and is streamed.
    let documents =
        Router::new().route("/v1/documents/{sha256}", get(documents::get).put(documents::put));
    writes
        .merge(limited(documents, documents::REQUESTS_MAX, &app).layer(from_fn(open_to_every_page)))
        .merge(reads.layer(from_fn(open_to_every_page)))
        .fallback(|| async { ApiError::NoSuchPath })
        .with_state(app)
}

/// Answers 503 at once when as many requests as allowed are being served.
fn limited(router: Router<Arc<App>>, requests_max: usize, app: &Arc<App>) -> Router<Arc<App>> {
    let app = Arc::clone(app);
    router.method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed }).layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(move |_: tower::BoxError| {
                let app = Arc::clone(&app);
                async move {
                    app.core.metrics.overloaded();
                    ApiError::Overloaded
                }
            }))
            .layer(LoadShedLayer::new())
            .layer(GlobalConcurrencyLimitLayer::new(requests_max)),
    )
}

/// Lets any web page read: what is served here is public.
async fn open_to_every_page(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await.into_response();
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
