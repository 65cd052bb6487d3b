//! What the tests over every registered part share: inputs of each layout, and parameters by name.
#![allow(dead_code)] // each test file uses its share
use amodal::{
    Input, Named, Prediction, Tokens,
    decode::{
        self, Decoder, DecoderConfig, attention_lstm::AttentionLstmConfig, deconv::DeconvConfig,
        deconv3d::Deconv3dConfig, flow::FlowConfig, image_tokens::ImageTokensConfig, spectrogram::SpectrogramConfig,
        unet::UnetConfig, vae::VaeConfig,
    },
    encode::{
        Encoder, EncoderConfig,
        alexnet::AlexnetConfig,
        bag::BagConfig,
        cnn::CnnConfig,
        frames::{FramesConfig, Time},
        gru::GruConfig,
        lstm::LstmConfig,
        number::NumberConfig,
        r2plus1d::{R2plus1dConfig, Steps},
        recurrent::RecurrentPool,
        resnet::{ResnetConfig, Stem},
        text_cnn::TextCnnConfig,
        transformer::{Positions, TransformerConfig},
        vit::{VitConfig, VitPool},
    },
    fuse::{
        FusionConfig,
        deepset::{self, DeepSetConfig},
        film::FilmConfig,
        relation,
    },
    layers::{Normalize, Pool},
    loss::{LossConfig, info_nce::InfoNceConfig},
    random::{Purpose, RngExt, random},
    types::{Build, Values},
};
use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Gradients, Int, Tensor, TensorData},
};

/// Ids, or words of the vocabulary.
pub(crate) const IDS: usize = 7;
/// Parts of speech.
pub(crate) const TAGS: usize = 4;
/// Numbers a step of a series.
pub(crate) const CHANNELS: usize = 5;
/// Steps of an input with time.
pub(crate) const TIME: usize = 6;
/// Rows of a batch, and how long each is; one is missing.
pub(crate) const LENGTHS: [usize; 5] = [6, 3, 1, 0, 4];

/// Numbers from -1 to 1, the same for the same seed.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut random = random(seed, 0, 0, Purpose::Synthetic);
    (0..count).map(|_| random.random::<f32>() * 2.0 - 1.0).collect()
}

/// A tensor of [`numbers`].
pub(crate) fn tensor<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers(shape.iter().product(), seed), shape), device)
}

/// A tensor of given numbers.
pub(crate) fn given<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// A tensor of ids.
pub(crate) fn ids(values: &[i64], shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// The values of a tensor.
pub(crate) fn list<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().into_data().iter::<f32>().collect()
}

/// Fails where two lists differ by more than `tolerance`, or are not finite.
#[track_caller]
pub(crate) fn assert_near(what: &str, left: &[f32], right: &[f32], tolerance: f32) {
    assert_eq!(left.len(), right.len(), "{what}: lengths");
    for (at, (a, b)) in left.iter().zip(right).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0_f32).max(b.abs()), "{what}: {a} and {b} at {at}");
    }
}

/// Fails where a value is not finite.
#[track_caller]
pub(crate) fn assert_finite(what: &str, values: &[f32]) {
    assert!(values.iter().all(|value| value.is_finite()), "{what}: not finite: {values:?}");
}

/// `[rows, time]`: 1 up to each row's length.
pub(crate) fn mask(lengths: &[usize], time: usize, device: &Device) -> Tensor<2> {
    let mask: Vec<f32> =
        lengths.iter().flat_map(|length| (0..time).map(move |at| f32::from(u8::from(at < *length)))).collect();
    given(&mask, [lengths.len(), time], device)
}

/// How an encoder's input is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Words.
    Words,
    /// Words with parts of speech.
    Tagged,
    /// Words that begin with vectors, of which some stay as they are.
    Vectors,
    /// A class.
    Class,
    /// Feature vectors of any length.
    Series,
    /// Feature vectors of one length.
    FixedSeries,
    /// Pictures.
    Image,
    /// Clips.
    Video,
}

