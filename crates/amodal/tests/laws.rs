//! What holds for every registered part; a new part is covered on arrival.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod parts;

use amodal::{
    Batch, Input, Item, Named, Outputs, Prediction, Raw, Tokens,
    decode::{DecoderConfig, Sampling},
    encode::EncoderConfig,
    fuse::FusionConfig,
    loss::{Loss, LossConfig},
    metrics::{self, Figure, View},
    modalities::{Modality, ModalityConfig, text::TextConfig},
    registry::About,
    train::device,
    types::{Build, Values, Written},
};
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};
use parts::{
    IDS, LENGTHS, Layout, TAGS, TIME, Target, assert_finite, assert_near, encoded, encoders, fusions, given, gradients,
    ids, list, parameters, real, row, tensor,
};
use std::collections::BTreeSet;

const NEAR: f32 = 1e-5;

/// Runs `law` for every encoder over every layout that it reads.
fn each_encoder(device: &Device, law: impl Fn(&str, Layout, &amodal::encode::Encoder)) {
    device.seed(3);
    for config in encoders() {
        let mut read = 0;
        for layout in Layout::ALL {
            if let Some(encoder) = layout.encoder(&config, device) {
                read += 1;
                law(&format!("{config:?} over {layout:?}"), layout, &encoder);
            }
        }
        assert!(read > 0, "{config:?} reads no layout");
    }
}

fn each_fusion(device: &Device, law: impl Fn(&str, &amodal::fuse::Fusion)) {
    device.seed(3);
    for config in fusions() {
        let fusion = config.build(&Build { dims: parts::dims(), device }).unwrap().materialize();
        law(&format!("{config:?}"), &fusion);
    }
}

// Encoders

#[test]
fn encoders_make_tokens_of_their_width() {
    each_encoder(&device(), |what, layout, encoder| {
        let tokens = encoder.get().encode(&layout.input(TIME, 0, &device())).unwrap();
        let [batch, count, dim] = tokens.values.dims();
        assert_eq!((batch, dim), (LENGTHS.len(), encoder.get().dim()), "{what}");
        assert_eq!(tokens.mask.dims(), [batch, count], "{what}");
        assert!(list(&tokens.mask).iter().all(|real| *real == 0.0 || *real == 1.0), "{what}");
    });
}

#[test]
fn encoders_see_a_row_alone_as_in_a_batch() {
    each_encoder(&device(), |what, layout, encoder| {
        let input = layout.input(TIME, 0, &device());
        let all = encoder.get().encode(&input).unwrap();
        for at in 0..LENGTHS.len() {
            let alone = encoder.get().encode(&row(&input, at)).unwrap();
            let same = Tokens { values: all.values.clone().narrow(0, at, 1), mask: all.mask.clone().narrow(0, at, 1) };
            assert_eq!(list(&alone.mask), list(&same.mask), "{what}: mask of row {at}");
            assert_near(&format!("{what}: row {at}"), &real(&alone), &real(&same), NEAR);
        }
    });
}

#[test]
fn encoders_do_not_see_padding() {
    each_encoder(&device(), |what, layout, encoder| {
        let tokens = |padding| encoder.get().encode(&layout.input(TIME, padding, &device())).unwrap();
        let (one, other) = (tokens(1), tokens(2));
        assert_eq!(list(&one.mask), list(&other.mask), "{what}");
        assert_near(what, &real(&one), &real(&other), NEAR);
    });
}

#[test]
fn encoders_do_not_see_how_long_the_padding_is() {
    each_encoder(&device(), |what, layout, encoder| {
        if layout == Layout::FixedSeries {
            return; // always padded to one length
        }
        let pooled = |time| list(&encoder.get().encode(&layout.input(time, 0, &device())).unwrap().pool());
        for time in [TIME + 1, TIME + 5] {
            assert_near(&format!("{what}: padded to {time}"), &pooled(time), &pooled(TIME), NEAR);
        }
    });
}

#[test]
fn encoders_see_what_is_real() {
    each_encoder(&device(), |what, layout, encoder| {
        let pooled = list(&encoder.get().encode(&layout.input(TIME, 0, &device())).unwrap().pool());
        let dim = encoder.get().dim();
        let rows: Vec<&[f32]> = pooled.chunks(dim).collect();
        let apart: f32 = rows[0].iter().zip(rows[4]).map(|(a, b)| (a - b).abs()).sum();
        assert!(apart > 1e-4, "{what}: two different rows are encoded alike");
    });
}

#[test]
fn encoders_of_words_see_their_parts_of_speech() {
    each_encoder(&device(), |what, layout, encoder| {
        let input = layout.input(TIME, 0, &device());
        let Values::Tagged { ids, tags } = &input.values else { return };
        if matches!(encoder, amodal::encode::Encoder::Category(_)) {
            return; // of classes
        }
        let pooled = |tags: Tensor<2, Int>| {
            let values = Values::Tagged { ids: ids.clone(), tags };
            list(&encoder.get().encode(&Input { values, ..input.clone() }).unwrap().pool())
        };
        let other = tags.clone().add_scalar(1).remainder_scalar(TAGS as i64);
        let apart: f32 = pooled(tags.clone()).iter().zip(pooled(other)).map(|(a, b)| (a - b).abs()).sum();
        assert!(apart > 1e-4, "{what}: other parts of speech are encoded alike");
        let untagged = Input { values: Values::Ids(ids.clone()), ..input.clone() };
        assert!(encoder.get().encode(&untagged).is_err(), "{what}");
    });
}

