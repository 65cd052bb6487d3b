//! How long an epoch takes, by a few real steps.
use super::{Progress, Report, Trainer, Watch};
use crate::{Config, Error, Result, data::Examples, eval};
use burn::module::Module;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Steps that are measured at most.
const STEPS: usize = 200;
/// Batches of validation rows that are measured at most.
const BATCHES: usize = 4;

/// How long an epoch takes on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Steps that were measured.
    pub measured: usize,
    /// Steps an epoch.
    pub steps: usize,
    /// Seconds a step.
    pub step_seconds: f64,
    /// Seconds of an epoch: its steps, and the validation rows where they are looked at.
    pub epoch_seconds: f64,
    /// Epochs of the whole training.
    pub epochs: usize,
    /// Seconds of all epochs; `train.patience` may end it before.
    pub total_seconds: f64,
}

/// Trains a model of a fitted config for some steps, as training would, with batches made ahead, and forgets it.
///
/// At least two steps are measured, and no more once `most` is over; the first step of several, which also gets memory, does
/// not count.
///
/// # Errors
/// What the first steps of a training would give.
pub fn estimate(
    config: &Config,
    examples: &Examples,
    (train, validation): (&[usize], &[usize]),
    most: Duration,
) -> Result<Estimate> {
    let mut trainer = Trainer::new(config.clone())?;
    let mut clock = Clock { most, start: Instant::now(), ends: Vec::new() };
    match trainer.fit(examples, train, &[], &mut clock) {
        Ok(()) | Err(Error::Stopped { .. }) => {}
        Err(error) => return Err(error),
    }
    let from = clock.ends.first().filter(|_| clock.ends.len() > 1).copied().unwrap_or_default();
    let measured = clock.ends.len().saturating_sub(1).max(1);
    let seconds = clock.ends.last().copied().unwrap_or_default().saturating_sub(from).as_secs_f64();
    let step_seconds = seconds / measured as f64;
    let settings = &config.train;
    let some = &validation[..validation.len().min(BATCHES * settings.batch_size)];
    let start = Instant::now();
    eval::losses(&trainer.model.valid(), examples, some, settings.batch_size)?;
    let a_row = start.elapsed().as_secs_f64() / some.len().max(1) as f64;
    let steps = train.len().div_ceil(settings.batch_size);
    let looks = a_row * validation.len() as f64 / settings.evaluate_every.max(1) as f64;
    let epoch_seconds = steps as f64 * step_seconds + looks;
    let total_seconds = epoch_seconds * settings.epochs as f64;
    Ok(Estimate { measured, steps, step_seconds, epoch_seconds, epochs: settings.epochs, total_seconds })
}

/// When each step ended.
struct Clock {
    most: Duration,
    start: Instant,
    ends: Vec<Duration>,
}

impl Watch for Clock {
    fn step(&mut self, _: &Report, _: &Progress) -> bool {
        self.ends.push(self.start.elapsed());
        let first = self.ends[0];
        let steps = self.ends.len();
        steps < 3 || (steps < STEPS && self.start.elapsed().saturating_sub(first) < self.most)
    }
}
