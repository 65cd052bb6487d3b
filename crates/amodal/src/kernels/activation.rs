//! Batch normalisation, ReLU and max-pooling in one pass over the pictures, on all cores.
//!
//! One after another they read and write every picture a dozen times; here a step reads it three times forward and
//! twice backward. The order of every sum follows from the shapes alone.
use super::{
    Wide, contiguous,
    extension::*,
    function::{LANES, sum},
    numbers, room, tensor, wide,
};
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::array::from_fn;

/// What follows a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activation {
    /// Normalise by the mean and variance over the batch, with this added to the variance.
    pub normalize: Option<f32>,
    /// Keep the largest of every 2×2 places; a last one without a neighbour stays.
    pub shrink: bool,
}

/// What [`activate`] makes.
#[derive(Clone, Debug)]
pub struct Activated {
    /// `[batch, channels, height, width]`, or half as high and wide, rounded up.
    pub values: Tensor<4>,
    /// `[channels]`: what the values were normalised by; zero where they were not. Without gradient.
    pub mean: Tensor<1>,
    /// `[channels]`: the variance over the batch; one where they were not normalised. Without gradient.
    pub variance: Tensor<1>,
}

/// `relu(x · scale + shift)`, zero where `mask` is, `x` normalised before and the result pooled after as `activation`
/// says (Ioffe and Szegedy 2015, arXiv:1502.03167).
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - `scale`, `shift`: `[channels]`
/// - `mask`: `[batch, height]` or `[batch, 1]`, 1 or 0
///
/// # Errors
/// [`crate::Error::Shape`] for any other.
pub fn activate(
    x: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    mask: Tensor<2>,
    activation: Activation,
) -> crate::Result<Activated> {
    let ([batch, channels, height, _], [rows, lines]) = (x.dims(), mask.dims());
    if scale.dims() != [channels] || shift.dims() != [channels] || rows != batch || (lines != 1 && lines != height) {
        let got = x.dims().into_iter().chain(mask.dims()).chain(scale.dims()).collect();
        let expected = "a scale and a shift a channel, and a mask `[batch, height]` or `[batch, 1]`";
        return Err(crate::Error::Shape { at: "activation".into(), expected, got });
    }
    let [x, scale, shift, mask] =
        [x.into_dispatch(), scale.into_dispatch(), shift.into_dispatch(), mask.into_dispatch()];
    let (values, mean, variance) = <Dispatch as Activate>::activate(x, scale, shift, mask, activation);
    let (mean, variance) = (Tensor::from_dispatch(mean), Tensor::from_dispatch(variance));
    Ok(Activated { values: Tensor::from_dispatch(values), mean, variance })
}

/// The activation as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Activate: Backend {
    fn activate(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        activation: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl Activate for Flex {
    fn activate(
        x: FlexTensor,
        scale: FlexTensor,
        shift: FlexTensor,
        mask: FlexTensor,
        activation: Activation,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (values, _, moments) = forward(&contiguous(x), scale, shift, mask, activation);
        let channels = moments.mean.len();
        (values, tensor(moments.mean, [channels]), tensor(moments.variance, [channels]))
    }
}

impl<C: CheckpointStrategy> Activate for Autodiff<Flex, C> {
    fn activate(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        activation: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let prepared = Derivative.prepare::<C>([x.node(), scale.node(), shift.node()]);
        let (x, scale) = (contiguous(x.into_primitive()), scale.into_primitive());
        let (values, picks, moments) =
            forward(&x, scale.clone(), shift.into_primitive(), mask.into_primitive(), activation);
        let channels = moments.mean.len();
        let mean = Self::FloatTensorPrimitive::new(tensor(moments.mean.clone(), [channels]));
        let variance = Self::FloatTensorPrimitive::new(tensor(moments.variance.clone(), [channels]));
        let values = match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let saved = Saved { x, scale, picks, moments, activation };
                prepared.finish(saved, values)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(values),
        };
        (values, mean, variance)
    }
}

#[derive(Debug)]
struct Derivative;

/// What the way back needs.
#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    scale: FlexTensor,
    picks: Vec<u8>,
    moments: Moments,
    activation: Activation,
}

