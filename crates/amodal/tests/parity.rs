//! Forward pass, loss, gradient of every parameter and ten steps of AdamW, as PyTorch computes them.
//!
//! The files in `golden/` are written by `reference/*.py` (torch 2.9.1, seed 0); `parity.py` says what each holds.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod parts;

use amodal::{
    Batch, Config, Input, Named, Outputs, Prediction,
    train::{
        Trainer, checkpoint,
        weights::{self, Weights},
    },
    types::Values,
};
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};
use parts::{assert_near, gradients, list};
use std::path::Path;

const FORWARD: f32 = 1e-5;
const GRADIENT: f32 = 1e-4;
/// Of the loss after up to ten steps, and of the weights after them.
const TRAINED: f32 = 1e-4;
/// Gradients below this are zeros that were not computed exactly.
const ROUNDING: f32 = 1e-7;

/// What one file holds: tensors by the first step of their names, and the config.
struct Golden {
    tensors: Named<Weights>,
    config: Config,
}

impl Golden {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.safetensors"));
        let (all, config) = checkpoint::load(&path).unwrap();
        let mut tensors: Named<Weights> = Named::new();
        for (name, values) in all {
            let (kind, name) = name.split_once('/').unwrap_or((&name, ""));
            tensors.entry(kind.to_string()).or_default().insert(name.to_string(), values);
        }
        Self { tensors, config: Config::parse(&config, &[]).unwrap() }
    }

    fn inputs(&self, kind: &str, device: &Device) -> Named<Input> {
        let Some(all) = self.tensors.get(kind) else { return Named::new() };
        let names = all.keys().filter_map(|name| name.strip_suffix("/values"));
        let input = |name: &str| {
            let tensor = |part: &str| {
                let (shape, values) = &all[&format!("{name}/{part}")];
                TensorData::new(values.clone(), shape.clone())
            };
            let values = match (tensor("values"), all[&format!("{name}/values")].0.len()) {
                (data, 2) => Values::Ids(Tensor::<2, Int>::from_data(data.convert::<i64>(), device)),
                (data, 3) => Values::Series(Tensor::from_data(data, device)),
                (data, 4) => Values::Image(Tensor::from_data(data, device)),
                (data, 5) => Values::Video(Tensor::from_data(data, device)),
                (data, rank) => panic!("{name}: rank {rank}, {data:?}"),
            };
            Input { values, mask: Tensor::from_data(tensor("mask"), device), rows: None }
        };
        names.map(|name| (name.to_string(), input(name))).collect()
    }
}

/// Compares predictions and embeddings with those of a file.
fn compare_outputs(what: &str, outputs: &Outputs, wanted: &Weights, tolerance: f32) {
    for (name, (shape, values)) in wanted {
        let found = match name.split_once('/') {
            Some((task, modality)) => outputs.embedded[task][modality].values.clone(),
            None => match &outputs.decoded[name] {
                Prediction::Logits(values) | Prediction::Values(values) => values.clone(),
                Prediction::Image(values) => values.clone().flatten(2, 3),
                Prediction::Loss(loss) => loss.clone().reshape([1, 1, 1]),
                other => panic!("{what}: {name} is {other:?}"),
            },
        };
        assert_eq!(found.dims().iter().product::<usize>(), shape.iter().product::<usize>(), "{what}: {name}");
        assert_near(&format!("{what}: {name}"), &list(&found), values, tolerance);
    }
}