impl Layout {
    pub(crate) const ALL: [Self; 8] = [
        Self::Words,
        Self::Tagged,
        Self::Vectors,
        Self::Class,
        Self::Series,
        Self::FixedSeries,
        Self::Image,
        Self::Video,
    ];

    /// What a modality of this layout tells an encoder.
    pub(crate) fn dims(self) -> Named<usize> {
        let dims: &[(&str, usize)] = match self {
            Self::Words => &[("input", IDS), ("words", IDS)],
            Self::Tagged => &[("input", IDS), ("words", IDS), ("tags", TAGS)],
            Self::Vectors => &[("input", IDS), ("words", IDS), ("vectors", 3), ("learned", 4)],
            Self::Class => &[("input", IDS)],
            Self::Series => &[("input", CHANNELS)],
            Self::FixedSeries => &[("input", CHANNELS), ("time", TIME)],
            Self::Image => &[("input", 3), ("height", 5), ("width", 3)],
            Self::Video => &[("input", 3), ("frames", TIME), ("height", 5), ("width", 3)],
        };
        dims.iter().map(|(name, dim)| (name.to_string(), *dim)).collect()
    }

    /// Rows of [`LENGTHS`], `time` long; what is real depends on the row alone, what is padding on `padding` too.
    pub(crate) fn input(self, time: usize, padding: u64, device: &Device) -> Input {
        let rows = LENGTHS.len();
        let time = if matches!(self, Self::Image | Self::Class) { 1 } else { time };
        let size = match self {
            Self::Words | Self::Tagged | Self::Vectors | Self::Class => 1,
            Self::Series | Self::FixedSeries => CHANNELS,
            Self::Image | Self::Video => 3 * 5 * 3,
        };
        let lengths: Vec<usize> = LENGTHS.iter().map(|length| (*length).min(time)).collect();
        let mut all = Vec::new();
        for (row, length) in lengths.iter().enumerate() {
            all.extend(numbers(TIME * size, 10 + row as u64).into_iter().take(length * size));
            all.extend(numbers((time - length) * size, 1000 + 10 * padding + row as u64));
        }
        let classes = |all: &[f32], count: usize| {
            let class = |value: &f32| ((value + 1.0) / 2.0 * count as f32).min(count as f32 - 1.0) as i64;
            ids(&all.iter().map(class).collect::<Vec<_>>(), [rows, time], device)
        };
        let values = match self {
            Self::Words | Self::Vectors | Self::Class => Values::Ids(classes(&all, IDS)),
            Self::Tagged => {
                let tags: Vec<f32> = all.iter().map(|value| (value * 50.0).fract()).collect();
                Values::Tagged { ids: classes(&all, IDS), tags: classes(&tags, TAGS) }
            }
            Self::Series | Self::FixedSeries => Values::Series(given(&all, [rows, time, CHANNELS], device)),
            Self::Image => Values::Image(given(&all, [rows, 3, 5, 3], device)),
            Self::Video => Values::Video(given(&all, [rows, time, 3, 5, 3], device)),
        };
        Input { values, mask: mask(&lengths, time, device), rows: None }
    }

    /// The part, where it can be built for this layout and reads it; [`shaken`].
    pub(crate) fn encoder(self, config: &EncoderConfig, device: &Device) -> Option<Encoder> {
        let encoder = shaken(config.build(&Build { dims: self.dims(), device }).ok()?.materialize());
        encoder.get().encode(&self.input(TIME, 0, device)).ok()?;
        Some(encoder)
    }
}

/// One row of an input.
pub(crate) fn row(input: &Input, row: usize) -> Input {
    let values = match &input.values {
        Values::Ids(values) => Values::Ids(values.clone().narrow(0, row, 1)),
        Values::Tagged { ids, tags } => {
            Values::Tagged { ids: ids.clone().narrow(0, row, 1), tags: tags.clone().narrow(0, row, 1) }
        }
        Values::Series(values) => Values::Series(values.clone().narrow(0, row, 1)),
        Values::Image(values) => Values::Image(values.clone().narrow(0, row, 1)),
        Values::Video(values) => Values::Video(values.clone().narrow(0, row, 1)),
    };
    Input { values, mask: input.mask.clone().narrow(0, row, 1), rows: None }
}

