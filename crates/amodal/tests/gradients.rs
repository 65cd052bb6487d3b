//! Central differences for every registered part, with respect to every parameter: a part that cuts the gradient, or
//! computes a wrong one, fails.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod parts;

use amodal::{
    Batch, Named, Outputs, Tokens,
    encode::{EncoderConfig, cnn::CnnConfig},
    layers::{Normalize, Pool},
    train::device,
    types::Build,
};
use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use parts::{Layout, TIME, encoded, encoders, fusions, gradients, moved, parameters, small, small_fusion, tensor};

/// Compares the gradient of `loss` with central differences, up to 8 entries of each parameter.
fn check<M: Module>(what: &str, part: &M, loss: impl Fn(&M) -> Tensor<1>) {
    if parameters(part).is_empty() {
        return;
    }
    let value = |part: &M| f64::from(loss(part).into_scalar::<f32>());
    let found = gradients(part, loss(part).backward());
    let (parameters, here) = (parameters(part), value(part));
    for (at, ((name, size), gradient)) in parameters.iter().zip(found).enumerate() {
        if name.contains("running_") {
            continue; // statistics, not learned
        }
        // through a hard choice the gradient is that of a soft one, which differences do not see
        let behind_a_choice =
            what.ends_with("image_tokens") && ["read", "choose"].iter().any(|part| name.contains(part));
        let gradient = gradient.unwrap_or_else(|| panic!("{what}: `{name}` gets no gradient"));
        assert!(gradient.iter().all(|value| value.is_finite()), "{what}: `{name}`: {gradient:?}");
        assert!(gradient.iter().any(|value| value.abs() > 1e-7), "{what}: the gradient of `{name}` is zero");
        if behind_a_choice {
            continue;
        }
        let mut entries: Vec<usize> = (0..*size).collect();
        entries.sort_by(|a, b| gradient[*b].abs().total_cmp(&gradient[*a].abs()));
        let rest = entries.split_off(entries.len().min(5));
        entries.extend(rest.iter().step_by((rest.len() / 3).max(1)).take(3));
        let scale = gradient.iter().fold(1.0_f64, |largest, value| largest.max(f64::from(value.abs())));
        for entry in entries {
            // a kink of ReLU or max may lie within a long step, or on one side; rounding tells in a short step
            let errors = [1e-2_f32, 3e-3, 1e-3, 3e-4, 1e-4].map(|h| {
                let (up, down, h) =
                    (value(&moved(part, at, entry, h)), value(&moved(part, at, entry, -h)), f64::from(h));
                let slopes = [(up - down) / (2.0 * h), (up - here) / h, (here - down) / h];
                let errors = slopes.map(|slope| (slope - f64::from(gradient[entry])).abs());
                if h > 2e-3 { errors[0] } else { errors.into_iter().fold(f64::INFINITY, f64::min) }
            });
            let least = errors.into_iter().fold(f64::INFINITY, f64::min);
            assert!(
                least < 1e-3 * scale,
                "{what}: `{name}`[{entry}]: {} is off by {least} from central differences",
                gradient[entry]
            );
        }
    }
}

/// A scalar of tokens to which each real value contributes in its own way.
fn scalar(tokens: &Tokens) -> Tensor<1> {
    let values = tokens.values.clone() * tokens.mask.clone().unsqueeze_dim(2);
    let device = values.device();
    (values.clone() * tensor(values.dims(), 77, &device)).sum()
}

fn training_device() -> Device {
    let device = device().autodiff();
    device.seed(5);
    device
}

#[test]
fn encoders_match_central_differences() {
    let device = training_device();
    for config in encoders() {
        let config = small(config);
        // of vectors that stay there is no gradient; `layers/words.rs` tests those that are learned
        for layout in Layout::ALL.into_iter().filter(|layout| *layout != Layout::Vectors) {
            let Some(encoder) = layout.encoder(&config, &device) else { continue };
            let input = layout.input(TIME, 0, &device);
            check(&format!("{config:?} over {layout:?}"), &encoder, |encoder| {
                scalar(&encoder.get().encode(&input).unwrap())
            });
        }
    }
}

