//! Making one unit after another: the most likely, the best of several beams, or drawn by chance.
use crate::{
    Result, Tokens,
    modalities::text::{END, UNKNOWN},
    random::{Purpose, Random, RngExt, normal, random},
    types::{Written, at_least, within},
};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a decoder that makes one unit after another, or that draws, goes about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Texts that are followed at once, of which the best is kept (beam search); 1: the most likely unit at each step.
    pub beam: usize,
    /// Power of a text's length, its end included, that its log-probability is divided by when beams are compared (Wu et
    /// al. 2016, arXiv:1609.08144); 0: the most probable text, which is often a short one.
    pub length_penalty: f64,
    /// Spread of what is drawn: 0 takes what is most likely, 1 draws as the decoder's probabilities say.
    pub temperature: f64,
    /// Most likely units that one is drawn of; 0: all.
    pub top_k: usize,
    /// Share of the probability that the units hold that one is drawn of, the most likely first (Holtzman et al. 2019,
    /// arXiv:1904.09751).
    pub top_p: f64,
    /// Pictures, sounds or clips that are drawn for a row by `convert`, of which the one that the model's own alignment finds
    /// nearest to what is given is kept (re-ranking, Ramesh et al. 2021, arXiv:2102.12092, section 2.6).
    pub candidates: usize,
    /// Seed of what is drawn; each row has draws of its own.
    pub seed: u64,
    /// The number of the first row.
    #[serde(skip)]
    pub first: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { beam: 1, length_penalty: 1.0, temperature: 0.0, top_k: 0, top_p: 1.0, candidates: 1, seed: 0, first: 0 }
    }
}

/// What of a [`Sampling`] is to be otherwise; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// See [`Sampling::beam`].
    pub beam: Option<usize>,
    /// See [`Sampling::temperature`].
    pub temperature: Option<f64>,
    /// See [`Sampling::top_k`].
    pub top_k: Option<usize>,
    /// See [`Sampling::top_p`].
    pub top_p: Option<f64>,
    /// See [`Sampling::candidates`].
    pub candidates: Option<usize>,
    /// See [`Sampling::seed`].
    pub seed: Option<u64>,
}

impl Sampling {
    /// The same with some changes.
    pub fn with(&self, changes: &Changes) -> Self {
        Self {
            beam: changes.beam.unwrap_or(self.beam),
            temperature: changes.temperature.unwrap_or(self.temperature),
            top_k: changes.top_k.unwrap_or(self.top_k),
            top_p: changes.top_p.unwrap_or(self.top_p),
            candidates: changes.candidates.unwrap_or(self.candidates),
            seed: changes.seed.unwrap_or(self.seed),
            ..self.clone()
        }
    }

    /// Whether every option is in its range.
    ///
    /// # Errors
    /// [`crate::Error::Config`] at the first option that is out of its range.
    pub fn check(&self) -> Result<()> {
        at_least("beam", self.beam, 1)?;
        within("beam", self.beam as f64, 1.0, 256.0)?;
        within("candidates", self.candidates as f64, 1.0, 1024.0)?;
        within("length_penalty", self.length_penalty, 0.0, 10.0)?;
        within("temperature", self.temperature, 0.0, 100.0)?;
        within("top_p", self.top_p, 1e-6, 1.0)
    }

    /// The stream that a row draws from.
    pub(crate) fn random(&self, row: usize) -> Random {
        random(self.seed, 0, self.first + row as u64, Purpose::Sampling)
    }

    /// Numbers of a normal distribution that each row draws, `[batch, numbers]`; at a temperature of 0 they are 0.
    pub(crate) fn noise(&self, batch: usize, numbers: usize, device: &Device) -> Tensor<2> {
        let mut drawn = Vec::with_capacity(batch * numbers);
        for row in 0..batch {
            let mut random = self.random(row);
            drawn.extend((0..numbers).map(|_| (normal(&mut random) * self.temperature) as f32));
        }
        Tensor::from_data(TensorData::new(drawn, [batch, numbers]), device)
    }
}

/// A decoder that makes one unit after another.
pub(crate) trait Stepwise {
    /// Before the first unit.
    fn begin(&self, fused: &Tokens) -> State;

    /// Scores of the unit behind `previous`, `[rows]`, as logits `[rows, classes]`.
    fn step(&self, previous: Tensor<1, Int>, state: &mut State) -> Tensor<2>;
}