/// The values where tokens are real, 0 elsewhere.
pub(crate) fn real(tokens: &Tokens) -> Vec<f32> {
    list(&(tokens.values.clone() * tokens.mask.clone().unsqueeze_dim(2)))
}

/// Every registered encoder, and the options that change how one works.
pub(crate) fn encoders() -> Vec<EncoderConfig> {
    let mut all = EncoderConfig::all();
    all.push(EncoderConfig::Bag(BagConfig { hidden: vec![8], ..Default::default() }));
    for pool in [Pool::Mean, Pool::Flatten, Pool::Grid] {
        for (norm, depth) in [(Normalize::Batch, 1), (Normalize::None, 2)] {
            let channels = vec![4, 6];
            all.push(EncoderConfig::Cnn(CnnConfig { dim: 6, channels, depth, norm, pool, ..Default::default() }));
        }
    }
    let grid = Pool::Grid;
    all.push(EncoderConfig::Cnn(CnnConfig { pool: grid, coordinates: true, ..Default::default() }));
    all.push(EncoderConfig::Cnn(CnnConfig { pool: grid, non_local: vec![1, 2], ..Default::default() }));
    all.push(EncoderConfig::Alexnet(AlexnetConfig {
        stride: Some(2),
        norm: Normalize::LocalResponse,
        ..Default::default()
    }));
    let (coordinates, non_local) = (true, vec![1, 2]);
    all.push(EncoderConfig::Resnet(ResnetConfig { pool: grid, coordinates, non_local, ..Default::default() }));
    let (stem, pool) = (Stem::Large, Pool::Flatten);
    all.push(EncoderConfig::Resnet(ResnetConfig { stem, pool, ..Default::default() }));
    for pool in [VitPool::Class, VitPool::Grid] {
        all.push(EncoderConfig::Vit(VitConfig { patch: 2, pool, ..Default::default() }));
    }
    for pool in [RecurrentPool::Last, RecurrentPool::Mean, RecurrentPool::Steps] {
        let (num_layers, bidirectional) = (2, true);
        all.push(EncoderConfig::Gru(GruConfig { num_layers, bidirectional, pool, ..Default::default() }));
        all.push(EncoderConfig::Lstm(LstmConfig { num_layers, bidirectional, pool, ..Default::default() }));
    }
    for (positions, frames) in [(Positions::Learned, 1), (Positions::Rotary, 1), (Positions::Rotary, 4)] {
        all.push(EncoderConfig::Transformer(TransformerConfig { positions, frames, ..Default::default() }));
    }
    all.push(EncoderConfig::Frames(FramesConfig { time: Time::Mean, pool: Pool::Mean, ..Default::default() }));
    for (time_stride, depth, pool) in [(1, 2, Steps::Mean), (2, 1, Steps::Frames), (3, 1, Steps::Mean)] {
        let config =
            R2plus1dConfig { channels: vec![4, 6], depth, time_stride, pool, non_local: true, ..Default::default() };
        all.push(EncoderConfig::R2plus1d(config));
    }
    all
}

