//! A witness: it cosigns the tree heads of logs it was told to watch, and only those that extend
//! everything it cosigned before.
//!
//! **Guarantees.** For one log it never signs two roots of one size, nor a smaller size after a larger
//! one, whatever it is sent, however requests race and whenever the power fails: the head is on disk,
//! file and folder synced, before its signature leaves. When a write fails, that log gets no signature
//! from this process again. What it signs is its own writing of what it understood.
//!
//! **Never.** It reads no entry of a log and judges none. It opens no connection (`status --ask` lets
//! `curl` do it). It forgets no head it signed, and believes no file that its own key did not sign.
//!
//! | module | read it for |
//! |---|---|
//! | [`decide`] | the rules: what is signed and what is refused; no time, no files, no network |
//! | [`state`] | the folder: what is remembered, and when it is refused |
//! | [`witness`] | one log, one decision at a time: decide, save, only then answer |
//! | [`evidence`] | what is kept when a log contradicts itself |
//! | [`http`] | two calls and their status codes |
//! | [`identity`], [`signers`], [`config`], [`pace`], [`metrics`] | keys, configuration, limits, figures |
//! | [`arguments`], [`command`], [`add_log`], [`status`] | the command line |
//!
//! Implements c2sp.org/tlog-witness (v1.0.0 with the status codes of its successor, July 2026, and
//! the monitoring call), tlog-cosignature v1.0.1 with Ed25519 (type 0x04) and v1.1.0-rc.1 with ML-DSA-44
//! (type 0x06), tlog-checkpoint v1.0.0, tlog-list.

pub mod add_log;
pub mod arguments;
pub mod command;
pub mod config;
pub mod decide;
pub mod evidence;
pub mod http;
pub mod identity;
pub mod metrics;
pub mod pace;
pub mod signers;
pub mod state;
pub mod status;
pub mod witness;

#[cfg(test)]
mod test_log;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use prometheus::Registry;
use serde::Serialize;
use service::{Clock, Shutdown};
use tokio::net::TcpListener;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::state::{DurableWrite, StateFolder};
use crate::witness::Witness;

/// Serves until `shutdown`. `announce` is told the addresses as soon as they accept connections.
///
/// # Errors
/// When key, folder or state are not what they must be, when an address cannot be bound, or when
/// `announce` fails. Nothing was signed then.
pub async fn run(
    config: Config,
    deps: Deps,
    announce: impl FnOnce(&Listening) -> std::io::Result<()>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).context("registering the metrics")?;
    let signers = identity::open(&config.dir, &config.name).context("opening the keys")?;
    let vkeys = signers.verifier_keys();
    let (folder, cosigned) =
        StateFolder::open(&config.dir, vkeys.clone(), &config.logs, deps.durable_write)
            .context("reading what was cosigned before; nothing is signed until this is solved")?;
    let witness = Arc::new(Witness::new(signers, config.logs, folder, cosigned, metrics));

    let (public, address) = bind(config.listen.public).await?;
    let admin = match config.listen.admin {
        Some(admin) => Some(bind(admin).await?),
        None => None,
    };
    let listening = Listening {
        listening: address,
        admin: admin.as_ref().map(|(_, address)| *address),
        vkey: vkeys.first().context("a witness without a key")?.to_string(),
        more_vkeys: vkeys.iter().skip(1).map(ToString::to_string).collect(),
    };
    announce(&listening).context("announcing the addresses")?;
    tracing::info!(
        listening = %listening.listening, vkey = listening.vkey, logs = witness.logs_watched(),
        "witness is ready"
    );

    let ready = {
        let witness = Arc::clone(&witness);
        Arc::new(move || witness.is_ready())
    };
    let calls = http::router(witness, deps.clock);
    let admin_calls = service::admin_router(registry, ready);
    tokio::join!(
        service::serve(public, calls, config.http.clone(), shutdown.clone()),
        serve_admin(admin, admin_calls, config.http, shutdown),
    );
    tracing::info!("witness has stopped");
    Ok(())
}

/// What a witness takes from the machine it runs on.
#[derive(Clone)]
pub struct Deps {
    /// The time that goes into cosignatures.
    pub clock: Arc<dyn Clock>,
    /// How a file is replaced durably.
    pub durable_write: DurableWrite,
}

impl Deps {
    /// The machine's clock and its disk.
    pub fn system() -> Self {
        Self { clock: Arc::new(service::SystemClock::new()), durable_write: state::durable_write() }
    }
}

/// Where a running witness can be reached, and its verifier key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// The public address.
    pub listening: SocketAddr,
    /// The operator's address, when there is one.
    pub admin: Option<SocketAddr>,
    /// What log operators put into their policy.
    pub vkey: String,
    /// The key of ML-DSA-44, when there is one.
    pub more_vkeys: Vec<String>,
}

async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    let bound = listener.local_addr().context("asking for the address that was bound")?;
    Ok((listener, bound))
}

async fn serve_admin(
    admin: Option<(TcpListener, SocketAddr)>,
    calls: Router,
    limits: service::HttpLimits,
    shutdown: Shutdown,
) {
    if let Some((listener, _)) = admin {
        service::serve(listener, calls, limits, shutdown).await;
    }
}

#[cfg(test)]
mod tests;
