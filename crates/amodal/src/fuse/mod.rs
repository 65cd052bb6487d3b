//! Fusions: every modality's tokens to one sequence.
pub mod bottleneck;
pub mod concat;
pub mod cross_attention;
pub mod max;
pub mod mean;
pub mod min;
pub mod product;
pub mod relation;
pub mod sum;
pub mod transformer;

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
        "bottleneck" => Bottleneck(bottleneck::Bottleneck, bottleneck::BottleneckConfig),
        "concat" => Concat(concat::Concat, concat::ConcatConfig),
        "cross_attention" => CrossAttention(cross_attention::CrossAttention, cross_attention::CrossAttentionConfig),
        "max" => Max(max::Max, max::MaxConfig),
        "mean" => Mean(mean::Mean, mean::MeanConfig),
        "min" => Min(min::Min, min::MinConfig),
        "product" => Product(product::Product, product::ProductConfig),
        "relation" => Relation(relation::Relation, relation::RelationConfig),
        "sum" => Sum(sum::Sum, sum::SumConfig),
        "transformer" => Transformer(transformer::Transformer, transformer::TransformerConfig),
    }
}