/// The same parts at small sizes, without dropout and batch statistics; a part without an arm is taken as it is.
pub(crate) fn small(config: EncoderConfig) -> EncoderConfig {
    match config {
        EncoderConfig::Alexnet(options) => {
            let norm = if options.norm == Normalize::Batch { Normalize::None } else { options.norm };
            let (channels, hidden) = (vec![6; 5], vec![8]);
            EncoderConfig::Alexnet(AlexnetConfig { dim: 4, channels, hidden, norm, dropout: 0.0, ..options })
        }
        EncoderConfig::Bag(options) => {
            let hidden = if options.hidden.is_empty() { Vec::new() } else { vec![5] };
            EncoderConfig::Bag(BagConfig { dim: 4, hidden, dropout: 0.0 })
        }
        EncoderConfig::Cnn(options) => EncoderConfig::Cnn(CnnConfig {
            dim: 4,
            channels: vec![3, 4],
            norm: Normalize::None,
            dropout: 0.0,
            ..options
        }),
        EncoderConfig::Gru(options) => EncoderConfig::Gru(GruConfig { dim: 4, ..options }),
        EncoderConfig::Lstm(options) => EncoderConfig::Lstm(LstmConfig { dim: 4, ..options }),
        EncoderConfig::Frames(options) => EncoderConfig::Frames(FramesConfig {
            dim: 4,
            channels: vec![3, 4],
            norm: Normalize::None,
            num_heads: 2,
            dropout: 0.0,
            ..options
        }),
        // a non-local block starts as the identity, without a gradient inside; tests/parity.rs has one that does not
        EncoderConfig::R2plus1d(options) => EncoderConfig::R2plus1d(R2plus1dConfig {
            dim: 4,
            channels: vec![3, 4],
            norm: Normalize::None,
            non_local: false,
            dropout: 0.0,
            ..options
        }),
        EncoderConfig::Number(_) => EncoderConfig::Number(NumberConfig { dim: 4, hidden: vec![5], dropout: 0.0 }),
        EncoderConfig::Resnet(options) => EncoderConfig::Resnet(ResnetConfig {
            dim: 4,
            channels: vec![3, 4],
            blocks: vec![1, 2],
            norm: Normalize::None,
            ..options
        }),
        EncoderConfig::TextCnn(_) => {
            EncoderConfig::TextCnn(TextCnnConfig { dim: 4, windows: vec![2, 3], channels: 3, dropout: 0.0 })
        }
        EncoderConfig::Transformer(options) => EncoderConfig::Transformer(TransformerConfig {
            dim: 4,
            num_layers: 2,
            num_heads: 2,
            max_length: 12,
            dropout: 0.0,
            ..options
        }),
        EncoderConfig::Vit(options) => {
            let num_layers = 2;
            EncoderConfig::Vit(VitConfig { dim: 4, patch: 2, num_layers, num_heads: 2, dropout: 0.0, ..options })
        }
        other => other,
    }
}

/// Every registered fusion, and the options that change how one works.
pub(crate) fn fusions() -> Vec<FusionConfig> {
    use relation::{Combine, RelationConfig};
    let mut all = FusionConfig::all();
    let transformer = amodal::fuse::transformer::TransformerConfig { class_token: true, ..Default::default() };
    all.push(FusionConfig::Transformer(transformer));
    for (condition, combine) in [(vec!["b"], Combine::Sum), (vec!["a", "b"], Combine::Mean)] {
        let condition = condition.into_iter().map(String::from).collect();
        all.push(FusionConfig::Relation(RelationConfig { condition, combine, ..Default::default() }));
    }
    for pool in [deepset::Pool::Mean, deepset::Pool::Max, deepset::Pool::Min] {
        all.push(FusionConfig::DeepSet(DeepSetConfig { dim: 32, pool, hidden: Vec::new() }));
    }
    all.push(FusionConfig::Film(FilmConfig { dim: 6, modulated: "b".into(), num_layers: 2 }));
    all
}

/// Every registered loss, and the options that change how one works.
pub(crate) fn losses() -> Vec<LossConfig> {
    let mut all = LossConfig::all();
    all.push(LossConfig::InfoNce(InfoNceConfig {
        dim: 6,
        memory: 4,
        temperature: 0.2,
        min_temperature: 0.1,
        ..Default::default()
    }));
    all
}

