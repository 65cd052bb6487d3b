//! Metrics over rows held out, also with modalities withheld.
use crate::{
    Batch, Error, Input, Model, Named, Outputs, Result,
    config::Config,
    data::Examples,
    decode::sampling::Changes,
    metrics::{self, Figure, Kind, Metric, View},
    modalities::Modality,
    model::Generate,
    random::{Purpose, RngExt, random_named},
    train::device,
};
use serde::Serialize;

/// One measured number and what it was measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The task.
    pub task: String,
    /// The split's name.
    pub split: String,
    /// The modalities that were given; empty for an alignment, whose figure names its pair.
    pub given: Vec<String>,
    /// What was withheld from a share of the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
    /// The number.
    #[serde(flatten)]
    pub figure: Figure,
}

/// Modalities that were withheld from rows drawn at random.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Withheld {
    /// The modalities; of several each was withheld from rows of its own.
    pub modalities: Vec<String>,
    /// The share of the rows.
    pub share: f64,
}

/// The shares of the rows that a modality is withheld from.
const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// Of which tasks there are curves of a metric against the share of the rows that a modality is withheld from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Curves {
    /// None.
    #[default]
    None,
    /// Those that do not draw, speak or animate: every point costs as many drawings as there are rows.
    Answers,
    /// All, but for what is drawn from one modality alone.
    All,
}

impl Curves {
    /// Whether a task that reads so many modalities has one; `draws` tells whether it makes a picture, a sound or a clip.
    fn has(self, reads: usize, draws: bool) -> bool {
        match self {
            Self::None => false,
            Self::Answers => !draws,
            // what is drawn without being told anything is no measure, and costs as much as what is
            Self::All => reads > 1 || !draws,
        }
    }
}

/// What is measured.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Modalities that are withheld from every row.
    pub without: Vec<String>,
    /// Whether every subset of the modalities is measured too.
    pub subsets: bool,
    /// Which tasks are also measured as each modality, and all at once, is withheld from more and more of the rows.
    pub withheld: Curves,
    /// What decoders that draw or search do otherwise than the tasks say.
    pub sampling: Changes,
}

/// Mean loss of every task over some rows; empty where there are none.
pub fn losses(model: &Model, examples: &Examples, rows: &[usize], batch_size: usize) -> Result<Named<f64>> {
    let mut sums = Named::new();
    for rows in rows.chunks(batch_size) {
        let batch = examples.gather(rows, None, true)?.batch(&device())?;
        for (name, loss) in model.losses(&model.forward(&batch)?, &batch)? {
            *sums.entry(name).or_insert(0.0) += f64::from(loss.into_scalar::<f32>()) * rows.len() as f64;
        }
    }
    sums.values_mut().for_each(|sum| *sum /= rows.len() as f64);
    Ok(sums)
}

/// A task's kind of metrics.
fn kind(target: Option<&Modality>) -> Kind {
    match target {
        None => Kind::Alignment,
        Some(Modality::Text(_)) => Kind::Text,
        Some(Modality::Image(_)) => Kind::Image,
        Some(Modality::Video(_)) => Kind::Video,
        Some(Modality::Audio(_)) => Kind::Audio,
        Some(Modality::Category(_)) => Kind::Class,
        Some(Modality::Number(_) | Modality::Series(_)) => Kind::Number,
    }
}

/// Checks the metrics' names before a long training.
///
/// # Errors
/// [`Error::Config`] with the task.
pub fn check(config: &Config, model: &Model) -> Result<()> {
    for (name, task) in model.tasks() {
        let names = config.tasks.get(name).map(|task| task.metrics.as_slice()).unwrap_or_default();
        metrics::choose(names, kind(task.target())).map_err(|error| error.within(&format!("tasks.{name}")))?;
    }
    fits(model)
}

/// Runs two blank rows through the model: an encoder that cannot read its modality, or a loss that cannot score its
/// decoder, is found before the data are decoded. `model` must be on a device that records no gradients, so that nothing
/// is learned of the blanks.
fn fits(model: &Model) -> Result<()> {
    let blank = |modality: &Modality| {
        let blank = modality.get().blank();
        Input::stack(&[Some(&blank), Some(&blank)], &blank, modality.get().time(), &device())
    };
    let inputs = model.modalities().map(|(name, modality)| Ok((name.to_string(), blank(modality)?)));
    let inputs = inputs.collect::<Result<Named<_>>>()?;
    let targets = model.tasks().filter_map(|(name, task)| Some((name.to_string(), blank(task.target()?))));
    let targets = targets.map(|(name, target)| Ok((name, target?))).collect::<Result<Named<_>>>()?;
    let batch = Batch { inputs, targets, groups: vec![0, 1] };
    let losses = model.forward(&batch).and_then(|outputs| model.losses(&outputs, &batch));
    match losses {
        Ok(_) => Ok(()),
        Err(Error::Shape { at, expected, got }) => {
            let problem = format!("expected {expected}, got shape {got:?}");
            let help = if at.starts_with("encode") {
                "this encoder does not read this modality: `amodal list encoders` shows what each reads"
            } else {
                "a classifier and a decoder of text go with cross_entropy, one of numbers, pictures, sounds or clips with mse \
                 or mae, and one that scores itself with own"
            };
            Err(Error::config(at, problem).with_help(help))
        }
        Err(other) => Err(other),
    }
}

