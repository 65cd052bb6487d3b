//! A text from tokens in its order, such as the steps of speech.
use super::{Decode, Sampling};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::Linear,
    modalities::text::{END, UNKNOWN},
    types::{Build, Written},
};
use burn::module::Module;
use burn::tensor::{activation::log_softmax, module::ctc_loss};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// For a text whose order is that of the fused tokens, such as speech: each token says a unit or nothing, and all ways to say
/// the text count (connectionist temporal classification, Graves et al. 2006, doi:10.1145/1143844.1143891). There must be
/// more tokens than units. Takes the loss `own`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CtcConfig {}

impl CtcConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Ctc> {
        let (fused, words) = (build.dim("fused")?, build.target("words", "text")?);
        Ok(Ctc { output: Linear::new(fused, words, build.device) })
    }
}

/// See [`CtcConfig`].
#[derive(Module, Debug)]
pub struct Ctc {
    output: Linear,
}

impl Decode for Ctc {
    /// `[batch, tokens, dim]` to texts; given them, to minus the log-probability of a unit. A text of more units than there
    /// are tokens does not count.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        let Some(target) = target else { return self.generate(fused, &Sampling::default()) };
        let scores = log_softmax(self.output.forward(fused.values.clone()), 2).swap_dims(0, 1); // [tokens, batch, words]
        let tokens = fused.mask.clone().sum_dim(1).squeeze_dim::<1>(1);
        // the end that a text has as a target is not said
        let units = (target.mask.clone().sum_dim(1) - 1.0).clamp_min(0.0).squeeze_dim::<1>(1);
        let present = target.mask.clone().max_dim(1).squeeze_dim::<1>(1) * tokens.clone().clamp_max(1.0);
        let losses = ctc_loss(scores, target.ids()?, tokens.clamp_min(1.0).int(), units.clone().int(), END as usize);
        let impossible = losses.clone().is_inf();
        let losses = losses.mask_fill(impossible, 0.0) * present.clone();
        let count = (units.clamp_min(1.0) * present).sum().clamp_min(1.0);
        Ok(Prediction::Loss(losses.sum() / count))
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        let scores = log_softmax(self.output.forward(fused.values.clone()), 2);
        let [_, tokens, words] = scores.dims();
        let scores: Vec<f32> = scores.into_data().iter::<f32>().collect();
        let lengths: Vec<f32> = fused.mask.clone().sum_dim(1).into_data().iter::<f32>().collect();
        let text = |(row, length): (usize, &f32)| {
            let scores = &scores[row * tokens * words..][..*length as usize * words];
            match sampling.beam {
                1 => likeliest(scores, words),
                beam => search(scores, words, beam),
            }
        };
        Ok(Prediction::Text(lengths.iter().enumerate().map(text).collect()))
    }
}

/// The text of the likeliest unit of each token. Its probability is that of this one way to say it.
fn likeliest(scores: &[f32], words: usize) -> Written {
    let (mut text, mut last) = (Written::default(), END);
    for scores in scores.chunks_exact(words) {
        let may = (0..words).filter(|id| *id != UNKNOWN as usize);
        let best = may.min_by(|a, b| scores[*b].total_cmp(&scores[*a])).unwrap_or(0);
        text.log_probability += scores[best];
        if best as u32 != END && best as u32 != last {
            text.ids.push(best as u32);
        }
        last = best as u32;
    }
    text
}

/// The likeliest text that a search over the beginnings of texts finds (Hannun et al. 2014, arXiv:1408.2873, without a
/// language model): its probability is that of all ways to say it that were followed.
fn search(scores: &[f32], words: usize, beam: usize) -> Written {
    /// Log-probabilities of the ways that end with nothing, and with the last unit.
    #[derive(Clone, Copy)]
    struct Ways {
        nothing: f64,
        unit: f64,
    }
    const NONE: Ways = Ways { nothing: f64::NEG_INFINITY, unit: f64::NEG_INFINITY };
    let both = |ways: &Ways| add(ways.nothing, ways.unit);
    let mut live: Vec<(Vec<u32>, Ways)> = vec![(Vec::new(), Ways { nothing: 0.0, ..NONE })];
    for scores in scores.chunks_exact(words) {
        let mut next: BTreeMap<Vec<u32>, Ways> = BTreeMap::new();
        for (ids, ways) in &live {
            let stays = next.entry(ids.clone()).or_insert(NONE);
            stays.nothing = add(stays.nothing, both(ways) + f64::from(scores[END as usize]));
            if let Some(last) = ids.last() {
                stays.unit = add(stays.unit, ways.unit + f64::from(scores[*last as usize]));
            }
            for id in (0..words as u32).filter(|id| ![END, UNKNOWN].contains(id)) {
                let score = f64::from(scores[id as usize]);
                // the same unit again needs nothing between
                let from = if ids.last() == Some(&id) { ways.nothing } else { both(ways) };
                let longer = next.entry(ids.iter().copied().chain([id]).collect()).or_insert(NONE);
                longer.unit = add(longer.unit, from + score);
            }
        }
        live = next.into_iter().collect();
        live.sort_by(|a, b| both(&b.1).total_cmp(&both(&a.1)));
        live.truncate(beam);
    }
    let (ids, ways) = live.swap_remove(0);
    Written { ids, log_probability: both(&ways) as f32, attention: Vec::new() }
}

/// The logarithm of a sum of two numbers that are given by their logarithms.
fn add(a: f64, b: f64) -> f64 {
    let (more, less) = if a > b { (a, b) } else { (b, a) };
    if less == f64::NEG_INFINITY { more } else { more + (less - more).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repeats_are_one_and_nothing_divides() {
        let say = |ids: &[usize]| -> Vec<f32> {
            ids.iter().flat_map(|said| (0..4).map(move |id| if id == *said { -0.1 } else { -4.0 })).collect()
        };
        for (said, ids) in [(vec![2, 2, 0, 2, 3, 3, 0], vec![2, 2, 3]), (vec![0, 0], vec![]), (vec![], vec![])] {
            assert_eq!(likeliest(&say(&said), 4).ids, ids);
            assert_eq!(search(&say(&said), 4, 8).ids, ids);
        }
    }

    proptest! {
        #[test]
        fn a_wide_beam_finds_the_text_with_most_ways(weights in prop::collection::vec(0.01_f32..1.0, 16)) {
            let scores: Vec<f32> = weights.chunks(4).flat_map(|row| {
                let total = row[0] + row[2] + row[3];
                [(row[0] / total).ln(), -50.0, (row[2] / total).ln(), (row[3] / total).ln()]
            }).collect();
            let mut texts: BTreeMap<Vec<u32>, f64> = BTreeMap::new();
            for way in 0..3_usize.pow(4) {
                let ids: Vec<u32> = (0..4).map(|step| [0, 2, 3][way / 3_usize.pow(step) % 3]).collect();
                let score: f64 = ids.iter().enumerate().map(|(at, id)| f64::from(scores[at * 4 + *id as usize])).sum();
                let mut text = ids.clone();
                text.dedup();
                text.retain(|id| *id != 0);
                *texts.entry(text).or_default() += score.exp();
            }
            let best = texts.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            let found = search(&scores, 4, 64);
            prop_assert!((f64::from(found.log_probability).exp() - best.1).abs() < 1e-4, "{found:?} is not {best:?}");
        }
    }
}