impl Backward<Flex, 3> for Derivative {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let [of_x, of_scale, of_shift] = ops.parents;
        let shape = ops.state.x.shape();
        let sums = sums(&ops.state, numbers(&gradient));
        if let Some(node) = of_x {
            let found = spread(&ops.state, numbers(&gradient), &sums);
            gradients.register::<Flex>(node.id, tensor(found, shape));
        }
        let (shifts, scales): (Vec<f32>, Vec<f32>) = sums.into_iter().unzip();
        let channels = scales.len();
        if let Some(node) = of_scale {
            gradients.register::<Flex>(node.id, tensor(scales, [channels]));
        }
        if let Some(node) = of_shift {
            gradients.register::<Flex>(node.id, tensor(shifts, [channels]));
        }
    }
}

/// What a batch is normalised by, a channel each.
#[derive(Clone, Debug)]
struct Moments {
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// `1 / sqrt(variance + epsilon)`.
    inverse: Vec<f32>,
}

/// Where no place was picked, because none was above zero.
const NONE: u8 = 4;

/// Height and width after pooling.
fn made(height: usize, width: usize, activation: Activation) -> [usize; 2] {
    if activation.shrink { [height.div_ceil(2), width.div_ceil(2)] } else { [height, width] }
}

fn forward(
    x: &FlexTensor,
    scale: FlexTensor,
    shift: FlexTensor,
    mask: FlexTensor,
    activation: Activation,
) -> (FlexTensor, Vec<u8>, Moments) {
    let [batch, channels, height, width] = x.shape().dims();
    let (values, mask) = (numbers(x), contiguous(mask));
    let (scale, shift, mask) = (contiguous(scale), contiguous(shift), numbers(&mask));
    let moments = match activation.normalize {
        Some(epsilon) => moments(values, batch, channels, epsilon),
        None => Moments { mean: vec![0.0; channels], variance: vec![1.0; channels], inverse: vec![1.0; channels] },
    };
    let factors: Vec<(f32, f32)> = (0..channels)
        .map(|channel| {
            let factor = numbers(&scale)[channel] * moments.inverse[channel];
            (factor, numbers(&shift)[channel] - moments.mean[channel] * factor)
        })
        .collect();
    let [high, across] = made(height, width, activation);
    let (mut values_made, mut picks) =
        (room(batch * channels * high * across), vec![0; batch * channels * high * across]);
    let (plane, lines) = (height * width, mask.len() / batch.max(1));
    let pictures = values_made.par_chunks_mut((channels * high * across).max(1));
    let pictures = pictures.zip(picks.par_chunks_mut((channels * high * across).max(1)));
    pictures.enumerate().for_each(|(at, (made, picks))| {
        let real = &mask[at * lines..][..lines];
        let picture = &values[at * channels * plane..][..channels * plane];
        wide(Pictures { picture, made, picks, real, factors: &factors, size: [height, width], activation });
    });
    (tensor(values_made, [batch, channels, high, across]), picks, moments)
}

/// One picture of the batch.
struct Pictures<'a> {
    picture: &'a [f32],
    made: &'a mut [f32],
    picks: &'a mut [u8],
    real: &'a [f32],
    factors: &'a [(f32, f32)],
    size: [usize; 2],
    activation: Activation,
}

impl Wide for Pictures<'_> {
    #[inline(always)]
    fn run(self) {
        let [height, width] = self.size;
        let [high, wide] = made(height, width, self.activation);
        let planes = self.picture.chunks_exact(height * width).zip(self.made.chunks_exact_mut(high * wide));
        for ((x, made), (picks, factors)) in planes.zip(self.picks.chunks_exact_mut(high * wide).zip(self.factors)) {
            for (line, (made, picks)) in made.chunks_exact_mut(wide).zip(picks.chunks_exact_mut(wide)).enumerate() {
                let is_real = |line: usize| self.real[line % self.real.len()] != 0.0;
                match self.activation.shrink {
                    false if is_real(line) => lines_one(&x[line * width..][..width], *factors, made, picks),
                    true => {
                        let row = |line: usize| {
                            let there = line < height && is_real(line);
                            there.then(|| &x[line * width..][..width])
                        };
                        lines_two(row(2 * line), row(2 * line + 1), *factors, made, picks);
                    }
                    false => {
                        made.fill(0.0);
                        picks.fill(NONE);
                    }
                }
            }
        }
    }
}