/// Measures every task on some rows; the modalities are encoded once, whatever subset of them is then given.
///
/// # Errors
/// [`Error::Config`] for a name in `without` that is no modality, and whatever reading the rows gives.
pub fn evaluate(
    model: &Model,
    config: &Config,
    examples: &Examples,
    (split, rows): (&str, &[usize]),
    options: &Options,
) -> Result<Vec<Measured>> {
    let names: Vec<&str> = model.modalities().map(|(name, _)| name).collect();
    if let Some(wrong) = options.without.iter().find(|name| !names.contains(&name.as_str())) {
        let error = Error::config("--without", format!("no modality `{wrong}`; here are: {}", names.join(", ")));
        let near = crate::suggest(wrong, names).map(|near| format!("did you mean `{near}`?"));
        return Err(error.with_help(near.unwrap_or_default()));
    }
    struct Counter<'a> {
        task: &'a str,
        target: Option<&'a Modality>,
        case: Case,
        metric: Box<dyn Metric>,
    }
    let mut counters: Vec<Counter> = Vec::new();
    for (name, task) in model.tasks() {
        let chosen = config.tasks.get(name).map(|task| task.metrics.as_slice()).unwrap_or_default();
        let reads: Vec<String> = task.from().iter().filter(|name| !options.without.contains(name)).cloned().collect();
        let cases = match task.target() {
            Some(target) => cases(&reads, target.get().is_media(), options),
            None => vec![Case::default()],
        };
        for entry in metrics::choose(chosen, kind(task.target()))? {
            counters.extend(cases.iter().map(|case| Counter {
                task: name,
                target: task.target(),
                case: case.clone(),
                metric: (entry.make)(),
            }));
        }
    }
    let mut all: Vec<Case> = Vec::new();
    for counter in counters.iter().filter(|counter| !counter.case.given.is_empty()) {
        if !all.contains(&counter.case) {
            all.push(counter.case.clone());
        }
    }
    let order =
        if options.withheld != Curves::None { order(&names, rows.len(), config.train.seed) } else { Named::new() };
    let mut start = 0;
    for rows in rows.chunks(config.train.batch_size.max(64)) {
        let batch = examples.gather(rows, None, true)?.batch(&device())?;
        let mut encoded = model.encode(&batch.inputs)?;
        for name in &options.without {
            encoded.entry(name.clone()).and_modify(|tokens| *tokens = tokens.absent());
        }
        let embedded = model.embed(&encoded)?;
        let mut decoded = Vec::new();
        for case in &all {
            let kept = encoded.iter().map(|(name, tokens)| {
                let tokens = match &case.withheld {
                    _ if !case.given.contains(name) => tokens.absent(),
                    Some(withheld) if withheld.modalities.contains(name) => {
                        let stays = order[name][start..][..rows.len()].iter().map(|place| *place >= withheld.share);
                        tokens.only(&stays.collect::<Vec<_>>())
                    }
                    _ => tokens.clone(),
                };
                (name.clone(), tokens)
            });
            let tasks = counters.iter().filter(|counter| counter.case == *case).map(|counter| counter.task.to_string());
            let how = Generate { only: Some(tasks.collect()), sampling: options.sampling.clone(), first: start };
            decoded.push(model.generate(&kept.collect(), &how)?.decoded);
        }
        let mut outputs = Outputs { embedded, ..Outputs::default() };
        for counter in &mut counters {
            let made = all.iter().position(|case| *case == counter.case);
            outputs.decoded = made.map(|at| decoded[at].clone()).unwrap_or_default();
            let view = View { task: counter.task, target: counter.target, outputs: &outputs, batch: &batch };
            counter.metric.update(&view)?;
        }
        start += rows.len();
    }
    let measured = counters.iter().flat_map(|counter| {
        counter.metric.figures().into_iter().map(|figure| Measured {
            task: counter.task.to_string(),
            split: split.to_string(),
            given: counter.case.given.clone(),
            withheld: counter.case.withheld.clone(),
            figure,
        })
    });
    Ok(measured.collect())
}

