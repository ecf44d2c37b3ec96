//! Own authorities, client certificates and proxies, against real servers on loopback.

use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::error::ClientError;
use crate::proxy::Proxies;
use crate::settings::{HttpSettings, Limits, Retry};
use crate::transport::{HttpClient, LogUrl};
use crate::trust::{Trust, TrustError};

const CA: &[u8] = include_bytes!("network_tests/ca.pem");
const SERVER: &[u8] = include_bytes!("network_tests/server.pem");
const SERVER_KEY: &[u8] = include_bytes!("network_tests/server-key.pem");
const CLIENT: &[u8] = include_bytes!("network_tests/client.pem");
const CLIENT_KEY: &[u8] = include_bytes!("network_tests/client-key.pem");

/// The heads of the requests that came.
type Heads = Arc<Mutex<Vec<String>>>;

fn settings(trust: Trust, variables: &[(&str, &str)]) -> HttpSettings {
    let value = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let limits = Limits { read: Retry::NEVER, ..Limits::default() };
    HttpSettings { limits, trust, proxies: Proxies::from_variables(value).unwrap() }
}

async fn read(url: &str, settings: &HttpSettings) -> Result<String, ClientError> {
    let client = HttpClient::new(LogUrl::parse(url).unwrap(), settings).unwrap();
    let body = client.get("checkpoint", 100).await?;
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // A client that refused the certificate is gone by now.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// An https server that says whether it was shown a certificate.
async fn tls_server() -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CA).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
    let chain = vec![CertificateDer::from_pem_slice(SERVER).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(SERVER_KEY).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            read_head(&mut tls).await;
            let shown = tls.get_ref().1.peer_certificates().is_some();
            answer(&mut tls, if shown { "known" } else { "stranger" }).await;
        }
    });
    port
}

/// A proxy that tunnels to this port whatever it is asked, and answers plain requests itself.
async fn proxy(target: u16) -> (u16, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heads = Heads::default();
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let head = read_head(&mut near).await;
            let is_connect = head.starts_with("CONNECT ");
            seen.lock().unwrap().push(head);
            if is_connect {
                near.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                let mut far = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            } else {
                answer(&mut near, "by the proxy").await;
            }
        }
    });
    (port, heads)
}

fn our_trust() -> Trust {
    Trust::default().and_authorities(CA).unwrap()
}

#[tokio::test]
async fn an_own_authority_is_believed_and_without_it_the_server_is_not() {
    let url = format!("https://localhost:{}", tls_server().await);
    assert_eq!(read(&url, &settings(our_trust(), &[])).await.unwrap(), "stranger");
    let error = read(&url, &settings(Trust::default(), &[])).await.unwrap_err();
    assert!(matches!(error, ClientError::Connection { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let url = format!("https://127.0.0.1:{}", tls_server().await);
    let trust = our_trust().with_identity(CLIENT, CLIENT_KEY).unwrap();
    assert_eq!(read(&url, &settings(trust, &[])).await.unwrap(), "known");
}

#[test]
fn certificates_that_cannot_be_used_are_refused_before_any_request() {
    let trust = Trust::default;
    let refused = trust().and_authorities(b"nothing");
    assert!(matches!(refused, Err(TrustError::Pem { source: None, .. })));
    assert!(matches!(trust().and_authorities(CLIENT_KEY), Err(TrustError::Pem { .. })));
    assert!(matches!(trust().with_identity(CLIENT, CLIENT), Err(TrustError::Pem { .. })));
    assert!(matches!(trust().with_identity(CLIENT, SERVER_KEY), Err(TrustError::Tls(_))));
}

#[tokio::test]
async fn https_goes_through_a_tunnel_of_the_proxy_under_its_password() {
    let server = tls_server().await;
    let (proxy, heads) = proxy(server).await;
    let via = format!("http://me:secret@127.0.0.1:{proxy}");
    let settings = settings(our_trust(), &[("https_proxy", &via)]);
    let localhost = format!("https://localhost:{server}");
    assert_eq!(read(&localhost, &settings).await.unwrap(), "stranger");
    let head = heads.lock().unwrap()[0].clone();
    assert!(head.starts_with(&format!("CONNECT localhost:{server} HTTP/1.1\r\n")), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic bwu6c2vjcmv0\r\n"), "{head}");
}

#[tokio::test]
async fn plain_http_asks_the_proxy_for_the_whole_url() {
    let (proxy, heads) = proxy(1).await;
    let via = format!("http://me:secret@127.0.0.1:{proxy}");
    let settings = settings(Trust::default(), &[("HTTP_PROXY", &via)]);
    assert_eq!(read("http://log.invalid/a", &settings).await.unwrap(), "by the proxy");
    let head = heads.lock().unwrap()[0].clone();
    assert!(head.starts_with("GET http://log.invalid/a/checkpoint HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic "), "{head}");
}

#[tokio::test]
async fn what_no_proxy_names_is_reached_without() {
    let server = tls_server().await;
    let (proxy, heads) = proxy(server).await;
    let via = format!("http://127.0.0.1:{proxy}");
    let variables = [("HTTPS_PROXY", via.as_str()), ("NO_PROXY", "localhost,127.0.0.0/8")];
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{server}");
        assert_eq!(read(&url, &settings(our_trust(), &variables)).await.unwrap(), "stranger");
    }
    assert!(heads.lock().unwrap().is_empty());
}
