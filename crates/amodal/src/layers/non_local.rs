//! The non-local block: every place looks at every other.
use super::Linear;
use crate::{Error, Result, kernels::matmul};
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation::softmax};

/// To each place is added what it finds at all real places, weighted by how alike they are: the embedded Gaussian of Wang
/// et al. 2018, arXiv:1711.07971, eq. 6, inside half as wide. It starts as the identity: the last projection is zero.
/// Differs: no normalisation behind the projection, and no bias of the keys, which softmax would not see.
#[derive(Module, Debug)]
pub struct NonLocal {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
}

impl NonLocal {
    /// Checks the option `non_local`: numbers of stages, from 1 to `count`.
    pub fn check(stages: &[usize], count: usize) -> Result<()> {
        match stages.iter().find(|stage| !(1..=count).contains(stage)) {
            Some(stage) => Err(Error::config("non_local", format!("no stage {stage}, expected 1 to {count}"))),
            None => Ok(()),
        }
    }

    /// For places of `channels` channels.
    pub fn new(channels: usize, device: &Device) -> Self {
        let inner = channels.div_ceil(2);
        Self {
            query: Linear::new(channels, inner, device),
            key: Linear::without_bias(channels, inner, device),
            value: Linear::new(channels, inner, device),
            output: Linear::zero(inner, channels, device),
        }
    }

    /// The same shape; places that are not real are never looked at, and stay as they are.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, places]`
    /// - `mask`: `[batch, places]`, 1 where the place is real
    pub fn forward(&self, x: Tensor<3>, mask: &Tensor<2>) -> Tensor<3> {
        let places = x.clone().swap_dims(1, 2); // [batch, places, channels]
        let (q, k) = (self.query.forward(places.clone()), self.key.forward(places.clone()));
        let absent = (mask.clone() - 1.0).mul_scalar(1e9).unsqueeze_dim(1);
        let weights = softmax(matmul(q, k.transpose()) + absent, 2);
        let found = self.output.forward(matmul(weights, self.value.forward(places)));
        x + (found * mask.clone().unsqueeze_dim(2)).swap_dims(1, 2)
    }

    /// [`forward`](Self::forward) over `[batch, channels, height, width]`; the mask is of each row, `[batch, 1]`, or of
    /// its lines, `[batch, height]`.
    pub fn forward_places(&self, x: Tensor<4>, mask: &Tensor<2>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let mask = mask.clone().unsqueeze_dim::<3>(2).expand([batch, height, width]).reshape([batch, height * width]);
        let x = self.forward(x.reshape([batch, channels, height * width]), &mask);
        x.reshape([batch, channels, height, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, TensorData};

    fn list<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().iter().collect()
    }

    fn block(device: &Device) -> (NonLocal, Tensor<3>, Tensor<2>) {
        device.seed(1);
        let mut block = NonLocal::new(3, device);
        block.output = Linear::new(2, 3, device);
        let x = Tensor::random([3, 3, 4], Distribution::Default, device);
        let mask = TensorData::new(vec![1.0_f32, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [3, 4]);
        (block, x, Tensor::from_data(mask, device))
    }

    #[test]
    fn starts_as_the_identity() {
        let device = crate::train::device();
        let (_, x, mask) = block(&device);
        assert_eq!(list(NonLocal::new(3, &device).forward(x.clone(), &mask)), list(x));
    }

    #[test]
    fn sees_every_real_place_and_no_other() {
        let device = crate::train::device();
        let (block, x, mask) = block(&device);
        let found = block.forward(x.clone(), &mask);
        let rows = |x: &Tensor<3>, row| list(x.clone().narrow(0, row, 1));
        assert_eq!(rows(&found, 2), rows(&x, 2), "a row without a real place");
        assert_ne!(rows(&found, 0), rows(&x, 0));
        let real = mask.clone().unsqueeze_dim::<3>(1);
        let other = x.clone() + (real.clone().neg() + 1.0) * 100.0;
        assert_eq!(list(block.forward(other, &mask) * real.clone()), list(found.clone() * real.clone()));
        // the second row's real places are 0 and 2: alone they are the same
        let alone = Tensor::cat(vec![x.clone().narrow(2, 0, 1), x.narrow(2, 2, 1)], 2).narrow(0, 1, 1);
        let alone = list(block.forward(alone, &Tensor::ones([1, 2], &device)));
        let both = Tensor::cat(vec![found.clone().narrow(2, 0, 1), found.narrow(2, 2, 1)], 2).narrow(0, 1, 1);
        assert!(alone.iter().zip(list(both)).all(|(one, other)| (one - other).abs() < 1e-6));
    }
}
