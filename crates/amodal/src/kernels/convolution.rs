//! Convolution of pictures on all cores.
//!
//! A group of pictures is unfolded, so that one product of matrices does the work (Chellapilla et al. 2006,
//! inria-00112631). Groups, and the order of every sum, follow from the shapes alone: the number of threads changes no bit.
use super::{
    contiguous,
    extension::*,
    matrix::{product, rows_of, turned},
    numbers,
    product::count,
    tensor,
};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// `[batch, output, height, width]`: a window over `x`, `[batch, input, height, width]`, weighted by `weight`,
/// `[output, input, kernel height, kernel width]`. `stride` and `padding` are down and across.
///
/// The same as burn's `conv2d`.
///
/// # Errors
/// [`crate::Error::Shape`] where the channels differ, or the window is larger than the padded picture.
pub fn convolve(x: Tensor<4>, weight: Tensor<4>, stride: [usize; 2], padding: [usize; 2]) -> crate::Result<Tensor<4>> {
    let ([batch, input, height, width], [output, channels, high, wide]) = (x.dims(), weight.dims());
    let geometry = Geometry { batch, input, size: [height, width], output, kernel: [high, wide], stride, padding };
    let fits = height + 2 * padding[0] >= high && width + 2 * padding[1] >= wide;
    if channels != input || !fits || stride.contains(&0) {
        let got = x.dims().into_iter().chain(weight.dims()).collect();
        let expected = "a picture with the channels of the weights, no smaller than the window";
        return Err(crate::Error::Shape { at: "convolution".into(), expected, got });
    }
    let made = <Dispatch as Convolve>::convolve(x.into_dispatch(), weight.into_dispatch(), geometry);
    let made = Tensor::from_dispatch(made);
    count(made.dims(), geometry.window());
    Ok(made)
}

/// Convolution as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Convolve: Backend {
    fn convolve(x: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self>;
}

impl Convolve for Flex {
    fn convolve(x: FlexTensor, weight: FlexTensor, geometry: Geometry) -> FlexTensor {
        let (x, weight) = (contiguous(x), contiguous(weight));
        let [height, width] = geometry.made();
        tensor(forward(&geometry, numbers(&x), numbers(&weight)), [geometry.batch, geometry.output, height, width])
    }
}

impl<C: CheckpointStrategy> Convolve for Autodiff<Flex, C> {
    fn convolve(x: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self> {
        let (prepared, x, weight) =
            (Derivative.prepare::<C>([x.node(), weight.node()]), x.into_primitive(), weight.into_primitive());
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let state = (x.clone(), weight.clone(), geometry);
                prepared.finish(state, Flex::convolve(x, weight, geometry))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(Flex::convolve(x, weight, geometry)),
        }
    }
}

#[derive(Debug)]
struct Derivative;

impl Backward<Flex, 2> for Derivative {
    type State = (FlexTensor, FlexTensor, Geometry);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let (x, weight, geometry) = ops.state;
        let [of_x, of_weight] = ops.parents;
        if let Some(node) = of_x {
            let weight = contiguous(weight.clone());
            let found = backward_input(&geometry, numbers(&weight), numbers(&gradient));
            gradients.register::<Flex>(node.id, tensor(found, x.shape()));
        }
        if let Some(node) = of_weight {
            let shape = weight.shape();
            let found = backward_weight(&geometry, numbers(&contiguous(x)), numbers(&gradient));
            gradients.register::<Flex>(node.id, tensor(found, shape));
        }
    }
}

/// Places that a product should have at least, so that packing the weights is cheap beside it.
const PLACES: usize = 256;
/// Parts of a batch whose gradients of the weights are summed apart.
const PARTS: usize = 8;

/// The shape of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Geometry {
    /// Pictures.
    batch: usize,
    /// Channels read.
    input: usize,
    /// Height and width of a picture.
    size: [usize; 2],
    /// Channels made.
    output: usize,
    /// Height and width of the window.
    kernel: [usize; 2],
    /// Steps of the window.
    stride: [usize; 2],
    /// Zeros around a picture, above and below, left and right.
    padding: [usize; 2],
}

