//! What a part costs at its defaults: parameters, multiply-adds, time and memory.
use crate::{
    Batch, Error, Input, Named, Outputs, Prediction, Result, Tokens,
    decode::{Decoder, DecoderConfig},
    encode::EncoderConfig,
    fuse::FusionConfig,
    kernels::{memory, multiply_adds},
    loss::LossConfig,
    train::device,
    types::{Build, Values},
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Int, Tensor};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Rows of a batch that is measured, and that a loss compares.
pub const ROWS: usize = 32;

/// Sizes of what a part reads here; the sizes of pictures and clips are the modalities' defaults.
const WORDS: usize = 16;
const VOCABULARY: usize = 1000;
const SIZE: usize = 64;
const FRAMES: usize = 8;
const STEPS: usize = 32;
const NUMBERS: usize = 8;
const CLASSES: usize = 10;
const MELS: usize = 64;
const TOKENS: usize = 8;
const DIM: usize = 128;

/// A part with its options.
#[derive(Clone, Debug)]
pub enum Part {
    /// An encoder reads the first modality that it can read; its namesake where there is one.
    Encoder(EncoderConfig),
    /// A fusion reads two modalities.
    Fusion(FusionConfig),
    /// A decoder reads one token, and is given what it is to make.
    Decoder(DecoderConfig),
    /// A loss reads a prediction or two modalities.
    Loss(LossConfig),
}

/// What a part takes for one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The row, such as `a picture of 64 × 64`.
    pub input: String,
    /// Numbers that are learned.
    pub parameters: usize,
    /// Of its matrix products and convolutions, on the way forward; on the way back they are about twice as many.
    pub multiply_adds: u64,
}

/// What a part took on this machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Threads that worked.
    pub threads: usize,
    /// Rows of the batch.
    pub rows: usize,
    /// Time of the way forward for one row, without gradients; a median.
    pub forward_seconds: f64,
    /// Time of the way forward and back for one row; a median.
    pub step_seconds: f64,
    /// Most memory that the way forward and back of the batch took at once, on top of its parameters and rows; absent where
    /// the program does not count it (see [`memory::Counted`]).
    pub step_bytes: Option<usize>,
}

/// How many numbers a model or a part learns; running statistics are none of them.
pub fn parameters(part: &impl Module) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.val().is_require_grad() {
                self.0 += param.val().dims().iter().product::<usize>();
            }
        }
    }
    let mut count = Count(0);
    part.valid().train().visit(&mut count);
    count.0
}

impl Part {
    /// Its cost for one row.
    ///
    /// # Errors
    /// [`Error::Config`] where its options do not fit what it reads here.
    pub fn cost(&self) -> Result<Cost> {
        let rows = if matches!(self, Self::Loss(_)) { ROWS } else { 1 }; // a loss compares the rows of a batch
        let Sample { input, parameters, run } = self.sample(rows, &device())?;
        let (made, multiply_adds) = multiply_adds(run);
        made?;
        Ok(Cost { input, parameters, multiply_adds: multiply_adds / rows as u64 })
    }

    /// Its time and memory with so many threads.
    ///
    /// # Errors
    /// Those of [`Part::cost`]; and where the system gives no threads.
    pub fn measure(&self, threads: usize) -> Result<Measured> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| Error::config("threads", error.to_string()))?;
        pool.install(|| {
            let forward = self.sample(ROWS, &device())?;
            let forward_seconds = median(|| (forward.run)().map(drop))? / ROWS as f64;
            let step = self.sample(ROWS, &device().autodiff())?;
            let run = || {
                let made = (step.run)()?;
                let gradients = made.is_tracked().then(|| made.backward()); // of `identity` nothing is
                drop(gradients);
                Ok(())
            };
            let step_seconds = median(run)? / ROWS as f64;
            let (made, step_bytes) = memory::peak(run);
            made?;
            Ok(Measured { threads: pool.current_num_threads(), rows: ROWS, forward_seconds, step_seconds, step_bytes })
        })
    }

    fn sample(&self, rows: usize, device: &Device) -> Result<Sample> {
        match self {
            Self::Encoder(config) => encoder(config, rows, device),
            Self::Fusion(config) => fusion(config, rows, device),
            Self::Decoder(config) => decoder(config, rows, device),
            Self::Loss(config) => loss(config, rows, device),
        }
    }
}

