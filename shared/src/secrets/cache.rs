//! Secrets' values while they are fresh, and one fetch for all who wait for the same one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use secrecy::SecretString;

use super::Limits;
use super::fetch::{FetchError, Remote};
use crate::moment::Moment;

pub(super) struct Cache {
    remote: Remote,
    limits: Limits,
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Default)]
struct Entry {
    value: Option<(SecretString, Moment)>,
    /// When a fetch last failed, if none has succeeded since.
    failed: Option<(Moment, FetchError)>,
    /// When somebody last had it fetched although its value was kept.
    refreshed: Option<Moment>,
    /// Weak, so that a fetch for which nobody waits any more ends, rather than going on after a freeze over a
    /// connection that is long dead.
    running: Option<WeakShared<Fetch>>,
}

type Fetch = BoxFuture<'static, Result<SecretString, FetchError>>;

impl Cache {
    pub(super) fn new(remote: Remote, limits: Limits) -> Self {
        Self {
            remote,
            limits,
            entries: Mutex::default(),
        }
    }

    pub(super) async fn get(self: &Arc<Self>, id: &str) -> Result<SecretString, FetchError> {
        let fetch = {
            let mut entries = self.entries();
            let entry = entries.entry(id.to_owned()).or_default();
            match &entry.value {
                Some((value, since)) if !since.is_older_than(self.limits.lifetime, Moment::now()) => {
                    return Ok(value.clone());
                }
                _ => match &entry.failed {
                    Some((since, error)) if !error.is_of_the_secret() && self.is_recent(*since) => {
                        return Err(error.clone());
                    }
                    _ => self.join_or_start(entry, id),
                },
            }
        };
        fetch.await
    }

    pub(super) async fn refresh(self: &Arc<Self>, id: &str) -> Result<(), FetchError> {
        let fetch = {
            let mut entries = self.entries();
            let entry = entries.entry(id.to_owned()).or_default();
            if entry.refreshed.is_some_and(|since| self.is_recent(since)) {
                return Ok(());
            }
            match &entry.failed {
                Some((since, error)) if self.is_recent(*since) => return Err(error.clone()),
                _ => self.join_or_start(entry, id),
            }
        };
        fetch.await?;
        self.entries().entry(id.to_owned()).or_default().refreshed = Some(Moment::now());
        Ok(())
    }

    fn is_recent(&self, since: Moment) -> bool {
        !since.is_older_than(self.limits.interval, Moment::now())
    }

    fn join_or_start(self: &Arc<Self>, entry: &mut Entry, id: &str) -> Shared<Fetch> {
        if let Some(running) = entry.running.as_ref().and_then(WeakShared::upgrade) {
            return running;
        }
        let cache = Arc::clone(self);
        let id = id.to_owned();
        let fetch = async move {
            // The age counts from before the request: the value may change while the answer is under way.
            let asked = Moment::now();
            let fetched = cache.remote.fetch(&id).await;
            let mut entries = cache.entries();
            let entry = entries.entry(id).or_default();
            entry.running = None;
            match &fetched {
                Ok(value) => {
                    entry.value = Some((value.clone(), asked));
                    entry.failed = None;
                }
                Err(error) => entry.failed = Some((Moment::now(), error.clone())),
            }
            fetched
        };
        let fetch = fetch.boxed().shared();
        entry.running = fetch.downgrade();
        fetch
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // Nothing that can panic happens while the lock is held, and an entry is valid at every step.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