/// The same fusions at small sizes, without dropout; one without an arm is taken as it is.
pub(crate) fn small_fusion(mut config: FusionConfig) -> FusionConfig {
    match &mut config {
        FusionConfig::Bottleneck(options) => (options.dim, options.num_heads, options.dropout) = (4, 2, 0.0),
        FusionConfig::CrossAttention(options) => {
            (options.dim, options.num_layers, options.num_heads, options.dropout) = (4, 1, 2, 0.0);
        }
        FusionConfig::Relation(options) => (options.dim, options.hidden) = (4, vec![6, 5]),
        FusionConfig::Transformer(options) => (options.dim, options.num_heads, options.dropout) = (4, 2, 0.0),
        _ => {}
    }
    config
}

/// Three modalities of different widths and token counts. Rows: all three; all, padded; without `a`; without `b`;
/// `c` alone; none. Padding and missing tokens depend on `padding` too, at `scale`.
pub(crate) fn encoded(padding: u64, scale: f32, device: &Device) -> Named<Tokens> {
    let modality = |name: &str, tokens: usize, dim: usize, lengths: [usize; 6], seed: u64| {
        let mut all = Vec::new();
        for (row, length) in lengths.iter().enumerate() {
            all.extend(numbers(length * dim, seed + row as u64));
            let filled = numbers((tokens - length) * dim, 5000 + seed + row as u64 + 100 * padding);
            all.extend(filled.iter().map(|value| value * scale));
        }
        let values = given(&all, [6, tokens, dim], device);
        (name.to_string(), Tokens { values, mask: mask(&lengths, tokens, device) })
    };
    [
        modality("a", 3, 4, [3, 2, 0, 3, 0, 0], 20),
        modality("b", 1, 6, [1, 1, 1, 0, 0, 0], 40),
        modality("c", 2, 5, [2, 1, 2, 2, 1, 0], 60),
    ]
    .into()
}

/// Widths of [`encoded`], and of a prediction from it.
pub(crate) fn dims() -> Named<usize> {
    [("a", 4), ("b", 6), ("c", 5)].map(|(name, dim)| (name.to_string(), dim)).into()
}

/// Every parameter's place in a part, and its size.
pub(crate) fn parameters<M: Module>(part: &M) -> Vec<(String, usize)> {
    struct Walk(Vec<String>, Vec<(String, usize)>);
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push((self.0.join("."), param.val().dims().iter().product()));
        }
    }
    let mut walk = Walk(Vec::new(), Vec::new());
    part.visit(&mut walk);
    walk.1
}

/// Every parameter's gradient, in the order of [`parameters`]; none for a parameter that has none.
pub(crate) fn gradients<M: Module>(part: &M, gradients: Gradients) -> Vec<Option<Vec<f32>>> {
    struct Read(GradientsParams, Vec<Option<Vec<f32>>>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.0.remove::<D>(param.id);
            self.1.push(gradient.map(|gradient| gradient.into_data().iter::<f32>().collect()));
        }
    }
    let mut read = Read(GradientsParams::from_grads(gradients, part), Vec::new());
    part.visit(&mut read);
    read.1
}

/// The part with every parameter changed by up to 0.1: what begins as zero, so that a block begins as the identity, would
/// let nothing be seen of the rest of it.
pub(crate) fn shaken<M: Module>(part: M) -> M {
    struct Shake(u64);
    impl ModuleMapper for Shake {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let (id, tensor, mapper) = param.consume();
            let (device, shape, learned) = (tensor.device(), tensor.dims(), tensor.is_require_grad());
            let mut values = list(&tensor);
            values
                .iter_mut()
                .zip(numbers(tensor.shape().num_elements(), 300 + self.0))
                .for_each(|(value, by)| *value += 0.1 * by);
            let moved = Tensor::from_data(TensorData::new(values, shape), &device).set_require_grad(learned);
            Param::from_mapped_value(id, moved, mapper)
        }
    }
    part.map(&mut Shake(0))
}