fn compare(case: &str) {
    let golden = Golden::read(case);
    let mut trainer = Trainer::new(golden.config.clone()).unwrap();
    trainer.model = weights::write(trainer.model, &golden.tensors["weights"], Path::new(case)).unwrap();
    trainer.progress.steps = 1_000_000_000; // so that the step size does not fall within ten steps
    let device = trainer.device().clone();
    let groups = golden.tensors["groups"][""].1.iter().map(|group| *group as u64).collect();

    let batch = Batch { inputs: golden.inputs("input", &device), targets: golden.inputs("target", &device), groups };

    let outputs = trainer.model.forward(&batch).unwrap();
    compare_outputs(case, &outputs, &golden.tensors["output"], FORWARD);
    let loss = trainer.model.losses(&outputs, &batch).unwrap().into_values().next().unwrap();
    assert_near(&format!("{case}: loss"), &list(&loss), &golden.tensors["loss"][""].1, FORWARD);

    let found = gradients(&trainer.model, loss.backward());
    let mut compared = 0;
    for (name, gradient) in weights::names(&trainer.model).into_iter().zip(found) {
        let Some((_, wanted)) = golden.tensors["gradients"].get(&name) else {
            assert!(name.contains("running_"), "{case}: the reference has no gradient of `{name}`");
            continue;
        };
        let gradient = gradient.unwrap_or_else(|| panic!("{case}: `{name}` has no gradient"));
        assert_near(&format!("{case}: gradient of {name}"), &gradient, wanted, GRADIENT);
        compared += 1;
    }
    assert_eq!(compared, golden.tensors["gradients"].len(), "{case}");

    // the pass above has moved the running statistics: begin again
    trainer.model = weights::write(trainer.model, &golden.tensors["weights"], Path::new(case)).unwrap();
    let losses = &golden.tensors["losses"][""].1;
    let found: Vec<f32> = losses.iter().map(|_| trainer.step(&batch).unwrap().loss as f32).collect();
    assert_near(&format!("{case}: losses"), &found, losses, TRAINED);
    let after = weights::read(&trainer.model);
    for (name, (_, wanted)) in &golden.tensors["after"] {
        let mut found = after[name].1.clone();
        // no gradient but rounding, which Adam scales up: the bias of keys, and the weights of coordinates whose mean is read
        let zero = name.ends_with("qkv.bias")
            || name.ends_with("keys_values.bias")
            || (case == "residual" && name == "encode.small.Resnet.output.weight");
        if let (true, Some((_, gradient))) = (zero, golden.tensors["gradients"].get(name)) {
            let rounding = gradient.iter().map(|value| value.abs() < ROUNDING);
            let settle = found.iter_mut().zip(wanted).zip(rounding).filter(|(_, rounding)| *rounding);
            settle.filter(|((a, b), _)| (**a - **b).abs() < 1e-3).for_each(|((a, b), _)| *a = *b);
        }
        assert_near(&format!("{case}: {name} after training"), &found, wanted, TRAINED);
    }
    let plain = amodal::train::device();
    let batch = Batch {
        inputs: golden.inputs("input", &plain),
        targets: golden.inputs("target", &plain),
        groups: batch.groups,
    };
    let outputs = trainer.model.valid().forward(&batch).unwrap();
    compare_outputs(&format!("{case} after training"), &outputs, &golden.tensors["valid"], 1e-3);
}

#[test]
fn a_classifier_of_pictures_and_words_with_batch_normalisation() {
    compare("classify");
}

#[test]
fn an_alignment_by_info_nce() {
    compare("info_nce");
}

#[test]
fn an_alignment_of_what_is_recalled() {
    compare("memory");
}

#[test]
fn an_alignment_by_sigmoid() {
    compare("sigmoid");
}

#[test]
fn transformers_and_convolutions_over_sequences() {
    compare("sequences");
}

#[test]
fn videos() {
    for case in ["video_mean", "video_transformer", "r2plus1d", "r2plus1d_non_local"] {
        compare(case);
    }
}

#[test]
fn decoders_of_texts() {
    for case in ["write_lstm", "write_attention_lstm", "write_transformer", "write_ctc"] {
        compare(case);
    }
}

#[test]
fn decoders_of_pictures_and_sounds() {
    for case in ["draw", "speak"] {
        compare(case);
    }
}

#[test]
fn encoders_of_pictures() {
    for case in ["pictures", "residual"] {
        compare(case);
    }
}

#[test]
fn recurrent_encoders() {
    compare("recurrent");
}

#[test]
fn windows_of_words_and_positions_of_transformers() {
    compare("positions");
}

#[test]
fn fusions() {
    for case in ["max", "min", "product", "sum"] {
        compare(case);
    }
}

#[test]
fn fusions_by_attention_and_of_pairs() {
    for case in ["transformer", "class_token", "cross_attention", "bottleneck", "relation", "relation_of_cells"] {
        compare(case);
    }
}

#[test]
fn a_learned_token_for_what_is_absent() {
    compare("absent");
}

#[test]
fn learned_fusions() {
    let cases = [
        "weighted",
        "gated",
        "gated_pair",
        "tensor",
        "low_rank",
        "bilinear",
        "film",
        "multiplicative",
        "experts",
        "deepset",
    ];
    for case in cases {
        compare(case);
    }
}
