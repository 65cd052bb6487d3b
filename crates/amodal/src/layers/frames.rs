//! Clips as their real frames side by side: padding costs nothing and is never seen, not even by batch statistics.
use crate::{Input, Result, Tokens};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The real frames of a batch of clips, row after row.
#[derive(Clone, Debug)]
pub struct Frames {
    /// `[frames, channels, height, width]`; one that belongs to no row where no row has any.
    pub values: Tensor<4>,
    /// Real frames of each row.
    counts: Vec<usize>,
    /// Frames that a row is padded to.
    time: usize,
}

impl Frames {
    /// The real frames of `[batch, time, channels, height, width]`.
    pub fn new(input: &Input) -> Result<Self> {
        let video = input.video()?;
        let [batch, time, channels, height, width] = video.dims();
        let mask: Vec<f32> = input.mask.clone().into_data().iter().collect();
        let counts = mask.chunks(time).map(|row| row.iter().filter(|real| **real > 0.0).count()).collect();
        let real = mask.iter().enumerate().filter(|(_, real)| **real > 0.0).map(|(at, _)| at).collect();
        let all = video.reshape([batch * time, channels, height, width]);
        let places = indices(real, &all.device());
        Ok(Self { values: all.select(0, places), counts, time })
    }

    /// The same frames with other values.
    pub fn with(&self, values: Tensor<4>) -> Self {
        Self { values, ..self.clone() }
    }

    /// Each `every`-th frame of a row with the one before it and the one behind it, zero where there is none: their
    /// channels side by side, `[frames, 3 × channels, height, width]`.
    pub fn neighbours(&self, every: usize) -> Self {
        let [frames, channels, height, width] = self.values.dims();
        let (mut places, mut start) = ([Vec::new(), Vec::new(), Vec::new()], 0);
        for count in &self.counts {
            for at in (0..*count).step_by(every) {
                places[0].push(if at > 0 { start + at - 1 } else { frames });
                places[1].push(start + at);
                places[2].push(if at + 1 < *count { start + at + 1 } else { frames });
            }
            start += count;
        }
        let device = self.values.device();
        let none = Tensor::zeros([1, channels, height, width], &device);
        let padded = Tensor::cat(vec![self.values.clone(), none], 0);
        let side = places.map(|places| padded.clone().select(0, indices(places, &device)));
        let counts = self.counts.iter().map(|count| count.div_ceil(every)).collect();
        Self { values: Tensor::cat(side.to_vec(), 1), counts, time: self.time.div_ceil(every) }
    }

    /// One vector a frame, `[frames, dim]`, as the tokens of their rows, `[batch, time, dim]`.
    pub fn tokens(&self, vectors: Tensor<2>) -> Tokens {
        let ([frames, dim], device) = (vectors.dims(), vectors.device());
        let (batch, time) = (self.counts.len(), self.time);
        let (mut places, mut mask) = (vec![frames; batch * time], vec![0.0_f32; batch * time]);
        for (frame, place) in self.places().into_iter().enumerate() {
            (places[place], mask[place]) = (frame, 1.0);
        }
        let padded = Tensor::cat(vec![vectors, Tensor::zeros([1, dim], &device)], 0);
        let values = padded.select(0, indices(places, &device)).reshape([batch, time, dim]);
        Tokens { values, mask: Tensor::from_data(TensorData::new(mask, [batch, time]), &device) }
    }

    /// The frames of tokens, `[batch, time, dim]`: the way back from [`Self::tokens`], `[frames, dim]`.
    pub fn of_tokens(&self, values: Tensor<3>) -> Tensor<2> {
        let ([batch, time, dim], device) = (values.dims(), values.device());
        values.reshape([batch * time, dim]).select(0, indices(self.places(), &device))
    }

    /// Where each frame stands among all rows, with padding.
    fn places(&self) -> Vec<usize> {
        let rows = self.counts.iter().enumerate();
        rows.flat_map(|(row, count)| (0..*count).map(move |at| row * self.time + at)).collect()
    }
}

/// Indices to select by; the first where there are none, as no tensor is empty.
fn indices(places: Vec<usize>, device: &Device) -> Tensor<1, Int> {
    let places = if places.is_empty() { vec![0] } else { places };
    let count = places.len();
    let places: Vec<i64> = places.into_iter().map(|place| place as i64).collect();
    Tensor::from_data(TensorData::new(places, [count]), device)
}
