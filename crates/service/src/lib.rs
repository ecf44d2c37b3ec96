//! What every civiclog process needs around its own work, and nothing about logs.
//!
//! It guarantees that a slow, silent or endless peer costs a bounded amount of memory and time. It
//! never decides anything about records, tree heads or signatures.
//!
//! | module | what it is |
//! |---|---|
//! | [`admin`] | `/metrics`, `/healthz`, `/readyz` |
//! | [`body`] | reading a request body with a cap and a time limit |
//! | [`clock`] | the only place that asks for the time |
//! | [`config`] | TOML files whose unknown fields are errors |
//! | [`disk`] | how much room a disk has left |
//! | [`exec`] | the priority of a thread |
//! | [`http`] | the HTTP/1.1 accept loop |
//! | [`problem`] | `application/problem+json` |
//! | [`shutdown`] | stopping: first politely, then at once |
//! | [`telemetry`] | log lines |

pub mod admin;
pub mod body;
pub mod clock;
pub mod config;
pub mod disk;
pub mod exec;
pub mod http;
pub mod problem;
pub mod shutdown;
pub mod telemetry;

mod stall;

pub use admin::{Readiness, admin_router};
pub use body::{BodyError, discard_body, read_body_capped, read_body_metered};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{ConfigError, environment_variable, load_toml, parse_toml, resolve};
pub use disk::{FileSystems, FreeSpace};
pub use exec::lower_thread_priority;
pub use http::{HttpLimits, Peer, serve};
pub use problem::Problem;
pub use shutdown::Shutdown;
pub use telemetry::{Format, TracingError, error_chain, init_tracing};