/// What a [`Stepwise`] decoder carries from step to step, one entry a row.
pub(crate) struct State {
    /// What is decoded: never changed.
    pub(crate) fixed: Vec<Tensor<3>>,
    /// `[rows, tokens]`: which of the tokens that are decoded are real.
    pub(crate) mask: Tensor<2>,
    /// What each step changes.
    pub(crate) carried: Vec<Tensor<3>>,
    /// What the last step looked at, `[rows, tokens]`, where the decoder tells.
    pub(crate) attention: Option<Tensor<2>>,
    /// Steps done.
    pub(crate) step: usize,
}

/// What the units are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    /// Most of them.
    pub(crate) longest: usize,
    /// Whether they are of a text, which ends with [`END`] and has no [`UNKNOWN`] word; others are `longest` codes.
    pub(crate) are_text: bool,
}

impl Units {
    fn may(self, id: usize) -> bool {
        !(self.are_text && id == UNKNOWN as usize)
    }

    fn ends(self, id: usize) -> bool {
        self.are_text && id == END as usize
    }
}

/// What a decoder writes for each row.
pub(crate) fn write(decoder: &impl Stepwise, fused: &Tokens, units: Units, how: &Sampling) -> Vec<Written> {
    if how.beam > 1 {
        return search(decoder, fused, units, how);
    }
    let rows = fused.values.dims()[0];
    let mut state = decoder.begin(fused);
    let mut randoms: Vec<Random> = (0..rows).map(|row| how.random(row)).collect();
    let mut made = vec![(Written::default(), false); rows];
    let mut previous = vec![END; rows];
    for _ in 0..units.longest {
        let scores = scores(decoder, &previous, &mut state);
        let classes = scores.len() / rows.max(1);
        let looked = looked(&state);
        for (row, (written, is_done)) in made.iter_mut().enumerate().filter(|(_, (_, is_done))| !is_done) {
            let scores = &scores[row * classes..][..classes];
            let id = choose(scores, units, how, &mut randoms[row]);
            written.log_probability += scores[id];
            *is_done = units.ends(id);
            if !*is_done {
                written.ids.push(id as u32);
                written.attention.extend(looked.as_ref().map(|looked| looked[row].clone()));
            }
            previous[row] = id as u32;
        }
        if made.iter().all(|(_, is_done)| *is_done) {
            break;
        }
    }
    made.into_iter().map(|(written, _)| written).collect()
}

/// Log-probabilities of the next units, `[rows, classes]`.
fn scores(decoder: &impl Stepwise, previous: &[u32], state: &mut State) -> Vec<f32> {
    let ids = previous.iter().map(|id| i64::from(*id)).collect::<Vec<_>>();
    let ids = Tensor::from_data(TensorData::new(ids, [previous.len()]), &state.mask.device());
    let logits = decoder.step(ids, state);
    state.step += 1;
    log_softmax(logits, 1).into_data().iter::<f32>().collect()
}

fn looked(state: &State) -> Option<Vec<Vec<f32>>> {
    let attention = state.attention.as_ref()?;
    let [_, tokens] = attention.dims();
    let all: Vec<f32> = attention.clone().into_data().iter::<f32>().collect();
    Some(all.chunks_exact(tokens).map(<[f32]>::to_vec).collect())
}

