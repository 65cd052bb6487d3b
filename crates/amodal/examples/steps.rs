//! The time of steps of usual models made of our layers: `bench/steps.py` runs it beside PyTorch on the same weights and data.
//!
//! ```sh
//! cargo run --release --workspace --example steps -- WORKLOAD FOLDER [bfloat16]
//! ```
//!
//! FOLDER holds `weights.safetensors` (`0`, `1`, …, in the order of the module) and `data.safetensors`. It says how many
//! multiply-adds a step makes forward and the losses of the first steps, and then, for each line with a number on its input, the milliseconds of so many further steps.
use amodal::{
    Error, Result, Tokens,
    kernels::{Precision, log_likelihood, matmul, memory, multiply_adds, share_thread},
    layers::{
        Block, BlockConfig, CausalBlock, Deconvolve, LayerNorm, Linear, Norm, Normalize, Recurrent, conv,
        position::sinusoids, recurrent::Cell,
    },
    train::{AdamW, Step, device},
};
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{
    Embedding, EmbeddingConfig, PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use safetensors::SafeTensors;
use std::{env, fs, io, path::Path, time::Instant};

/// What a step of training is.
const STEP: Step = Step { learning_rate: 1e-3, weight_decay: 0.01, clip: 0.0 };
/// Steps whose losses are said.
const FIRST: usize = 5;

/// Four convolutions of stride 2, each with batch normalisation and ReLU, their mean, and a linear layer.
#[derive(Module, Debug)]
struct Cnn {
    convolutions: Vec<Conv2d>,
    norms: Vec<Norm>,
    head: Linear,
}

impl Cnn {
    fn new(out: usize, device: &Device) -> Self {
        let channels = [3, 32, 64, 128, 256];
        let convolution = |pair: &[usize]| {
            Conv2dConfig::new([pair[0], pair[1]], [3, 3])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device)
        };
        Self {
            convolutions: channels.windows(2).map(convolution).collect(),
            norms: channels[1..].iter().map(|channels| Norm::new(Normalize::Batch, *channels, device)).collect(),
            head: Linear::new(256, out, device),
        }
    }

    fn forward(&self, mut x: Tensor<4>) -> Result<Tensor<2>> {
        for (convolution, norm) in self.convolutions.iter().zip(&self.norms) {
            x = conv::activate(convolution, norm, x, None, false)?;
        }
        Ok(self.head.forward(x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim(2)))
    }
}

/// A transformer that tells the next of 8,192 words.
#[derive(Module, Debug)]
struct Lm {
    words: Embedding,
    places: Param<Tensor<2>>,
    blocks: Vec<CausalBlock>,
    norm: LayerNorm,
    head: Linear,
}

/// Pictures and texts, aligned.
#[derive(Module, Debug)]
struct Two {
    pictures: Cnn,
    words: Embedding,
    project: Linear,
    scale: Param<Tensor<1>>,
}

/// Numbers to a picture.
#[derive(Module, Debug)]
struct Dec {
    read: Linear,
    grid: Deconvolve,
}

/// An LSTM that tells the next of 2,048 words.
#[derive(Module, Debug)]
struct Lstm {
    words: Embedding,
    lstm: Recurrent,
    head: Linear,
}

/// ViT-B/32.
#[derive(Module, Debug)]
struct Vit {
    patches: Linear,
    class: Param<Tensor<3>>,
    places: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

/// The transformer of MiniLM.
#[derive(Module, Debug)]
struct MiniLm {
    words: Embedding,
    places: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

/// Tensors of a file.
struct Given {
    bytes: Vec<u8>,
}

impl Given {
    fn read(path: &Path) -> Result<Self> {
        Ok(Self { bytes: fs::read(path).map_err(|error| Error::data(path.display().to_string(), error.to_string()))? })
    }

    fn data(&self, name: &str) -> Result<(Vec<u8>, Vec<usize>)> {
        let wrong = |error: safetensors::SafeTensorError| Error::data(name, error.to_string());
        let file = SafeTensors::deserialize(&self.bytes).map_err(wrong)?;
        let tensor = file.tensor(name).map_err(wrong)?;
        Ok((tensor.data().to_vec(), tensor.shape().to_vec()))
    }

    fn floats<const D: usize>(&self, name: &str, device: &Device) -> Result<Tensor<D>> {
        let (bytes, shape) = self.data(name)?;
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    fn ids(&self, name: &str, device: &Device) -> Result<Tensor<2, Int>> {
        let (bytes, shape) = self.data(name)?;
        let values: Vec<i32> = bytemuck::pod_collect_to_vec(&bytes);
        let values: Vec<i64> = values.into_iter().map(i64::from).collect();
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }
}

/// Puts weights into a module, one after the other.
struct Put<'a> {
    weights: &'a Given,
    at: usize,
    device: &'a Device,
}

impl ModuleMapper for Put<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, before, mapper) = param.consume();
        let weights = self.weights.floats(&self.at.to_string(), self.device).expect("the file has all weights");
        assert_eq!(weights.dims(), before.dims(), "weights {}", self.at);
        self.at += 1;
        let weights = if self.device.is_autodiff() { weights.require_grad() } else { weights };
        Param::from_mapped_value(id, weights, mapper)
    }
}

