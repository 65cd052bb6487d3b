//! Convolution of pictures on all cores.
//!
//! A group of pictures is unfolded, so that one product of matrices does the work (Chellapilla et al. 2006,
//! inria-00112631). Groups, and the order of every sum, follow from the shapes alone: the number of threads changes no bit.
use super::{
    Wide, contiguous,
    extension::*,
    function::sum,
    matrix::{product, rows_of, turned},
    numbers,
    product::count,
    room, tensor, wide,
};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// `[batch, output, height, width]`: a window over `x`, `[batch, input, height, width]`, weighted by `weight`,
/// `[output, input, kernel height, kernel width]`, plus `bias`, `[output]`. `stride` and `padding` are down and across.
///
/// The same as burn's `conv2d`.
///
/// # Errors
/// [`crate::Error::Shape`] where the channels differ, or the window is larger than the padded picture.
pub fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: [usize; 2],
    padding: [usize; 2],
) -> crate::Result<Tensor<4>> {
    let ([batch, input, height, width], [output, channels, high, wide]) = (x.dims(), weight.dims());
    let geometry = Geometry { batch, input, size: [height, width], output, kernel: [high, wide], stride, padding };
    let fits = height + 2 * padding[0] >= high && width + 2 * padding[1] >= wide;
    if channels != input || !fits || stride.contains(&0) || bias.as_ref().is_some_and(|bias| bias.dims() != [output]) {
        let got = x.dims().into_iter().chain(weight.dims()).collect();
        let expected = "a picture with the channels of the weights, no smaller than the window";
        return Err(crate::Error::Shape { at: "convolution".into(), expected, got });
    }
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let made = Tensor::from_dispatch(match bias {
        Some(bias) => <Dispatch as Convolve>::convolve(x, weight, bias.into_dispatch(), geometry),
        None => <Dispatch as Convolve>::without_bias(x, weight, geometry),
    });
    count(made.dims(), geometry.window());
    Ok(made)
}

/// Convolution as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Convolve: Backend {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self>;

    fn without_bias(x: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self>;
}

impl Convolve for Flex {
    fn convolve(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, geometry: Geometry) -> FlexTensor {
        made(&geometry, &contiguous(x), &contiguous(weight), Some(&contiguous(bias)))
    }

    fn without_bias(x: FlexTensor, weight: FlexTensor, geometry: Geometry) -> FlexTensor {
        made(&geometry, &contiguous(x), &contiguous(weight), None)
    }
}

impl<C: CheckpointStrategy> Convolve for Autodiff<Flex, C> {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        let prepared = Derivative.prepare::<C>([x.node(), weight.node(), bias.node()]);
        let [x, weight, bias] = [x, weight, bias].map(|one| contiguous(one.into_primitive()));
        let made = made(&geometry, &x, &weight, Some(&bias));
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, weight, geometry), made),
            OpsKind::UnTracked(prepared) => prepared.finish(made),
        }
    }

    fn without_bias(x: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self> {
        let prepared = Derivative.prepare::<C>([x.node(), weight.node()]);
        let [x, weight] = [x, weight].map(|one| contiguous(one.into_primitive()));
        let made = made(&geometry, &x, &weight, None);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, weight, geometry), made),
            OpsKind::UnTracked(prepared) => prepared.finish(made),
        }
    }
}

fn made(geometry: &Geometry, x: &FlexTensor, weight: &FlexTensor, bias: Option<&FlexTensor>) -> FlexTensor {
    let [height, width] = geometry.made();
    let made = forward(geometry, numbers(x), numbers(weight), bias.map(numbers));
    tensor(made, [geometry.batch, geometry.output, height, width])
}

#[derive(Debug)]
struct Derivative;

/// Of `N` parents the first is the pictures, the second the weight, and the third, if any, the bias.
impl<const N: usize> Backward<Flex, N> for Derivative {
    type State = (FlexTensor, FlexTensor, Geometry);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let (x, weight, geometry) = ops.state;
        let gradient = numbers(&gradient);
        for (at, node) in ops.parents.into_iter().enumerate() {
            let Some(node) = node else { continue };
            let found = match at {
                0 => tensor(backward_input(&geometry, numbers(&weight), gradient), x.shape()),
                1 => tensor(backward_weight(&geometry, numbers(&x), gradient), weight.shape()),
                _ => tensor(backward_bias(&geometry, gradient), [geometry.output]),
            };
            gradients.register::<Flex>(node.id, found);
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

    /// Of what is made, down (0) or across (1), the places that see the picture through this one of the window, and where in
    /// it the first of them looks.
    fn span(&self, axis: usize, at: usize) -> Span {
        let (size, stride, padding, made) = (self.size[axis], self.stride[axis], self.padding[axis], self.made()[axis]);
        let first = padding.saturating_sub(at).div_ceil(stride).min(made);
        let last = (size + padding).saturating_sub(at).div_ceil(stride).min(made).max(first);
        Span { first, last, from: (first * stride + at).saturating_sub(padding) }
    }

    /// The [`span`](Self::span) of each place of the window, down and across.
    fn spans(&self) -> [Vec<Span>; 2] {
        [0, 1].map(|axis| (0..self.kernel[axis]).map(|at| self.span(axis, at)).collect())
    }

    /// Where the first line begins that is looked at, in a picture.
    #[inline(always)]
    fn looks(&self, channel: usize, down: &Span, across: &Span) -> usize {
        (channel * self.size[0] + down.from) * self.size[1] + across.from
    }
}

/// See [`Geometry::span`].
struct Span {
    first: usize,
    last: usize,
    from: usize,
}

/// Unfolds a picture into the columns from `offset` on of a matrix `[window, width]`.
struct Unfold<'a> {
    geometry: &'a Geometry,
    picture: &'a [f32],
    columns: &'a mut [f32],
    width: usize,
    offset: usize,
}

