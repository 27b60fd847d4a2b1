//! Alertmanager's configuration for an environment's alerts: who is told, in which channel, in which words.
//!
//! Nothing here does I/O. [`configuration`] has the routes, receivers and inhibitions; [`text`] the words; [`cases`] what amtool
//! has to find in both. The dead man's switch's own rule is [`watchdog`]'s.

mod build;
mod cases;
mod configuration;
mod inhibition;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod watchdog;

pub use build::{CASES, CONFIGURATION, TEXT, build};
pub use cases::{Cases, Message, Routed, UnreadableCases};
pub use settings::{Alerting, Slack, SlackAccess, Timing, VictorOps, Watchdog, WatchdogTarget};

pub(crate) use inhibition::asks_the_same;
pub(crate) use watchdog::{SERVICE, rules as watchdog_rules, tests as watchdog_tests};
