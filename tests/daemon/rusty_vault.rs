//! A server that others wrote and that speaks Vault's protocol: RustyVault 0.2.1, over TLS with an authority of its own.
//!
//! Where it differs from what HashiCorp documents (each met here, and borne by our client):
//! - KV is version 1 alone, and `sys/internal/ui/mounts`, which tells the version, is not there: 404.
//! - A failure is `{"error": "text"}` in place of `{"errors": [...]}`; a request without a token is 400 and not 403.
//! - `auth/token/renew-self` and `revoke-self` are not there: 500 "Logical backend path not supported."; a token that
//!   nears its end is replaced by a login. A token's `ttl` is what it was given, not what is left.
//! - `sys/seal-status` is a failure before the server is initialised, and swaps `t` with `n`.
//! - Policies are kept and not looked at; there is no transit engine, no namespace, no `sys/health`, no standby.

use super::credentials::{credentials, on_binance, said, stored_account};
use super::sim::Sim;
use super::support::{Daemon, Process, config_edit, free_port, tollgate, wait_for};
use super::vault::{buys, vault_alert};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tollgate::credentials::vault::{Vault, VaultLink, VaultRequest, VaultResponse, VaultSettings};
use tollgate::credentials::{Credential, CredentialId, Environment, Secret};
use tollgate::runtime::vault::UreqVault;

fn testdata(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net/testdata").join(file)
}

struct Server {
    process: Process,
    url: String,
    agent: ureq::Agent,
    unseal: String,
    root: String,
}

impl Server {
    /// Initialised and unsealed; `None` where it is not installed and this is not continuous integration.
    fn start(dir: &Path) -> Option<Server> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/rusty_vault/bin/rvault");
        if !program.exists() {
            assert!(std::env::var_os("CI").is_none(), "{} is missing: tests/run makes it", program.display());
            println!("RustyVault was not asked: {} is missing, tests/run makes it", program.display());
            return None;
        }
        let port = free_port();
        let config = dir.join("rusty_vault.hcl");
        let text = format!(
            "storage \"file\" {{\n  path = {:?}\n}}\nlistener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  \
             tls_disable = \"false\"\n  tls_cert_file = {:?}\n  tls_key_file = {:?}\n}}\n\
             api_addr = \"https://localhost:{port}\"\nlog_level = \"info\"\nwork_dir = {:?}\n",
            dir.join("rusty_vault"),
            testdata("server.pem"),
            testdata("server.key"),
            dir.join("work"),
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program);
        command.args(["server", "--config"]).arg(&config);
        let process = Process::spawn(command, dir, "rusty_vault");
        let ca = ureq::tls::Certificate::from_pem(&std::fs::read(testdata("ca.pem")).unwrap()).unwrap();
        let agent = ureq::Agent::config_builder()
            .tls_config(ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::new_with_certs(&[ca])).build())
            .http_status_as_error(false)
            .build()
            .into();
        let url = format!("https://localhost:{port}");
        let mut server = Server { process, url, agent, unseal: String::new(), root: String::new() };
        let begun = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let init = wait_for("RustyVault", || server.try_call("PUT", "sys/init", None, &begun));
        server.unseal = init.1["keys"][0].as_str().unwrap().to_owned();
        server.root = init.1["root_token"].as_str().unwrap().to_owned();
        server.set_sealed(false);
        Some(server)
    }

    fn try_call(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Option<(u16, Value)> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}/v1/{path}", self.url));
        if let Some(token) = token {
            request = request.header("X-Vault-Token", token);
        }
        let answer = match method {
            "GET" => self.agent.run(request.body(()).unwrap()),
            _ => self.agent.run(request.body(body.to_string()).unwrap()),
        };
        let mut answer = answer.ok()?;
        let text = answer.body_mut().read_to_string().unwrap();
        Some((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default()))
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_call(method, path, Some(&self.root), body).expect("RustyVault answers");
        assert!(matches!(status, 200 | 204), "{method} {path}: {status} {answer}\n{}", self.process.log());
        answer
    }

    fn set_sealed(&self, sealed: bool) {
        let (path, body) = if sealed { ("sys/seal", json!({})) } else { ("sys/unseal", json!({ "key": self.unseal })) };
        self.call("PUT", path, &body);
        assert_eq!(self.call("GET", "sys/seal-status", &json!({}))["sealed"], sealed);
    }

    /// A role whose tokens live for `ttl`; its id and a secret id.
    fn role(&self, name: &str, ttl: &str, uses: u32) -> (String, String) {
        let role = format!("auth/approle/role/{name}");
        self.call("POST", &role, &json!({ "token_ttl": ttl, "token_max_ttl": "1h", "secret_id_num_uses": uses }));
        let id = self.call("GET", &format!("{role}/role-id"), &json!({}))["data"]["role_id"].clone();
        let secret = self.call("POST", &format!("{role}/secret-id"), &json!({}))["data"]["secret_id"].clone();
        (id.as_str().unwrap().to_owned(), secret.as_str().unwrap().to_owned())
    }

    fn variables(&self, auth: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        let base = [
            ("VAULT_ENABLED", "true".to_owned()),
            ("VAULT_ENDPOINT", self.url.clone()),
            ("VAULT_SECRET_PATH", "secret/tollgate".to_owned()),
            ("VAULT_CACERT", testdata("ca.pem").display().to_string()),
        ];
        [&base[..], auth].concat()
    }
}