/// One way of giving rows to a task.
#[derive(Clone, Debug, Default, PartialEq)]
struct Case {
    given: Vec<String>,
    withheld: Option<Withheld>,
}

/// What a task that reads these modalities is measured with; `draws` tells whether it makes a picture, a sound or a clip.
fn cases(reads: &[String], draws: bool, options: &Options) -> Vec<Case> {
    let given = if options.subsets { subsets(reads) } else { vec![reads.to_vec()] };
    let mut cases: Vec<Case> = given.into_iter().map(|given| Case { given, withheld: None }).collect();
    if options.withheld.has(reads.len(), draws) {
        let mut lines: Vec<Vec<String>> = reads.iter().map(|name| vec![name.clone()]).collect();
        if reads.len() > 1 {
            lines.push(reads.to_vec());
        }
        for modalities in lines {
            cases.extend(SHARES.map(|share| Case {
                given: reads.to_vec(),
                withheld: Some(Withheld { modalities: modalities.clone(), share }),
            }));
        }
    }
    cases
}

/// For each modality the rows' places in an order drawn at random, from 0 to below 1: a modality is withheld from the
/// rows below a share, so that what is withheld at one share is withheld at every larger one.
fn order(names: &[&str], rows: usize, seed: u64) -> Named<Vec<f64>> {
    let places = |name: &str| {
        let mut random = random_named(seed, 0, 0, name, Purpose::Withheld);
        let drawn: Vec<u64> = (0..rows).map(|_| random.random()).collect();
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_key(|row| (drawn[*row], *row));
        let mut places = vec![0.0; rows];
        order.iter().enumerate().for_each(|(place, row)| places[*row] = place as f64 / rows as f64);
        places
    };
    names.iter().map(|name| (name.to_string(), places(name))).collect()
}

/// Modalities up to which every subset of them is measured.
const ALL_SUBSETS: usize = 6;

/// Every subset but the empty one, small ones first; of more than [`ALL_SUBSETS`] modalities each alone, all but each,
/// and all.
fn subsets(names: &[String]) -> Vec<Vec<String>> {
    let count = names.len();
    let mut all: Vec<Vec<String>> = match count {
        0..=ALL_SUBSETS => (1..1_usize << count)
            .map(|bits| {
                names.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, name)| name.clone()).collect()
            })
            .collect(),
        _ => {
            let alone = names.iter().map(|name| vec![name.clone()]);
            let but_one = names.iter().map(|but| names.iter().filter(|name| *name != but).cloned().collect());
            alone.chain(but_one).chain([names.to_vec()]).collect()
        }
    };
    all.sort_by_key(Vec::len);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| at.to_string()).collect()
    }

    #[test]
    fn every_subset_up_to_a_limit_and_the_telling_ones_beyond() {
        for (count, expected) in [(1, 1), (2, 3), (3, 7), (6, 63), (7, 15), (20, 41)] {
            let mut all = subsets(&names(count));
            assert_eq!(all.last().unwrap(), &names(count), "all of {count}");
            assert!((0..count).all(|at| all.contains(&vec![at.to_string()])), "each alone of {count}");
            all.sort();
            all.dedup();
            assert_eq!(all.len(), expected, "{count} modalities");
        }
    }

    #[test]
    fn a_share_is_exact_and_part_of_every_larger_one() {
        let all = order(&["a", "b"], 200, 7);
        let withheld = |name: &str, share: f64| all[name].iter().filter(|place| **place < share).count();
        for (share, count) in SHARES.into_iter().zip([0, 50, 100, 150, 200]) {
            assert_eq!((withheld("a", share), withheld("b", share)), (count, count));
        }
        assert_ne!(all["a"], all["b"], "each modality is withheld from rows of its own");
        assert_eq!(all, order(&["a", "b"], 200, 7));
        assert_ne!(all, order(&["a", "b"], 200, 8));
    }

    #[test]
    fn what_is_withheld_is_measured_for_each_modality_and_for_all() {
        let options = Options { withheld: Curves::All, ..Options::default() };
        assert_eq!(cases(&names(3), false, &options).len(), 1 + 4 * SHARES.len());
        assert_eq!(cases(&names(1), false, &options).len(), 1 + SHARES.len(), "one modality is all");
        assert_eq!(cases(&names(3), true, &options).len(), 1 + 4 * SHARES.len());
        assert_eq!(cases(&names(1), true, &options).len(), 1, "nothing is drawn of nothing");
        let options = Options { withheld: Curves::Answers, ..Options::default() };
        assert_eq!(cases(&names(3), false, &options).len(), 1 + 4 * SHARES.len());
        assert_eq!(cases(&names(3), true, &options).len(), 1);
    }
}
