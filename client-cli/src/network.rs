//! How the log is reached: certificates from flags or `CIVICLOG_…`, proxies from `HTTPS_PROXY` and its
//! like.

use std::path::{Path, PathBuf};

use tlog_client::{HttpSettings, Proxies, Trust};

use crate::Environment;
use crate::args::NetworkArgs;
use crate::exit::{Exit, Explain, Failure, Outcome};

/// What requests are made with.
pub(crate) fn settings(args: &NetworkArgs, environment: &Environment) -> Outcome<HttpSettings> {
    let variable = |name: &str| environment.variables.get(name).cloned();
    let file = |given: &Option<PathBuf>, name: &str| {
        given.clone().or_else(|| variable(name).map(PathBuf::from))
    };
    let mut trust = Trust::default();
    if let Some(path) = file(&args.ca_file, "CIVICLOG_CA_FILE") {
        trust = trust.and_authorities(&read(&path)?).explain(Exit::Usage, || using(&path))?;
    }
    let certificate = file(&args.client_certificate, "CIVICLOG_CLIENT_CERTIFICATE");
    match (certificate, file(&args.client_key, "CIVICLOG_CLIENT_KEY")) {
        (None, None) => {}
        (Some(path), Some(key)) => {
            let key = files::read_secret(&key).explain(Exit::Usage, || using(&key))?;
            trust = trust
                .with_identity(&read(&path)?, key.as_bytes())
                .explain(Exit::Usage, || using(&path))?;
        }
        _ => return Err(Failure::usage("--client-certificate and --client-key go together")),
    }
    let proxies = Proxies::from_variables(variable)
        .explain(Exit::Usage, || "reading the proxy of the environment".to_owned())?;
    Ok(HttpSettings { trust, proxies, ..HttpSettings::default() })
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).explain(Exit::Usage, || using(path))
}

fn using(path: &Path) -> String {
    format!("using {} for https", path.display())
}