#[test]
fn encoders_leave_a_missing_row_absent() {
    for device in [device(), device().autodiff()] {
        each_encoder(&device, |what, layout, encoder| {
            let input = layout.input(TIME, 0, &device);
            for input in [input.clone(), Input { mask: input.mask.zeros_like(), ..input }] {
                let tokens = encoder.get().encode(&input).unwrap();
                assert_finite(what, &list(&tokens.values));
                let present = list(&tokens.present());
                assert_eq!(present, list(&input.mask.max_dim(1)), "{what}");
                if !device.is_autodiff() || parameters(encoder).is_empty() {
                    continue;
                }
                let found = gradients(encoder, real_values(&tokens).sum().backward());
                for ((name, _), gradient) in parameters(encoder).iter().zip(found) {
                    assert_finite(&format!("{what}: gradient of {name}"), &gradient.unwrap_or_default());
                }
            }
        });
    }
}

#[test]
fn an_input_longer_than_the_learned_positions_is_an_error_with_help() {
    let device = device();
    let config = |max_length| -> EncoderConfig {
        toml::from_str(&format!("type = \"transformer\"\npositions = \"learned\"\nmax_length = {max_length}")).unwrap()
    };
    let build = |layout: Layout, max_length| config(max_length).build(&Build { dims: layout.dims(), device: &device });
    let encoder = build(Layout::Words, TIME - 1).unwrap();
    let error = encoder.get().encode(&Layout::Words.input(TIME, 0, &device)).unwrap_err();
    assert_eq!(error.to_string(), "max_length: 5, and an input has 6 tokens");
    assert!(error.help().unwrap().contains("max_length"));
    assert!(build(Layout::FixedSeries, TIME - 1).is_err());
    assert!(build(Layout::FixedSeries, TIME).is_ok());
}

fn real_values(tokens: &Tokens) -> Tensor<3> {
    tokens.values.clone() * tokens.mask.clone().unsqueeze_dim(2)
}

// Fusions

#[test]
fn fusions_make_tokens_of_their_width() {
    each_fusion(&device(), |what, fusion| {
        let tokens = fusion.get().fuse(&encoded(0, 1.0, &device())).unwrap();
        let [batch, count, dim] = tokens.values.dims();
        assert_eq!((batch, dim), (6, fusion.get().dim()), "{what}");
        assert_eq!(tokens.mask.dims(), [batch, count], "{what}");
        assert_eq!(list(&tokens.present()), [1.0, 1.0, 1.0, 1.0, 1.0, 0.0], "{what}");
    });
}

#[test]
fn fusions_do_not_see_padding_or_what_is_missing() {
    each_fusion(&device(), |what, fusion| {
        let fused = |padding, scale| real(&fusion.get().fuse(&encoded(padding, scale, &device())).unwrap());
        assert_near(what, &fused(1, 1.0), &fused(2, 100.0), NEAR);
    });
}

#[test]
fn fusions_see_a_row_alone_as_in_a_batch() {
    each_fusion(&device(), |what, fusion| {
        let encoded = encoded(0, 1.0, &device());
        let all = fusion.get().fuse(&encoded).unwrap().pool();
        for at in 0..6 {
            let one = |tokens: &Tokens| Tokens {
                values: tokens.values.clone().narrow(0, at, 1),
                mask: tokens.mask.clone().narrow(0, at, 1),
            };
            let alone = encoded.iter().map(|(name, tokens)| (name.clone(), one(tokens))).collect();
            let alone = fusion.get().fuse(&alone).unwrap().pool();
            assert_near(&format!("{what}: row {at}"), &list(&alone), &list(&all.clone().narrow(0, at, 1)), NEAR);
        }
    });
}

#[test]
fn fusions_read_one_modality_alone() {
    let device = device();
    let alone = |scale: f32| -> Named<Tokens> { [("c".to_string(), encoded(0, scale, &device)["c"].clone())].into() };
    for config in FusionConfig::all() {
        let dims = [("c".to_string(), 5)].into();
        let fusion = config.build(&Build { dims, device: &device }).unwrap().materialize();
        let tokens = fusion.get().fuse(&alone(1.0)).unwrap();
        assert_finite(config.name(), &list(&tokens.values));
        assert_eq!(list(&tokens.present()), [1.0, 1.0, 1.0, 1.0, 1.0, 0.0], "{}", config.name());
        assert_near(config.name(), &real(&fusion.get().fuse(&alone(100.0)).unwrap()), &real(&tokens), NEAR);
    }
}

#[test]
fn relations_see_a_condition_where_there_is_no_object() {
    let device = device();
    for config in fusions().into_iter().filter(|config| config.name() == "relation") {
        let FusionConfig::Relation(options) = &config else { continue };
        let Some(condition) = options.condition.first() else { continue };
        let fusion = config.build(&Build { dims: parts::dims(), device: &device }).unwrap().materialize();
        let fused = |sign: f32| {
            let read = encoded(0, 1.0, &device).into_iter().map(|(name, tokens)| {
                let tokens = if options.condition.contains(&name) { tokens } else { tokens.absent() };
                let sign = if name == *condition { sign } else { 1.0 };
                (name, Tokens { values: tokens.values.mul_scalar(sign), mask: tokens.mask })
            });
            list(&fusion.get().fuse(&read.collect()).unwrap().pool().narrow(0, 0, 1))
        };
        let apart: f32 = fused(1.0).iter().zip(fused(-1.0)).map(|(a, b)| (a - b).abs()).sum();
        assert!(apart > 1e-4, "{config:?}");
    }
}

#[test]
fn fusions_see_every_modality_that_is_there() {
    each_fusion(&device(), |what, fusion| {
        let encoded = encoded(0, 1.0, &device());
        let fused = |encoded: &Named<Tokens>| list(&fusion.get().fuse(encoded).unwrap().pool().narrow(0, 0, 1));
        let whole = fused(&encoded);
        for name in encoded.keys() {
            let apart = |changed: Tokens| -> f32 {
                let mut other = encoded.clone();
                other.insert(name.clone(), changed);
                fused(&other).iter().zip(&whole).map(|(a, b)| (a - b).abs()).sum()
            };
            assert!(apart(encoded[name].absent()) > 1e-4, "{what}: `{name}` is not missed");
            let values = encoded[name].values.clone().neg();
            let moved = apart(Tokens { values, mask: encoded[name].mask.clone() });
            assert!(moved > 1e-4, "{what}: the values of `{name}` are not seen");
        }
    });
}