/// The part with one entry of one parameter moved.
pub(crate) fn moved<M: Module>(part: &M, parameter: usize, entry: usize, by: f32) -> M {
    struct Move(usize, usize, usize, f32);
    impl ModuleMapper for Move {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            if self.0 - 1 != self.1 {
                return param;
            }
            let (id, tensor, mapper) = param.consume();
            let (device, shape) = (tensor.device(), tensor.dims());
            let mut values: Vec<f32> = tensor.inner().into_data().iter::<f32>().collect();
            values[self.2] += self.3;
            let tensor = Tensor::from_data(TensorData::new(values, shape), &device).require_grad();
            Param::from_mapped_value(id, tensor, mapper)
        }
    }
    part.clone().map(&mut Move(0, parameter, entry, by))
}

/// What a decoder is to make: every layout that a target can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Three classes.
    Classes,
    /// Three numbers.
    Numbers,
    /// A text of up to [`TIME`] of [`IDS`] units.
    Text,
    /// A text of one unit and its end.
    Word,
    /// A picture of 5 × 3.
    Image,
    /// A sound of [`TIME`] windows of 3 bands.
    Audio,
    /// A clip of [`TIME`] frames.
    Video,
}

impl Target {
    pub(crate) const ALL: [Self; 7] =
        [Self::Classes, Self::Numbers, Self::Text, Self::Word, Self::Image, Self::Audio, Self::Video];

    /// What a decoder is told of it, and of the width of what it decodes.
    pub(crate) fn dims(self) -> Named<usize> {
        let dims: &[(&str, usize)] = match self {
            Self::Classes | Self::Numbers => &[("target", 3)],
            Self::Text | Self::Word => &[("target", IDS), ("target.words", IDS), ("target.longest", TIME)],
            Self::Image => &[("target", 3), ("target.height", 5), ("target.width", 3)],
            Self::Audio => &[("target", 3), ("target.time", TIME)],
            Self::Video => &[("target", 3), ("target.height", 5), ("target.width", 3), ("target.frames", TIME)],
        };
        let dims = dims.iter().map(|(name, dim)| (name.to_string(), *dim));
        dims.chain([("fused".to_string(), CHANNELS)]).collect()
    }

    /// One of each row.
    pub(crate) fn input(self, rows: usize, device: &Device) -> Input {
        let id = |classes: usize, value: &f32| ((value + 1.0) / 2.0 * classes as f32).min(classes as f32 - 1.0) as i64;
        let some = |classes, time| {
            let all: Vec<i64> = numbers(rows * time, 5).iter().map(|value| id(classes, value)).collect();
            Values::Ids(ids(&all, [rows, time], device))
        };
        let (values, time) = match self {
            Self::Classes => (some(3, 1), 1),
            Self::Numbers => (Values::Series(tensor([rows, 1, 3], 5, device)), 1),
            Self::Text => (some(IDS, TIME), TIME),
            Self::Word => (Values::Ids(ids(&[3, 0].repeat(rows), [rows, 2], device)), 2),
            Self::Image => (Values::Image(tensor([rows, 3, 5, 3], 5, device)), 1),
            Self::Audio => (Values::Series(tensor([rows, TIME, 3], 5, device)), TIME),
            Self::Video => (Values::Video(tensor([rows, TIME, 3, 5, 3], 5, device)), TIME),
        };
        Input { values, mask: Tensor::ones([rows, time], device), rows: None }
    }
}

