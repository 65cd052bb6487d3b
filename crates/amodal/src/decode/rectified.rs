//! What decoders that move noise to what is drawn share: the ways that lead there (rectified flow).
use super::{Sampling, canvas::Canvas, clip};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{Absent, Linear},
    types::{Build, within},
};
use burn::tensor::{Device, Distribution, Tensor, TensorData, activation::sigmoid};

/// Middle and deviation of a time's logit in training: most of them nearer to noise, where what is drawn is decided (Li and
/// He 2025, arXiv:2511.13720, table 3).
const TIME: [f64; 2] = [-0.8, 0.8];
/// The least that the rest of the way counts as, so that no error weighs without bound.
const REST: f64 = 0.05;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Medium {
    Picture,
    Sound,
    Clip,
}

/// The ways to what is drawn, and how they are gone.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    pub(crate) medium: Medium,
    /// Frames, of a sound its windows; channels; height and width, of a sound 1 and its bands.
    pub(crate) size: [usize; 4],
    /// Probability that a row is drawn without what is asked for in training.
    pub(crate) withheld: f64,
    /// How many times as far as what is asked for leads from what is drawn without it.
    pub(crate) guidance: f64,
    /// Steps from noise to what is drawn.
    pub(crate) steps: usize,
}

impl Ways {
    /// To the target.
    ///
    /// # Errors
    /// [`crate::Error::Config`] at an option out of its range, or where the target is neither a picture nor a sound of fixed length
    /// nor a clip.
    pub(crate) fn new(withheld: f64, guidance: f64, steps: usize, build: &Build) -> Result<Self> {
        within("steps", steps as f64, 1.0, 1000.0)?;
        within("withheld", withheld, 0.0, 0.9)?;
        within("guidance", guidance, 0.0, 100.0)?;
        let (medium, size) = if build.dims.contains_key("target.frames") {
            let [frames, height, width] = clip::size(build)?;
            (Medium::Clip, [frames, 3, height, width])
        } else {
            let Canvas { channels, size: [height, width], is_sound } = Canvas::new(build)?;
            match is_sound {
                true => (Medium::Sound, [height, 1, 1, width]),
                false => (Medium::Picture, [1, channels, height, width]),
            }
        };
        Ok(Self { medium, size, withheld, guidance, steps })
    }

    /// Channels, height and width of a picture that holds all: the frames of a clip are channels, the windows of a sound its
    /// height.
    pub(crate) fn canvas(&self) -> [usize; 3] {
        let [frames, channels, height, width] = self.size;
        match self.medium {
            Medium::Sound => [1, frames, width],
            Medium::Picture | Medium::Clip => [frames * channels, height, width],
        }
    }

    /// A target as `[batch, frames, channels, height, width]`, and which of its frames are real, `[batch, frames]`.
    fn read(&self, target: &Input) -> Result<(Tensor<5>, Tensor<2>)> {
        let [frames, _, _, bands] = self.size;
        Ok(match self.medium {
            Medium::Clip => clip::read(target, frames)?,
            Medium::Sound => (target.series()?.reshape([-1, frames as i64, 1, 1, bands as i64]), target.mask.clone()),
            Medium::Picture => (target.image()?.unsqueeze_dim(1), target.mask.clone().narrow(1, 0, 1)),
        })
    }

    /// What was drawn, `[batch, frames, channels, height, width]`.
    fn show(&self, drawn: Tensor<5>) -> Prediction {
        match self.medium {
            Medium::Clip => Prediction::Video(drawn),
            Medium::Sound => Prediction::Values(drawn.flatten(2, 4)),
            Medium::Picture => Prediction::Image(drawn.squeeze_dim(1)),
        }
    }

    /// Noise, times and which rows are told what is asked: drawn anew where gradients are recorded, and always the same
    /// otherwise, so that losses can be compared.
    fn chances(&self, batch: usize, device: &Device) -> (Tensor<5>, Tensor<1>, Tensor<2>) {
        let [frames, channels, height, width] = self.size;
        let [middle, deviation] = TIME;
        let shape = [batch, frames, channels, height, width];
        if device.is_autodiff() {
            let time = Tensor::random([batch], Distribution::Normal(middle, deviation), device);
            let drawn: Tensor<2> = Tensor::random([batch, 1], Distribution::Uniform(0.0, 1.0), device);
            let noise = Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
            return (noise, sigmoid(time), drawn.greater_equal_elem(self.withheld).float());
        }
        // evenly over the times that are drawn: within a deviation and a half
        let time = |row: usize| ((row as f64 + 0.5) / batch as f64 * 3.0 - 1.5) * deviation + middle;
        let times: Vec<f32> = (0..batch).map(|row| time(row) as f32).collect();
        let times = Tensor::from_data(TensorData::new(times, [batch]), device);
        let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
        let noise = sampling.noise(batch, shape[1..].iter().product(), device).reshape(shape);
        (noise, sigmoid(times), Tensor::ones([batch, 1], device))
    }
}

