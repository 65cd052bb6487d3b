//! The model: encode every modality, fuse, decode every task.
use crate::{
    Batch, Config, Error, Input, Named, Outputs, Prediction, Result, Tokens,
    config::{Absence, TaskConfig},
    decode::{Decoder, Sampling, sampling::Changes},
    encode::Encoder,
    fuse::Fusion,
    layers::Absent,
    loss::{Loss, LossConfig},
    modalities::{Modality, ModalityConfig},
    suggest,
    train::weights,
    types::Build,
};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use std::collections::BTreeMap;

/// Encoders, a fusion and tasks, built from a config.
#[derive(Module, Debug)]
pub struct Model {
    /// In the order of `names.modalities`, like `encode`.
    #[module(skip)]
    modalities: Vec<Modality>,
    encode: Vec<Encoder>,
    /// One a modality, where the config asks for them.
    absent: Vec<Absent>,
    fuse: Option<Fusion>,
    /// In the order of `names.tasks`.
    tasks: Vec<Task>,
    #[module(skip)]
    names: Names,
}

/// One thing that the model is trained for.
#[derive(Module, Debug)]
pub struct Task {
    #[module(skip)]
    target: Option<Modality>,
    decode: Option<Decoder>,
    loss: Loss,
    #[module(skip)]
    from: Vec<String>,
    weight: f64,
    modality_dropout: f64,
    #[module(skip)]
    sampling: Sampling,
}

/// What is to be made, and how.
#[derive(Clone, Debug, Default)]
pub struct Generate {
    /// The tasks; absent: all that have a decoder.
    pub only: Option<Vec<String>>,
    /// What is to be otherwise than the tasks say.
    pub sampling: Changes,
    /// The number of the first row, for draws of its own.
    pub first: usize,
}

#[derive(Clone, Debug, Default)]
struct Names {
    modalities: Vec<String>,
    tasks: Vec<String>,
}

impl Model {
    /// Builds a model with random weights; every name and width of the config is checked here.
    ///
    /// # Errors
    /// [`Error::Config`] with the option's path.
    pub fn new(config: &Config, device: &Device) -> Result<Self> {
        let (mut modalities, mut encode, mut dims) = (Vec::new(), Vec::new(), Named::new());
        if let Some(name) = config.modalities.keys().find(|name| !config.encode.contains_key(*name)) {
            return Err(Error::config(format!("modalities.{name}"), "has no encoder")
                .with_help(format!("add [encode.{name}], or remove the modality")));
        }
        for (name, part) in &config.encode {
            let at = format!("encode.{name}");
            let modality = config.modalities.get(name);
            let modality = modality.ok_or_else(|| unknown_modality(&at, name, config))?;
            let modality = modality
                .build(&Build { dims: Named::new(), device })
                .map_err(|error| error.within(&format!("modalities.{name}")))?;
            let mut built =
                part.build(&Build { dims: modality.get().dims(), device }).map_err(|error| error.within(&at))?;
            if modality.get().dims().contains_key("vectors") {
                let words = built.get_mut().words().ok_or_else(|| {
                    Error::config(&at, format!("`{}` has no vectors of words", part.name()))
                        .with_help(format!("take another type, or remove modalities.{name}.vectors"))
                })?;
                modality.get().vectors().into_iter().for_each(|vectors| words.start(vectors));
            }
            dims.insert(name.clone(), built.get().dim());
            modalities.push(modality);
            encode.push(built);
        }
        if encode.is_empty() {
            return Err(Error::config("encode", "no modality").with_help("add [modalities.NAME] and [encode.NAME]"));
        }
        let build = Build { dims: dims.clone(), device };
        let fuse = config.fuse.as_ref().map(|part| part.build(&build).map_err(|error| error.within("fuse")));
        let fuse = fuse.transpose()?;
        let absent = match (config.absent, &fuse) {
            (Absence::Skip, _) => Vec::new(),
            (Absence::Token, Some(_)) => dims.values().map(|dim| Absent::new(*dim, device)).collect(),
            (Absence::Token, None) => {
                return Err(Error::config("absent", "`token` is for a fusion, and there is no [fuse]")
                    .with_help("add [fuse] with a type (`amodal list fusions`), or remove `absent`"));
            }
        };
        let mut tasks = Vec::new();
        for (name, task) in &config.tasks {
            let task = Task::new(name, task, config, &dims, fuse.as_ref(), device);
            tasks.push(task.map_err(|error| error.within(&format!("tasks.{name}")))?);
        }
        if tasks.is_empty() {
            return Err(Error::config("tasks", "no task").with_help("add [tasks.NAME] with a target, decode and loss"));
        }
        let names = Names {
            modalities: config.encode.keys().cloned().collect(),
            tasks: config.tasks.keys().cloned().collect(),
        };
        let model = Self { modalities, encode, absent, fuse, tasks, names };
        weights::check_size(&model)?;
        Ok(model)
    }