/// Each registered decoder, small, with what it is to make.
pub(crate) fn decoders(device: &Device) -> Vec<(&'static str, Decoder, Target)> {
    let mut all = Vec::new();
    let drawing = [
        DecoderConfig::Deconv3d(Deconv3dConfig { code: 2, deviation: 1.0, ..Deconv3dConfig::default() }),
        DecoderConfig::Frames(decode::frames::FramesConfig { code: 2, deviation: 1.0, ..Default::default() }),
    ];
    for config in DecoderConfig::all().into_iter().chain(drawing).map(small_decoder) {
        let before = all.len();
        for target in Target::ALL {
            let Ok(decoder) = config.build(&Build { dims: target.dims(), device }) else { continue };
            let decoder = decoder.materialize();
            let fused = Tokens { values: tensor([2, 1, CHANNELS], 1, device), mask: Tensor::ones([2, 1], device) };
            let made = decoder.get().decode(&fused, Some(&target.input(2, device))).unwrap();
            let suits = match (&made, target) {
                (Prediction::Logits(made), Target::Classes) => made.dims()[1] == 1,
                (Prediction::Logits(made), Target::Text) => made.dims()[1] == TIME,
                (Prediction::Values(made), Target::Numbers) => made.dims()[1] == 1,
                (Prediction::Values(made), Target::Audio) => made.dims()[1] == TIME,
                (Prediction::Loss(_), Target::Audio | Target::Word) => true,
                (Prediction::Image(_) | Prediction::Loss(_), Target::Image) => true,
                (Prediction::Video(_) | Prediction::Loss(_), Target::Video) => true,
                _ => false,
            };
            if suits {
                all.push((config.name(), decoder, target));
            }
        }
        assert!(all.len() > before, "{} makes nothing", config.name());
    }
    all
}

fn small_decoder(config: DecoderConfig) -> DecoderConfig {
    match config {
        DecoderConfig::AttentionLstm(_) => DecoderConfig::AttentionLstm(AttentionLstmConfig { dim: 4, dropout: 0.0 }),
        DecoderConfig::Lstm(_) => DecoderConfig::Lstm(decode::lstm::LstmConfig { dim: 4, dropout: 0.0 }),
        DecoderConfig::Transformer(config) => DecoderConfig::Transformer(decode::transformer::TransformerConfig {
            dim: 4,
            num_heads: 2,
            dropout: 0.0,
            ..config
        }),
        DecoderConfig::Vae(_) => DecoderConfig::Vae(VaeConfig { code: 3, channels: vec![4, 3], deviation: 1.0 }),
        DecoderConfig::ImageTokens(config) => DecoderConfig::ImageTokens(ImageTokensConfig {
            codes: 5,
            channels: vec![4, 3],
            dim: 4,
            num_layers: 1,
            num_heads: 2,
            ..config
        }),
        DecoderConfig::Spectrogram(config) => {
            DecoderConfig::Spectrogram(SpectrogramConfig { dim: 4, num_layers: 1, num_heads: 2, ..config })
        }
        DecoderConfig::Frames(config) => {
            DecoderConfig::Frames(decode::frames::FramesConfig { dim: 4, num_heads: 2, channels: vec![4, 3], ..config })
        }
        DecoderConfig::Deconv3d(config) => {
            DecoderConfig::Deconv3d(Deconv3dConfig { hidden: vec![5], channels: vec![4, 3], ..config })
        }
        DecoderConfig::Deconv(_) => DecoderConfig::Deconv(DeconvConfig { channels: vec![4, 3] }),
        DecoderConfig::Flow(config) => DecoderConfig::Flow(FlowConfig {
            dim: 4,
            num_layers: 3,
            num_heads: 2,
            patch: 2,
            withheld: 0.5,
            steps: 3,
            ..config
        }),
        DecoderConfig::Unet(config) => DecoderConfig::Unet(UnetConfig {
            channels: vec![4, 6],
            dim: 4,
            num_layers: 1,
            num_heads: 2,
            withheld: 0.5,
            steps: 3,
            ..config
        }),
        other => other,
    }
}

/// All numbers of what a decoder made.
pub(crate) fn made(prediction: &Prediction) -> Tensor<1> {
    match prediction {
        Prediction::Logits(values) | Prediction::Values(values) => values.clone().flatten(0, 2),
        Prediction::Image(values) => values.clone().flatten(0, 3),
        Prediction::Video(values) => values.clone().flatten(0, 4),
        Prediction::Loss(loss) => loss.clone(),
        Prediction::Text(_) => panic!("a text is not numbers"),
    }
}