#[test]
fn batch_normalisation_matches_central_differences() {
    let device = training_device();
    let norm = Normalize::Batch;
    let options = CnnConfig { dim: 4, channels: vec![3, 4], norm, pool: Pool::Mean, ..Default::default() };
    let config = EncoderConfig::Cnn(options);
    for layout in [Layout::Image, Layout::Series] {
        let encoder = layout.encoder(&config, &device).unwrap();
        let input = layout.input(TIME, 0, &device);
        check(&format!("batch norm over {layout:?}"), &encoder, |encoder| {
            scalar(&encoder.get().encode(&input).unwrap())
        });
    }
}

#[test]
fn fusions_match_central_differences() {
    let device = training_device();
    let encoded = encoded(0, 1.0, &device);
    for config in fusions() {
        let config = small_fusion(config);
        let fusion = config.build(&Build { dims: parts::dims(), device: &device }).unwrap().materialize();
        check(&format!("{config:?}"), &fusion, |fusion| scalar(&fusion.get().fuse(&encoded).unwrap()).mul_scalar(0.1));
    }
}

#[test]
fn decoders_match_central_differences() {
    let device = training_device();
    let fused = encoded(0, 1.0, &device)["c"].clone();
    for (name, decoder, target) in parts::decoders(&device) {
        let target = target.input(6, &device);
        check(name, &decoder, |decoder| {
            device.seed(4); // what is drawn is the same
            let values = parts::made(&decoder.get().decode(&fused, Some(&target)).unwrap());
            (values.clone() * tensor(values.dims(), 78, &device)).sum()
        });
    }
}

/// A loss over an alignment owns parameters; the gradient of one over a prediction is taken behind a decoder.
#[test]
fn losses_match_central_differences() {
    let device = training_device();
    let encoded = encoded(0, 1.0, &device);
    let mut dims = parts::dims();
    dims.extend([("fused".to_string(), 5), ("target".to_string(), 3)]);
    let build = Build { dims, device: &device };
    for config in parts::losses() {
        let loss = config.build(&build).unwrap().materialize();
        let groups = vec![1, 2, 3, 1, 4, 5];
        if !loss.get().embed(&encoded).unwrap().is_empty() {
            let batch = Batch { inputs: Named::new(), targets: Named::new(), groups };
            // the temperature is an exponent: as it is first set, steps of 1e-2 are coarse
            check(config.name(), &loss, |loss| {
                let embedded = [("t".to_string(), loss.get().embed(&encoded).unwrap())].into();
                loss.get().loss("t", &Outputs { embedded, ..Outputs::default() }, &batch).unwrap().mul_scalar(0.1)
            });
            continue;
        }
        let mut read = 0;
        for (name, decoder, target) in parts::decoders(&device) {
            let mut target = target.input(6, &device);
            let present = parts::mask(&[1, 1, 0, 1, 1, 1], 1, &device);
            target.mask = target.mask.clone() * present;
            let batch =
                Batch { inputs: Named::new(), targets: [("t".into(), target.clone())].into(), groups: groups.clone() };
            let value = |decoder: &amodal::decode::Decoder| {
                device.seed(4); // what is drawn is the same
                let decoded = decoder.get().decode(&encoded["c"], Some(&target)).unwrap();
                let decoded = [("t".to_string(), decoded)].into();
                loss.get().loss("t", &Outputs { decoded, ..Outputs::default() }, &batch)
            };
            if value(&decoder).is_ok() {
                read += 1;
                check(&format!("{} of {name}", config.name()), &decoder, |decoder| value(decoder).unwrap());
            }
        }
        assert!(read > 0, "{}: no decoder's prediction can be scored", config.name());
    }
}