fn by_role((id, secret): &(String, String)) -> [(&'static str, String); 2] {
    [("VAULT_ROLE_ID", id.clone()), ("VAULT_SECRET_ID", secret.clone())]
}

fn lent<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn the_engine_trades_with_a_key_from_a_real_server_through_its_seal() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(server) = Server::start(venue.path()) else { return };
    server.call("POST", "sys/auth/approle", &json!({ "type": "approle" }));
    let role = server.role("tollgate", "1h", 0);
    let sim = Sim::start(venue.path(), &[]);
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    config_edit(&path, &[("vault_look_s = 60", "vault_look_s = 1")]);
    let (key, secret) = sim.key();
    let input = format!("{key}\n{secret}\n");
    let variables = server.variables(&by_role(&role));
    let envs = lent(&variables);
    let store = [&on_binance("store")[..], &["--vault"]].concat();
    // An engine of its own, which does not start.
    let other = tempfile::tempdir().unwrap();
    let refused = stored_account(&sim, other.path(), free_port(), false);
    let run = |envs: &[(&str, &str)]| {
        let mut command = tollgate();
        command.args(["run", "--config"]).arg(&refused).envs(envs.iter().copied());
        said(&command.output().unwrap(), 2, &[&key, &secret, &role.1, &server.root])
    };
    // Not there yet; then written by our own command, over TLS, and found.
    assert!(run(&envs).contains("it is not in Vault"));
    let words = said(&credentials(&path, &store, &input, &envs), 0, &[&key, &secret, &role.1]);
    assert!(words.contains("binance/testnet/main is in Vault, its key ends in"), "{words}");
    // The public authorities do not vouch for this server, and no other role gets in.
    let strange: Vec<_> = envs.iter().copied().filter(|(name, _)| *name != "VAULT_CACERT").collect();
    let words = run(&strange);
    assert!(words.contains("does not answer") && words.to_lowercase().contains("certificate"), "{words}");
    let wrong = server.variables(&by_role(&(role.0.clone(), "not-the-secret-id".to_owned())));
    let words = run(&lent(&wrong));
    assert!(words.contains("Vault refuses the login: 400 invalid secret id"), "{words}");

    let mut daemon = Daemon::start(&path, port, &envs);
    daemon.ready();
    assert_eq!(daemon.get("credentials-status").unwrap()["credentials"][0]["source"], "Vault");
    buys(&daemon);
    // Sealed: what trades goes on, with an alert; what starts does not.
    server.set_sealed(true);
    wait_for("the alert", || vault_alert(&daemon).then_some(()));
    buys(&daemon);
    let words = run(&envs);
    assert!(words.contains("is sealed: unseal it, then start again"), "{words}");
    server.set_sealed(false);
    wait_for("the alert to end", || (!vault_alert(&daemon)).then_some(()));
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
    let log = daemon.process.log();
    for hidden in [&key, &secret, &role.1, &server.root] {
        assert!(!log.contains(hidden.as_str()));
    }
}

/// Sockets as the engine's, on a clock that stands still; and the tokens that were shown.
struct Watched {
    http: UreqVault,
    shown: Arc<Mutex<Vec<String>>>,
}

impl VaultLink for Watched {
    fn call(&mut self, request: &VaultRequest) -> Result<VaultResponse, String> {
        let token = request.token.and_then(Secret::expose_text).map(str::to_owned);
        self.shown.lock().unwrap().extend(token);
        self.http.call(request)
    }

    fn now_s(&mut self) -> u64 {
        1
    }

    fn wait(&mut self, _: Duration) {}
}

#[test]
fn a_token_that_has_expired_at_a_real_server_is_replaced_by_a_login() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(dir.path()) else { return };
    server.call("POST", "sys/auth/approle", &json!({ "type": "approle" }));
    let id = CredentialId::new("binance", Environment::Testnet, "main").unwrap();
    let part = |text: &str| Secret::copy(text.as_bytes());
    let credential = Credential::new(part("a key"), part("a secret\nof two lines")).unwrap();
    let open = |auth: &[(&'static str, String)]| {
        let variables = server.variables(auth);
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let settings = VaultSettings::find(find).unwrap().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let link = Watched { http: UreqVault::new(&settings).unwrap(), shown: shown.clone() };
        (Vault::new(settings, Box::new(link)), shown)
    };
    let expired = |token: &str| {
        let ended = || {
            let (status, _) = server.try_call("GET", "auth/token/lookup-self", Some(token), &json!({}))?;
            (status == 403).then_some(())
        };
        wait_for("the token to expire", ended);
    };
    let (mut vault, shown) = open(&by_role(&server.role("brief", "2s", 0)));
    assert_eq!(vault.write(&id, &credential).unwrap(), None, "KV 1 has no versions");
    let first = shown.lock().unwrap().last().unwrap().clone();
    expired(&first);
    assert_eq!(vault.read(&id).unwrap(), Some((credential.clone(), None)));
    let second = shown.lock().unwrap().last().unwrap().clone();
    assert_ne!(first, second, "by another token");
    // A token that was given is not replaced: its end is said.
    expired(&second);
    let (mut given, _) = open(&[("VAULT_TOKEN", second)]);
    let said = given.read(&id).unwrap_err().to_string();
    assert!(said.contains("the token is not valid"), "{said}");
    // A secret id for one login alone, and a second login.
    let (mut once, shown) = open(&by_role(&server.role("once", "2s", 1)));
    assert!(once.read(&id).unwrap().is_some());
    let last = shown.lock().unwrap().last().unwrap().clone();
    expired(&last);
    let said = once.read(&id).unwrap_err().to_string();
    assert!(said.contains("Vault refuses the login: 400") && said.contains("used up"), "{said}");
}