/// One unit by its log-probabilities.
fn choose(scores: &[f32], units: Units, how: &Sampling, random: &mut Random) -> usize {
    let mut order: Vec<usize> = (0..scores.len()).filter(|id| units.may(*id)).collect();
    if how.temperature == 0.0 {
        return order.into_iter().min_by(|a, b| scores[*b].total_cmp(&scores[*a])).unwrap_or(0);
    }
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    if how.top_k > 0 {
        order.truncate(how.top_k);
    }
    let best = order.first().map_or(0.0, |id| scores[*id]);
    let mut weights: Vec<f64> =
        order.iter().map(|id| (f64::from(scores[*id] - best) / how.temperature).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mut held = 0.0;
    let kept = weights.iter().position(|weight| {
        held += weight / total;
        held >= how.top_p
    });
    weights.truncate(kept.map_or(weights.len(), |last| last + 1));
    let mut place = random.random::<f64>() * weights.iter().sum::<f64>();
    let drawn = weights.iter().position(|weight| {
        place -= weight;
        place < 0.0
    });
    order.get(drawn.unwrap_or(0)).copied().unwrap_or(0)
}

/// Beam search: at each step the `beam` most probable continuations of a row's texts are followed.
fn search(decoder: &impl Stepwise, fused: &Tokens, units: Units, how: &Sampling) -> Vec<Written> {
    let (rows, beam, device) = (fused.values.dims()[0], how.beam, fused.values.device());
    let select = |rows: &[i64]| Tensor::<1, Int>::from_data(TensorData::new(rows.to_vec(), [rows.len()]), &device);
    let repeated: Vec<i64> = (0..rows * beam).map(|at| (at / beam) as i64).collect();
    let mut state = decoder.begin(&fused.select(select(&repeated)));
    // a row's texts, the best first; at first they are the same, and one is enough
    let mut live: Vec<Vec<Written>> = vec![vec![Written::default()]; rows];
    let mut ended: Vec<Vec<(f64, Written)>> = vec![Vec::new(); rows];
    let worth =
        |text: &Written| f64::from(text.log_probability) / ((text.ids.len() + 1) as f64).powf(how.length_penalty);
    let mut previous = vec![END; rows * beam];
    for _ in 0..units.longest {
        let scores = scores(decoder, &previous, &mut state);
        let classes = scores.len() / (rows * beam).max(1);
        let looked = looked(&state);
        let mut from: Vec<i64> = (0..(rows * beam) as i64).collect();
        for row in 0..rows {
            let mut next: Vec<(f32, usize, usize)> = Vec::new(); // score, text, unit
            for (at, text) in live[row].iter().enumerate() {
                let scores = &scores[(row * beam + at) * classes..][..classes];
                let units = (0..classes).filter(|id| units.may(*id));
                next.extend(units.map(|id| (text.log_probability + scores[id], at, id)));
            }
            let best = |a: &(f32, usize, usize), b: &(f32, usize, usize)| b.0.total_cmp(&a.0);
            if next.len() > 2 * beam {
                next.select_nth_unstable_by(2 * beam, best);
                next.truncate(2 * beam);
            }
            next.sort_by(|a, b| best(a, b).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
            let mut followed = Vec::with_capacity(beam);
            for (rank, (log_probability, at, id)) in next.into_iter().enumerate() {
                let mut text = Written { log_probability, ..live[row][at].clone() };
                if units.ends(id) {
                    if rank < beam {
                        ended[row].push((worth(&text), text));
                    }
                    continue;
                }
                if followed.len() == beam {
                    break;
                }
                text.ids.push(id as u32);
                text.attention.extend(looked.as_ref().map(|looked| looked[row * beam + at].clone()));
                let place = row * beam + followed.len();
                (from[place], previous[place]) = ((row * beam + at) as i64, id as u32);
                followed.push(text);
            }
            live[row] = if ended[row].len() >= beam { Vec::new() } else { followed };
        }
        if live.iter().all(Vec::is_empty) {
            break;
        }
        let from = select(&from);
        state.carried.iter_mut().for_each(|carried| *carried = carried.clone().select(0, from.clone()));
    }
    let best = ended.into_iter().zip(live).map(|(mut ended, live)| {
        ended.extend(live.into_iter().map(|text| (worth(&text), text))); // cut off at the longest length
        let best = ended.into_iter().min_by(|a, b| b.0.total_cmp(&a.0));
        best.map(|(_, text)| text).unwrap_or_default()
    });
    best.collect()
}

/// Ids moved on by one step, the beginning before them: what stands before each unit.
pub(crate) fn previous(ids: Tensor<2, Int>) -> Tensor<2, Int> {
    let [batch, time] = ids.dims();
    let begin = Tensor::zeros([batch, 1], &ids.device());
    match time {
        1 => begin,
        _ => Tensor::cat(vec![begin, ids.narrow(1, 0, time - 1)], 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::device;
    use proptest::prelude::*;

    /// Scores of each unit by the one before.
    struct Chain(Vec<Vec<f32>>);

    impl Stepwise for Chain {
        fn begin(&self, fused: &Tokens) -> State {
            State {
                fixed: Vec::new(),
                mask: fused.mask.clone(),
                carried: vec![fused.values.clone()],
                attention: Some(fused.mask.clone()),
                step: 0,
            }
        }

        fn step(&self, previous: Tensor<1, Int>, _: &mut State) -> Tensor<2> {
            let ids: Vec<i64> = previous.into_data().iter::<i64>().collect();
            let rows: Vec<f32> = ids.iter().flat_map(|id| self.0[*id as usize].clone()).collect();
            Tensor::from_data(TensorData::new(rows, [ids.len(), self.0.len()]), &device())
        }
    }

    fn fused(rows: usize) -> Tokens {
        Tokens { values: Tensor::zeros([rows, 1, 2], &device()), mask: Tensor::ones([rows, 1], &device()) }
    }

    const TEXT: Units = Units { longest: 6, are_text: true };

    /// Units 2 and 3: 2 begins better, and 3 ends better.
    fn garden_path() -> Chain {
        let log = |weights: [f32; 4]| weights.map(f32::ln).to_vec();
        Chain(vec![
            log([0.01, 0.9, 0.5, 0.4]),
            log([1.0, 1e-6, 1e-6, 1e-6]),
            log([0.3, 1e-6, 0.3, 0.3]),
            log([0.96, 1e-6, 0.02, 0.01]),
        ])
    }

    #[test]
    fn only_what_is_asked_for_changes() {
        let config = Sampling { beam: 4, temperature: 0.5, top_k: 7, ..Sampling::default() };
        assert_eq!(config.with(&Changes::default()), config);
        let changes = Changes { beam: Some(1), seed: Some(3), ..Changes::default() };
        assert_eq!(config.with(&changes), Sampling { beam: 1, seed: 3, ..config.clone() });
    }

    #[test]
    fn greedy_takes_the_likely_unit_and_a_beam_the_likely_text() {
        let greedy = write(&garden_path(), &fused(2), TEXT, &Sampling::default());
        assert!(greedy[0].ids.starts_with(&[2]) && greedy[0] == greedy[1], "{greedy:?}");
        let how = Sampling { beam: 3, length_penalty: 0.0, ..Sampling::default() };
        let found = write(&garden_path(), &fused(2), TEXT, &how);
        assert_eq!((&found[0].ids[..], found[0].attention.len()), (&[3][..], 1));
        assert!(found[0].log_probability > greedy[0].log_probability && found[0] == found[1]);
    }

    proptest! {
        #[test]
        fn a_beam_as_wide_as_all_texts_finds_the_best_one(weights in prop::collection::vec(0.01_f32..1.0, 16)) {
            let chain = Chain(weights.chunks(4).map(<[f32]>::to_vec).collect());
            let units = Units { longest: 3, are_text: true };
            let how = Sampling { beam: 64, length_penalty: 0.0, ..Sampling::default() };
            let found = write(&chain, &fused(1), units, &how).remove(0).log_probability;
            let log: Vec<Vec<f32>> = chain.0.iter().map(|row| {
                let total: f32 = row.iter().map(|value| value.exp()).sum();
                row.iter().map(|value| value - total.ln()).collect()
            }).collect();
            let mut best = f32::NEG_INFINITY;
            let mut open = vec![(0, 0.0_f32, 0)];
            while let Some((last, score, length)) = open.pop() {
                if length == units.longest {
                    best = best.max(score);
                    continue;
                }
                best = best.max(score + log[last][0]);
                open.extend([2, 3].map(|next| (next, score + log[last][next], length + 1)));
            }
            prop_assert!((found - best).abs() < 1e-4, "{found} is not {best}");
        }
    }

    #[test]
    fn draws_are_of_the_row_and_follow_the_probabilities() {
        let how = Sampling { temperature: 1.0, ..Sampling::default() };
        let drawn = write(&garden_path(), &fused(2000), TEXT, &how);
        assert_eq!(write(&garden_path(), &fused(2), TEXT, &Sampling { first: 5, ..how.clone() })[..], drawn[5..7]);
        let threes = drawn.iter().filter(|text| text.ids.first() == Some(&3)).count();
        assert!((800..960).contains(&threes), "{threes} of 2000, expected 0.4 of 0.91");
        assert!(drawn.iter().all(|text| !text.ids.contains(&UNKNOWN)));
        for one in [Sampling { top_k: 1, ..how.clone() }, Sampling { top_p: 0.01, ..how }] {
            let greedy = write(&garden_path(), &fused(1), TEXT, &Sampling::default());
            assert_eq!(write(&garden_path(), &fused(1), TEXT, &one), greedy);
        }
    }
}
