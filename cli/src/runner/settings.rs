//! The settings of a function, with Lambda's defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::asynchronous::AsynchronousSettings;
use super::function::Function;
use super::log::LogSink;

pub(super) struct Specification {
    pub(super) name: Arc<str>,
    pub(super) binary: PathBuf,
    pub(super) environment: BTreeMap<OsString, OsString>,
    pub(super) timeout: Duration,
    pub(super) init_limit: Duration,
    pub(super) memory_mb: u32,
    pub(super) concurrency: usize,
    pub(super) asynchronous: AsynchronousSettings,
    pub(super) log: LogSink,
}

/// The settings of a [`Function`]; the defaults are Lambda's unless said otherwise.
#[must_use]
pub struct FunctionBuilder {
    specification: Specification,
}

/// A function that cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("function {name}: {} {problem}", binary.display())]
pub struct InvalidFunction {
    name: String,
    binary: PathBuf,
    problem: String,
}

impl FunctionBuilder {
    pub(super) fn new(name: Arc<str>, binary: PathBuf) -> Self {
        Self {
            specification: Specification {
                name,
                binary,
                environment: BTreeMap::new(),
                timeout: Duration::from_secs(3),
                init_limit: Duration::from_secs(10),
                memory_mb: 128,
                concurrency: 10,
                asynchronous: AsynchronousSettings::default(),
                log: LogSink::stderr(),
            },
        }
    }

    /// Sets a variable of the function's environment, which is otherwise empty but for what Lambda sets.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.specification.environment.insert(name.into(), value.into());
        self
    }

    /// Sets several variables.
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.specification.environment.extend(variables);
        self
    }

    /// The most that an invocation may take; 3 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.specification.timeout = timeout;
        self
    }

    /// The most that a process may take until its first poll; 10 seconds by default.
    pub fn init_limit(mut self, limit: Duration) -> Self {
        self.specification.init_limit = limit;
        self
    }

    /// The memory that the function is told to have, in MB; 128 by default. It is not enforced.
    pub fn memory(mut self, megabytes: u32) -> Self {
        self.specification.memory_mb = megabytes;
        self
    }

    /// The most instances at a time; 10 by default, of the 1,000 that an AWS account has.
    pub fn concurrency(mut self, instances: usize) -> Self {
        self.specification.concurrency = instances;
        self
    }

    /// How often a failed event is tried again; once by default, where Lambda's default is twice.
    pub fn retries(mut self, retries: u32) -> Self {
        self.specification.asynchronous.retries = retries;
        self
    }

    /// How long to wait before the first retry of an event, and twice as long before the second; a minute by default.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.specification.asynchronous.retry_delay = delay;
        self
    }

    /// The age at which an event is dropped instead of tried again; 5 minutes by default, where Lambda's is 6 hours.
    pub fn maximum_event_age(mut self, age: Duration) -> Self {
        self.specification.asynchronous.maximum_age = age;
        self
    }

    /// Where the function's log goes; to standard error by default.
    pub fn log(mut self, sink: LogSink) -> Self {
        self.specification.log = sink;
        self
    }

    /// The function; no process is started before its first invocation.
    ///
    /// # Errors
    /// When the binary is not an executable file.
    pub fn build(self) -> Result<Function, InvalidFunction> {
        let mut specification = self.specification;
        let invalid = |problem: String| InvalidFunction {
            name: specification.name.to_string(),
            binary: specification.binary.clone(),
            problem,
        };
        // Absolute, as the process is started in the binary's own folder.
        let binary = specification
            .binary
            .canonicalize()
            .map_err(|error| invalid(format!("cannot be used: {error}")))?;
        let metadata = binary
            .metadata()
            .map_err(|error| invalid(format!("cannot be used: {error}")))?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
            return Err(invalid("is not an executable file".into()));
        }
        specification.binary = binary;
        Ok(Function::new(specification))
    }
}