#[test]
fn fusions_give_finite_values_and_gradients_where_modalities_are_missing() {
    let device = device().autodiff();
    each_fusion(&device, |what, fusion| {
        for (case, absent) in [("some rows", Vec::new()), ("one", vec!["b"]), ("all", vec!["a", "b", "c"])] {
            let leaves: Named<Tensor<3>> = encoded(0, 1.0, &device)
                .into_iter()
                .map(|(name, tokens)| (name, tokens.values.detach().require_grad()))
                .collect();
            let read: Named<Tokens> = encoded(0, 1.0, &device)
                .into_iter()
                .map(|(name, tokens)| {
                    let tokens = Tokens { values: leaves[&name].clone(), mask: tokens.mask };
                    let missing = absent.contains(&name.as_str());
                    let mask = if missing { tokens.mask.zeros_like() } else { tokens.mask };
                    (name, Tokens { values: tokens.values, mask })
                })
                .collect();
            let tokens = fusion.get().fuse(&read).unwrap();
            let what = format!("{what}, {case} missing");
            assert_finite(&what, &list(&tokens.values));
            let rows: Vec<f32> = list(&tokens.pool());
            assert!(rows.chunks(fusion.get().dim()).nth(5).unwrap().iter().all(|value| *value == 0.0), "{what}");
            let loss = tokens.pool().powi_scalar(2).sum();
            let found = loss.backward();
            for (name, leaf) in &leaves {
                let Some(gradient) = leaf.grad(&found) else { continue };
                let gradient = list(&gradient);
                assert_finite(&format!("{what}: gradient of {name}"), &gradient);
                let [_, tokens, dim] = leaf.dims();
                let real = list(&read[name].mask);
                for (at, gradient) in gradient.chunks(dim).enumerate() {
                    let none = gradient.iter().all(|value| *value == 0.0);
                    assert!(real[at] == 1.0 || none, "{what}: token {at} of {tokens} a row of `{name}` is absent");
                }
            }
            for ((name, _), gradient) in parameters(fusion).iter().zip(gradients(fusion, found)) {
                assert_finite(&format!("{what}: gradient of {name}"), &gradient.unwrap_or_default());
            }
        }
    });
}

/// One modality, two, and more, of which the last is missing in every other row.
#[test]
fn fusions_take_any_number_of_modalities() {
    let device = device();
    for count in 1..=4 {
        let all: Named<Tokens> = encoded(0, 1.0, &device);
        let named = (0..count).map(|at| (format!("m{at}"), all.values().nth(at % 3).unwrap().clone()));
        let mut read: Named<Tokens> = named.collect();
        let dims: Named<usize> = read.iter().map(|(name, tokens)| (name.clone(), tokens.values.dims()[2])).collect();
        let last = read.last_entry().unwrap().into_mut();
        last.mask = last.mask.clone() * given(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [6, 1], &device);
        let present: Vec<Tensor<2>> = read.values().map(Tokens::present).collect();
        let present = list(&Tensor::cat(present, 1).max_dim(1));
        for config in FusionConfig::all() {
            let what = format!("{} of {count}", config.name());
            let fusion = config.build(&Build { dims: dims.clone(), device: &device }).unwrap();
            let tokens = fusion.get().fuse(&read).unwrap();
            assert_eq!(list(&tokens.present()), present, "{what}");
            let rows = list(&tokens.pool());
            assert_finite(&what, &rows);
            for (row, present) in rows.chunks(fusion.get().dim()).zip(&present) {
                assert_eq!(row.iter().any(|value| *value != 0.0), *present == 1.0, "{what}");
            }
        }
    }
}

// Decoders and losses

fn prediction_dims() -> Named<usize> {
    let mut dims = parts::dims();
    dims.extend([("fused".to_string(), 5), ("target".to_string(), 3)]);
    dims
}

#[test]
fn decoders_are_finite_at_extremes_and_do_not_see_padding() {
    let device = device().autodiff();
    device.seed(3);
    for (what, decoder, target) in parts::decoders(&device) {
        let target = target.input(6, &device);
        let fused = |padding, scale| encoded(padding, scale, &device)["c"].clone();
        let decode = |tokens: &Tokens| {
            device.seed(4); // a decoder that draws draws the same
            parts::made(&decoder.get().decode(tokens, Some(&target)).unwrap())
        };
        assert_near(what, &list(&decode(&fused(1, 1.0))), &list(&decode(&fused(2, 100.0))), NEAR);
        let tokens = fused(0, 1.0);
        let extreme = Tokens { values: tokens.values.sign().mul_scalar(200.0), mask: tokens.mask };
        let values = decode(&extreme);
        assert_finite(what, &list(&values));
        for ((name, _), gradient) in parameters(&decoder).iter().zip(gradients(&decoder, values.sum().backward())) {
            if !name.contains("running_") {
                let gradient = gradient.expect("every parameter has a gradient");
                assert_finite(&format!("{what}: gradient of {name}"), &gradient);
            }
        }
    }
}