/// ReLU of one line.
#[inline(always)]
fn lines_one(x: &[f32], (factor, offset): (f32, f32), made: &mut [f32], picks: &mut [u8]) {
    for ((x, made), pick) in x.iter().zip(made).zip(picks) {
        let value = x * factor + offset;
        *made = value.max(0.0);
        *pick = if value > 0.0 { 0 } else { NONE };
    }
}

/// ReLU of two lines, and the largest of every two by two; a line may be absent.
#[inline(always)]
fn lines_two(
    first: Option<&[f32]>,
    second: Option<&[f32]>,
    (factor, offset): (f32, f32),
    made: &mut [f32],
    picks: &mut [u8],
) {
    let (first, second, skip) = match (first, second) {
        (Some(first), Some(second)) => (first, second, 0),
        (Some(first), None) => (first, first, 0), // a tie goes to the first
        (None, Some(second)) => (second, second, 2),
        (None, None) => {
            made.fill(0.0);
            return picks.fill(NONE);
        }
    };
    let value = |x: f32| x * factor + offset;
    let pairs = first.chunks_exact(2).zip(second.chunks_exact(2));
    for ((a, b), (made, pick)) in pairs.zip(made.iter_mut().zip(picks.iter_mut())) {
        let (a0, a1, b0, b1) = (value(a[0]), value(a[1]), value(b[0]), value(b[1]));
        let (a, left) = if a1 > a0 { (a1, 1) } else { (a0, 0) };
        let (b, right) = if b1 > b0 { (b1, 3) } else { (b0, 2) };
        let (best, at) = if b > a { (b, right) } else { (a, left + skip) };
        *made = best.max(0.0);
        *pick = if best > 0.0 { at } else { NONE };
    }
    if let (1, Some(last)) = (first.len() % 2, first.len().checked_sub(1)) {
        let (a, b) = (value(first[last]), value(second[last]));
        let (best, at) = if b > a { (b, 2) } else { (a, skip) };
        made[last / 2] = best.max(0.0);
        picks[last / 2] = if best > 0.0 { at } else { NONE };
    }
}

/// Mean and variance over the batch and all places, of every channel.
fn moments(x: &[f32], batch: usize, channels: usize, epsilon: f32) -> Moments {
    let plane = x.len() / (batch * channels).max(1);
    let count = (batch * plane).max(1) as f64;
    let found: Vec<(f32, f32)> = (0..channels)
        .into_par_iter()
        .map(|channel| {
            let planes = || (0..batch).map(|at| &x[(at * channels + channel) * plane..][..plane]);
            let sum = |middle: Option<f32>| {
                let mut total = 0.0;
                planes().for_each(|plane| wide(Total { plane, middle, total: &mut total }));
                total
            };
            let middle = (sum(None) / count) as f32;
            (middle, (sum(Some(middle)) / count) as f32)
        })
        .collect();
    let (mean, variance): (Vec<f32>, Vec<f32>) = found.into_iter().unzip();
    let inverse = variance.iter().map(|variance| 1.0 / (variance + epsilon).sqrt()).collect();
    Moments { mean, variance, inverse }
}

/// Adds the sum of a plane, or of its squared distances from the middle.
struct Total<'a> {
    plane: &'a [f32],
    middle: Option<f32>,
    total: &'a mut f64,
}

impl Wide for Total<'_> {
    #[inline(always)]
    fn run(self) {
        *self.total += f64::from(match self.middle {
            Some(middle) => sum(self.plane, self.plane, |x, _| (x - middle) * (x - middle)),
            None => sum(self.plane, self.plane, |x, _| x),
        });
    }
}

/// Of the gradient of what was made at a place, what goes to the place of this number.
#[inline(always)]
fn share(pick: u8, number: u8, gradient: f32) -> f32 {
    f32::from_bits(gradient.to_bits() & u32::from(pick == number).wrapping_neg()) // a branch would be guessed wrongly
}

