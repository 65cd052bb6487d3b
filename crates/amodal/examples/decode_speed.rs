//! Tokens a second of the transformer that writes texts: with what it attended to kept from word to word, and computed anew
//! for each word. `bench/decode.py` does the same in PyTorch.
//!
//! ```sh
//! RAYON_NUM_THREADS=1 cargo run --release -p amodal --example decode_speed
//! ```
use amodal::{
    Input, Named, Prediction, Tokens,
    decode::{Decoder, DecoderConfig, Sampling, transformer::TransformerConfig},
    train::device,
    types::{Build, Values},
};
use burn::tensor::{Distribution, Int, Tensor};
use std::time::Instant;

const DIM: usize = 256;
const LAYERS: usize = 4;
const HEADS: usize = 8;
const WORDS: usize = 8000;
const LONGEST: usize = 128;
/// Tokens that are attended to in each row, such as the places of a picture.
const PLACES: usize = 64;
const SECONDS: f64 = 4.0;

fn main() -> amodal::Result<()> {
    let device = device();
    device.seed(0);
    let dims = [("fused", DIM), ("target", WORDS), ("target.words", WORDS), ("target.longest", LONGEST)];
    let dims: Named<usize> = dims.map(|(name, dim)| (name.to_string(), dim)).into();
    let config = TransformerConfig { dim: DIM, num_layers: LAYERS, num_heads: HEADS, dropout: 0.0 };
    let decoder = DecoderConfig::Transformer(config).build(&Build { dims, device: &device })?;
    for rows in [1, 32] {
        let values = Tensor::random([rows, PLACES, DIM], Distribution::Normal(0.0, 1.0), &device);
        let fused = Tokens { values, mask: Tensor::ones([rows, PLACES], &device) };
        let kept = measure(|| kept(&decoder, &fused))?;
        let anew = measure(|| anew(&decoder, &fused, rows))?;
        println!("batch {rows}: {kept:.0} tokens/s, {anew:.0} computed anew ({:.1} times)", kept / anew);
    }
    Ok(())
}

/// Tokens a second of work that makes some.
fn measure(work: impl Fn() -> amodal::Result<usize>) -> amodal::Result<f64> {
    work()?; // the first one has memory to get
    let (start, mut made) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < SECONDS {
        made += work()?;
    }
    Ok(made as f64 / start.elapsed().as_secs_f64())
}

fn kept(decoder: &Decoder, fused: &Tokens) -> amodal::Result<usize> {
    let made = decoder.get().generate(fused, &Sampling::default())?;
    Ok(made.texts()?.iter().map(|text| text.ids.len()).sum())
}

fn anew(decoder: &Decoder, fused: &Tokens, rows: usize) -> amodal::Result<usize> {
    let blank = Tensor::<2, Int>::zeros([rows, 1], &fused.values.device());
    let mut words = Vec::with_capacity(LONGEST);
    for time in 1..=LONGEST {
        // the word to be made stands last; a decoder sees those before it alone
        let ids = Tensor::cat(words.iter().chain([&blank]).cloned().collect(), 1);
        let target = Input { values: Values::Ids(ids), mask: Tensor::ones([rows, time], &blank.device()), rows: None };
        let Prediction::Logits(logits) = decoder.get().decode(fused, Some(&target))? else { break };
        words.push(logits.narrow(1, time - 1, 1).argmax(2).squeeze_dim::<2>(2));
    }
    Ok(rows * LONGEST)
}