/// What a decoder makes by itself is one of what it may make, the same for a row alone and in a batch, however it is made.
#[test]
fn decoders_generate_each_row_alone() {
    let device = device();
    device.seed(3);
    let mut drawing = 0;
    for (what, decoder, target) in parts::decoders(&device) {
        for how in [
            Sampling::default(),
            Sampling { beam: 3, ..Sampling::default() },
            Sampling { temperature: 1.0, top_k: 4, ..Sampling::default() },
        ] {
            let generate = |tokens: &Tokens, first| {
                let how = Sampling { first, ..how.clone() };
                let made = decoder.get().generate(tokens, &how).unwrap();
                (made.items().unwrap(), made)
            };
            let fused = encoded(1, 1.0, &device)["c"].clone();
            let (items, made) = generate(&fused, 0);
            assert_eq!(items.len(), 6, "{what}");
            assert_eq!(items, generate(&encoded(2, 100.0, &device)["c"], 0).0, "{what}: padding is seen");
            for (row, item) in items.iter().enumerate() {
                let alone = Tokens {
                    values: fused.values.clone().narrow(0, row, 1),
                    mask: fused.mask.clone().narrow(0, row, 1),
                };
                let alone = generate(&alone, row as u64).0;
                match (item, &alone[0]) {
                    (Item::Series { values, .. }, Item::Series { values: alone, .. }) => {
                        assert_near(what, values, alone, NEAR);
                    }
                    (Item::Image { pixels, .. }, Item::Image { pixels: alone, .. })
                    | (Item::Video { pixels, .. }, Item::Video { pixels: alone, .. }) => {
                        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 1; // rounded to a level
                        assert!(pixels.iter().zip(alone).all(near), "{what}");
                    }
                    (item, alone) => assert_eq!(item, alone, "{what}, row {row}"),
                }
                if let (Item::Ids(ids), Target::Text | Target::Word) = (item, target) {
                    assert!(ids.len() <= TIME && ids.iter().all(|id| (2..IDS as u32).contains(id)), "{what}: {ids:?}");
                }
            }
            drawing += usize::from(matches!(made, Prediction::Text(_)));
        }
    }
    assert!(drawing >= 9, "three decoders write text");
}

/// A loss over a prediction, with a prediction and a target that it reads.
struct Scored {
    name: &'static str,
    loss: Loss,
    /// Whether it reads logits and classes, not values and numbers.
    classes: bool,
}

impl Scored {
    fn loss(&self, values: Tensor<3>, target: Values, real: &[f32]) -> amodal::Result<Tensor<1>> {
        let [rows, _, _] = values.dims();
        let device = values.device();
        let prediction = if self.classes { Prediction::Logits(values) } else { Prediction::Values(values) };
        let input = Input { values: target, mask: given(real, [rows, 1], &device), rows: None };
        let batch = Batch {
            inputs: Named::new(),
            targets: [("t".to_string(), input)].into(),
            groups: (0..rows as u64).collect(),
        };
        let outputs = Outputs { decoded: [("t".to_string(), prediction)].into(), ..Outputs::default() };
        self.loss.get().loss("t", &outputs, &batch)
    }

    /// A target that `right` is the answer to.
    fn target(&self, right: &[i64], device: &Device) -> Values {
        match self.classes {
            true => Values::Ids(ids(right, [right.len(), 1], device)),
            false => Values::Series(self.answer(right, 1.0, device)),
        }
    }

    fn answer(&self, right: &[i64], scale: f32, device: &Device) -> Tensor<3> {
        let one_hot: Vec<f32> = right
            .iter()
            .flat_map(|right| (0..3).map(move |class| scale * f32::from(u8::from(class == *right))))
            .collect();
        given(&one_hot, [right.len(), 1, 3], device)
    }
}

