//! A bar over the steps of a run, for people who watch: drawn on the terminal while something takes long, and gone afterwards.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(100);

/// What is drawn, as far as others have to know of it: what they print goes above it.
#[derive(Clone)]
pub(crate) struct Bar {
    bar: ProgressBar,
    colored: bool,
}

impl Bar {
    /// One that nobody sees yet.
    fn new(colored: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style("{spinner} {elapsed} {wide_msg}", colored));
        Self { bar, colored }
    }

    /// How many steps there are, and which one is first.
    pub(crate) fn start(&self, steps: usize, first: String) {
        self.bar.set_style(style("{spinner} [{bar:24}] {pos}/{len} {elapsed} {wide_msg}", self.colored));
        self.bar.set_length(steps as u64);
        self.bar.set_position(0);
        self.bar.set_message(first);
    }

    /// A step is done, and another one begins.
    pub(crate) fn advance(&self, next: String) {
        self.bar.inc(1);
        self.bar.set_message(next);
    }

    /// What is being done.
    pub(crate) fn say(&self, what: String) {
        self.bar.set_message(what);
    }

    /// Whether it is drawn.
    pub(crate) fn is_shown(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Takes it away while something else is printed.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

/// Shows a bar once its time has come, and takes it away when this is dropped.
pub(crate) struct Shown {
    bar: Bar,
    // Nothing is ever sent: that it is gone is the message.
    until: Option<Sender<()>>,
    shower: Option<JoinHandle<()>>,
}

impl Shown {
    pub(crate) fn new(colored: bool) -> Self {
        let bar = Bar::new(colored);
        let (until, ended) = channel::<()>();
        let later = bar.bar.clone();
        let shower = thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                later.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
                later.enable_steady_tick(TICK);
            }
        });
        Self { bar, until: Some(until), shower: Some(shower) }
    }

    pub(crate) fn bar(&self) -> Bar {
        self.bar.clone()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.until.take());
        if let Some(shower) = self.shower.take() {
            // It cannot fail; and if it did, there would be nothing to clear.
            let _ = shower.join();
        }
        self.bar.bar.finish_and_clear();
    }
}

fn style(template: &str, colored: bool) -> ProgressStyle {
    let template = match colored {
        true => template.replace("{spinner}", "{spinner:.cyan}").replace("{bar:24}", "{bar:24.cyan}"),
        false => template.to_owned(),
    };
    let style = ProgressStyle::with_template(&template).expect("the templates are well-formed");
    style.progress_chars("=> ").tick_chars("|/-\\ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_at_once_draws_nothing() {
        let shown = Shown::new(false);
        let bar = shown.bar();
        bar.start(2, "1.0.0 users".to_owned());
        bar.advance("1.1.0 posts".to_owned());
        assert!(!bar.is_shown());
        assert_eq!((bar.bar.position(), bar.bar.length()), (1, Some(2)));
        assert_eq!(bar.aside(|| 7), 7);
        drop(shown);
        assert!(bar.bar.is_finished());
    }

    #[test]
    fn every_template_can_be_read() {
        for colored in [false, true] {
            Bar::new(colored).start(1, String::new());
        }
    }
}