/// The median time of a call, in seconds.
fn median(run: impl Fn() -> Result<()>) -> Result<f64> {
    run()?; // the first one takes memory and starts threads
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || (start.elapsed() < Duration::from_millis(400) && times.len() < 1000) {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// A part with rows to read.
struct Sample {
    input: String,
    parameters: usize,
    /// The sum of what it makes of the rows, `[1]`.
    run: Box<dyn Fn() -> Result<Tensor<1>> + Send + Sync>,
}

/// What an encoder may read, in the order in which it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Text,
    Image,
    Video,
    Series,
    Number,
    Category,
}

impl Reads {
    const ALL: [Self; 6] = [Self::Text, Self::Image, Self::Video, Self::Series, Self::Number, Self::Category];

    /// The modality, what a row of it is, and the widths that an encoder is built with.
    fn about(self) -> (&'static str, String, Named<usize>) {
        let (name, row, dims): (_, _, &[(&str, usize)]) = match self {
            Self::Text => {
                ("text", format!("{WORDS} words, vocabulary 1,000"), &[("input", VOCABULARY), ("words", VOCABULARY)])
            }
            Self::Image => {
                ("image", format!("a picture of {SIZE} × {SIZE}"), &[("input", 3), ("height", SIZE), ("width", SIZE)])
            }
            Self::Video => (
                "video",
                format!("{FRAMES} frames of {SIZE} × {SIZE}"),
                &[("input", 3), ("frames", FRAMES), ("height", SIZE), ("width", SIZE)],
            ),
            Self::Series => {
                ("series", format!("{STEPS} steps of {NUMBERS} numbers"), &[("input", NUMBERS), ("time", STEPS)])
            }
            Self::Number => ("number", format!("{NUMBERS} numbers"), &[("input", NUMBERS)]),
            Self::Category => ("category", format!("a class of {CLASSES}"), &[("input", CLASSES)]),
        };
        (name, row, dims.iter().map(|(name, dim)| (name.to_string(), *dim)).collect())
    }

    fn input(self, rows: usize, device: &Device) -> Input {
        let (values, time) = match self {
            Self::Text => (Values::Ids(ids([rows, WORDS], VOCABULARY, device)), WORDS),
            Self::Image => (Values::Image(random([rows, 3, SIZE, SIZE], device)), 1),
            Self::Video => (Values::Video(random([rows, FRAMES, 3, SIZE, SIZE], device)), FRAMES),
            Self::Series => (Values::Series(random([rows, STEPS, NUMBERS], device)), STEPS),
            Self::Number => (Values::Series(random([rows, 1, NUMBERS], device)), 1),
            Self::Category => (Values::Ids(ids([rows, 1], CLASSES, device)), 1),
        };
        Input { values, mask: Tensor::ones([rows, time], device), rows: None }
    }
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

fn ids(shape: [usize; 2], count: usize, device: &Device) -> Tensor<2, Int> {
    let all = Tensor::<1, Int>::arange(0..(shape[0] * shape[1]) as i64, device);
    all.remainder_scalar(count as i64).reshape(shape)
}

/// Tokens as a part behind the encoders gets them: where gradients are recorded, they have some.
fn tokens(rows: usize, count: usize, device: &Device) -> Tokens {
    let values = random([rows, count, DIM], device);
    let values = if device.is_autodiff() { values.require_grad() } else { values };
    Tokens { values, mask: Tensor::ones([rows, count], device) }
}

/// Two modalities.
fn modalities(counts: [usize; 2], rows: usize, device: &Device) -> Named<Tokens> {
    ["a", "b"].map(String::from).into_iter().zip(counts.map(|count| tokens(rows, count, device))).collect()
}

fn encoder(config: &EncoderConfig, rows: usize, device: &Device) -> Result<Sample> {
    let namesake = Reads::ALL.into_iter().filter(|reads| reads.about().0 == config.name());
    for reads in namesake.chain(Reads::ALL) {
        let ((_, row, dims), input) = (reads.about(), reads.input(rows, device));
        let Ok(part) = config.build(&Build { dims, device }) else { continue };
        if part.get().encode(&input).is_err() {
            continue; // it reads another layout
        }
        let parameters = parameters(&part);
        let run = move || Ok(part.get().encode(&input)?.values.sum());
        return Ok(Sample { input: row, parameters, run: Box::new(run) });
    }
    Err(Error::config(config.name(), "reads no modality"))
}

fn fusion(config: &FusionConfig, rows: usize, device: &Device) -> Result<Sample> {
    let dims = ["a", "b"].map(|name| (name.to_string(), DIM)).into();
    let part = config.build(&Build { dims, device })?;
    let encoded = modalities([TOKENS, 1], rows, device);
    let (input, parameters) = (format!("{TOKENS} tokens and 1, of width {DIM}"), parameters(&part));
    let run = move || Ok(part.get().fuse(&encoded)?.values.sum());
    Ok(Sample { input, parameters, run: Box::new(run) })
}

/// What a decoder is to make: how it is called, its sizes, and one of each row.
fn targets(rows: usize, device: &Device) -> Vec<(String, Named<usize>, Values)> {
    let picture = [("target", 3), ("target.height", SIZE), ("target.width", SIZE)];
    let text = [("target", VOCABULARY), ("target.words", VOCABULARY), ("target.longest", WORDS)];
    let clip = [picture.as_slice(), &[("target.frames", FRAMES)]].concat();
    let dims = |dims: &[(&str, usize)]| dims.iter().map(|(name, dim)| (name.to_string(), *dim)).collect();
    vec![
        (format!("{CLASSES} classes"), dims(&[("target", CLASSES)]), Values::Ids(ids([rows, 1], CLASSES, device))),
        ("1 number".to_string(), dims(&[("target", 1)]), Values::Series(random([rows, 1, 1], device))),
        (format!("a text of {WORDS} words"), dims(&text), Values::Ids(ids([rows, WORDS], VOCABULARY, device))),
        (format!("a picture of {SIZE} × {SIZE}"), dims(&picture), Values::Image(random([rows, 3, SIZE, SIZE], device))),
        (
            format!("a sound of {STEPS} windows and {MELS} bands"),
            dims(&[("target", MELS), ("target.time", STEPS)]),
            Values::Series(random([rows, STEPS, MELS], device)),
        ),
        (
            format!("a clip of {FRAMES} frames of {SIZE} × {SIZE}"),
            dims(&clip),
            Values::Video(random([rows, FRAMES, 3, SIZE, SIZE], device)),
        ),
    ]
}

fn decoder(config: &DecoderConfig, rows: usize, device: &Device) -> Result<Sample> {
    let (part, name, target) = built(config, rows, device)?;
    let fused = tokens(rows, 1, device);
    let (input, parameters) = (format!("a vector of width {DIM} to {name}"), parameters(&part));
    let run = move || total(&part.get().decode(&fused, Some(&target))?);
    Ok(Sample { input, parameters, run: Box::new(run) })
}

/// A decoder of the first thing that it can make, how that is called, and one of each row.
fn built(config: &DecoderConfig, rows: usize, device: &Device) -> Result<(Decoder, String, Input)> {
    for (name, mut dims, values) in targets(rows, device) {
        dims.insert("fused".to_string(), DIM);
        let Ok(part) = config.build(&Build { dims, device }) else { continue };
        let time = match &values {
            Values::Ids(ids) | Values::Tagged { ids, .. } => ids.dims()[1],
            Values::Series(values) => values.dims()[1],
            Values::Image(_) => 1,
            Values::Video(values) => values.dims()[1],
        };
        let target = Input { values, mask: Tensor::ones([rows, time], device), rows: None };
        let made = part.get().decode(&tokens(rows, 1, device), Some(&target))?;
        let suits = match (&made, &target.values) {
            (Prediction::Logits(made), Values::Ids(right)) => made.dims()[1] == right.dims()[1],
            (Prediction::Values(made), Values::Series(right)) => made.dims() == right.dims(),
            (Prediction::Loss(_), Values::Ids(_)) => true,
            (Prediction::Image(_) | Prediction::Loss(_), Values::Image(_)) => true,
            (Prediction::Video(_) | Prediction::Loss(_), Values::Video(_)) => true,
            _ => false,
        };
        if suits {
            return Ok((part, name, target));
        }
    }
    Err(Error::config(config.name(), "decodes into nothing that is known here"))
}

/// One number of all that was made.
fn total(made: &Prediction) -> Result<Tensor<1>> {
    Ok(match made {
        Prediction::Logits(values) | Prediction::Values(values) => values.clone().sum(),
        Prediction::Image(values) => values.clone().sum(),
        Prediction::Video(values) => values.clone().sum(),
        Prediction::Loss(loss) => loss.clone(),
        Prediction::Text(_) => return Err(made.not("something that was scored")),
    })
}

fn loss(config: &LossConfig, rows: usize, device: &Device) -> Result<Sample> {
    const TASK: &str = "task";
    let dims = [("a", DIM), ("b", DIM), ("fused", DIM), ("target", CLASSES)];
    let part = config.build(&Build { dims: dims.map(|(name, dim)| (name.to_string(), dim)).into(), device })?;
    let encoded = modalities([1, 1], rows, device);
    let parameters = parameters(&part);
    let learned = |values: Tensor<3>| if device.is_autodiff() { values.require_grad() } else { values };
    let batch = |values| {
        let target = Input { values, mask: Tensor::ones([rows, 1], device), rows: None };
        let (inputs, targets) = (Named::new(), [(TASK.to_string(), target)].into());
        Batch { inputs, targets, groups: (0..rows as u64).collect() }
    };
    let classes = Prediction::Logits(learned(random([rows, 1, CLASSES], device)));
    let number = Prediction::Values(learned(random([rows, 1, 1], device)));
    let own = Prediction::Loss(learned(random([rows, 1, 1], device)).mean());
    let number_target = Values::Series(random([rows, 1, 1], device));
    let cases = [
        (classes, batch(Values::Ids(ids([rows, 1], CLASSES, device))), format!("{CLASSES} classes")),
        (number, batch(number_target.clone()), "1 number".to_string()),
        (own, batch(number_target), "a loss".to_string()),
    ];
    let is_aligned = !part.get().embed(&encoded)?.is_empty();
    let run = move |prediction: &Prediction, batch: &Batch| {
        let embedded = [(TASK.to_string(), part.get().embed(&encoded)?)].into();
        let decoded = [(TASK.to_string(), prediction.clone())].into();
        part.get().loss(TASK, &Outputs { encoded: encoded.clone(), embedded, decoded }, batch)
    };
    let fits = |(prediction, batch, _): &(Prediction, Batch, String)| run(prediction, batch).is_ok();
    let Some((prediction, batch, row)) = cases.into_iter().find(fits) else {
        return Err(Error::config(config.name(), "scores nothing that is known here"));
    };
    let input = if is_aligned { format!("two vectors of width {DIM}, among {rows} rows") } else { row };
    Ok(Sample { input, parameters, run: Box::new(move || run(&prediction, &batch)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernels::convolve,
        layers::{Block, BlockConfig, Linear},
    };

    fn parts() -> Vec<Part> {
        let encoders = EncoderConfig::all().into_iter().map(Part::Encoder);
        let fusions = FusionConfig::all().into_iter().map(Part::Fusion);
        let decoders = DecoderConfig::all().into_iter().map(Part::Decoder);
        encoders.chain(fusions).chain(decoders).chain(LossConfig::all().into_iter().map(Part::Loss)).collect()
    }

    fn cost(name: &str) -> Cost {
        let of = |part: &&Part| match part {
            Part::Encoder(config) => config.name() == name,
            Part::Fusion(config) => config.name() == name,
            Part::Decoder(config) => config.name() == name,
            Part::Loss(config) => config.name() == name,
        };
        parts().iter().find(of).unwrap().cost().unwrap()
    }

    /// The weights of linear layers and convolutions, each of which every row is multiplied with at least once.
    fn weights(part: &impl Module) -> u64 {
        #[derive(Default)]
        struct Sum(Vec<String>, u64);
        impl ModuleVisitor for Sum {
            fn enter_module(&mut self, _: &str, container: &str) {
                self.0.push(container.to_string());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.0.pop();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let multiplies = ["Linear", "Conv1d", "Conv2d"].map(|layer| format!("Struct:{layer}"));
                if D > 1 && self.0.last().is_some_and(|layer| multiplies.contains(layer)) {
                    self.1 += param.lazy_shape().num_elements() as u64;
                }
            }
        }
        let mut sum = Sum::default();
        part.visit(&mut sum);
        sum.1
    }

    #[test]
    fn every_weight_of_every_part_is_counted() {
        let mut weighted = 0;
        for part in parts() {
            let cost = part.cost().unwrap();
            let device = device();
            let build = |names: &[&str]| Build {
                dims: names.iter().map(|name| (name.to_string(), DIM)).collect(),
                device: &device,
            };
            let weights = match &part {
                Part::Encoder(config) => {
                    let namesake = Reads::ALL.into_iter().filter(|reads| reads.about().0 == config.name());
                    let mut reads = namesake.chain(Reads::ALL).filter(|reads| reads.about().1 == cost.input);
                    let (_, _, dims) = reads.next().unwrap().about();
                    weights(&config.build(&Build { dims, device: &device }).unwrap())
                }
                Part::Fusion(config) => weights(&config.build(&build(&["a", "b"])).unwrap()),
                Part::Decoder(config) => weights(&built(config, 1, &device).unwrap().0),
                Part::Loss(config) => weights(&config.build(&build(&["a", "b"])).unwrap()),
            };
            assert!(cost.multiply_adds >= weights, "{part:?}: {weights} weights, and {cost:?}");
            weighted += usize::from(weights > 0);
        }
        assert!(weighted > 30, "{weighted} parts have weights");
    }

    #[test]
    fn products_are_counted_by_their_sizes() {
        let device = device();
        let count = |work: &dyn Fn()| multiply_adds(work).1;
        let linear = Linear::new(5, 7, &device);
        assert_eq!(count(&|| drop(linear.forward(Tensor::<3>::zeros([2, 3, 5], &device)))), 2 * 3 * 5 * 7);
        assert_eq!(count(&|| drop(linear.forward(Tensor::<1>::zeros([5], &device)))), 5 * 7);
        let (x, window) = (Tensor::zeros([2, 3, 9, 8], &device), Tensor::zeros([4, 3, 3, 5], &device));
        let made = (9 + 2 - 3) / 2 + 1;
        let convolve = || drop(convolve(x.clone(), window.clone(), None, [2, 1], [1, 2]).unwrap());
        assert_eq!(count(&convolve), 2 * 4 * made * 8 * 3 * 3 * 5);
        let block: Block = BlockConfig { dim: 8, num_heads: 2, dropout: 0.0 }.build(&device).unwrap();
        let tokens =
            |time| Tokens { values: Tensor::zeros([1, time, 8], &device), mask: Tensor::ones([1, time], &device) };
        // queries, keys, values and output; scores and what is mixed by them; the perceptron
        assert_eq!(count(&|| drop(block.forward(&tokens(6)))), 6 * 4 * 64 + 2 * 6 * 6 * 8 + 6 * 8 * 64);
        let cross = (6 + 6 + 2 * 3) * 64 + 2 * 6 * 3 * 8 + 6 * 8 * 64;
        assert_eq!(count(&|| drop(block.cross(&tokens(6), &tokens(3)))), cross);
    }

    #[test]
    fn parts_cost_what_one_computes_by_hand() {
        let known = [
            ("bag", 1000 * 128, 0),
            ("lstm", 1000 * 128 + 2 * 128 * 512 + 512, 16 * 2 * 128 * 512),
            ("number", 8 * 64 + 64 + 64 * 32 + 32, 8 * 64 + 64 * 32),
            (
                "cnn",
                (27 * 16 + 32) + (9 * 16 * 32 + 64) + (9 * 32 * 64 + 128) + (64 * 64 * 128 + 128), // two of a norm a channel
                4096 * 27 * 16 + 1024 * 9 * 16 * 32 + 256 * 9 * 32 * 64 + 64 * 64 * 128,
            ),
            (
                "text_cnn",
                1000 * 128 + 12 * 128 * 100 + 300 + 300 * 128 + 128, // windows of 3, 4 and 5 words
                16 * 12 * 128 * 100 + 300 * 128,
            ),
            ("tensor", 2 * (128 * 16 + 16) + 17 * 17 * 128 + 128, 2 * 128 * 16 + 17 * 17 * 128),
            (
                "relation",
                4 * 128 * 128 + 2 * 128 + (128 * 128 + 128) * 2, // the first layer, of each modality and place of a pair
                2 * 9 * 128 * 128 + 81 * 2 * 128 * 128 + 81 * 128,
            ),
            ("classifier", 128 * 10 + 10, 128 * 10),
            ("mse", 0, 0),
            ("info_nce", 2 * 128 * 128 + 1, 2 * 128 * 128 + 32 * 128), // compared with each row
        ];
        for (name, parameters, multiply_adds) in known {
            let cost = cost(name);
            assert_eq!((cost.parameters, cost.multiply_adds), (parameters, multiply_adds), "{name}: {cost:?}");
        }
    }

    #[test]
    fn time_is_measured_with_as_many_threads_as_asked_for() {
        for (name, threads) in [("number", 3), ("identity", 1)] {
            let config = EncoderConfig::all().into_iter().find(|config| config.name() == name).unwrap();
            let part = Part::Encoder(config);
            let measured = part.measure(threads).unwrap();
            assert_eq!((measured.threads, measured.rows), (threads, ROWS));
            assert!(measured.forward_seconds > 0.0 && measured.step_seconds > 0.0, "{measured:?}");
        }
    }
}