    /// The modalities by name, in name order.
    pub fn modalities(&self) -> impl Iterator<Item = (&str, &Modality)> {
        self.names.modalities.iter().map(String::as_str).zip(&self.modalities)
    }

    /// The tasks by name, in name order.
    pub fn tasks(&self) -> impl Iterator<Item = (&str, &Task)> {
        self.names.tasks.iter().map(String::as_str).zip(&self.tasks)
    }

    /// Encodes, fuses and decodes.
    pub fn forward(&self, batch: &Batch) -> Result<Outputs> {
        let encoded = self.encode(&batch.inputs)?;
        let decoded = self.decode(encoded.clone(), &batch.targets)?;
        let embedded = self.embed(&encoded)?;
        Ok(Outputs { encoded, embedded, ..decoded })
    }

    /// Tokens of every modality, one entry a row.
    pub fn encode(&self, inputs: &Named<Input>) -> Result<Named<Tokens>> {
        let each = self.names.modalities.iter().map(|name| {
            let input = inputs.get(name).ok_or_else(|| Error::config(name, "is not in the batch"))?;
            Ok((name.clone(), self.encode_one(name, input)?))
        });
        each.collect()
    }

    /// Tokens of one modality, one entry a row.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no such modality.
    pub fn encode_one(&self, name: &str, input: &Input) -> Result<Tokens> {
        let at = self.names.modalities.iter().position(|known| known == name);
        let encoder = at.map(|at| &self.encode[at]).ok_or_else(|| Error::config(name, "is no modality"))?;
        let tokens = encoder.get().encode(input).map_err(|error| at_part(error, &format!("encode.{name}")))?;
        Ok(match &input.rows {
            Some(rows) => tokens.select(rows.clone()),
            None => tokens,
        })
    }

    /// Unit vectors in the shared space, by alignment task and modality.
    pub fn embed(&self, encoded: &Named<Tokens>) -> Result<Named<Named<Tokens>>> {
        let mut embedded = Named::new();
        for (name, task) in self.tasks() {
            let vectors = task.loss.get().embed(encoded)?;
            if !vectors.is_empty() {
                embedded.insert(name.to_string(), vectors);
            }
        }
        Ok(embedded)
    }

    /// The prediction of every task that has a decoder, given `targets` as in training.
    pub fn decode(&self, encoded: Named<Tokens>, targets: &Named<Input>) -> Result<Outputs> {
        let (mut decoded, mut fused) = (Named::new(), BTreeMap::new());
        for (name, task) in self.tasks() {
            let Some(decoder) = &task.decode else { continue };
            let target = targets.get(name);
            let drops = target.is_some() && task.modality_dropout > 0.0;
            let tokens = match drops.then(|| some(&encoded, &task.from, task.modality_dropout)).flatten() {
                Some(kept) => self.fuse(&kept, &task.from)?,
                None => self.fuse_once(&mut fused, &encoded, &task.from)?,
            };
            decoded.insert(name.to_string(), at_decoder(name, decoder.get().decode(&tokens, target))?);
        }
        Ok(Outputs { decoded, ..Outputs::default() })
    }

    /// What the decoder of each task makes by itself.
    pub fn generate(&self, encoded: &Named<Tokens>, how: &Generate) -> Result<Outputs> {
        let (mut decoded, mut fused) = (Named::new(), BTreeMap::new());
        for (name, task) in self.tasks() {
            let is_asked = how.only.as_ref().is_none_or(|only| only.iter().any(|one| one == name));
            let Some(decoder) = task.decode.as_ref().filter(|_| is_asked) else { continue };
            let tokens = self.fuse_once(&mut fused, encoded, &task.from)?;
            let sampling = Sampling { first: how.first as u64, ..task.sampling.with(&how.sampling) };
            decoded.insert(name.to_string(), at_decoder(name, decoder.get().generate(&tokens, &sampling))?);
        }
        Ok(Outputs { decoded, ..Outputs::default() })
    }