/// The mean cross-entropy of rows of logits.
fn cross_entropy(logits: Tensor<2>, right: Tensor<1, Int>) -> Tensor<1> {
    let right = right.into_data().iter::<i64>().map(|id| id as usize).collect();
    log_likelihood(logits, right, 0.0).mean().neg()
}

fn unit(x: Tensor<2>) -> Tensor<2> {
    let length = x.clone().square().sum_dim(1).sqrt();
    x / length
}

fn places(time: usize, dim: usize, device: &Device) -> Param<Tensor<2>> {
    Param::from_tensor(sinusoids(time, dim, device))
}

/// Says the losses of a step repeated, then times as many as it is asked for.
fn run(mut step: impl FnMut() -> Result<f32>, first: usize) -> Result<()> {
    let (loss, count) = multiply_adds(&mut step);
    println!("MADE {count}");
    let losses = std::iter::once(loss).chain((1..first).map(|_| step()));
    let losses = losses.map(|loss| Ok(format!("{:.6}", loss?))).collect::<Result<Vec<_>>>()?;
    println!("READY {}", losses.join(" "));
    for line in io::stdin().lines() {
        let count = line.ok().and_then(|line| line.trim().parse::<usize>().ok()).unwrap_or(0);
        let mut times = Vec::new();
        for _ in 0..count {
            let start = Instant::now();
            step()?;
            times.push(format!("{:.3}", start.elapsed().as_secs_f64() * 1e3));
        }
        println!("{}", times.join(" "));
    }
    Ok(())
}

/// Steps of training.
fn train<M: Module>(model: M, given: &Given, device: &Device, loss: impl Fn(&M) -> Result<Tensor<1>>) -> Result<()> {
    let mut put = Put { weights: given, at: 0, device };
    let mut model = Some(model.map(&mut put));
    let (count, mut optimizer) = (put.at, AdamW::default());
    run(
        || {
            let now = model.take().expect("it is put back");
            let loss = loss(&now)?;
            let said = loss.clone().into_scalar::<f32>();
            let gradients = GradientsParams::from_grads(loss.backward(), &now);
            let names = (0..count).map(|at| at.to_string()).collect();
            model = Some(optimizer.step_named(now, names, gradients, STEP)?.0);
            Ok(said)
        },
        FIRST,
    )
}

/// Steps that only look.
fn look<M: Module>(model: M, given: &Given, device: &Device, made: impl Fn(&M) -> Result<Tensor<2>>) -> Result<()> {
    let model = model.map(&mut Put { weights: given, at: 0, device });
    run(|| Ok(made(&model)?.abs().mean().into_scalar::<f32>()), 1)
}

