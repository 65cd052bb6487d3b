//! Metrics over rows held out, also with modalities withheld.
use crate::{
    Batch, Error, Input, Item, Model, Named, Outputs, Result,
    config::Config,
    data::Examples,
    metrics::{self, Figure, Kind, Metric, View},
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
    /// The number.
    #[serde(flatten)]
    pub figure: Figure,
}

/// What is measured.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Modalities that are withheld from every row.
    pub without: Vec<String>,
    /// Whether every subset of the modalities is measured too.
    pub subsets: bool,
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
fn kind(target: Option<&crate::modalities::Modality>) -> Kind {
    match target {
        None => Kind::Alignment,
        Some(target) if target.get().classes().is_empty() => Kind::Number,
        Some(_) => Kind::Class,
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
    let blank = |modality: &crate::modalities::Modality| {
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
                "a classifier goes with cross_entropy and a category, a regressor with mse and a number"
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
        target: Option<&'a crate::modalities::Modality>,
        given: Vec<String>,
        metric: Box<dyn Metric>,
    }
    let mut counters: Vec<Counter> = Vec::new();
    for (name, task) in model.tasks() {
        let chosen = config.tasks.get(name).map(|task| task.metrics.as_slice()).unwrap_or_default();
        let reads: Vec<String> = task.from().iter().filter(|name| !options.without.contains(name)).cloned().collect();
        let subsets = match (task.target(), options.subsets) {
            (Some(_), true) => subsets(&reads),
            (Some(_), false) => vec![reads],
            (None, _) => vec![Vec::new()],
        };
        for entry in metrics::choose(chosen, kind(task.target()))? {
            counters.extend(subsets.iter().map(|given| Counter {
                task: name,
                target: task.target(),
                given: given.clone(),
                metric: (entry.make)(),
            }));
        }
    }
    let mut all: Vec<Vec<String>> =
        counters.iter().map(|counter| counter.given.clone()).filter(|g| !g.is_empty()).collect();
    all.sort();
    all.dedup();
    for rows in rows.chunks(config.train.batch_size.max(64)) {
        let batch = examples.gather(rows, None, true)?.batch(&device())?;
        let mut encoded = model.encode(&batch.inputs)?;
        for name in &options.without {
            encoded.entry(name.clone()).and_modify(|tokens| *tokens = tokens.absent());
        }
        let embedded = model.embed(&encoded)?;
        let mut decoded = Named::new();
        for given in &all {
            let kept = encoded.iter().map(|(name, tokens)| {
                let tokens = if given.contains(name) { tokens.clone() } else { tokens.absent() };
                (name.clone(), tokens)
            });
            decoded.insert(given.join("+"), model.decode(kept.collect(), None)?.decoded);
        }
        let mut outputs = Outputs { embedded, ..Outputs::default() };
        for counter in &mut counters {
            outputs.decoded = decoded.get(&counter.given.join("+")).cloned().unwrap_or_default();
            let view = View { task: counter.task, target: counter.target, outputs: &outputs, batch: &batch };
            counter.metric.update(&view)?;
        }
    }
    let measured = counters.iter().flat_map(|counter| {
        counter.metric.figures().into_iter().map(|figure| Measured {
            task: counter.task.to_string(),
            split: split.to_string(),
            given: counter.given.clone(),
            figure,
        })
    });
    Ok(measured.collect())
}

/// Every subset but the empty one, small ones first.
fn subsets(names: &[String]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = (1..1_usize << names.len().min(6))
        .map(|bits| {
            names.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, name)| name.clone()).collect()
        })
        .collect();
    all.sort_by_key(Vec::len);
    all
}

/// The floor of finding by picture: each picture of some rows is compared with every picture of the training rows, pixel
/// by pixel, and finds the things whose pictures are nearest; and the other way round, each thing finds the nearest
/// pictures. Empty where the rows' things are not among the training rows, or a model reads no picture.
///
/// Returned as the model's own retrieval figures would be, the raw pixels' value standing as the value, so that it is
/// read beside them.
pub fn raw_pixels(
    model: &Model,
    examples: &Examples,
    train: &[usize],
    (split, rows): (&str, &[usize]),
) -> Result<Vec<Measured>> {
    let task = model.tasks().find(|(_, task)| task.target().is_none()).map(|(name, _)| name.to_string());
    let (Some(task), Some(name)) =
        (task, model.modalities().find(|(_, m)| matches!(m, crate::modalities::Modality::Image(_))))
    else {
        return Ok(Vec::new());
    };
    let name = name.0;
    let groups = examples.groups();
    let known: std::collections::BTreeSet<u64> = train.iter().map(|row| groups[*row]).collect();
    if !rows.iter().all(|row| known.contains(&groups[*row])) {
        return Ok(Vec::new());
    }
    let shelf = pictures(examples, train, name)?;
    let shown = pictures(examples, rows, name)?;
    let mut nearest: std::collections::BTreeMap<(usize, u64), f32> = std::collections::BTreeMap::new();
    for (at, (_, picture)) in shown.iter().enumerate() {
        for (group, other) in &shelf {
            let (Item::Image { pixels: a, .. }, Item::Image { pixels: b, .. }) = (&**picture, &**other) else {
                continue;
            };
            let distance = a.iter().zip(b).map(|(a, b)| f32::from(a.abs_diff(*b)).powi(2)).sum::<f32>();
            let known = nearest.entry((at, *group)).or_insert(f32::INFINITY);
            *known = known.min(distance);
        }
    }
    let things: Vec<u64> = {
        let mut things: Vec<u64> = shown.iter().map(|(group, _)| *group).collect();
        things.sort_unstable();
        things.dedup();
        things
    };
    // picture → thing, among the things of these rows, as the model's own figures are
    let to_thing = shown.iter().enumerate().map(|(at, (group, _))| {
        let own = nearest[&(at, *group)];
        things.iter().filter(|thing| nearest[&(at, **thing)] <= own).count()
    });
    let from_thing = things.iter().map(|thing| {
        let best = |group: u64| {
            let pictures = shown.iter().enumerate().filter(|(_, (of, _))| *of == group);
            pictures.map(|(at, _)| nearest[&(at, *thing)]).fold(f32::INFINITY, f32::min)
        };
        let own = best(*thing);
        things.iter().filter(|other| best(**other) <= own).count()
    });
    let (to_thing, from_thing): (Vec<usize>, Vec<usize>) = (to_thing.collect(), from_thing.collect());
    let both = [(format!("raw pixels: {name} → thing"), to_thing), (format!("raw pixels: thing → {name}"), from_thing)];
    let figures =
        both.into_iter().flat_map(|(name, ranks)| metrics::retrieval::summary(&name, ranks, things.len(), "chance"));
    Ok(figures
        .map(|figure| Measured { task: task.clone(), split: split.to_string(), given: Vec::new(), figure })
        .collect())
}

/// The different pictures of some rows, with their group.
fn pictures(examples: &Examples, rows: &[usize], name: &str) -> Result<Vec<(u64, std::sync::Arc<Item>)>> {
    let slots = examples.slots(name)?;
    let mut seen = std::collections::HashSet::new();
    let different: Vec<usize> =
        rows.iter().copied().filter(|row| seen.insert((slots[*row], examples.groups()[*row]))).collect();
    let items = examples.items(&different, name)?;
    let pictures = different.iter().zip(items).filter_map(|(row, item)| Some((examples.groups()[*row], item?)));
    Ok(pictures.collect())
}
