//! What systemd wants to hear: ready, stopping, alive. Without systemd all of it is silence.

use crate::domain::Nanos;
use sd_notify::NotifyState;

/// Speaks to the service manager over `$NOTIFY_SOCKET`.
#[derive(Debug)]
pub struct ServiceManager {
    /// Time between two signs of life: half of what the unit's `WatchdogSec` allows. `None` where none is wanted.
    beat_interval_ns: Option<Nanos>,
    next_beat_ns: Nanos,
}

impl ServiceManager {
    pub fn from_env() -> ServiceManager {
        let beat_interval_ns =
            sd_notify::watchdog_enabled().map(|limit| Nanos::try_from(limit.as_nanos() / 2).unwrap_or(Nanos::MAX));
        ServiceManager { beat_interval_ns, next_beat_ns: Nanos::MIN }
    }

    /// The service manager must not end an engine that hangs before the engine's own watchdog has stopped it, or nobody
    /// cancels what is open. It counts from the last sign of life, which may be half of its time ago.
    pub fn warn_if_hasty(&self, watchdog_max_ns: Nanos) {
        if let Some(interval) =
            self.beat_interval_ns.filter(|interval| watchdog_max_ns > 0 && *interval <= watchdog_max_ns)
        {
            tracing::warn!(
                "WatchdogSec={} ends an engine that hangs before emergency.watchdog_max_ms ({}) has stopped it and \
                 cancelled its orders: let WatchdogSec be more than twice as long",
                interval.saturating_mul(2) / 1_000_000_000,
                watchdog_max_ns / 1_000_000
            );
        }
    }

    /// The engine trades. `status` is one line for `systemctl status`.
    pub fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    pub fn status(&self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }

    pub fn stopping(&self, status: &str) {
        tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
    }

    /// A sign of life, where one is due. The caller has seen every trading thread turn since its last call.
    pub fn beat(&mut self, now: Nanos) {
        if let Some(interval) = self.beat_interval_ns
            && now >= self.next_beat_ns
        {
            self.next_beat_ns = now.saturating_add(interval);
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;

    /// What the test below runs in a process of its own, where the service manager's variables are set; where they
    /// are not, it is the claim that all of it is silence.
    #[test]
    fn speaks_or_is_silent() {
        let mut manager = ServiceManager::from_env();
        manager.ready("trading");
        for now in [0, 1, 499_999_999, 500_000_000, 500_000_001] {
            manager.beat(now);
        }
        manager.status("halted");
        manager.stopping("bye");
    }

    #[test]
    fn the_service_manager_hears_ready_beats_at_half_the_limit_and_stopping() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "telemetry::sd::tests::speaks_or_is_silent"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "1000000")
            .env_remove("WATCHDOG_PID")
            .output()
            .unwrap()
            .status;
        assert!(status.success());
        socket.set_nonblocking(true).unwrap();
        let mut heard = Vec::new();
        let mut buf = [0; 256];
        while let Ok(n) = socket.recv(&mut buf) {
            heard.push(String::from_utf8_lossy(&buf[..n]).replace('\n', " ").trim_end().to_owned());
        }
        assert_eq!(
            heard,
            ["READY=1 STATUS=trading", "WATCHDOG=1", "WATCHDOG=1", "STATUS=halted", "STOPPING=1 STATUS=bye"]
        );
    }
}
