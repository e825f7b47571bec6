//! Vault over ureq, blocking: it is asked at the start and by commands, never while orders wait.

use crate::credentials::vault::{Vault, VaultError, VaultLink, VaultRequest, VaultResponse, VaultSettings};
use crate::net::tls::{TlsError, certificates};
use std::time::{Duration, Instant};
use ureq::http;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use zeroize::Zeroizing;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer: a credential is far shorter.
const BODY_MAX: u64 = 1 << 20;

pub struct UreqVault {
    agent: ureq::Agent,
    start: Instant,
}

/// A conversation with the Vault that the environment names; `None` where it is not enabled.
pub fn find(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Vault>, VaultError> {
    let Some(settings) = VaultSettings::find(variable)? else { return Ok(None) };
    let link = UreqVault::new(&settings).map_err(|cause| VaultError::Setting(format!("VAULT_CACERT: {cause}")))?;
    Ok(Some(Vault::new(settings, Box::new(link))))
}

impl UreqVault {
    pub fn new(settings: &VaultSettings) -> Result<UreqVault, TlsError> {
        let roots = match &settings.ca_file {
            Some(path) => {
                let found = certificates(path)?;
                let owned: Vec<_> = found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
                RootCerts::new_with_certs(&owned)
            }
            None => RootCerts::WebPki,
        };
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(ANSWER_TIMEOUT))
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build()
            .into();
        Ok(UreqVault { agent, start: Instant::now() })
    }
}

impl VaultLink for UreqVault {
    fn call(&mut self, request: &VaultRequest) -> Result<VaultResponse, String> {
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(request.url)
            // An agent or proxy may be told to refuse requests without it.
            .header("X-Vault-Request", "true");
        if let Some(token) = request.token {
            let mut value =
                http::HeaderValue::from_bytes(token.expose()).map_err(|_| "the token is not a header's text")?;
            value.set_sensitive(true);
            builder = builder.header("X-Vault-Token", value);
        }
        if let Some(namespace) = request.namespace {
            builder = builder.header("X-Vault-Namespace", namespace);
        }
        let outcome = match request.body {
            Some(body) => {
                let builder = builder.header("Content-Type", "application/json");
                self.agent.run(builder.body(body).map_err(|e| e.to_string())?)
            }
            None => self.agent.run(builder.body(()).map_err(|e| e.to_string())?),
        };
        let mut response = outcome.map_err(|e| e.to_string())?;
        let location = response.headers().get("Location").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(BODY_MAX).read_to_vec().map_err(|e| e.to_string())?;
        Ok(VaultResponse { status, location, body: Zeroizing::new(body) })
    }

    fn now_s(&mut self) -> u64 {
        self.start.elapsed().as_secs()
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