impl Wide for Unfold<'_> {
    #[inline(always)]
    fn run(self) {
        let (geometry, [lines, made], [downs, acrosses]) = (self.geometry, self.geometry.made(), self.geometry.spans());
        let (stride, step) = (geometry.stride[1], geometry.stride[0] * geometry.size[1]);
        let mut rows = self.columns.chunks_mut(self.width);
        for channel in 0..geometry.input {
            for down in &downs {
                for across in &acrosses {
                    let Some(row) = rows.next() else { return };
                    let plane = &mut row[self.offset..][..lines * made];
                    let (high, wide) = (down.last - down.first, across.last - across.first);
                    if high < lines || wide < made {
                        plane.fill(0.0);
                    }
                    if wide == 0 {
                        continue;
                    }
                    let mut looks = geometry.looks(channel, down, across);
                    for to in plane.chunks_exact_mut(made).skip(down.first).take(high) {
                        copy(
                            &mut to[across.first..across.last],
                            &self.picture[looks..][..(wide - 1) * stride + 1],
                            stride,
                        );
                        looks += step;
                    }
                }
            }
        }
    }
}

/// Copies every number that is so far from the last.
#[inline(always)]
fn copy(to: &mut [f32], from: &[f32], stride: usize) {
    match stride {
        1 => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
        2 => {
            let Some((last, to)) = to.split_last_mut() else { return };
            to.iter_mut().zip(from.as_chunks::<2>().0).for_each(|(to, from)| *to = from[0]);
            *last = from[from.len() - 1];
        }
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from),
    }
}

/// Adds the columns of a matrix as [`Unfold`] makes it to a picture.
struct Fold<'a> {
    geometry: &'a Geometry,
    columns: &'a [f32],
    width: usize,
    offset: usize,
    picture: &'a mut [f32],
}

impl Wide for Fold<'_> {
    #[inline(always)]
    fn run(self) {
        let (geometry, [lines, made], [downs, acrosses]) = (self.geometry, self.geometry.made(), self.geometry.spans());
        let (stride, step) = (geometry.stride[1], geometry.stride[0] * geometry.size[1]);
        let mut rows = self.columns.chunks(self.width);
        for channel in 0..geometry.input {
            for down in &downs {
                for across in &acrosses {
                    let Some(row) = rows.next() else { return };
                    let plane = &row[self.offset..][..lines * made];
                    let (high, wide) = (down.last - down.first, across.last - across.first);
                    if wide == 0 {
                        continue;
                    }
                    let mut looks = geometry.looks(channel, down, across);
                    for from in plane.chunks_exact(made).skip(down.first).take(high) {
                        add(
                            &mut self.picture[looks..][..(wide - 1) * stride + 1],
                            &from[across.first..across.last],
                            stride,
                        );
                        looks += step;
                    }
                }
            }
        }
    }
}

/// Adds to every number that is so far from the last.
#[inline(always)]
fn add(to: &mut [f32], from: &[f32], stride: usize) {
    match stride {
        1 => to.iter_mut().zip(from).for_each(|(to, from)| *to += from),
        2 => {
            let (Some(to_last), Some((last, from))) = (to.last_mut(), from.split_last()) else { return };
            *to_last += last;
            for (to, from) in to.as_chunks_mut::<2>().0.iter_mut().zip(from) {
                *to = [to[0] + from, to[1] + 0.0]; // both, so that whole registers are written
            }
        }
        _ => to.iter_mut().step_by(stride).zip(from).for_each(|(to, from)| *to += from),
    }
}

