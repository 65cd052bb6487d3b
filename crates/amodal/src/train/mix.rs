//! Pictures of a batch mixed with each other in training: each row then has two classes, by the share of their pictures.
//!
//! Mixup (Zhang et al. 2018, arXiv:1710.09412) lays one picture over another, CutMix (Yun et al. 2019, arXiv:1905.04899)
//! pastes a rectangle of one into the other. The share is drawn evenly from 0 to 1 (their α = 1), one for each batch.
use burn::tensor::{Int, Tensor, TensorData};

use crate::random::{Purpose, Random, RngExt, random, shuffle};
use crate::types::Values;
use crate::{Batch, Config, Error, Input, Result, config::TrainConfig, modalities::ModalityConfig};

/// A batch whose pictures are mixed.
pub(super) struct Mixed {
    /// The mixed pictures, with the targets of the first.
    pub(super) first: Batch,
    /// The same with the targets of the others.
    pub(super) second: Batch,
    /// Share of the first.
    pub(super) share: f64,
}

/// Whether the model of a config can be trained so.
///
/// # Errors
/// [`Error::Config`] for a modality that is no picture, and for a task that tells no class.
pub(super) fn check(config: &Config) -> Result<()> {
    if config.train.mixup == 0.0 && config.train.cutmix == 0.0 {
        return Ok(());
    }
    let option = if config.train.mixup > 0.0 { "train.mixup" } else { "train.cutmix" };
    if let Some((name, _)) =
        config.modalities.iter().find(|(_, modality)| !matches!(modality, ModalityConfig::Image(_)))
    {
        return Err(Error::config(option, format!("mixes pictures, and `{name}` is none"))
            .with_help("set it to 0, or train on pictures alone"));
    }
    let of_class = |target: &Option<ModalityConfig>| matches!(target, Some(ModalityConfig::Category(_)));
    if let Some((name, _)) = config.tasks.iter().find(|(_, task)| !of_class(&task.target)) {
        return Err(Error::config(option, format!("mixes classes, and `{name}` tells none"))
            .with_help("set it to 0, or train tasks with a target of type `category` alone"));
    }
    Ok(())
}

/// The batch of a step mixed, by chance; `None`: as it is.
pub(super) fn mix(batch: &Batch, train: &TrainConfig, step: usize) -> Result<Option<Mixed>> {
    let rows = batch.groups.len();
    if (train.mixup == 0.0 && train.cutmix == 0.0) || rows < 2 {
        return Ok(None);
    }
    let mut random = random(train.seed, step as u64, 0, Purpose::Mix);
    let chance: f64 = random.random();
    let cut = match chance {
        chance if chance < train.mixup => false,
        chance if chance < train.mixup + train.cutmix => true,
        _ => return Ok(None),
    };
    let mut order: Vec<i64> = (0..rows as i64).collect();
    shuffle(&mut order, &mut random);
    let share: f64 = random.random();
    let mut first = batch.clone();
    let mut kept = share;
    for input in first.inputs.values_mut() {
        let each = input.clone().each_row();
        let pictures = each.image()?;
        let others = selected(pictures.clone(), &order);
        let [_, _, height, width] = pictures.dims();
        let pictures = match cut {
            false => pictures.mul_scalar(share) + others.mul_scalar(1.0 - share),
            true => {
                let (rows, columns) = rectangle(height, width, share, &mut random.clone());
                kept = 1.0 - (rows.len() * columns.len()) as f64 / (height * width) as f64;
                let part = [0..pictures.dims()[0], 0..3, rows, columns];
                pictures.slice_assign(part.clone(), others.slice(part))
            }
        };
        *input = Input { values: Values::Image(pictures), mask: each.mask, rows: None };
    }
    let mut second = first.clone();
    for target in second.targets.values_mut() {
        let order = Tensor::<1, Int>::from_data(TensorData::new(order.clone(), [rows]), &target.mask.device());
        target.rows = Some(order);
        *target = target.clone().each_row();
    }
    Ok(Some(Mixed { first, second, share: kept }))
}

fn selected(pictures: Tensor<4>, order: &[i64]) -> Tensor<4> {
    let order = TensorData::new(order.to_vec(), [order.len()]);
    let order = Tensor::<1, Int>::from_data(order, &pictures.device());
    pictures.select(0, order)
}

