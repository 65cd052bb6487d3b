//! From some modalities to another: which task does it, and what its decoder makes.
use crate::{
    Error, Input, Item, Named, Prediction, Raw, Result, Tokens,
    data::Examples,
    decode::sampling::Changes,
    modalities::Modality,
    model::{Generate, Task},
    run::Run,
    suggest,
    train::device,
};
use serde::Serialize;

/// One way from some modalities to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conversion {
    /// The task that does it.
    pub task: String,
    /// The modalities that it reads.
    pub from: Vec<String>,
    /// The column that it makes.
    pub column: String,
    /// The type of what it makes: `text`, `image`, …
    pub to: &'static str,
}

/// What was made of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// A text, or the content of a file.
    pub value: Raw,
    /// Logarithm of the probability that the decoder gives it, of a text.
    pub log_probability: Option<f32>,
    /// What the decoder looked at for each unit of a text, where it tells.
    pub looks: Vec<Look>,
}

/// What a decoder looked at for one unit of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The unit.
    pub unit: String,
    /// A weight a token that is decoded, summing to 1; of a picture's `grid` the places row by row.
    pub weights: Vec<f32>,
}

impl std::fmt::Display for Conversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} → {} ({}, task `{}`)", self.from.join(" + "), self.column, self.to, self.task)
    }
}

impl Conversion {
    fn is_called(&self, name: &str) -> bool {
        [self.task.as_str(), &self.column, self.to].contains(&name)
    }
}

impl Run {
    /// Every conversion that the run has, by task name.
    pub fn conversions(&self) -> Vec<Conversion> {
        let conversion = |(name, task): (&str, &Task)| {
            let to = self.config.tasks.get(name)?.target.as_ref()?.name();
            task.target()?;
            let column = self.config.column(name).to_string();
            Some(Conversion { task: name.to_string(), from: task.from().to_vec(), column, to })
        };
        self.model.tasks().filter_map(conversion).collect()
    }

    /// The conversion to `to`, a task, a column or a type, that reads what is given, and as little else as can be.
    ///
    /// # Errors
    /// [`Error::Config`] that lists what the run can do, and the way round over another modality where there is one.
    pub fn conversion(&self, given: &[&str], to: &str) -> Result<Conversion> {
        let all = self.conversions();
        let reads = |conversion: &&Conversion| {
            conversion.is_called(to) && given.iter().all(|name| conversion.from.iter().any(|from| from == name))
        };
        if let Some(found) = all.iter().filter(reads).min_by_key(|conversion| conversion.from.len()) {
            return Ok(found.clone());
        }
        let list: Vec<String> = all.iter().map(|conversion| conversion.to_string()).collect();
        let problem = match given.is_empty() {
            true => format!("no task makes `{to}`"),
            false => format!("no task makes `{to}` of {}", given.join(" + ")),
        };
        let round = all.iter().find(|first| {
            let reads = given.iter().all(|name| first.from.iter().any(|from| from == name));
            let next = self.reader(first);
            reads && next.is_some_and(|next| all.iter().any(|last| last.from == [next.clone()] && last.is_called(to)))
        });
        let names = all.iter().flat_map(|conversion| [conversion.task.as_str(), &conversion.column, conversion.to]);
        let help = match (list.is_empty(), round, suggest(to, names)) {
            (true, ..) => "give a task a decoder (`amodal list decoders`)".to_string(),
            (_, Some(round), _) => format!("go round: --via {}; the run has: {}", round.task, list.join("; ")),
            (_, _, Some(near)) if near != to => format!("did you mean `{near}`? The run has: {}", list.join("; ")),
            _ => format!("the run has: {}", list.join("; ")),
        };
        Err(Error::config("--to", problem).with_help(help))
    }

    /// The modality that reads what a conversion makes: the one of its column, or else the only one of its type.
    pub fn reader(&self, conversion: &Conversion) -> Option<String> {
        let of_type = |name: &&String| self.config.modalities[*name].name() == conversion.to;
        let names: Vec<&String> = self.config.modalities.keys().filter(of_type).collect();
        let same = names.iter().find(|name| self.config.column(name) == conversion.column);
        same.or(if names.len() == 1 { names.first() } else { None }).map(|name| name.to_string())
    }

    /// How a task's target is read and written.
    fn target(&self, conversion: &Conversion) -> Result<&Modality> {
        let task = self.model.tasks().find(|(name, _)| *name == conversion.task);
        let target = task.and_then(|(_, task)| task.target());
        target.ok_or_else(|| Error::config("--to", format!("no task `{}`", conversion.task)))
    }