/// What one line that was made came from: it, or two of them, of which the second may be missing.
#[inline(always)]
fn sources(line: usize, width: usize, all: usize, activation: Activation) -> (usize, Option<usize>) {
    match activation.shrink {
        true => (2 * line * width, Some((2 * line + 1) * width).filter(|second| *second < all)),
        false => (line * width, None),
    }
}

/// The sums of a plane: of the gradient, and of it times what stood above the mean.
struct Sums<'a> {
    x: &'a [f32],
    picks: &'a [u8],
    gradient: &'a [f32],
    width: usize,
    mean: f32,
    activation: Activation,
    sums: &'a mut [f32; 2],
}

impl Wide for Sums<'_> {
    #[inline(always)]
    fn run(self) {
        let (mut shifts, mut scales) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let (x, mean, width) = (self.x, self.mean, self.width);
        let wide = if self.activation.shrink { width.div_ceil(2) } else { width };
        if !self.activation.shrink {
            let (xs, rest) = x.as_chunks::<LANES>();
            let (picks, gradients) = (self.picks.as_chunks::<LANES>(), self.gradient.as_chunks::<LANES>());
            for ((x, picks), gradient) in xs.iter().zip(picks.0).zip(gradients.0) {
                let gradient: [f32; LANES] = from_fn(|lane| share(picks[lane], 0, gradient[lane]));
                shifts = from_fn(|lane| shifts[lane] + gradient[lane]);
                scales = from_fn(|lane| scales[lane] + gradient[lane] * (x[lane] - mean));
            }
            for ((x, pick), gradient) in rest.iter().zip(picks.1).zip(gradients.1) {
                let gradient = share(*pick, 0, *gradient);
                shifts[0] += gradient;
                scales[0] += gradient * (x - mean);
            }
        } else {
            for (line, (picks, gradient)) in
                self.picks.chunks_exact(wide).zip(self.gradient.chunks_exact(wide)).enumerate()
            {
                let (first, second) = sources(line, width, x.len(), self.activation);
                for (number, start) in [(0, Some(first)), (2, second)] {
                    let Some(start) = start else { continue };
                    let (pairs, last) = x[start..][..width].as_chunks::<2>();
                    let (pairs, rest) = pairs.as_chunks::<LANES>();
                    let (lots, others) = (picks.as_chunks::<LANES>(), gradient.as_chunks::<LANES>());
                    for ((pairs, picks), gradient) in pairs.iter().zip(lots.0).zip(others.0) {
                        let of = |side: u8| -> [f32; LANES] {
                            from_fn(|lane| share(picks[lane], number + side, gradient[lane]))
                        };
                        let (left, right) = (of(0), of(1));
                        shifts = from_fn(|lane| shifts[lane] + left[lane] + right[lane]);
                        scales = from_fn(|lane| {
                            let [x, y] = pairs[lane];
                            scales[lane] + left[lane] * (x - mean) + right[lane] * (y - mean)
                        });
                    }
                    let rest = rest.iter().copied().chain(last.iter().map(|x| [*x, mean]));
                    for (([x, y], pick), gradient) in rest.zip(lots.1).zip(others.1) {
                        let (left, right) = (share(*pick, number, *gradient), share(*pick, number + 1, *gradient));
                        shifts[0] += left + right;
                        scales[0] += left * (x - mean) + right * (y - mean);
                    }
                }
            }
        }
        *self.sums = [shifts.iter().sum(), scales.iter().sum()];
    }
}

/// The gradient of a plane of what was read: that of what was made, where it was picked, times `factor`, and what each number
/// moved of the mean and of the variance, `slope` times it and `offset`.
struct Spread<'a> {
    found: &'a mut [f32],
    x: &'a [f32],
    picks: &'a [u8],
    gradient: &'a [f32],
    width: usize,
    activation: Activation,
    line: [f32; 3],
}

