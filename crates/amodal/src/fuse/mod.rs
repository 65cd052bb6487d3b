//! Fusions: every modality's tokens to one sequence.
pub mod concat;
pub mod max;
pub mod mean;
pub mod min;
pub mod product;
pub mod sum;

use crate::{Named, Result, Tokens, registry};

/// Fuses all modalities of a row, whichever of them it has.
pub trait Fuse {
    /// Width of the tokens.
    fn dim(&self) -> usize;

    /// Tokens of the whole row; a missing modality (mask 0) takes no part.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens>;
}

registry! {
    /// Fuses all modalities of a row.
    Fusion(Fuse), FusionConfig {
        "concat" => Concat(concat::Concat, concat::ConcatConfig),
        "max" => Max(max::Max, max::MaxConfig),
        "mean" => Mean(mean::Mean, mean::MeanConfig),
        "min" => Min(min::Min, min::MinConfig),
        "product" => Product(product::Product, product::ProductConfig),
        "sum" => Sum(sum::Sum, sum::SumConfig),
    }
}