/// Rows and columns of a rectangle in the shape of the picture, which covers about `1 - share` of it; its middle lies
/// anywhere, and what stands out is cut off.
fn rectangle(
    height: usize,
    width: usize,
    share: f64,
    random: &mut Random,
) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let side = (1.0 - share).sqrt();
    let mut range = |length: usize| {
        let (half, middle) = (side * length as f64 / 2.0, random.random_range(0..length) as f64);
        let at = |place: f64| place.round().clamp(0.0, length as f64) as usize;
        at(middle - half)..at(middle + half)
    };
    (range(height), range(width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, Named};

    fn batch() -> Batch {
        let device = crate::train::device();
        let picture = |colour: u8| Item::Image { pixels: vec![colour; 48], height: 4, width: 4 };
        let pictures: Vec<Item> = (0..6).map(|row| picture(row * 40)).collect();
        let items: Vec<Option<&Item>> = pictures.iter().map(Some).collect();
        let classes: Vec<Item> = (0..6).map(|row| Item::Ids(vec![row])).collect();
        let targets: Vec<Option<&Item>> = classes.iter().map(Some).collect();
        let input = Input::stack(&items, &picture(0), None, &device).unwrap();
        let target = Input::stack(&targets, &Item::Ids(vec![]), Some(1), &device).unwrap();
        let named = |name: &str, input: Input| Named::from([(name.to_string(), input)]);
        Batch { inputs: named("picture", input), targets: named("colour", target), groups: (0..6).collect() }
    }

    /// The mean of a mixed row's colours is that of its two rows by their share, and the targets are theirs.
    #[test]
    fn colours_and_classes_are_mixed_by_one_share() {
        for (mixup, cutmix) in [(1.0, 0.0), (0.0, 1.0)] {
            let train = TrainConfig { mixup, cutmix, ..TrainConfig::default() };
            let (batch, mut shares) = (batch(), Vec::new());
            for step in 0..20 {
                let mixed = mix(&batch, &train, step).unwrap().unwrap();
                let classes = |batch: &Batch| {
                    batch.targets["colour"].ids().unwrap().into_data().iter::<i64>().collect::<Vec<_>>()
                };
                let (first, second) = (classes(&mixed.first), classes(&mixed.second));
                assert_eq!(first, [0, 1, 2, 3, 4, 5]);
                let means = mixed.first.inputs["picture"].image().unwrap().reshape([6, 48]).mean_dim(1).into_data();
                for ((mean, first), second) in means.iter::<f32>().zip(first).zip(second) {
                    let colour = |class: i64| class as f64 * 40.0 / 127.5 - 1.0;
                    let expected = mixed.share * colour(first) + (1.0 - mixed.share) * colour(second);
                    assert!((f64::from(mean) - expected).abs() < 1e-5, "{mean} {expected}");
                }
                shares.push(mixed.share);
            }
            assert!(shares.iter().any(|share| *share < 0.4) && shares.iter().any(|share| *share > 0.6), "{shares:?}");
        }
        assert!(mix(&batch(), &TrainConfig::default(), 0).unwrap().is_none());
    }

    #[test]
    fn a_part_of_the_batches_is_mixed() {
        let train = TrainConfig { mixup: 0.25, cutmix: 0.25, ..TrainConfig::default() };
        let mixed = (0..400).filter(|step| mix(&batch(), &train, *step).unwrap().is_some()).count();
        assert!((160..240).contains(&mixed), "{mixed}");
    }

    const CONFIG: &str = r#"
        [data]
        path = "table.csv"
        [train]
        mixup = 1.0
        [modalities.picture]
        type = "image"
        size = 4
        [encode.picture]
        type = "cnn"
        channels = [4]
        [tasks.colour]
        target = { type = "category", classes = ["a", "b", "c", "d", "e", "f"] }
        decode = { type = "classifier", dropout = 0.0 }
        loss = { type = "cross_entropy" }
    "#;

    #[test]
    fn a_step_learns_both_classes_by_their_share() {
        let config = Config::parse(CONFIG, &[]).unwrap();
        let mut trainer = crate::train::Trainer::new(config.clone()).unwrap();
        let batch = batch();
        let mixed = mix(&batch, &config.train, 0).unwrap().unwrap();
        let outputs = trainer.model.forward(&mixed.first).unwrap();
        let loss =
            |batch| f64::from(trainer.model.losses(&outputs, batch).unwrap()["colour"].clone().into_scalar::<f32>());
        let (first, second) = (loss(&mixed.first), loss(&mixed.second));
        assert!((first - second).abs() > 1e-3, "two classes: {first} {second}");
        let expected = mixed.share * first + (1.0 - mixed.share) * second;
        let report = trainer.step(&batch).unwrap();
        assert!((report.loss - expected).abs() < 1e-5, "{} {expected}", report.loss);
    }

    #[test]
    fn what_cannot_be_mixed_is_refused() {
        let error = |from: &str, to: &str| {
            check(&Config::parse(&CONFIG.replace(from, to), &[]).unwrap()).unwrap_err().to_string()
        };
        let text = error("[encode.picture]", "[modalities.words]\ntype = \"text\"\n[encode.picture]");
        assert_eq!(text, "train.mixup: mixes pictures, and `words` is none");
        let number = CONFIG.replace(
            "{ type = \"category\", classes = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\"] }",
            "{ type = \"number\" }",
        );
        let text = check(&Config::parse(&number.replace("mixup", "cutmix"), &[]).unwrap()).unwrap_err().to_string();
        assert_eq!(text, "train.cutmix: mixes classes, and `colour` tells none");
    }
}