impl Wide for Spread<'_> {
    #[inline(always)]
    fn run(self) {
        let [factor, slope, offset] = self.line;
        let width = self.width;
        if !self.activation.shrink {
            for (((found, x), pick), gradient) in self.found.iter_mut().zip(self.x).zip(self.picks).zip(self.gradient) {
                *found = x * slope + offset + factor * share(*pick, 0, *gradient);
            }
            return;
        }
        let wide = width.div_ceil(2);
        for (line, (picks, gradient)) in self.picks.chunks_exact(wide).zip(self.gradient.chunks_exact(wide)).enumerate()
        {
            let (first, second) = sources(line, width, self.x.len(), self.activation);
            for (number, start) in [(0, Some(first)), (2, second)] {
                let Some(start) = start else { continue };
                let (pairs, rest) = self.x[start..][..width].as_chunks::<2>();
                let (found, last) = self.found[start..][..width].as_chunks_mut::<2>();
                for (((found, x), pick), gradient) in found.iter_mut().zip(pairs).zip(picks).zip(gradient) {
                    found[0] = x[0] * slope + offset + factor * share(*pick, number, *gradient);
                    found[1] = x[1] * slope + offset + factor * share(*pick, number + 1, *gradient);
                }
                if let ([found], [x]) = (last, rest) {
                    *found = x * slope + offset + factor * share(picks[wide - 1], number, gradient[wide - 1]);
                }
            }
        }
    }
}

/// The gradients of shift and scale, a channel each.
fn sums(saved: &Saved, gradient: &[f32]) -> Vec<(f32, f32)> {
    let [batch, channels, height, width] = saved.x.shape().dims();
    let (x, plane) = (numbers(&saved.x), height * width);
    let places = gradient.len() / (batch * channels).max(1);
    let channel = |channel: usize| {
        let (mean, inverse) = (saved.moments.mean[channel], saved.moments.inverse[channel]);
        let (mut shift, mut scale) = (0.0_f64, 0.0_f64);
        for at in (0..batch).map(|at| at * channels + channel) {
            let mut sums = [0.0; 2];
            wide(Sums {
                x: &x[at * plane..][..plane],
                picks: &saved.picks[at * places..][..places],
                gradient: &gradient[at * places..][..places],
                width,
                mean,
                activation: saved.activation,
                sums: &mut sums,
            });
            shift += f64::from(sums[0]);
            scale += f64::from(sums[1] * inverse);
        }
        (shift as f32, scale as f32)
    };
    (0..channels).into_par_iter().map(channel).collect()
}