    /// The fused tokens of the modalities that a task reads; tasks that read the same share them.
    fn fuse_once<'a>(
        &self,
        fused: &mut BTreeMap<&'a [String], Tokens>,
        encoded: &Named<Tokens>,
        from: &'a [String],
    ) -> Result<Tokens> {
        if let Some(tokens) = fused.get(from) {
            return Ok(tokens.clone());
        }
        let tokens = self.fuse(encoded, from)?;
        fused.insert(from, tokens.clone());
        Ok(tokens)
    }

    fn fuse(&self, encoded: &Named<Tokens>, from: &[String]) -> Result<Tokens> {
        let Some(fusion) = &self.fuse else { return Ok(encoded[&from[0]].clone()) };
        let read = encoded.iter().enumerate().map(|(at, (name, tokens))| {
            let tokens = if from.contains(name) { tokens.clone() } else { tokens.absent() };
            let tokens = self.absent.get(at).map_or_else(|| tokens.clone(), |absent| absent.stand_in(&tokens));
            (name.clone(), tokens)
        });
        fusion.get().fuse(&read.collect()).map_err(|error| at_part(error, "fuse"))
    }

    /// The loss of every task, `[1]`, by name.
    pub fn losses(&self, outputs: &Outputs, batch: &Batch) -> Result<Named<Tensor<1>>> {
        let losses = self.tasks().map(|(name, task)| match task.loss.get().loss(name, outputs, batch) {
            Ok(loss) => Ok((name.to_string(), loss)),
            Err(error @ Error::Shape { .. }) => Err(error.within(&format!("tasks.{name}.loss"))),
            Err(error) => Err(error),
        });
        losses.collect()
    }

    /// A parameter's name in a file, from its path in the struct: lists are by name, not by place.
    pub(crate) fn parameter_name(&self, path: &[String]) -> String {
        let mut steps: Vec<&str> = path.iter().map(String::as_str).collect();
        if let [stage, at, ..] = path {
            let names = match stage.as_str() {
                "encode" | "absent" => &self.names.modalities,
                _ => &self.names.tasks,
            };
            if let (true, Some(name)) = (stage != "fuse", at.parse().ok().and_then(|at: usize| names.get(at))) {
                steps[1] = name;
            }
        }
        steps.join(".")
    }
}

/// The tokens in training with each modality of `from` withheld from a row by chance; a row whose modalities would all be
/// withheld keeps them. `None` on a device that records no gradients.
fn some(encoded: &Named<Tokens>, from: &[String], chance: f64) -> Option<Named<Tokens>> {
    let device = encoded.values().next()?.values.device();
    if !device.is_autodiff() {
        return None;
    }
    let draw = |name: &String| {
        let present = encoded[name].present();
        Tensor::<2>::random(present.dims(), Distribution::Bernoulli(1.0 - chance), &device) * present
    };
    let drawn: Vec<(&String, Tensor<2>)> = from.iter().map(|name| (name, draw(name))).collect();
    let left = drawn.iter().map(|(_, kept)| kept.clone()).reduce(|a, b| a.max_pair(b))?;
    let all = left.neg().add_scalar(1.0);
    let mut kept = encoded.clone();
    for (name, drawn) in drawn {
        let mask = encoded[name].mask.clone() * (drawn + all.clone());
        kept.insert(name.clone(), Tokens { values: encoded[name].values.clone(), mask });
    }
    Some(kept)
}

/// Names the decoder that cannot take its input.
fn at_decoder(task: &str, made: Result<Prediction>) -> Result<Prediction> {
    made.map_err(|error| at_part(error, &format!("tasks.{task}.decode")))
}

/// Names the part that cannot take its input.
fn at_part(error: Error, at: &str) -> Error {
    if matches!(error, Error::Shape { .. } | Error::Config { .. }) { error.within(at) } else { error }
}