impl Geometry {
    /// Height and width of what is made.
    fn made(&self) -> [usize; 2] {
        [0, 1].map(|at| (self.size[at] + 2 * self.padding[at] - self.kernel[at]) / self.stride[at] + 1)
    }

    /// Places of one picture that is made.
    fn places(&self) -> usize {
        self.made().iter().product()
    }

    /// Numbers of a picture that is read.
    fn picture(&self) -> usize {
        self.input * self.size[0] * self.size[1]
    }

    /// Numbers that one place is made of.
    fn window(&self) -> usize {
        self.input * self.kernel[0] * self.kernel[1]
    }

    /// Pictures that are unfolded together.
    fn group(&self) -> usize {
        (PLACES / self.places().max(1)).clamp(1, self.batch.max(1))
    }

    /// For every row of the window the columns of the result that see the picture, and where in it the first looks.
    fn span(&self, across: usize) -> (usize, usize, usize) {
        let ([_, width], [_, stride], [_, padding]) = (self.size, self.stride, self.padding);
        let [_, made] = self.made();
        let first = padding.saturating_sub(across).div_ceil(stride).min(made);
        let last = (width + padding).saturating_sub(across).div_ceil(stride).min(made).max(first);
        (first, last, (first * stride + across).saturating_sub(padding))
    }

    /// Calls `row` for every row of every plane of the unfolded picture: with its window row, its line, and the line of
    /// the picture it looks at.
    fn each_line(&self, mut row: impl FnMut(usize, usize, Option<usize>)) {
        let [high, wide] = self.kernel;
        let [lines, _] = self.made();
        for channel in 0..self.input {
            for down in 0..high {
                for across in 0..wide {
                    let at = (channel * high + down) * wide + across;
                    for line in 0..lines {
                        let looks = (line * self.stride[0] + down).checked_sub(self.padding[0]);
                        let looks = looks.filter(|looks| *looks < self.size[0]);
                        row(at, line, looks.map(|looks| (channel * self.size[0] + looks) * self.size[1]));
                    }
                }
            }
        }
    }

    /// Unfolds a picture into the columns from `offset` on of a matrix `[window, columns]`.
    fn unfold(&self, picture: &[f32], columns: &mut [f32], width: usize, offset: usize) {
        let [_, made] = self.made();
        let stride = self.stride[1];
        let spans: Vec<_> = (0..self.kernel[1]).map(|across| self.span(across)).collect();
        self.each_line(|row, line, looks| {
            let target = &mut columns[row * width + offset + line * made..][..made];
            let (first, last, from) = spans[row % self.kernel[1]];
            let Some(looks) = looks else { return target.fill(0.0) };
            target[..first].fill(0.0);
            target[last..].fill(0.0);
            if first == last {
                return;
            }
            let source = &picture[looks + from..];
            match stride {
                1 => target[first..last].copy_from_slice(&source[..last - first]),
                _ => {
                    target[first..last].iter_mut().zip(source.iter().step_by(stride)).for_each(|(to, from)| *to = *from)
                }
            }
        });
    }

    /// Adds the columns of a matrix as [`unfold`](Self::unfold) makes it to a picture.
    fn fold(&self, columns: &[f32], width: usize, offset: usize, picture: &mut [f32]) {
        let [_, made] = self.made();
        let stride = self.stride[1];
        let spans: Vec<_> = (0..self.kernel[1]).map(|across| self.span(across)).collect();
        self.each_line(|row, line, looks| {
            let (Some(looks), (first, last, from)) = (looks, spans[row % self.kernel[1]]) else { return };
            if first == last {
                return;
            }
            let source = &columns[row * width + offset + line * made..][first..last];
            let target = picture[looks + from..].iter_mut().step_by(stride);
            target.zip(source).for_each(|(to, from)| *to += from);
        });
    }
}