/// Foretells what is drawn from what it is on its way.
pub(crate) trait Foretell {
    /// The ways that are gone.
    fn ways(&self) -> &Ways;

    /// What reads what is asked, and what stands for it where nothing is.
    fn reader(&self) -> (&Linear, &Absent);

    /// What is drawn, as foretold of `x`, `[batch, frames, channels, height, width]`, at `time`, `[batch]`, of its way; to the
    /// same shape.
    fn foretell(&self, x: Tensor<5>, time: &Tensor<1>, asked: &Tokens) -> Result<Tensor<5>>;

    /// Whether all pairs of tokens fit.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where they do not.
    fn check(&self, fused: &Tokens) -> Result<()>;
}

/// What is asked for, where `stays`, `[batch, 1]`, is 1.
fn asked(network: &impl Foretell, fused: &Tokens, stays: Tensor<2>) -> Tokens {
    let (linear, absent) = network.reader();
    let values = linear.forward(fused.values.clone()) * fused.mask.clone().unsqueeze_dim(2);
    absent.stand_in(&Tokens { values: values * stays.clone().unsqueeze_dim(2), mask: fused.mask.clone() * stays })
}

/// `[batch, tokens, dim]` to pictures `[batch, 3, height, width]`, spectrograms `[batch, time, bands]` or clips
/// `[batch, time, 3, height, width]`; given them, to the squared error of the velocity that leads to them.
pub(crate) fn decode(network: &impl Foretell, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
    let Some(target) = target else { return generate(network, fused, &Sampling::default()) };
    network.check(fused)?;
    let ways = network.ways();
    let (target, mask) = ways.read(target)?;
    let (noise, time, stays) = ways.chances(target.dims()[0], &target.device());
    let rest = time.clone().neg().add_scalar(1.0);
    let over = |time: Tensor<1>| -> Tensor<5> { time.reshape([-1, 1, 1, 1, 1]) };
    let x = target.clone() * over(time.clone()) + noise * over(rest.clone());
    let off = (network.foretell(x, &time, &asked(network, fused, stays))? - target) / over(rest.clamp_min(REST));
    let off: Tensor<2> = off.powi_scalar(2).flatten::<3>(2, 4).mean_dim(2).squeeze_dim(2);
    Ok(Prediction::Loss((off * mask.clone()).sum() / mask.sum().clamp_min(1.0)))
}

/// What noise, drawn as `sampling` says, is moved to.
pub(crate) fn generate(network: &impl Foretell, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
    network.check(fused)?;
    let ways = network.ways();
    let ([batch, ..], device) = (fused.values.dims(), fused.values.device());
    let [frames, channels, height, width] = ways.size;
    let shape = [batch, frames, channels, height, width];
    let mut x: Tensor<5> = sampling.noise(batch, shape[1..].iter().product(), &device).reshape(shape);
    let told = asked(network, fused, Tensor::ones([batch, 1], &device));
    let nothing = asked(network, fused, Tensor::zeros([batch, 1], &device));
    let velocity = |x: &Tensor<5>, at: f64| -> Result<Tensor<5>> {
        let time = Tensor::full([batch], at, &device);
        let mut drawn = network.foretell(x.clone(), &time, &told)?;
        if ways.guidance != 1.0 {
            let plain = network.foretell(x.clone(), &time, &nothing)?;
            drawn = (drawn - plain.clone()) * ways.guidance + plain;
        }
        Ok((drawn - x.clone()) / (1.0 - at))
    };
    for step in 0..ways.steps {
        let [now, then] = [step, step + 1].map(|step| step as f64 / ways.steps as f64);
        let along = velocity(&x, now)?;
        let ahead = x.clone() + along.clone() * (then - now);
        // the mean of the velocities at both ends (Heun); at the end there is none
        x = match step + 1 == ways.steps {
            true => ahead,
            false => x + (along + velocity(&ahead, then)?) * ((then - now) / 2.0),
        };
    }
    Ok(ways.show(x))
}