/// `[batch, output, height, width]` of `x` `[batch, input, height, width]` and `weight` `[output, input, kernel…]`.
fn forward(geometry: &Geometry, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let (places, window, group) = (geometry.places(), geometry.window(), geometry.group());
    let mut made = room(geometry.batch * geometry.output * places);
    let groups = made.par_chunks_mut(group * geometry.output * places);
    groups.zip(x.par_chunks(group * geometry.picture())).for_each_init(
        || (room(window * group * places), room(if group > 1 { geometry.output * group * places } else { 0 })),
        |(columns, side), (made, x)| {
            let width = x.len() / geometry.picture() * places;
            for (at, picture) in x.chunks(geometry.picture()).enumerate() {
                wide(Unfold { geometry, picture, columns, width, offset: at * places });
            }
            let sizes = [geometry.output, width, window];
            let to = if group > 1 { &mut side[..] } else { &mut *made };
            for (row, bias) in to.chunks_exact_mut(width).zip(bias.into_iter().flatten()) {
                row.fill(*bias);
            }
            let (weight, columns) = ((weight, rows_of(window)), (&columns[..], rows_of(width)));
            product(sizes, (to, rows_of(width)), weight, columns, bias.is_some());
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
        || (room(window * group * places), room(if group > 1 { geometry.output * group * places } else { 0 })),
        |(columns, side), (x, gradient)| {
            let width = x.len() / geometry.picture() * places;
            if group > 1 {
                beside(gradient, width, places, side);
            }
            let from = if group > 1 { &side[..] } else { gradient };
            let sizes = [window, width, geometry.output];
            product(sizes, (columns, rows_of(width)), (weight, turned(window)), (from, rows_of(width)), false);
            for (at, picture) in x.chunks_mut(geometry.picture()).enumerate() {
                wide(Fold { geometry, columns, width, offset: at * places, picture });
            }
        },
    );
    x
}

/// The gradient of the bias, from that of what was made.
fn backward_bias(geometry: &Geometry, gradient: &[f32]) -> Vec<f32> {
    let (output, places) = (geometry.output, geometry.places());
    let of = |channel: usize| {
        let planes = (0..geometry.batch).map(|at| &gradient[(at * output + channel) * places..][..places]);
        planes.map(|plane| f64::from(sum(plane, plane, |x, _| x))).sum::<f64>() as f32
    };
    (0..output).into_par_iter().map(of).collect()
}

/// The gradient of the weights, from that of what was made.
fn backward_weight(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (places, window, group) = (geometry.places(), geometry.window(), geometry.group());
    let part = geometry.batch.div_ceil(PARTS).next_multiple_of(group).max(1);
    let parts = x.par_chunks(part * geometry.picture()).zip(gradient.par_chunks(part * geometry.output * places));
    let parts: Vec<Vec<f32>> = parts
        .map(|(x, gradient)| {
            let mut weight = room(geometry.output * window);
            let mut columns = room(window * group * places);
            let mut side = room(if group > 1 { geometry.output * group * places } else { 0 });
            let groups = x.chunks(group * geometry.picture()).zip(gradient.chunks(group * geometry.output * places));
            for (at, (x, gradient)) in groups.enumerate() {
                let width = x.len() / geometry.picture() * places;
                for (at, picture) in x.chunks(geometry.picture()).enumerate() {
                    wide(Unfold { geometry, picture, columns: &mut columns, width, offset: at * places });
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
            let bias = random([1, 1, 1, window[0]]);
            let options = ConvOptions::new(stride, padding, [1, 1], 1);
            let row = || Some(bias.clone().reshape([window[0]])); // one for each way back
            let made = convolve(x.clone(), weight.clone(), row(), stride, padding).unwrap();
            let wanted = conv2d(x.clone(), weight.clone(), row(), options.clone());
            let all = |made: Tensor<4>| {
                let upstream = Tensor::arange(0..made.shape().num_elements() as i64, &device).float().sin();
                let found = (made.clone() * upstream.reshape(made.dims())).sum().backward();
                let of = [&x, &weight, &bias].map(|one| one.grad(&found).unwrap().into_data());
                std::iter::once(made.into_data()).chain(of).collect::<Vec<_>>()
            };
            for (made, wanted) in all(made).iter().zip(&all(wanted)) {
                made.assert_approx_eq::<f32>(wanted, Tolerance::absolute(5e-5));
            }
            let made = convolve(x.clone(), weight.clone(), None, stride, padding).unwrap().into_data();
            made.assert_approx_eq::<f32>(&conv2d(x, weight, None, options).into_data(), Tolerance::absolute(2e-5));
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
                let made = forward(&geometry, &x, &weight, Some(&weight[..5]));
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
            let made = convolve(x.clone(), weight.clone(), None, [1, 1], [1, 1]).unwrap();
            let wanted = conv2d(x, weight.clone(), None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
            made.into_data().assert_approx_eq::<f32>(&wanted.into_data(), Tolerance::absolute(2e-5));
        }
    }

    #[test]
    fn a_window_larger_than_the_picture_is_an_error() {
        let device = burn::tensor::Device::flex();
        let (x, weight) = (Tensor::zeros([1, 2, 3, 3], &device), Tensor::zeros([1, 2, 5, 5], &device));
        assert!(matches!(convolve(x.clone(), weight, None, [1, 1], [0, 0]), Err(crate::Error::Shape { .. })));
        let other = Tensor::zeros([1, 3, 3, 3], &device);
        assert!(matches!(convolve(x, other, None, [1, 1], [0, 0]), Err(crate::Error::Shape { .. })));
    }
}
