//! What the demo is doing while it starts: one moving line at a terminal, plain lines elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

/// The line, or the lines.
pub(crate) struct Progress {
    spinner: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if !spinner.is_hidden() {
            spinner.enable_steady_tick(Duration::from_millis(100));
        }
        Self { spinner }
    }

    /// Says what is being done now.
    pub(crate) fn step(&self, what: &str) {
        // It is hidden where standard error is no terminal.
        if self.spinner.is_hidden() {
            println!("{what}");
        } else {
            self.spinner.set_message(what.to_owned());
        }
    }

    /// Takes the moving line away.
    pub(crate) fn end(&self) {
        self.spinner.finish_and_clear();
    }
}
