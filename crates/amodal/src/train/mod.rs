//! Training: steps, evaluation, early stopping, checkpoints.
mod adamw;
pub mod checkpoint;
mod estimate;
mod mix;
mod schedule;
pub mod weights;

pub use adamw::{AdamW, Step};
pub use estimate::{Estimate, estimate};
pub use schedule::learning_rate;

use crate::{
    Batch, Config, Error, Model, Named, Result,
    data::{Examples, Loader, Order},
    eval,
    random::{Purpose, Rng, random},
    train::weights::Weights,
};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// A model in training.
pub struct Trainer {
    /// The model; on a device that records gradients.
    pub model: Model,
    /// How far training has come.
    pub progress: Progress,
    /// Time in which the next batch was not ready, since the trainer was made.
    pub waited: Duration,
    optimizer: AdamW,
    best: Option<Weights>,
    config: Config,
    device: Device,
}

/// How far training has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps of the whole run.
    pub steps: usize,
    /// Steps an epoch.
    pub steps_an_epoch: usize,
    /// Sum of the losses since the last evaluation, by task, and steps counted in it.
    sums: Named<f64>,
    counted: usize,
    /// Lowest validation loss so far, and its step.
    pub best_loss: Option<f64>,
    /// Step of the lowest validation loss.
    pub best_step: usize,
    /// Evaluations since the lowest validation loss.
    pub since_best: usize,
    /// Whether training is over.
    pub done: bool,
}

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Log {
    /// Steps done.
    pub step: usize,
    /// Passes over the training rows.
    pub epoch: f64,
    /// Mean training loss since the line before, by task.
    pub train: Named<f64>,
    /// Loss on the validation rows, by task.
    pub validation: Named<f64>,
    /// Step size.
    pub learning_rate: f64,
}

/// What one step did.
#[derive(Clone, Debug)]
pub struct Report {
    /// Steps done.
    pub step: usize,
    /// Loss by task.
    pub losses: Named<f64>,
    /// Their weighted sum.
    pub loss: f64,
    /// Rows trained on in this step.
    pub rows: usize,
}

/// Follows a training run.
pub trait Watch {
    /// Before the first step.
    fn starts(&mut self, _model: &Model) {}

    /// After every step. `false`: stop now; a checkpoint is written.
    fn step(&mut self, _report: &Report, _progress: &Progress) -> bool {
        true
    }

    /// After every evaluation.
    fn evaluated(&mut self, _log: &Log, _progress: &Progress) -> Result<()> {
        Ok(())
    }

    /// What the user should know, though training goes on.
    fn warn(&mut self, _message: &str) {}

    /// Where the checkpoint goes; none: nowhere.
    fn checkpoint(&self) -> Option<&Path> {
        None
    }
}

/// Follows nothing.
impl Watch for () {}

/// A model's device: the CPU.
pub fn device() -> Device {
    Device::flex()
}

impl Trainer {
    /// A new model for a config whose modalities are fitted; its precision of products is chosen for the whole process.
    ///
    /// # Errors
    /// [`Error::Config`] from [`Model::new`], or if the processor has not that precision.
    pub fn new(config: Config) -> Result<Self> {
        config.train.precision.choose()?;
        config.train.check().map_err(|error| error.within("train"))?;
        mix::check(&config)?;
        let device = device().autodiff();
        device.seed(random(config.train.seed, 0, 0, Purpose::Weights).next_u64());
        // parameters are drawn when first used: draw them all now, in one order
        let model = Model::new(&config, &device)?.materialize();
        let (progress, waited) = (Progress::default(), Duration::ZERO);
        Ok(Self { model, progress, waited, optimizer: AdamW::default(), best: None, config, device })
    }

    /// The device that batches must be on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// One step on a batch.
    ///
    /// # Errors
    /// [`Error::Data`] where the loss is not finite.
    pub fn step(&mut self, batch: &Batch) -> Result<Report> {
        let progress = &self.progress;
        let train = &self.config.train;
        // dropout draws from the device: one stream a step
        self.device.seed(random(train.seed, progress.step as u64, 0, Purpose::Dropout).next_u64());
        let mixed = mix::mix(batch, train, progress.step)?;
        let outputs = self.model.forward(mixed.as_ref().map_or(batch, |mixed| &mixed.first))?;
        let mut losses = self.model.losses(&outputs, mixed.as_ref().map_or(batch, |mixed| &mixed.first))?;
        if let Some(mixed) = &mixed {
            let others = self.model.losses(&outputs, &mixed.second)?;
            let both = losses.into_iter().zip(others.into_values());
            let blend = |((name, first), second): ((String, Tensor<1>), Tensor<1>)| {
                (name, first.mul_scalar(mixed.share) + second.mul_scalar(1.0 - mixed.share))
            };
            losses = both.map(blend).collect();
        }
        drop(outputs);
        let tasks: Named<f64> = self.model.tasks().map(|(name, task)| (name.to_string(), task.weight())).collect();
        let total = losses.iter().map(|(name, loss)| loss.clone().mul_scalar(tasks[name]));
        let total = total.reduce(|a, b| a + b).expect("a model has at least one task");
        let losses: Named<f64> =
            losses.into_iter().map(|(name, loss)| (name, f64::from(loss.into_scalar::<f32>()))).collect();
        if let Some((name, loss)) = losses.iter().find(|(_, loss)| !loss.is_finite()) {
            return Err(Error::data(format!("tasks.{name}"), format!("the loss is {loss} at step {}", progress.step))
                .with_help("lower train.learning_rate, or set train.clip = 1.0"));
        }
        let gradients = GradientsParams::from_grads(total.backward(), &self.model);
        drop(total);
        let step = Step {
            learning_rate: learning_rate(progress.step, progress.steps, train.learning_rate, train.warmup),
            weight_decay: train.weight_decay,
            clip: train.clip,
        };
        let (model, _) = self.optimizer.step(self.model.clone(), gradients, step)?;
        self.model = model;
        self.progress.step += 1;
        let loss = losses.iter().map(|(name, loss)| loss * tasks[name]).sum();
        Ok(Report { step: self.progress.step, losses, loss, rows: batch.groups.len() })
    }

