//! A picture as a row of tokens that a transformer writes like a text.
use super::{
    Decode, Sampling,
    sampling::{State, Stepwise, Units, previous, write},
};
use crate::{
    Input, Prediction, Result, Tokens,
    kernels::matmul,
    layers::{BlockConfig, CausalBlock, Deconvolve, Halve, LayerNorm, Linear, attention::check_pairs, conv::convolve},
    types::{Build, at_least, widths, within},
};
use burn::module::{Module, Param};
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, Initializer,
    conv::{Conv2d, Conv2dConfig},
};
use burn::tensor::{
    Int, Tensor,
    activation::{log_softmax, softmax},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a picture: a discrete autoencoder makes a grid of tokens of it, and a transformer writes such tokens behind the fused
/// ones, in one stream (DALL-E, Ramesh et al. 2021, arXiv:2102.12092). Takes the loss `own`. Differs: both are trained at
/// once; a token is a hard choice in training too, with the gradient of a soft one and no noise; that all tokens are used is
/// rewarded (as in wav2vec 2.0, Baevski et al. 2020, arXiv:2006.11477); and colours have an absolute and a squared error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageTokensConfig {
    /// Different tokens that a picture is made of.
    pub codes: usize,
    /// Channels of the small grid, one token a place, and behind each doubling but the last.
    pub channels: Vec<usize>,
    /// Softness of the choice of a token in training.
    pub softness: f64,
    /// Share of the loss that says how unevenly the tokens are used, from 0 to 1.
    pub spread: f64,
    /// Width of the transformer.
    pub dim: usize,
    /// Attention blocks.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for ImageTokensConfig {
    fn default() -> Self {
        Self {
            codes: 128,
            channels: vec![128, 64, 32],
            softness: 1.0,
            spread: 0.1,
            dim: 128,
            num_layers: 4,
            num_heads: 4,
            dropout: 0.0,
        }
    }
}

impl ImageTokensConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<ImageTokens> {
        at_least("codes", self.codes, 2)?;
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        widths("channels", &self.channels)?;
        within("softness", self.softness, 1e-2, 100.0)?;
        within("spread", self.spread, 0.0, 100.0)?;
        let size = build.picture()?;
        let (device, dim) = (build.device, self.dim);
        let draw = Deconvolve::new(&self.channels, 3, size, device)?;
        let [channels, height, width] = draw.grid();
        let up: Vec<usize> = self.channels.iter().rev().copied().collect();
        let small = Initializer::Normal { mean: 0.0, std: 0.02 };
        let block = BlockConfig { dim, num_heads: self.num_heads, dropout: self.dropout };
        let blocks = (0..self.num_layers).map(|_| CausalBlock::new(&block, false, device));
        Ok(ImageTokens {
            read: Halve::new(3, &up, device),
            choose: Conv2dConfig::new([channels, self.codes], [1, 1]).init(device),
            codes: EmbeddingConfig::new(self.codes, channels).init(device),
            draw,
            input: Linear::new(build.dim("fused")?, dim, device),
            begin: small.init([1, dim], device),
            places: small.init([height * width, dim], device),
            words: EmbeddingConfig::new(self.codes, dim).with_initializer(small).init(device),
            blocks: blocks.collect::<Result<_>>()?,
            norm: LayerNorm::new(dim, device),
            output: Linear::new(dim, self.codes, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            softness: self.softness,
            spread: self.spread,
            size: [height, width],
            num_heads: self.num_heads,
        })
    }
}

/// See [`ImageTokensConfig`].
#[derive(Module, Debug)]
pub struct ImageTokens {
    read: Halve,
    choose: Conv2d,
    /// What each token draws, `[codes, channels]`.
    codes: Embedding,
    draw: Deconvolve,
    input: Linear,
    /// Stands before the first token.
    begin: Param<Tensor<2>>,
    /// One vector a place of the grid.
    places: Param<Tensor<2>>,
    words: Embedding,
    blocks: Vec<CausalBlock>,
    norm: LayerNorm,
    output: Linear,
    dropout: Dropout,
    softness: f64,
    spread: f64,
    /// Height and width of the grid.
    size: [usize; 2],
    num_heads: usize,
}