/// `[batch, output, height, width]` of `x` `[batch, input, height, width]` and `weight` `[output, input, kernel…]`.
fn forward(geometry: &Geometry, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let (places, window, group) = (geometry.places(), geometry.window(), geometry.group());
    let mut made = vec![0.0; geometry.batch * geometry.output * places];
    let groups = made.par_chunks_mut(group * geometry.output * places);
    groups.zip(x.par_chunks(group * geometry.picture())).for_each_init(
        || {
            (
                vec![0.0; window * group * places],
                vec![0.0; if group > 1 { geometry.output * group * places } else { 0 }],
            )
        },
        |(columns, side), (made, x)| {
            let width = x.len() / geometry.picture() * places;
            for (at, picture) in x.chunks(geometry.picture()).enumerate() {
                geometry.unfold(picture, columns, width, at * places);
            }
            let sizes = [geometry.output, width, window];
            let to = if group > 1 { &mut side[..] } else { &mut *made };
            product(sizes, (to, rows_of(width)), (weight, rows_of(window)), (columns, rows_of(width)), false);
            if group > 1 {
                apart(side, width, places, made);
            }
        },
    );
    made
}

/// `[channels, pictures · places]` to `[pictures, channels, places]`.
fn apart(side: &[f32], width: usize, places: usize, made: &mut [f32]) {
    let channels = made.len() / width;
    for (picture, made) in made.chunks_mut(channels * places).enumerate() {
        for (channel, made) in made.chunks_mut(places).enumerate() {
            made.copy_from_slice(&side[channel * width + picture * places..][..places]);
        }
    }
}

/// `[pictures, channels, places]` to `[channels, pictures · places]`.
fn beside(made: &[f32], width: usize, places: usize, side: &mut [f32]) {
    let channels = made.len() / width;
    for (picture, made) in made.chunks(channels * places).enumerate() {
        for (channel, made) in made.chunks(places).enumerate() {
            side[channel * width + picture * places..][..places].copy_from_slice(made);
        }
    }
}

/// The gradient of `x`, from that of what was made.
fn backward_input(geometry: &Geometry, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (places, window, group) = (geometry.places(), geometry.window(), geometry.group());
    let mut x = vec![0.0; geometry.batch * geometry.picture()];
    let groups = x.par_chunks_mut(group * geometry.picture());
    groups.zip(gradient.par_chunks(group * geometry.output * places)).for_each_init(
        || {
            (
                vec![0.0; window * group * places],
                vec![0.0; if group > 1 { geometry.output * group * places } else { 0 }],
            )
        },
        |(columns, side), (x, gradient)| {
            let width = x.len() / geometry.picture() * places;
            if group > 1 {
                beside(gradient, width, places, side);
            }
            let from = if group > 1 { &side[..] } else { gradient };
            let sizes = [window, width, geometry.output];
            product(sizes, (columns, rows_of(width)), (weight, turned(window)), (from, rows_of(width)), false);
            for (at, picture) in x.chunks_mut(geometry.picture()).enumerate() {
                geometry.fold(columns, width, at * places, picture);
            }
        },
    );
    x
}

