//! Whose certificates are believed over https, and which certificate is shown.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

/// The certificate authorities that are believed, and this client's own certificate.
///
/// The system's authorities are believed; where it has none, as in a small container, those of
/// Mozilla that came with the program.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    own_authorities: Vec<CertificateDer<'static>>,
    identity: Option<Arc<Identity>>,
}

#[derive(Debug)]
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Not the PEM that was expected.
    #[error("expected {expected} in PEM")]
    Pem {
        /// What should be in it.
        expected: &'static str,
        /// What is wrong with it; none when it holds nothing of the kind.
        #[source]
        source: Option<pem::Error>,
    },
    /// Certificates that cannot be used, or a key of another certificate.
    #[error("these certificates cannot be used for https")]
    Tls(#[from] rustls::Error),
}

impl Trust {
    /// Believes these authorities too, one or more certificates in PEM.
    ///
    /// # Errors
    /// [`TrustError::Pem`] when there is none, [`TrustError::Tls`] when one is no authority's.
    pub fn and_authorities(mut self, pem: &[u8]) -> Result<Self, TrustError> {
        self.own_authorities.extend(certificates(pem)?);
        self.config()?;
        Ok(self)
    }

    /// Shows a certificate to servers that ask for one: its chain and its private key, both in PEM.
    ///
    /// # Errors
    /// [`TrustError::Pem`]; [`TrustError::Tls`] when the key is not that of the certificate.
    pub fn with_identity(mut self, chain: &[u8], key: &[u8]) -> Result<Self, TrustError> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TrustError::Pem { expected: "a private key", source: Some(error) })?;
        self.identity = Some(Arc::new(Identity { chain, key }));
        self.config()?;
        Ok(self)
    }

    /// For connections without TLS: no certificate is believed.
    pub(crate) fn nobody() -> Result<ClientConfig, TrustError> {
        Ok(believing(RootCertStore::empty())?.with_no_client_auth())
    }

    /// What https connections are made with.
    pub(crate) fn config(&self) -> Result<ClientConfig, TrustError> {
        let mut roots = RootCertStore::empty();
        // Certificates of the system that cannot be read are as good as absent.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for certificate in &self.own_authorities {
            roots.add(certificate.clone())?;
        }
        let builder = believing(roots)?;
        Ok(match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?
            }
        })
    }
}

fn believing(
    roots: RootCertStore,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let malformed = |source| TrustError::Pem { expected: "certificates", source };
    let all = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(Some(error)))?;
    if all.is_empty() { Err(malformed(None)) } else { Ok(all) }
}