/// The registered losses: those over a prediction, and those that align modalities.
fn losses(device: &Device) -> (Vec<Scored>, Vec<(&'static str, Loss)>) {
    device.seed(3);
    let (mut scored, mut aligning) = (Vec::new(), Vec::new());
    for config in parts::losses() {
        let loss = config.build(&Build { dims: prediction_dims(), device }).unwrap().materialize();
        if !loss.get().embed(&encoded(0, 1.0, device)).unwrap().is_empty() {
            aligning.push((config.name(), loss));
            continue;
        }
        let before = scored.len();
        for classes in [true, false] {
            let part = Scored { name: config.name(), loss: loss.clone(), classes };
            let target = part.target(&[0], device);
            if part.loss(tensor([1, 1, 3], 1, device), target, &[1.0]).is_ok() {
                scored.push(part);
            }
        }
        let decides = config.name() == "own"; // the decoder does
        assert!(decides || scored.len() > before, "{} reads neither classes nor numbers", config.name());
    }
    (scored, aligning)
}

#[test]
fn losses_are_finite_at_extremes() {
    let device = device().autodiff();
    for part in losses(&device).0 {
        let extremes = [200.0, -200.0, 0.0, -200.0, -200.0, -200.0, 200.0, 200.0, 200.0, 0.0, 200.0, -200.0];
        for real in [[1.0; 4], [0.0; 4]] {
            let values = given(&extremes, [4, 1, 3], &device).require_grad();
            let loss = part.loss(values.clone(), part.target(&[0, 1, 2, 2], &device), &real).unwrap();
            assert_finite(part.name, &list(&loss));
            assert_eq!(loss.dims(), [1], "{}", part.name);
            assert!(real[0] == 1.0 || list(&loss) == [0.0], "{}: a loss without a target", part.name);
            assert_finite(part.name, &list(&values.grad(&loss.backward()).unwrap()));
        }
    }
}

#[test]
fn losses_do_not_count_rows_without_a_target() {
    let device = device();
    for part in losses(&device).0 {
        let values = tensor::<3>([3, 1, 3], 4, &device);
        let with = |other: f32, id: i64| {
            let other = given(&[other, -other, 0.0], [1, 1, 3], &device);
            let values = Tensor::cat(vec![values.clone(), other], 0);
            list(&part.loss(values, part.target(&[0, 2, 1, id], &device), &[1.0, 1.0, 1.0, 0.0]).unwrap())
        };
        let without = list(&part.loss(values.clone(), part.target(&[0, 2, 1], &device), &[1.0; 3]).unwrap());
        assert_near(part.name, &with(50.0, 0), &without, 1e-6);
        assert_near(part.name, &with(-7.0, 2), &without, 1e-6);
    }
}

#[test]
fn losses_fall_where_the_answer_is_right() {
    let device = device();
    for part in losses(&device).0 {
        let target = || part.target(&[0, 1, 2], &device);
        let loss = |answer: &[i64], scale| {
            list(&part.loss(part.answer(answer, scale, &device), target(), &[1.0; 3]).unwrap())[0]
        };
        let (right, half, wrong) = (loss(&[0, 1, 2], 1.0), loss(&[0, 1, 1], 1.0), loss(&[1, 2, 0], 1.0));
        assert!(right < half && half < wrong, "{}: {right} {half} {wrong}", part.name);
        assert!(right >= 0.0, "{}", part.name);
    }
}

/// An alignment loss over given vectors: `[rows][dim]` for each of two modalities, and rows that have the second.
fn align(loss: &Loss, a: &[[f32; 2]], b: &[[f32; 2]], has: &[f32], groups: &[u64], device: &Device) -> f32 {
    let tokens = |rows: &[[f32; 2]], mask: &[f32]| Tokens {
        values: given(&rows.concat(), [rows.len(), 1, 2], device),
        mask: given(mask, [rows.len(), 1], device),
    };
    let ones = vec![1.0; a.len()];
    let embedded: Named<Tokens> = [("a".to_string(), tokens(a, &ones)), ("b".to_string(), tokens(b, has))].into();
    let outputs = Outputs { embedded: [("t".to_string(), embedded)].into(), ..Outputs::default() };
    let batch = Batch { inputs: Named::new(), targets: Named::new(), groups: groups.to_vec() };
    list(&loss.get().loss("t", &outputs, &batch).unwrap())[0]
}

const EAST: [f32; 2] = [1.0, 0.0];
const NORTH: [f32; 2] = [0.0, 1.0];
const WEST: [f32; 2] = [-1.0, 0.0];
const BETWEEN: [f32; 2] = [0.6, 0.8];

#[test]
fn alignments_fall_where_rows_find_their_own() {
    let device = device();
    for (name, loss) in losses(&device).1 {
        let rows = [EAST, NORTH, WEST];
        let right = align(&loss, &rows, &rows, &[1.0; 3], &[1, 2, 3], &device);
        let near = align(&loss, &rows, &[BETWEEN, NORTH, WEST], &[1.0; 3], &[1, 2, 3], &device);
        let wrong = align(&loss, &rows, &[NORTH, WEST, EAST], &[1.0; 3], &[1, 2, 3], &device);
        assert!(right < near && near < wrong, "{name}: {right} {near} {wrong}");
    }
}

#[test]
fn alignments_do_not_push_copies_apart() {
    let device = device();
    for (name, loss) in losses(&device).1 {
        // the second modality of row 1 moves from its own first to between it and row 0's
        let of = |groups: &[u64], b: [f32; 2]| {
            align(&loss, &[EAST, NORTH, WEST], &[EAST, b, WEST], &[1.0; 3], groups, &device)
        };
        assert!(of(&[1, 1, 2], BETWEEN) < of(&[1, 1, 2], NORTH), "{name}: copies are negatives");
        assert!(of(&[1, 3, 2], BETWEEN) > of(&[1, 3, 2], NORTH), "{name}: others are positives");
    }
}

#[test]
fn alignments_do_not_see_rows_without_a_modality() {
    let device = device();
    for (name, loss) in losses(&device).1 {
        let with = |a: [f32; 2], b: [f32; 2], group: u64| {
            let (a, b) = ([EAST, BETWEEN, a], [NORTH, EAST, b]);
            align(&loss, &a, &b, &[1.0, 1.0, 0.0], &[1, 2, group], &device)
        };
        let without = align(&loss, &[EAST, BETWEEN], &[NORTH, EAST], &[1.0; 2], &[1, 2], &device);
        for (a, b, group) in [(WEST, NORTH, 3), (NORTH, [0.0, 0.0], 3), (EAST, EAST, 1)] {
            assert_near(name, &[with(a, b, group)], &[without], NEAR);
        }
        let none = align(&loss, &[EAST, BETWEEN], &[NORTH, EAST], &[0.0; 2], &[1, 2], &device);
        assert_eq!(none, 0.0, "{name}: no row has both");
    }
}

#[test]
fn alignments_are_finite_at_extremes() {
    let device = device().autodiff();
    for (name, loss) in losses(&device).1 {
        for scale in [0.0, 1.0, 200.0] {
            let encoded: Named<Tokens> = encoded(0, 1.0, &device)
                .into_iter()
                .map(|(name, tokens)| {
                    let values = tokens.values.sign().mul_scalar(scale).detach().require_grad();
                    (name, Tokens { values, mask: tokens.mask })
                })
                .collect();
            let embedded = loss.get().embed(&encoded).unwrap();
            for tokens in embedded.values() {
                let lengths = list(&real_values(tokens).powi_scalar(2).sum_dim(2));
                let expected = if scale == 0.0 { tokens.mask.zeros_like() } else { tokens.mask.clone() };
                assert_near(&format!("{name}: lengths"), &lengths, &list(&expected), 1e-4);
            }
            let outputs = Outputs { embedded: [("t".to_string(), embedded)].into(), ..Outputs::default() };
            let batch = Batch { inputs: Named::new(), targets: Named::new(), groups: vec![1, 2, 3, 3, 4, 5] };
            let value = loss.get().loss("t", &outputs, &batch).unwrap();
            assert_finite(name, &list(&value));
            let found = value.backward();
            for tokens in encoded.values() {
                assert_finite(name, &list(&tokens.values.grad(&found).unwrap()));
            }
            for ((part, _), gradient) in parameters(&loss).iter().zip(gradients(&loss, found)) {
                assert_finite(&format!("{name}: gradient of {part}"), &gradient.unwrap_or_default());
            }
        }
    }
}

// Metrics

/// Figures of one metric: class metrics of logits, number metrics of values, text metrics of words, picture metrics of
/// even colours, sound metrics of one band, alignments of two modalities.
fn measure(entry: &metrics::Entry, masked: bool) -> Vec<Figure> {
    let device = device();
    let mut metric = (entry.make)();
    let rows = if masked { 5 } else { 4 };
    let real = [1.0, 1.0, 1.0, 1.0, 0.0];
    let mask = given(&real[..rows], [rows, 1], &device);
    let (best, right) = ([0, 1, 1, 2, 0], [0, 1, 2, 2, 1]);
    let (told, true_) = ([1.0, 2.0, 3.0, 4.0, 99.0], [1.0, 1.0, 3.0, 8.0, -99.0]);
    let one_hot: Vec<f32> =
        best[..rows].iter().flat_map(|best| (0..3).map(move |class| f32::from(u8::from(class == *best)))).collect();
    let words = TextConfig { vocabulary: ["a", "b", "c"].map(String::from).to_vec(), ..TextConfig::default() };
    let words = words.build(&Build { dims: Named::new(), device: &device }).map(Modality::Text).unwrap();
    let written = |class: &i64| Written { ids: vec![*class as u32 + 2], ..Written::default() };
    let even = |levels: &[f32]| {
        let planes: Vec<f32> = levels.iter().flat_map(|level| [level / 127.5 - 1.0; 3 * 4]).collect();
        given(&planes, [rows, 3, 2, 2], &device)
    };
    let (prediction, target) = match entry.kind {
        metrics::Kind::Text => (
            Prediction::Text(best[..rows].iter().map(written).collect()),
            Values::Ids(ids(&right[..rows].iter().map(|class| class + 2).collect::<Vec<_>>(), [rows, 1], &device)),
        ),
        metrics::Kind::Image => (Prediction::Image(even(&told[..rows])), Values::Image(even(&true_[..rows]))),
        metrics::Kind::Class => (
            Prediction::Logits(given(&one_hot, [rows, 1, 3], &device)),
            Values::Ids(ids(&right[..rows], [rows, 1], &device)),
        ),
        _ => (
            Prediction::Values(given(&told[..rows], [rows, 1, 1], &device)),
            Values::Series(given(&true_[..rows], [rows, 1, 1], &device)),
        ),
    };
    // a finds b: row 0 its own, rows 1 and 2 each other's, row 3 its own
    let a = [EAST, NORTH, WEST, [0.0, -1.0], BETWEEN];
    let b = [EAST, WEST, NORTH, [0.0, -1.0], BETWEEN];
    let tokens =
        |of: &[[f32; 2]]| Tokens { values: given(&of[..rows].concat(), [rows, 1, 2], &device), mask: mask.clone() };
    let embedded: Named<Tokens> = [("a".to_string(), tokens(&a)), ("b".to_string(), tokens(&b))].into();
    let outputs = Outputs {
        embedded: [("t".to_string(), embedded)].into(),
        decoded: [("t".to_string(), prediction)].into(),
        ..Outputs::default()
    };
    let target = Input { values: target, mask, rows: None };
    let groups = (0..rows as u64).collect();
    let batch = Batch { inputs: Named::new(), targets: [("t".to_string(), target)].into(), groups };
    let target = (entry.kind == metrics::Kind::Text).then_some(&words);
    metric.update(&View { task: "t", target, outputs: &outputs, batch: &batch }).unwrap();
    metric.figures()
}

/// Decibels for each step of the natural logarithm.
const DECIBELS: f64 = 10.0 / std::f64::consts::LN_10;

/// Mean peak signal to noise ratio of pictures that are as many levels apart.
fn psnr(apart: &[f64]) -> f64 {
    let of_one = |apart: &f64| if *apart == 0.0 { 100.0 } else { 20.0 * (255.0 / apart).log10() };
    apart.iter().map(of_one).sum::<f64>() / apart.len() as f64
}

/// Mean structural similarity of even pictures to those of levels 1 1 3 8.
fn ssim(made: &[f64]) -> f64 {
    let c1 = (0.01_f64 * 255.0).powi(2);
    let of_one = |(made, right): (&f64, f64)| (2.0 * made * right + c1) / (made * made + right * right + c1);
    made.iter().zip([1.0, 1.0, 3.0, 8.0]).map(of_one).sum::<f64>() / 4.0
}

#[test]
fn metrics_of_a_known_case() {
    for entry in metrics::ALL {
        let figures = measure(entry, false);
        let found: Vec<(f64, f64)> = figures.iter().map(|figure| (figure.value, figure.floor)).collect();
        let expected: Vec<(f64, f64)> = match entry.name {
            "accuracy" => vec![(0.75, 0.5)],
            // per class 1, 2/3, 2/3; always answering the most frequent: 2/3 for it, 0 for two others
            "f1" => vec![(7.0 / 9.0, 2.0 / 9.0)],
            // errors 0 1 0 4; from the median 3 (upper): 2 2 0 5
            "mae" => vec![(1.25, 2.25)],
            // from the mean 3.25: 2.25 2.25 0.25 4.75
            "rmse" => vec![((17.0_f64 / 4.0).sqrt(), (32.75_f64 / 4.0).sqrt())],
            // ranks 1 3 3 1 of 4 (as near counts as nearer), both ways
            "retrieval" => [[(0.5, 0.25), (1.0, 1.0), (1.0, 1.0), (3.0, 2.5)]; 2].concat(),
            // a b b c, right are a b c c: three of four; always c: two
            "exact" | "rouge" => vec![(0.75, 0.5)],
            "word_error" => vec![(0.25, 0.5), (0.25, 0.5)],
            // no text has four words
            "bleu" => vec![(0.0, 0.0)],
            // one of four lengths of runs, of cosine 1
            "cider" => vec![(2.5 * 0.75, 2.5 * 0.5)],
            // one piece of one word costs half
            "meteor" => vec![(0.75 / 2.0, 0.5 / 2.0)],
            // errors 0 1 0 4 of a level; from the mean 3 (rounded): 2 2 0 5
            "psnr" => vec![(psnr(&[0.0, 1.0, 0.0, 4.0]), psnr(&[2.0, 2.0, 0.0, 5.0]))],
            // brightness alone differs
            "ssim" => vec![(ssim(&[1.0, 2.0, 3.0, 4.0]), ssim(&[3.0, 3.0, 3.0, 3.0]))],
            // means 2.5 and 3.25, variances 5/3 and 32.75/3, in each of 48 places; all of them go together
            "frechet" => {
                let apart = |mean: f64, one: f64, other: f64| mean * mean + (one.sqrt() - other.sqrt()).powi(2);
                let places = 48.0 / (255.0 * 255.0);
                vec![(places * apart(0.75, 5.0 / 3.0, 32.75 / 3.0), places * apart(0.0, 0.0, 32.75 / 3.0))]
            }
            // errors 0 1 0 4; from the mean 3.25: 2.25 2.25 0.25 4.75; both figures, as there is one number a row
            "mel_distance" => vec![(1.25 * DECIBELS, 2.375 * DECIBELS); 2],
            name => panic!("`{name}` is new: add its known case here"),
        };
        assert_eq!(found.len(), expected.len(), "{}: {figures:?}", entry.name);
        for (at, ((value, floor), (right, right_floor))) in found.iter().zip(&expected).enumerate() {
            let figure = &figures[at];
            assert!((value - right).abs() < 1e-9 && (floor - right_floor).abs() < 1e-9, "{figure:?}: {expected:?}");
            assert_eq!(figure.count, 4, "{figure:?}");
        }
    }
}

#[test]
fn metrics_do_not_count_masked_rows() {
    for entry in metrics::ALL {
        assert_eq!(measure(entry, true), measure(entry, false), "{}", entry.name);
        assert!((entry.make)().figures().is_empty(), "{} of nothing", entry.name);
    }
}

// Lists

#[test]
fn lists_have_unique_names_and_every_part_and_option_is_documented() {
    let lists: [(&str, Vec<About>, &[&str]); 5] = [
        ("modalities", ModalityConfig::about(), ModalityConfig::NAMES),
        ("encoders", EncoderConfig::about(), EncoderConfig::NAMES),
        ("fusions", FusionConfig::about(), FusionConfig::NAMES),
        ("decoders", DecoderConfig::about(), DecoderConfig::NAMES),
        ("losses", LossConfig::about(), LossConfig::NAMES),
    ];
    for (list, parts, names) in lists {
        assert!(parts.iter().map(|part| part.name).eq(names.iter().copied()), "{list}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{list}: a name stands twice");
        for part in parts {
            assert!(part.about.len() > 10, "{list}: {} has no documentation", part.name);
            for option in part.options {
                assert!(option.about.len() > 10, "{list}: {}.{} has no documentation", part.name, option.name);
            }
        }
    }
    assert_eq!(metrics::ALL.iter().map(|entry| entry.name).collect::<BTreeSet<_>>().len(), metrics::ALL.len());
    assert!(metrics::ALL.iter().all(|entry| entry.about.len() > 10));
}

#[test]
fn every_parts_options_survive_toml() {
    macro_rules! round_trip {
        ($($Config:ident)*) => {$(
            for part in $Config::all() {
                let text = toml::to_string(&part).unwrap();
                assert_eq!(toml::from_str::<$Config>(&text).unwrap(), part, "{text}");
                assert!(text.contains(&format!("type = \"{}\"", part.name())), "{text}");
                let wrong = format!("{text}\nnot_an_option = 1\n");
                assert!(toml::from_str::<$Config>(&wrong).is_err(), "{}: an unknown option is taken", part.name());
            }
        )*};
    }
    round_trip!(ModalityConfig EncoderConfig FusionConfig DecoderConfig LossConfig);
}

#[test]
fn modalities_reject_options_out_of_range() {
    let device = device();
    let build = Build { dims: Named::new(), device: &device };
    let mut taken = Vec::new();
    for wrong in [
        "type = \"image\"\nsize = 0",
        "type = \"image\"\nmax_megapixels = -1.0",
        "type = \"image\"\naugment = { flip = 1.5 }",
        "type = \"image\"\naugment = { crop = 0.0 }",
        "type = \"audio\"\nseconds = -1.0",
        "type = \"audio\"\nseconds = 20.0\nmax_seconds = 10.0",
        "type = \"audio\"\nmax_seconds = -1.0",
        "type = \"audio\"\nfeatures = \"mfcc\"\ncoefficients = 0",
        "type = \"audio\"\nfeatures = \"mfcc\"\ncoefficients = 65",
        "type = \"audio\"\nfeatures = \"mfcc\"\naugment = { mel_shift = 1 }",
        "type = \"audio\"\nmel = { num_mels = 0 }",
        "type = \"audio\"\nmel = { sample_rate_hz = 0 }",
        "type = \"audio\"\nmel = { hop_ms = 0.0 }",
        "type = \"audio\"\naugment = { time_width = 1.5 }",
        "type = \"number\"\ndeviation = 0.0",
        "type = \"number\"\ndeviation = nan",
        "type = \"number\"\nmean = nan",
        "type = \"number\"\nmean = [1.0, 2.0]",
        "type = \"number\"\ncolumns = [\"a\", \"a\"]",
        "type = \"number\"\ncolumns = [\"a\"]\ngaps = [\"b\"]",
        "type = \"series\"\nchannels = 0",
        "type = \"series\"\nlength = 0",
        "type = \"series\"\nchannels = 2\ndeviation = [1.0]",
        "type = \"text\"\nmax_time = 0",
    ] {
        let config: ModalityConfig = toml::from_str(wrong).unwrap();
        taken.extend(config.build(&build).is_ok().then_some(wrong));
    }
    assert!(taken.is_empty(), "taken: {taken:#?}");
    let one = [Raw::Text("a".into()), Raw::Text("a ".into())];
    let mut config: ModalityConfig = toml::from_str("type = \"category\"").unwrap();
    assert!(config.fit(&mut one.iter()).is_err(), "one class");
    for config in ModalityConfig::all() {
        config.build(&build).unwrap();
    }
}

#[test]
fn parts_reject_options_out_of_range() {
    let device = device();
    let dims = |more: &[(&str, usize)]| -> Named<usize> {
        more.iter().map(|(name, dim)| (name.to_string(), *dim)).chain(parts::dims()).collect()
    };
    let mut taken = Vec::new();
    for wrong in [
        "type = \"alexnet\"\nchannels = [4, 4]",
        "type = \"alexnet\"\nkernel = 13",
        "type = \"alexnet\"\nstride = 0",
        "type = \"bag\"\ndim = 0",
        "type = \"bag\"\nhidden = [0]",
        "type = \"category\"\ndim = 0",
        "type = \"cnn\"\nchannels = []",
        "type = \"cnn\"\nchannels = [4, 0]",
        "type = \"cnn\"\ndepth = 0",
        "type = \"cnn\"\ndropout = 1.0",
        "type = \"cnn\"\nnon_local = [0]",
        "type = \"cnn\"\nnon_local = [4]",
        "type = \"cnn\"\ncoordinates = true",
        "type = \"gru\"\nnum_layers = 0",
        "type = \"lstm\"\nbidirectional = true\ndim = 5",
        "type = \"lstm\"\ndropout = 1.0",
        "type = \"number\"\ndropout = -0.1",
        "type = \"number\"\nhidden = [0]",
        "type = \"resnet\"\nblocks = [1]",
        "type = \"resnet\"\nchannels = []\nblocks = []",
        "type = \"resnet\"\nblocks = [1, 0, 1]",
        "type = \"resnet\"\nnon_local = [4]",
        "type = \"text_cnn\"\nwindows = []",
        "type = \"text_cnn\"\nchannels = 0",
        "type = \"transformer\"\nframes = 0",
        "type = \"transformer\"\nmax_length = 0",
        "type = \"transformer\"\npositions = \"rotary\"\nnum_heads = 8\ndim = 24",
        "type = \"transformer\"\nnum_heads = 0",
        "type = \"transformer\"\nnum_heads = 3\ndim = 8",
        "type = \"transformer\"\nnum_layers = 0",
        "type = \"vit\"\npatch = 0",
        "type = \"vit\"\nnum_heads = 3",
    ] {
        let config: EncoderConfig = toml::from_str(wrong).unwrap();
        let dims = dims(&[("input", 3), ("height", 8), ("width", 8)]);
        taken.extend(config.build(&Build { dims, device: &device }).is_ok().then_some(wrong.to_string()));
    }
    let without_width = FusionConfig::NAMES.iter().map(|name| format!("type = \"{name}\"\ndim = 0"));
    let fusions = [
        "type = \"bilinear\"\nwidth = 0",
        "type = \"bilinear\"\nrank = 0",
        "type = \"deepset\"\nhidden = [0]",
        "type = \"film\"\nmodulated = \"nothing\"",
        "type = \"film\"\nnum_layers = 0",
        "type = \"low_rank\"\nrank = 0",
        "type = \"multiplicative\"\nwidth = 0",
        "type = \"tensor\"\nwidth = 0",
        "type = \"tensor\"\nwidth = 100",
    ];
    for wrong in without_width.chain(fusions.map(String::from)) {
        let config: FusionConfig = toml::from_str(&wrong).unwrap();
        let built = config.build(&Build { dims: parts::dims(), device: &device });
        taken.extend(built.is_ok().then_some(wrong));
    }
    for wrong in [
        "type = \"bottleneck\"\nbottlenecks = 0",
        "type = \"bottleneck\"\nnum_layers = 1",
        "type = \"cross_attention\"\nnum_heads = 3",
        "type = \"cross_attention\"\nnum_layers = 0",
        "type = \"relation\"\nhidden = []",
        "type = \"relation\"\nhidden = [4, 0]",
        "type = \"relation\"\ncondition = [\"nothing\"]",
        "type = \"relation\"\ncondition = [\"a\", \"b\", \"c\"]",
        "type = \"transformer\"\nnum_layers = 0",
        "type = \"transformer\"\ndropout = 1.0",
    ] {
        let config: FusionConfig = toml::from_str(wrong).unwrap();
        let built = config.build(&Build { dims: parts::dims(), device: &device });
        taken.extend(built.is_ok().then_some(wrong.to_string()));
    }
    for wrong in [
        "type = \"cross_entropy\"\nlabel_smoothing = 1.0",
        "type = \"info_nce\"\ndim = 0",
        "type = \"info_nce\"\ntemperature = 0.0",
        "type = \"info_nce\"\nbetween = [\"a\"]",
        "type = \"info_nce\"\nbetween = [\"a\", \"a\"]",
        "type = \"info_nce\"\nbetween = [\"a\", \"nothing\"]",
        "type = \"sigmoid\"\ntemperature = nan",
        "type = \"sigmoid\"\nbias = nan",
    ] {
        let config: LossConfig = toml::from_str(wrong).unwrap();
        let dims = dims(&[("fused", 5), ("target", 3)]);
        taken.extend(config.build(&Build { dims, device: &device }).is_ok().then_some(wrong.to_string()));
    }
    for wrong in ["type = \"classifier\"\nhidden = [0]", "type = \"regressor\"\ndropout = 2.0"] {
        let config: DecoderConfig = toml::from_str(wrong).unwrap();
        let dims = dims(&[("fused", 5), ("target", 3)]);
        taken.extend(config.build(&Build { dims, device: &device }).is_ok().then_some(wrong.to_string()));
    }
    assert!(taken.is_empty(), "taken: {taken:#?}");
}