impl ImageTokens {
    fn places(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Scores of each token at each place of pictures, `[batch, places, codes]`.
    fn scores(&self, image: Tensor<4>) -> Result<Tensor<3>> {
        Ok(convolve(&self.choose, self.read.forward(image)?)?.flatten::<3>(2, 3).swap_dims(1, 2))
    }

    /// What tokens draw, `[batch, places, channels]`, as a picture.
    fn draw(&self, values: Tensor<3>) -> Result<Tensor<4>> {
        let [batch, _, channels] = values.dims();
        let [height, width] = self.size;
        self.draw.forward(values.swap_dims(1, 2).reshape([batch, channels, height, width]))
    }

    /// The tokens before each place, `[batch, time]`, from place `start` on, as the transformer reads them.
    fn embed(&self, previous: Tensor<2, Int>, start: usize) -> Tensor<3> {
        let [batch, time] = previous.dims();
        let mut words = self.words.forward(previous);
        if start == 0 {
            let [_, dim] = self.begin.dims();
            let begin = self.begin.val().unsqueeze_dim::<3>(0).expand([batch, 1, dim]);
            words = match time {
                1 => begin,
                _ => Tensor::cat(vec![begin, words.narrow(1, 1, time - 1)], 1),
            };
        }
        self.dropout.forward(words + self.places.val().narrow(0, start, time).unsqueeze_dim(0))
    }
}

impl Decode for ImageTokens {
    /// `[batch, tokens, dim]` to pictures `[batch, 3, height, width]`; given them, to how badly the tokens draw them and the
    /// transformer foretells the tokens.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        let Some(target) = target else { return self.generate(fused, &Sampling::default()) };
        let image = target.image()?;
        let scores = self.scores(image.clone())?;
        let ([batch, places, codes], [_, before, _]) = (scores.dims(), fused.values.dims());
        check_pairs([batch, self.num_heads, before + places, before + places])?;
        let soft = softmax(scores.div_scalar(self.softness), 2);
        let chosen: Tensor<2, Int> = soft.clone().detach().argmax(2).squeeze_dim(2);
        let hard: Tensor<3> = chosen.clone().one_hot(codes).float();
        let choice = (hard - soft.clone().detach()) + soft.clone(); // the gradient is that of the soft choice
        let table = self.codes.weight.val().unsqueeze_dim::<3>(0).expand([batch, codes, self.codes.weight.dims()[1]]);
        let drawn = self.draw(matmul(choice, table))?;
        let present = target.mask.clone().narrow(1, 0, 1);
        let count = present.clone().sum().clamp_min(1.0);
        let off: Tensor<2> = (drawn - image).reshape([batch as i64, -1]);
        let error = (off.clone().powi_scalar(2) + off.abs()).mean_dim(1);
        // 1 where one token is chosen always, 0 where all are equally often
        let shown = present.clone().unsqueeze_dim::<3>(2);
        let usual: Tensor<1> =
            (soft * shown.clone()).sum_dim(0).sum_dim(1).flatten(0, 2) / (count.clone() * places as f64);
        let uneven = (usual.clone() * usual.add_scalar(1e-9).log()).sum().div_scalar((codes as f64).ln()) + 1.0;

        let mut x =
            Tensor::cat(vec![self.input.forward(fused.values.clone()), self.embed(previous(chosen.clone()), 0)], 1);
        let mask = Tensor::cat(vec![fused.mask.clone(), Tensor::ones([batch, places], &x.device())], 1);
        for block in &self.blocks {
            x = block.forward(x, &mut None, Some(&mask), None);
        }
        let logits = self.output.forward(self.norm.forward(x.narrow(1, before, places)));
        let foretold: Tensor<2> = log_softmax(logits, 2).gather(2, chosen.unsqueeze_dim(2)).squeeze_dim(2);
        let loss = error - foretold.mean_dim(1);
        Ok(Prediction::Loss((loss * present).sum() / count + uneven * self.spread))
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        let units = Units { longest: self.places(), are_text: false };
        let written = write(self, fused, units, sampling);
        let ids: Vec<i64> = written.iter().flat_map(|one| one.ids.iter().map(|id| i64::from(*id))).collect();
        let ids = burn::tensor::TensorData::new(ids, [written.len(), self.places()]);
        let ids = Tensor::<2, Int>::from_data(ids, &fused.values.device());
        Ok(Prediction::Image(self.draw(self.codes.forward(ids))?))
    }
}

impl Stepwise for ImageTokens {
    fn begin(&self, fused: &Tokens) -> State {
        let mut x = self.input.forward(fused.values.clone());
        let mut carried = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let mut past = None;
            x = block.forward(x, &mut past, Some(&fused.mask), None);
            carried.extend(past);
        }
        State { fixed: Vec::new(), mask: fused.mask.clone(), carried, attention: None, step: 0 }
    }

    fn step(&self, previous: Tensor<1, Int>, state: &mut State) -> Tensor<2> {
        let mut x = self.embed(previous.unsqueeze_dim(1), state.step);
        let [rows, _] = state.mask.dims();
        let mask = Tensor::cat(vec![state.mask.clone(), Tensor::ones([rows, state.step + 1], &x.device())], 1);
        let mut carried = std::mem::take(&mut state.carried).into_iter();
        for block in &self.blocks {
            let mut past = carried.next();
            x = block.forward(x, &mut past, Some(&mask), None);
            state.carried.extend(past);
        }
        self.output.forward(self.norm.forward(x)).squeeze_dim(1)
    }
}