    /// The formats that a conversion's result can be written in, the usual one first.
    ///
    /// # Errors
    /// [`Error::Config`] for a conversion of another run.
    pub fn formats(&self, conversion: &Conversion) -> Result<&'static [&'static str]> {
        Ok(self.target(conversion)?.get().formats())
    }

    /// The text of a row that a conversion should make, as the decoder would write it; `None` where the row has none, or it
    /// is no text.
    pub fn written(&self, conversion: &Conversion, examples: &Examples, row: usize) -> Option<String> {
        let target = self.target(conversion).ok()?.get();
        let raw = examples.table().named(row, &conversion.column)?;
        let item = (!target.is_media()).then(|| target.read_target(raw).ok())??;
        match target.write(&item, target.formats()[0]).ok()? {
            Raw::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How near what was made of each row is to what was given, by the model's alignment: the cosine, summed over what was
    /// given.
    fn nearness(&self, conversion: &Conversion, given: &Named<Tokens>, made: &[Item]) -> Result<Vec<f32>> {
        let no = |problem: String| {
            let at = format!("tasks.{}.sampling.candidates", conversion.task);
            let help = "add a task with loss = { type = \"info_nce\" } over both, or leave one candidate";
            Error::config(at, problem).with_help(help)
        };
        let Some(reader) = self.reader(conversion) else {
            return Err(no(format!("no modality reads what `{}` makes", conversion.task)));
        };
        let (_, modality) = self.model.modalities().find(|(name, _)| *name == reader).expect("it is one of the run's");
        let (modality, made) = (modality.get(), made.iter());
        let format = modality.formats()[0];
        // as it would be read from a file, whatever the target's options are
        let target = self.target(conversion)?.get();
        let read = made.map(|item| modality.read(&target.write(item, format)?)).collect::<Result<Vec<Item>>>()?;
        let input =
            Input::stack(&read.iter().map(Some).collect::<Vec<_>>(), &modality.blank(), modality.time(), &device())?;
        let mut tokens = given.clone();
        tokens.insert(reader.clone(), self.model.encode_one(&reader, &input)?);
        let mut near = vec![0.0; read.len()];
        let embedded = self.model.embed(&tokens)?;
        let Some(vectors) = embedded.values().find(|vectors| {
            vectors.contains_key(&reader)
                && conversion.from.iter().any(|name| *name != reader && vectors.contains_key(name))
        }) else {
            return Err(no(format!("no task aligns `{reader}` with {}", conversion.from.join(" or "))));
        };
        for other in conversion.from.iter().filter(|name| **name != reader) {
            let Some(other) = vectors.get(other) else { continue };
            let cosine = (vectors[&reader].pool() * other.pool()).sum_dim(1);
            near.iter_mut().zip(cosine.into_data().iter::<f32>()).for_each(|(sum, cosine)| *sum += cosine);
        }
        Ok(near)
    }

    /// What a conversion makes of some rows, of the modalities that it reads and no others, in a format of [`formats`](Self::formats); `changes` to how the
    /// task makes it, and `first`, the number of the first row, for draws of its own.
    ///
    /// # Errors
    /// [`Error::Data`] with the row and column of a value that cannot be read.
    pub fn convert(
        &self,
        examples: &Examples,
        rows: &[usize],
        conversion: &Conversion,
        changes: &Changes,
        format: &str,
        first: usize,
    ) -> Result<Vec<Made>> {
        let target = self.target(conversion)?.get();
        let sampling = self.config.tasks[&conversion.task].sampling.with(changes);
        let mut all = Vec::with_capacity(rows.len());
        for rows in rows.chunks(self.config.train.batch_size.max(64)) {
            let batch = examples.gather(rows, None, false)?.batch(&device())?;
            let mut encoded = self.model.encode(&batch.inputs)?;
            for (_, tokens) in encoded.iter_mut().filter(|(name, _)| !conversion.from.contains(name)) {
                *tokens = tokens.absent();
            }
            let draw = |candidate: usize| -> Result<Prediction> {
                let seed = Some(sampling.seed.wrapping_add((candidate as u64) << 32));
                let only = Some(vec![conversion.task.clone()]);
                let sampling = Changes { seed, ..changes.clone() };
                let how = Generate { only, sampling, first: first + all.len() };
                let mut made = self.model.generate(&encoded, &how)?.decoded;
                Ok(made.remove(&conversion.task).expect("it was asked for"))
            };
            let made = draw(0)?;
            let texts = made.texts().unwrap_or_default();
            let mut items = made.items()?;
            if sampling.candidates > 1 && target.is_media() {
                let mut best = self.nearness(conversion, &encoded, &items)?;
                for candidate in 1..sampling.candidates {
                    let others = draw(candidate)?.items()?;
                    let near = self.nearness(conversion, &encoded, &others)?;
                    for (row, (item, near)) in others.into_iter().zip(near).enumerate() {
                        if near > best[row] {
                            (items[row], best[row]) = (item, near);
                        }
                    }
                }
            }
            for (row, item) in items.iter().enumerate() {
                let value = target.write(item, format)?;
                let written = texts.get(row);
                let mut looks = Vec::new();
                for (id, weights) in written.iter().flat_map(|written| written.ids.iter().zip(&written.attention)) {
                    let Raw::Text(unit) = target.write(&Item::Ids(vec![*id]), format)? else { continue };
                    looks.push(Look { unit, weights: weights.clone() });
                }
                all.push(Made { value, log_probability: written.map(|written| written.log_probability), looks });
            }
        }
        Ok(all)
    }
}

/// The values to read next, where a conversion is one step of several.
///
/// # Errors
/// [`Error::Config`] where no modality of the run reads what was made.
pub fn next(run: &Run, conversion: &Conversion, made: &Made) -> Result<Named<Raw>> {
    let reader = run.reader(conversion).ok_or_else(|| {
        let problem = format!("no modality reads what `{}` makes ({})", conversion.task, conversion.to);
        Error::config("--via", problem)
    })?;
    Ok([(reader, made.value.clone())].into())
}