impl Task {
    fn new(
        name: &str,
        task: &TaskConfig,
        config: &Config,
        dims: &Named<usize>,
        fuse: Option<&Fusion>,
        device: &Device,
    ) -> Result<Self> {
        let column = config.column(name);
        let reads = |modality: &str| {
            config.column(modality) == column || config.columns(modality).iter().any(|it| it == column)
        };
        let own = |modality: &&String| task.target.is_none() || !reads(modality);
        let from: Vec<String> = match task.from.is_empty() {
            true => config.encode.keys().filter(own).cloned().collect(),
            false => task.from.clone(),
        };
        if let Some(wrong) = from.iter().find(|name| !config.encode.contains_key(*name)) {
            return Err(unknown_modality("from", wrong, config));
        }
        if let Some(several @ (ModalityConfig::Number(_) | ModalityConfig::Series(_))) = &task.target
            && (!several.columns().is_empty() || several.name() == "series")
        {
            let error = Error::config("target", "several numbers, expected one number or a category");
            return Err(error.with_help("make a task of each"));
        }
        if let Some(ModalityConfig::Text(text)) = &task.target {
            let given = [("pos", text.pos), ("vectors", text.vectors.is_some())];
            if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
                let problem = "is for a text that is read, and a target is written";
                return Err(Error::config(format!("target.{option}"), problem)
                    .with_help(format!("remove `{option}` from the target")));
            }
        }
        let target = task
            .target
            .as_ref()
            .map(|target| target.build(&Build { dims: Named::new(), device }).map_err(|error| error.within("target")));
        let target = target.transpose()?;
        let aligns = matches!(task.loss, LossConfig::InfoNce(_) | LossConfig::Sigmoid(_));
        match (&task.decode, &target, aligns) {
            (Some(_), Some(_), false) if from.is_empty() => {
                return Err(Error::config("from", "the task has no modality to read but its own target"));
            }
            (Some(_), Some(_), false) if fuse.is_none() && from.len() > 1 => {
                return Err(Error::config(
                    "decode",
                    format!("reads {} modalities, and there is no [fuse]", from.len()),
                )
                .with_help("add [fuse] with a type (`amodal list fusions`), or give the task one modality in `from`"));
            }
            (None, ..) if task.modality_dropout > 0.0 => {
                return Err(Error::config("modality_dropout", "is for a task with a decoder")
                    .with_help("train.modality_dropout withholds modalities from every task"));
            }
            (Some(_), Some(_), false) | (None, None, true) => {}
            (Some(_), None, _) => return Err(Error::config("target", "a task with a decoder needs a target")),
            (None, Some(_), _) => return Err(Error::config("decode", "a task with a target needs a decoder")),
            (None, None, false) => {
                return Err(Error::config("loss", format!("`{}` needs a target and a decoder", task.loss.name())));
            }
            (Some(_), Some(_), true) => {
                let problem = format!("`{}` aligns modalities: it takes no target and no decoder", task.loss.name());
                return Err(Error::config("loss", problem));
            }
        }
        let mut dims = dims.clone();
        if let Some(target) = &target {
            let fused = fuse.map_or_else(|| dims[&from[0]], |fusion| fusion.get().dim());
            dims.insert("fused".into(), fused);
            for (name, dim) in target.get().dims() {
                let name = if name == "input" { "target".to_string() } else { format!("target.{name}") };
                dims.insert(name, dim);
            }
        }
        let build = Build { dims, device };
        let decode = task.decode.as_ref().map(|part| part.build(&build).map_err(|error| error.within("decode")));
        let loss = task.loss.build(&build).map_err(|error| error.within("loss"))?;
        Ok(Self {
            target,
            decode: decode.transpose()?,
            loss,
            from,
            weight: task.weight,
            modality_dropout: task.modality_dropout,
            sampling: task.sampling.clone(),
        })
    }

    /// How the target is read, for a task that has one.
    pub fn target(&self) -> Option<&Modality> {
        self.target.as_ref()
    }

    /// The modalities that the task reads.
    pub fn from(&self) -> &[String] {
        &self.from
    }

    /// How its decoder goes about what it makes.
    pub fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// Share of the task's loss in the sum.
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

fn unknown_modality(at: &str, name: &str, config: &Config) -> Error {
    let known: Vec<&str> = config.modalities.keys().map(String::as_str).collect();
    let error = Error::config(at, format!("no modality `{name}`; here are: {}", known.join(", ")));
    error.with_help(match suggest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add [modalities.{name}]"),
    })
}
