//! What a host's name stands for, remembered: ureq asks the system anew for every request, by a thread made for it, also
//! where the connection that the request goes by is open already.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// As long as venues say that their own names hold. A request that fails asks anew before.
const KEEP: Duration = Duration::from_secs(60);
/// Hosts at a time: a venue has two or three. One more takes the place of the oldest.
const HOSTS_MAX: usize = 8;

struct Known {
    host: String,
    addresses: ResolvedSocketAddrs,
    since: Instant,
}

/// Shared by the threads of one pool.
#[derive(Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<Vec<Known>>>);

impl Addresses {
    /// Something went wrong on the way: the next connection is made to what the name stands for then.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn find(&self, host: &str) -> Option<ResolvedSocketAddrs> {
        let known = self.lock();
        let found = known.iter().find(|known| known.host == host && known.since.elapsed() < KEEP);
        found.map(|known| known.addresses.clone())
    }

    fn keep(&self, host: String, addresses: ResolvedSocketAddrs) {
        let mut known = self.lock();
        known.retain(|known| known.host != host);
        if known.len() >= HOSTS_MAX {
            known.remove(0);
        }
        known.push(Known { host, addresses, since: Instant::now() });
    }

    /// Whole after every step, so a panic of another holder did no harm.
    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Addresses({})", self.lock().len())
    }
}

impl Resolver for Addresses {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return DefaultResolver::default().resolve(uri, config, timeout);
        };
        let Some(host) = DefaultResolver::host_and_port(scheme, authority) else {
            return DefaultResolver::default().resolve(uri, config, timeout);
        };
        if let Some(found) = self.find(&host) {
            return Ok(found);
        }
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        self.keep(host, found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(port: u16) -> ResolvedSocketAddrs {
        let mut made = DefaultResolver::default().empty();
        made.push(([127, 0, 0, 1], port).into());
        made
    }

    #[test]
    fn a_name_is_asked_for_once_until_something_goes_wrong_and_the_oldest_makes_room() {
        let known = Addresses::default();
        assert!(known.find("a:1").is_none());
        known.keep("a:1".to_owned(), addresses(1));
        known.clone().keep("a:1".to_owned(), addresses(2));
        assert_eq!(known.find("a:1").map(|found| found[0].port()), Some(2), "one for all threads, and the newest");
        known.forget();
        assert!(known.find("a:1").is_none());
        for n in 0..=HOSTS_MAX as u16 {
            known.keep(format!("{n}:1"), addresses(n));
        }
        assert_eq!((known.find("0:1").is_none(), known.find("1:1").is_some()), (true, true));
        known.lock().iter_mut().for_each(|known| known.since -= KEEP);
        assert!(known.find("1:1").is_none(), "too old");
    }
}
