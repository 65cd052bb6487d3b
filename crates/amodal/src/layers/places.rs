//! The places of a picture behind its last convolution, as tokens.
use crate::{Error, Result, Tokens};
use burn::tensor::{Tensor, TensorData, module::max_pool2d, ops::MaxPoolOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the last stage's places become tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// One token: the mean over all places.
    Mean,
    /// One token: all places side by side, through one linear layer. Where a thing is, is kept.
    #[default]
    Flatten,
    /// One token a place of a picture, one a step of a sound.
    Grid,
}

impl Pool {
    /// Width of a token of `channels` channels at `height` by `width` places; with their coordinates where asked for.
    ///
    /// # Errors
    /// [`Error::Config`] for coordinates of places that are not tokens.
    pub fn width(self, [channels, height, width]: [usize; 3], coordinates: bool) -> Result<usize> {
        match self {
            Self::Grid => Ok(channels + 2 * usize::from(coordinates)),
            _ if coordinates => {
                let error = Error::config("coordinates", "places are no tokens of their own");
                Err(error.with_help("choose pool = \"grid\""))
            }
            Self::Mean => Ok(channels),
            Self::Flatten => Ok(channels * height * width),
        }
    }

    /// `[batch, channels, height, width]` of rows that are `present`, `[batch, 1]`, to `[batch, tokens, width]`.
    pub fn tokens(self, x: Tensor<4>, present: Tensor<2>, coordinates: bool) -> Tokens {
        let x = if coordinates { with_coordinates(x) } else { x };
        let [batch, channels, height, width] = x.dims();
        if self == Self::Flatten {
            return Tokens { values: x.reshape([batch, 1, channels * height * width]), mask: present };
        }
        let values = x.reshape([batch, channels, height * width]).swap_dims(1, 2);
        let mask = present.clone().expand([batch as i64, (height * width) as i64]);
        let places = Tokens { values, mask };
        if self == Self::Mean { Tokens::one(places.pool(), present) } else { places }
    }
}

/// Two more channels: each place's row and column, from -1 to 1, as Santoro et al. 2017, arXiv:1706.01427, tag cells.
fn with_coordinates(x: Tensor<4>) -> Tensor<4> {
    let [batch, _, height, width] = x.dims();
    let along = |at: usize, size: usize| if size > 1 { 2.0 * at as f32 / (size - 1) as f32 - 1.0 } else { 0.0 };
    let rows = (0..height * width).map(|place| along(place / width, height));
    let columns = (0..height * width).map(|place| along(place % width, width));
    let data = TensorData::new(rows.chain(columns).collect::<Vec<f32>>(), [1, 2, height, width]);
    let coordinates = Tensor::<4>::from_data(data, &x.device()).expand([batch, 2, height, width]);
    Tensor::cat(vec![x, coordinates], 1)
}

/// Max-pooling of `by` places at a time, rows and columns; a last place without a neighbour stays.
pub fn shrink(x: Tensor<4>, by: [usize; 2]) -> Tensor<4> {
    let options =
        MaxPoolOptions { kernel_size: by, stride: by, padding: [(0, 0); 2], dilation: [1, 1], ceil_mode: true };
    max_pool2d(x, options)
}

/// Overlapping max-pooling: the largest of 3×3 places at every second one, with `padding` places around the picture; where
/// there are fewer than 3 places, the largest of them.
pub fn shrink_overlapping(x: Tensor<4>, padding: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let kernel_size = [height, width].map(|size| 3.min(size + 2 * padding));
    let padding = [(padding, padding); 2];
    max_pool2d(x, MaxPoolOptions { kernel_size, stride: [2, 2], padding, dilation: [1, 1], ceil_mode: false })
}
