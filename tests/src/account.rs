//! The account that servers run under which refuse to run as root.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::supervisor::words;

/// Debian's PostgreSQL packages make this user.
const NAME: &str = "postgres";

/// An account without privileges: ours, or the `postgres` user's when we are root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    instead_of_root: Option<(u32, u32)>,
}

impl Account {
    pub(crate) fn unprivileged() -> Result<Self> {
        if fs::metadata("/proc/self")?.uid() != 0 {
            return Ok(Self { instead_of_root: None });
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let ids = users.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let [NAME, _, user, group, ..] = fields[..] else {
                return None;
            };
            Some((user.parse().ok()?, group.parse().ok()?))
        });
        let ids = ids.with_context(|| format!("no user {NAME:?} to run as instead of root: install postgresql"))?;
        Ok(Self {
            instead_of_root: Some(ids),
        })
    }

    /// The command as this account runs it.
    pub(crate) fn runs(self, command: Vec<String>) -> Vec<String> {
        let Some((user, group)) = self.instead_of_root else {
            return command;
        };
        let mut words = words![
            "setpriv",
            format!("--reuid={user}"),
            format!("--regid={group}"),
            "--clear-groups",
            "--"
        ];
        words.extend(command);
        words
    }

    /// Hands a file or folder over to this account.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        let Some((user, group)) = self.instead_of_root else {
            return Ok(());
        };
        chown(path, Some(user), Some(group)).with_context(|| format!("cannot hand over {}", path.display()))
    }
}