/// The gradient of the weights, from that of what was made.
fn backward_weight(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (places, window, group) = (geometry.places(), geometry.window(), geometry.group());
    let part = geometry.batch.div_ceil(PARTS).next_multiple_of(group).max(1);
    let parts = x.par_chunks(part * geometry.picture()).zip(gradient.par_chunks(part * geometry.output * places));
    let parts: Vec<Vec<f32>> = parts
        .map(|(x, gradient)| {
            let mut weight = vec![0.0; geometry.output * window];
            let mut columns = vec![0.0; window * group * places];
            let mut side = vec![0.0; if group > 1 { geometry.output * group * places } else { 0 }];
            let groups = x.chunks(group * geometry.picture()).zip(gradient.chunks(group * geometry.output * places));
            for (at, (x, gradient)) in groups.enumerate() {
                let width = x.len() / geometry.picture() * places;
                for (at, picture) in x.chunks(geometry.picture()).enumerate() {
                    geometry.unfold(picture, &mut columns, width, at * places);
                }
                if group > 1 {
                    beside(gradient, width, places, &mut side);
                }
                let from = if group > 1 { &side[..] } else { gradient };
                let sizes = [geometry.output, window, width];
                let to = (&mut weight[..], rows_of(window));
                product(sizes, to, (from, rows_of(width)), (&columns, turned(width)), at > 0);
            }
            weight
        })
        .collect();
    parts
        .into_iter()
        .reduce(|mut sum, part| {
            sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
            sum
        })
        .unwrap_or_else(|| vec![0.0; geometry.output * window])
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "burn's own, to compare with")]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance, module::conv2d, ops::ConvOptions};

    /// What is made and both gradients, against burn's own operation.
    #[test]
    fn the_same_as_burns() {
        let device = burn::tensor::Device::flex().autodiff();
        device.seed(1);
        let cases = [
            ([5, 3, 7, 9], [4, 3, 3, 3], [1, 1], [1, 1]),
            ([3, 2, 11, 8], [3, 2, 5, 3], [2, 3], [2, 0]),
            ([2, 2, 3, 2], [3, 2, 3, 1], [1, 1], [3, 4]),
            ([1, 1, 40, 40], [2, 1, 11, 11], [4, 4], [2, 2]),
            ([70, 2, 1, 1], [3, 2, 1, 1], [1, 1], [0, 0]),
            ([2, 3, 1, 1], [2, 3, 5, 5], [1, 1], [2, 2]), // most of the window beside the picture
            ([2, 1, 2, 3], [2, 1, 7, 7], [2, 2], [3, 3]),
        ];
        for (picture, window, stride, padding) in cases {
            let random = |shape| Tensor::<4>::random(shape, Distribution::Uniform(-1.0, 1.0), &device).require_grad();
            let (x, weight) = (random(picture), random(window));
            let options = ConvOptions::new(stride, padding, [1, 1], 1);
            let made = convolve(x.clone(), weight.clone(), stride, padding).unwrap();
            let wanted = conv2d(x.clone(), weight.clone(), None, options);
            let all = |made: Tensor<4>| {
                let upstream = Tensor::arange(0..made.shape().num_elements() as i64, &device).float().sin();
                let found = (made.clone() * upstream.reshape(made.dims())).sum().backward();
                [made.into_data(), x.grad(&found).unwrap().into_data(), weight.grad(&found).unwrap().into_data()]
            };
            for (made, wanted) in all(made).iter().zip(&all(wanted)) {
                made.assert_approx_eq::<f32>(wanted, Tolerance::absolute(2e-5));
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let geometry =
            Geometry { batch: 37, input: 3, size: [9, 7], output: 5, kernel: [3, 3], stride: [1, 1], padding: [1, 1] };
        let waves = |count: usize| (0..count).map(|at| (at as f32 * 0.37).sin()).collect::<Vec<f32>>();
        let (x, weight, gradient) = (waves(37 * 3 * 63), waves(5 * 27), waves(37 * 5 * 63));
        let all = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let made = forward(&geometry, &x, &weight);
                let back = backward_input(&geometry, &weight, &gradient);
                [made, back, backward_weight(&geometry, &x, &gradient)]
            })
        };
        assert_eq!(all(1), all(3));
    }

    #[test]
    fn a_part_of_a_tensor_or_one_turned_is_read_as_it_is() {
        let device = burn::tensor::Device::flex();
        let random = |shape| Tensor::<4>::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
        let (x, weight) = (random([6, 5, 4, 3]), random([2, 3, 3, 3]));
        for x in
            [x.clone().narrow(0, 1, 2).narrow(1, 0, 3), x.clone().swap_dims(1, 3), x.narrow(1, 2, 3).narrow(0, 0, 4)]
        {
            let made = convolve(x.clone(), weight.clone(), [1, 1], [1, 1]).unwrap();
            let wanted = conv2d(x, weight.clone(), None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
            made.into_data().assert_approx_eq::<f32>(&wanted.into_data(), Tolerance::absolute(2e-5));
        }
    }

    #[test]
    fn a_window_larger_than_the_picture_is_an_error() {
        let device = burn::tensor::Device::flex();
        let (x, weight) = (Tensor::zeros([1, 2, 3, 3], &device), Tensor::zeros([1, 2, 5, 5], &device));
        assert!(matches!(convolve(x.clone(), weight, [1, 1], [0, 0]), Err(crate::Error::Shape { .. })));
        let other = Tensor::zeros([1, 3, 3, 3], &device);
        assert!(matches!(convolve(x, other, [1, 1], [0, 0]), Err(crate::Error::Shape { .. })));
    }
}