    /// Trains on some rows until the last epoch, or until the loss on the validation rows no longer falls.
    ///
    /// # Errors
    /// [`Error::Stopped`] where `watch` asked to stop; the checkpoint is written then.
    pub fn fit(
        &mut self,
        examples: &Examples,
        train: &[usize],
        validation: &[usize],
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let settings = self.config.train.clone();
        let together = settings.together.as_deref().map(|name| examples.slots(name)).transpose()?;
        let together = together.map(|slots| train.iter().map(|row| u64::from(slots[*row])).collect());
        let order = Order { rows: train.to_vec(), together, batch_size: settings.batch_size, seed: settings.seed };
        self.progress.steps_an_epoch = order.batches();
        self.progress.steps = order.batches() * settings.epochs;
        watch.starts(&self.model);
        let mut saved = Instant::now();
        std::thread::scope(|scope| {
            let range = (self.progress.step, if self.progress.done { 0 } else { self.progress.steps });
            let threads = self.config.data.loader_threads;
            let mut loader = Loader::start(scope, examples, &order, settings.modality_dropout, range, threads);
            loop {
                let asked = Instant::now();
                let Some(gathered) = loader.next() else { break };
                self.waited += asked.elapsed();
                let batch = gathered?.batch(&self.device)?;
                let report = self.step(&batch)?;
                for (name, loss) in &report.losses {
                    *self.progress.sums.entry(name.clone()).or_default() += loss;
                }
                self.progress.counted += 1;
                let on = watch.step(&report, &self.progress);
                let progress = &self.progress;
                let epoch_ends = progress.step.is_multiple_of(progress.steps_an_epoch);
                let epoch = progress.step / progress.steps_an_epoch;
                if epoch_ends
                    && (epoch.is_multiple_of(settings.evaluate_every.max(1)) || progress.step == progress.steps)
                {
                    self.evaluate(examples, validation, watch)?;
                }
                self.progress.done |= self.progress.step == self.progress.steps;
                let due = saved.elapsed() >= Duration::from_secs(settings.checkpoint_seconds);
                if let (true, Some(path)) = (due || epoch_ends || !on || self.progress.done, watch.checkpoint()) {
                    self.save(path)?;
                    saved = Instant::now();
                }
                if self.progress.done {
                    break;
                }
                if !on {
                    return Err(Error::Stopped { step: self.progress.step, help: String::new() });
                }
            }
            Ok(())
        })?;
        if let Some(best) = &self.best {
            self.model = weights::write(self.model.clone(), best, Path::new("best weights"))?;
        }
        Ok(())
    }

    fn evaluate(&mut self, examples: &Examples, validation: &[usize], watch: &mut dyn Watch) -> Result<()> {
        let settings = &self.config.train;
        let losses = eval::losses(&self.model.valid(), examples, validation, settings.batch_size)?;
        let progress = &mut self.progress;
        let counted = progress.counted.max(1) as f64;
        let log = Log {
            step: progress.step,
            epoch: progress.step as f64 / progress.steps_an_epoch as f64,
            train: std::mem::take(&mut progress.sums).into_iter().map(|(name, sum)| (name, sum / counted)).collect(),
            validation: losses,
            learning_rate: learning_rate(progress.step, progress.steps, settings.learning_rate, settings.warmup),
        };
        progress.counted = 0;
        if settings.patience > 0 && !validation.is_empty() {
            let weight = |name: &str| self.config.tasks.get(name).map_or(1.0, |task| task.weight);
            let loss: f64 = log.validation.iter().map(|(name, loss)| loss * weight(name)).sum();
            if progress.best_loss.is_none_or(|best| loss < best) {
                progress.best_loss = Some(loss);
                progress.best_step = progress.step;
                progress.since_best = 0;
                self.best = Some(weights::read(&self.model));
            } else {
                progress.since_best += 1;
                progress.done |= progress.since_best >= settings.patience;
            }
        }
        watch.evaluated(&log, &self.progress)
    }