fn main() -> Result<()> {
    memory::keep(); // as the command does
    share_thread();
    let mut arguments = env::args().skip(1);
    let (Some(workload), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err(Error::data("", "expected a workload and a folder"));
    };
    match arguments.next().as_deref() {
        None => {}
        Some("bfloat16") => Precision::Bfloat16.choose()?,
        Some(other) => return Err(Error::data(other, "expected bfloat16 or nothing")),
    }
    let folder = Path::new(&folder);
    let (weights, data) =
        (Given::read(&folder.join("weights.safetensors"))?, Given::read(&folder.join("data.safetensors"))?);
    let looks = workload.starts_with("vit") || workload.starts_with("minilm");
    let device = if looks { device() } else { device().autodiff() };
    let device = &device;
    let embedding = |words, dim| EmbeddingConfig::new(words, dim).init(device);
    let block = |dim, num_heads| BlockConfig { dim, num_heads, dropout: 0.0 };
    let blocks =
        |count: usize, dim, heads| (0..count).map(|_| block(dim, heads).build(device)).collect::<Result<Vec<Block>>>();
    match workload.trim_end_matches(char::is_numeric) {
        "cnn" => {
            let (x, y) = (data.floats::<4>("x", device)?, data.ids("y", device)?);
            let loss = |model: &Cnn| Ok(cross_entropy(model.forward(x.clone())?, y.clone().flatten(0, 1)));
            train(Cnn::new(10, device), &weights, device, loss)
        }
        "lm" => {
            let (t, y) = (data.ids("t", device)?, data.ids("y", device)?);
            let model = Lm {
                words: embedding(8192, 256),
                places: places(64, 256, device),
                blocks: (0..4).map(|_| CausalBlock::new(&block(256, 4), false, device)).collect::<Result<_>>()?,
                norm: LayerNorm::new(256, device),
                head: Linear::new(256, 8192, device),
            };
            let loss = |model: &Lm| {
                let mut x = model.words.forward(t.clone()) + model.places.val().unsqueeze();
                for block in &model.blocks {
                    x = block.forward(x, &mut None, None, None);
                }
                let logits: Tensor<2> = model.head.forward(model.norm.forward(x)).flatten(0, 1);
                Ok(cross_entropy(logits, y.clone().flatten(0, 1)))
            };
            train(model, &weights, device, loss)
        }
        "two" => {
            let (x, t) = (data.floats::<4>("x", device)?, data.ids("t", device)?);
            let model = Two {
                pictures: Cnn::new(128, device),
                words: embedding(8192, 256),
                project: Linear::new(256, 128, device),
                scale: Param::from_tensor(Tensor::zeros([1], device)),
            };
            let loss = |model: &Two| {
                let pictures = unit(model.pictures.forward(x.clone())?);
                let words = model.words.forward(t.clone()).mean_dim(1).squeeze_dim(1);
                let texts = unit(model.project.forward(words));
                let scores = matmul(pictures, texts.transpose()) * model.scale.val().exp().unsqueeze();
                let right = Tensor::<1, Int>::arange(0..128, device);
                let both = cross_entropy(scores.clone(), right.clone()) + cross_entropy(scores.transpose(), right);
                Ok(both / 2.0)
            };
            train(model, &weights, device, loss)
        }
        "dec" => {
            let (z, x) = (data.floats::<2>("z", device)?, data.floats::<4>("x", device)?);
            let grid = Deconvolve::new(&[256, 128, 64, 32], 3, [64, 64], device)?;
            let model = Dec { read: Linear::new(128, grid.input(), device), grid };
            let loss = |model: &Dec| {
                let made = model.grid.forward(model.grid.unfold(model.read.forward(z.clone())))?;
                Ok((made - x.clone()).square().mean())
            };
            train(model, &weights, device, loss)
        }
        "lstm" => {
            let (t, y) = (data.ids("t", device)?, data.ids("y", device)?);
            let model = Lstm {
                words: embedding(2048, 256),
                lstm: Recurrent::new(Cell::Lstm, 256, 512, false, device),
                head: Linear::new(512, 2048, device),
            };
            let mask = Tensor::ones(t.dims(), device);
            let loss = |model: &Lstm| {
                let states = model.lstm.forward(model.words.forward(t.clone()), &mask);
                let logits: Tensor<2> = model.head.forward(states).flatten(0, 1);
                Ok(cross_entropy(logits, y.clone().flatten(0, 1)))
            };
            train(model, &weights, device, loss)
        }
        "vit" => {
            let x = data.floats::<4>("x", device)?;
            let model = Vit {
                patches: Linear::new(3 * 32 * 32, 768, device),
                class: Param::from_tensor(Tensor::zeros([1, 1, 768], device)),
                places: places(50, 768, device),
                blocks: blocks(12, 768, 12)?,
                norm: LayerNorm::new(768, device),
                head: Linear::new(768, 512, device),
            };
            let made = |model: &Vit| {
                let [batch, _, _, _] = x.dims();
                let patches = x.clone().reshape([batch, 3, 7, 32, 7, 32]).permute([0, 2, 4, 1, 3, 5]);
                let patches = model.patches.forward(patches.reshape([batch, 49, 3 * 32 * 32]));
                let class = model.class.val().expand([batch, 1, 768]);
                let values = Tensor::cat(vec![class, patches], 1) + model.places.val().unsqueeze();
                let mut tokens = Tokens { values, mask: Tensor::ones([batch, 50], device) };
                for block in &model.blocks {
                    tokens = block.forward(&tokens);
                }
                let first: Tensor<2> = tokens.values.narrow(1, 0, 1).squeeze_dim(1);
                Ok(model.head.forward(model.norm.forward(first)))
            };
            look(model, &weights, device, made)
        }
        "minilm" => {
            let t = data.ids("t", device)?;
            let model = MiniLm {
                words: embedding(30522, 384),
                places: places(128, 384, device),
                blocks: blocks(6, 384, 12)?,
                norm: LayerNorm::new(384, device),
            };
            let made = |model: &MiniLm| {
                let values = model.words.forward(t.clone()) + model.places.val().unsqueeze();
                let mut tokens = Tokens { values, mask: Tensor::ones(t.dims(), device) };
                for block in &model.blocks {
                    tokens = block.forward(&tokens);
                }
                Ok(model.norm.forward(tokens.values).mean_dim(1).squeeze_dim(1))
            };
            look(model, &weights, device, made)
        }
        other => Err(Error::data(other, "no such workload")),
    }
}
