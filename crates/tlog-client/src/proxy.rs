//! Which servers are reached through a proxy, as curl decides it: `HTTPS_PROXY`, `HTTP_PROXY`,
//! `ALL_PROXY` and `NO_PROXY`, in capitals or not.

use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// The proxies for each kind of URL, and the hosts that are reached without. The default has none.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Option<Arc<Matcher>>);

/// A variable does not name a proxy that can be used.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is not the http:// URL of a proxy")]
pub struct ProxyError {
    /// Its value is not told: it may hold a password.
    variable: String,
}

impl Proxies {
    /// Reads them from variables: `NO_PROXY` is a list of hosts, domains and networks, or `*`.
    ///
    /// # Errors
    /// A variable that names no proxy is refused: ignored, it would send requests another way than
    /// the administrator wanted.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let value = |name: &str| {
            let names = [name.to_owned(), name.to_lowercase()];
            names.into_iter().find_map(|name| Some((variable(&name)?, name)))
        };
        let proxy = |name: &str| match value(name) {
            Some((url, name)) if !url.is_empty() => {
                if is_usable(&url) {
                    Ok(url)
                } else {
                    Err(ProxyError { variable: name })
                }
            }
            _ => Ok(String::new()),
        };
        let matcher = Matcher::builder()
            .all(proxy("ALL_PROXY")?)
            .http(proxy("HTTP_PROXY")?)
            .https(proxy("HTTPS_PROXY")?)
            .no(value("NO_PROXY").map(|(list, _)| list).unwrap_or_default())
            .build();
        Ok(Self(Some(Arc::new(matcher))))
    }

    /// The proxy through which a URL is reached.
    pub(crate) fn of(&self, url: &Uri) -> Option<Intercept> {
        self.0.as_ref()?.intercept(url)
    }
}

fn is_usable(url: &str) -> bool {
    let any = Uri::from_static("https://any.invalid");
    let proxy = Matcher::builder().all(url).build().intercept(&any);
    proxy.is_some_and(|proxy| {
        let has_host = proxy.uri().host().is_some_and(|host| !host.is_empty());
        has_host && proxy.uri().scheme() == Some(&http::uri::Scheme::HTTP)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, ProxyError> {
        Proxies::from_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn route(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let found = proxies(variables).unwrap().of(&url.parse().unwrap());
        found.map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn each_scheme_has_its_proxy_in_capitals_or_not() {
        let both = [("HTTPS_PROXY", "http://s.example:1"), ("http_proxy", "p.example:2")];
        assert_eq!(route(&both, "https://log.example/a").as_deref(), Some("http://s.example:1/"));
        assert_eq!(route(&both, "http://log.example/a").as_deref(), Some("http://p.example:2/"));
        let all = [("ALL_PROXY", "http://a.example")];
        assert_eq!(route(&all, "https://log.example").as_deref(), Some("http://a.example/"));
        assert_eq!(route(&[], "https://log.example"), None);
        assert_eq!(route(&[("HTTPS_PROXY", "")], "https://log.example"), None);
    }

    #[test]
    fn no_proxy_names_hosts_domains_networks_or_everything() {
        let rows = [
            ("log.example", "https://log.example", true),
            ("log.example", "https://a.log.example", true),
            (".log.example", "https://a.log.example", true),
            ("log.example", "https://catalog.example", false),
            ("localhost, 127.0.0.0/8,::1", "https://127.0.0.1:8080", true),
            ("localhost, 127.0.0.0/8,::1", "https://[::1]:8080", true),
            ("localhost, 127.0.0.0/8,::1", "https://localhost:8080", true),
            ("localhost, 127.0.0.0/8,::1", "https://128.0.0.1", false),
            ("*", "https://log.example", true),
            ("", "https://127.0.0.1", false),
        ];
        for (list, url, is_direct) in rows {
            let variables = [("HTTPS_PROXY", "http://p.example:3128"), ("no_proxy", list)];
            assert_eq!(route(&variables, url).is_none(), is_direct, "{list:?} {url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_its_password_not_told() {
        for url in ["socks5://u:geheim@p.example", "https://u:geheim@p.example", "u:geheim@:"] {
            let error = proxies(&[("https_proxy", url)]).unwrap_err().to_string();
            assert!(error.starts_with("https_proxy is not"), "{error}");
        }
    }
}