    /// Writes everything that a resumed run needs, in one file; the one that was there is kept as the
    /// [previous](checkpoint::previous).
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses; the old files are intact then.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut all = Weights::new();
        let mut put = |prefix: &str, weights: Weights| {
            all.extend(weights.into_iter().map(|(name, values)| (format!("{prefix}/{name}"), values)));
        };
        put("model", weights::read(&self.model));
        put("best", self.best.clone().unwrap_or_default());
        for (name, (first, second)) in &self.optimizer.moments {
            put("first", [(name.clone(), (vec![first.len()], first.clone()))].into());
            put("second", [(name.clone(), (vec![second.len()], second.clone()))].into());
        }
        let progress = serde_json::to_string(&self.progress).map_err(|error| Error::run(path, error.to_string()))?;
        checkpoint::save_keeping(path, &all, &progress)
    }

    /// Continues from the checkpoint at `path`; where it is damaged, from the one before it, which then takes its place,
    /// with a warning; where there is neither, from the beginning.
    ///
    /// # Errors
    /// [`Error::Run`] where none that is there can be used, [`Error::Io`] where reading is not permitted.
    pub fn resume_newest(self, path: &Path) -> Result<(Self, Option<String>)> {
        let before = checkpoint::previous(path);
        let exists = |path: &Path| path.try_exists().map_err(Error::io(path));
        let (has_newest, has_before) = (exists(path)?, exists(&before)?);
        let config = self.config.clone();
        let take_before = |trainer: Self| {
            let trainer = trainer.resume(&before)?;
            // the next save keeps what is at `path`: it must be the good one
            std::fs::rename(&before, path).map_err(Error::io(path)).map(|()| trainer)
        };
        if !has_newest {
            // killed between the two renames: the one before is the newest
            return Ok((if has_before { take_before(self)? } else { self }, None));
        }
        let error = match self.resume(path) {
            Ok(trainer) => return Ok((trainer, None)),
            Err(error) => error,
        };
        let forbidden =
            matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied);
        if forbidden || !has_before {
            return Err(error);
        }
        match take_before(Self::new(config)?) {
            Ok(trainer) => {
                let step = trainer.progress.step;
                Ok((trainer, Some(format!("{error}; going on from the checkpoint before it, of step {step}"))))
            }
            Err(Error::Run { path, problem, .. }) => {
                let Error::Run { path: newest, problem: first, help } = error else { return Err(error) };
                Err(Error::run(newest, format!("{first}; {}: {problem}", path.display())).with_help(help))
            }
            Err(other) => Err(other),
        }
    }

    /// Continues where [`Trainer::save`] left off.
    ///
    /// # Errors
    /// [`Error::Run`] where the file is damaged or is another model's.
    pub fn resume(mut self, path: &Path) -> Result<Self> {
        let (all, progress) = checkpoint::load(path)?;
        self.progress = serde_json::from_str(&progress)
            .map_err(|error| Error::run(path, format!("damaged: its progress cannot be read: {error}")))?;
        let mut parts: Named<Weights> = Named::new();
        for (name, values) in all {
            let (part, name) = name.split_once('/').ok_or_else(|| Error::run(path, format!("damaged: `{name}`")))?;
            parts.entry(part.to_string()).or_default().insert(name.to_string(), values);
        }
        let mut take = |part: &str| parts.remove(part).unwrap_or_default();
        let (model, best, first, mut second) = (take("model"), take("best"), take("first"), take("second"));
        if let Some(part) = parts.keys().next() {
            return Err(Error::run(path, format!("damaged: unknown `{part}`")));
        }
        if !best.is_empty() {
            // a trial on a model of its own: what will only be needed at the end is checked now
            self.model = weights::write(self.model, &best, path)?;
            self.best = Some(best);
        }
        self.model = weights::write(self.model, &model, path)?;
        self.optimizer.steps = self.progress.step as u64;
        for (name, (shape, _)) in &model {
            let count: usize = shape.iter().product();
            // what has had no gradient has no moments: running statistics, an encoder that no task reads
            let fits = |moments: Option<&(Vec<usize>, Vec<f32>)>| moments.is_none_or(|(_, all)| all.len() == count);
            let both = first.contains_key(name) == second.contains_key(name);
            if !(fits(first.get(name)) && fits(second.get(name)) && both) {
                return Err(Error::run(path, format!("damaged: the moments of `{name}`")));
            }
        }
        for (name, (_, first)) in first {
            if !model.contains_key(&name) {
                return Err(Error::run(path, format!("damaged: moments of an unknown `{name}`")));
            }
            let second =
                second.remove(&name).ok_or_else(|| Error::run(path, format!("damaged: no second `{name}`")))?;
            self.optimizer.moments.insert(name, (first, second.1));
        }
        if let Some(name) = second.keys().next() {
            return Err(Error::run(path, format!("damaged: no first `{name}`")));
        }
        Ok(self)
    }
}