/// The gradient of `x`.
fn spread(saved: &Saved, gradient: &[f32], sums: &[(f32, f32)]) -> Vec<f32> {
    let [batch, channels, height, width] = saved.x.shape().dims();
    let (x, plane) = (numbers(&saved.x), height * width);
    let places = gradient.len() / (batch * channels).max(1);
    let scale = contiguous(saved.scale.clone());
    let count = (batch * plane).max(1) as f32;
    let mut found = room(x.len());
    found.par_chunks_mut(plane.max(1)).enumerate().for_each(|(at, found)| {
        let channel = at % channels;
        let (mean, inverse) = (saved.moments.mean[channel], saved.moments.inverse[channel]);
        let factor = numbers(&scale)[channel] * inverse;
        let (slope, offset) = match saved.activation.normalize {
            Some(_) => {
                // every place moved the mean and the variance
                let (shift, scale) = sums[channel];
                let slope = -factor * inverse * scale / count;
                (slope, -factor * shift / count - slope * mean)
            }
            None => (0.0, 0.0),
        };
        wide(Spread {
            found,
            x: &x[at * plane..][..plane],
            picks: &saved.picks[at * places..][..places],
            gradient: &gradient[at * places..][..places],
            width,
            activation: saved.activation,
            line: [factor, slope, offset],
        });
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{
        Device, Distribution, Tolerance,
        activation::relu,
        module::{batch_norm_train, max_pool2d},
        ops::MaxPoolOptions,
    };

    /// One operation after another, by burn.
    fn plain(x: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>, mask: Tensor<2>, activation: Activation) -> Tensor<4> {
        let [batch, channels, ..] = x.dims();
        let x = match activation.normalize {
            Some(epsilon) => batch_norm_train(x, scale, shift, f64::from(epsilon)).output,
            None => x * scale.reshape([1, channels, 1, 1]) + shift.reshape([1, channels, 1, 1]),
        };
        let x = relu(x) * mask.reshape([batch as i64, 1, -1, 1]);
        let options = MaxPoolOptions {
            kernel_size: [2, 2],
            stride: [2, 2],
            padding: [(0, 0); 2],
            dilation: [1, 1],
            ceil_mode: true,
        };
        if activation.shrink { max_pool2d(x, options) } else { x }
    }

    fn mask(batch: usize, lines: usize, device: &Device) -> Tensor<2> {
        let real = |at: i64| i64::from(at % 3 != 1);
        let values: Vec<i64> = (0..(batch * lines) as i64).map(real).collect();
        Tensor::<1>::from_data(values.as_slice(), device).reshape([batch, lines])
    }

    #[test]
    fn the_same_as_one_after_another() {
        let device = Device::flex().autodiff();
        device.seed(1);
        for shape in [[4, 3, 6, 8], [3, 2, 5, 7], [2, 5, 1, 1], [2, 3, 4, 33]] {
            for lines in [1, shape[2]] {
                for (normalize, shrink) in [(None, false), (None, true), (Some(1e-5), false), (Some(1e-5), true)] {
                    let activation = Activation { normalize, shrink };
                    let spread = Distribution::Uniform(-1.0, 1.0);
                    let x = Tensor::<4>::random(shape, spread, &device).require_grad();
                    let vector = || Tensor::<1>::random([shape[1]], spread, &device).require_grad();
                    let (scale, shift) = (vector(), vector());
                    let all = |made: Tensor<4>| {
                        let upstream = Tensor::arange(0..made.shape().num_elements() as i64, &device).float().sin();
                        let found = (made.clone() * upstream.reshape(made.dims())).sum().backward();
                        let gradients =
                            [scale.grad(&found).unwrap(), shift.grad(&found).unwrap()].map(|g| g.into_data());
                        let [scale, shift] = gradients;
                        [made.into_data(), x.grad(&found).unwrap().into_data(), scale, shift]
                    };
                    let mask = mask(shape[0], lines, &device);
                    let made = activate(x.clone(), scale.clone(), shift.clone(), mask.clone(), activation).unwrap();
                    let part = |x: &Tensor<4>| {
                        activate(
                            x.clone().narrow(0, 0, 1),
                            scale.clone(),
                            shift.clone(),
                            mask.clone().narrow(0, 0, 1),
                            Activation { normalize: None, shrink },
                        )
                        .unwrap()
                        .values
                        .into_data()
                    };
                    if normalize.is_none() {
                        part(&x).assert_approx_eq::<f32>(
                            &made.values.clone().narrow(0, 0, 1).into_data(),
                            Tolerance::absolute(1e-6),
                        );
                    }
                    let wanted = plain(x.clone(), scale.clone(), shift.clone(), mask, activation);
                    for (made, wanted) in all(made.values).iter().zip(&all(wanted)) {
                        made.assert_approx_eq::<f32>(wanted, Tolerance::absolute(5e-5));
                    }
                }
            }
        }
    }

    #[test]
    fn moments_are_those_of_the_batch() {
        let device = Device::flex();
        let x = Tensor::<4>::random([7, 2, 5, 6], Distribution::Normal(3.0, 2.0), &device);
        let [scale, shift] = [1.0, 0.0].map(|value| Tensor::<1>::full([2], value, &device));
        let normalized = Activation { normalize: Some(1e-5), shrink: false };
        let made =
            activate(x.clone(), scale.clone(), shift.clone(), Tensor::ones([7, 1], &device), normalized).unwrap();
        let places = x.clone().swap_dims(0, 1).reshape([2, 210]);
        let (variance, mean) = places.var_mean_bias(1);
        made.mean.into_data().assert_approx_eq::<f32>(&mean.reshape([2]).into_data(), Tolerance::absolute(1e-5));
        made.variance
            .into_data()
            .assert_approx_eq::<f32>(&variance.reshape([2]).into_data(), Tolerance::absolute(1e-4));
        let wrong = activate(x, scale, shift, Tensor::ones([7, 4], &device), normalized);
        assert!(matches!(wrong, Err(crate::Error::Shape { .. })));
    }
}
