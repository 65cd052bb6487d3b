//! What a training shows while it runs, and how it is stopped.
use crate::{Output, show, tell};
use amodal::{
    Model, Result, cost,
    train::{Log, Progress, Report, Watch},
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// Interrupts so far.
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);
static HANDLER: OnceLock<()> = OnceLock::new();

/// Takes Ctrl-C and SIGTERM as a wish to stop, which [`is_wanted`] tells; says `what` comes of it. Asked twice, it ends.
pub(crate) fn catch(what: &'static str) {
    HANDLER.get_or_init(|| {
        let handler = move || {
            if INTERRUPTS.fetch_add(1, Ordering::SeqCst) > 0 {
                std::process::exit(1); // asked twice: the checkpoint before this one stays
            }
            tell(format_args!("\n{what}"));
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            tell(format_args!("warning: Ctrl-C will not be waited for: {error}"));
        }
    });
}

/// Whether nobody asked to stop.
pub(crate) fn is_wanted() -> bool {
    INTERRUPTS.load(Ordering::SeqCst) == 0
}

/// A progress bar on a terminal, lines elsewhere; Ctrl-C and SIGTERM stop after the step.
pub(crate) struct Bar {
    output: Output,
    bar: ProgressBar,
    start: Instant,
    rows: usize,
    loss: f64,
}

impl Bar {
    pub(crate) fn new(output: Output) -> Self {
        catch("stopping after this step; the run can be resumed");
        let bar = if output.quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:30} {pos}/{len} steps, {msg}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { output, bar, start: Instant::now(), rows: 0, loss: 0.0 }
    }
}

impl Watch for Bar {
    fn starts(&mut self, model: &Model) {
        let parameters = show::thousands(cost::parameters(model) as u64);
        self.output.say(format_args!("training {parameters} parameters"));
    }

    fn step(&mut self, report: &Report, progress: &Progress) -> bool {
        if self.bar.length() != Some(progress.steps as u64) {
            self.bar.set_length(progress.steps as u64);
            self.bar.set_position(report.step as u64 - 1);
            self.bar.reset_eta();
        }
        self.rows += report.rows;
        self.loss = if self.loss == 0.0 { report.loss } else { 0.95 * self.loss + 0.05 * report.loss };
        let rate = self.rows as f64 / self.start.elapsed().as_secs_f64();
        self.bar.set_message(format!("{rate:.0} rows/s, loss {:.3}", self.loss));
        self.bar.set_position(report.step as u64);
        is_wanted()
    }

    fn evaluated(&mut self, log: &Log, progress: &Progress) -> Result<()> {
        let losses = |losses: &amodal::Named<f64>| {
            losses.iter().map(|(name, loss)| format!("{name} {loss:.4}")).collect::<Vec<_>>().join(", ")
        };
        let validation =
            if log.validation.is_empty() { String::new() } else { format!("; validation {}", losses(&log.validation)) };
        let best = if progress.best_loss.is_some() && progress.since_best == 0 { " (best)" } else { "" };
        let line = format!("epoch {:.0}: train {}{validation}{best}", log.epoch, losses(&log.train));
        if !self.bar.is_hidden() {
            self.bar.suspend(|| tell(line));
        } else {
            self.output.say(line);
        }
        if progress.done {
            self.bar.finish_and_clear();
        }
        Ok(())
    }

    /// Also where it is to be quiet: a disk or a memory that damages files is worth knowing.
    fn warn(&mut self, message: &str) {
        self.bar.suspend(|| tell(format_args!("warning: {message}")));
    }
}
