//! Fusions: every modality's tokens to one sequence.
pub mod bilinear;
pub mod bottleneck;
pub mod concat;
pub mod cross_attention;
pub mod deepset;
pub mod experts;
pub mod film;
pub mod gated;
pub mod low_rank;
pub mod max;
pub mod mean;
pub mod min;
pub mod multiplicative;
pub mod product;
pub mod relation;
pub mod sum;
pub mod tensor;
pub mod transformer;
pub mod weighted;

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
        "bilinear" => Bilinear(bilinear::Bilinear, bilinear::BilinearConfig),
        "bottleneck" => Bottleneck(bottleneck::Bottleneck, bottleneck::BottleneckConfig),
        "concat" => Concat(concat::Concat, concat::ConcatConfig),
        "cross_attention" => CrossAttention(cross_attention::CrossAttention, cross_attention::CrossAttentionConfig),
        "deepset" => DeepSet(deepset::DeepSet, deepset::DeepSetConfig),
        "experts" => Experts(experts::Experts, experts::ExpertsConfig),
        "film" => Film(film::Film, film::FilmConfig),
        "gated" => Gated(gated::Gated, gated::GatedConfig),
        "low_rank" => LowRank(low_rank::LowRank, low_rank::LowRankConfig),
        "max" => Max(max::Max, max::MaxConfig),
        "mean" => Mean(mean::Mean, mean::MeanConfig),
        "min" => Min(min::Min, min::MinConfig),
        "multiplicative" => Multiplicative(multiplicative::Multiplicative, multiplicative::MultiplicativeConfig),
        "product" => Product(product::Product, product::ProductConfig),
        "relation" => Relation(relation::Relation, relation::RelationConfig),
        "sum" => Sum(sum::Sum, sum::SumConfig),
        "tensor" => Tensor(tensor::TensorNetwork, tensor::TensorConfig),
        "transformer" => Transformer(transformer::Transformer, transformer::TransformerConfig),
        "weighted" => Weighted(weighted::Weighted, weighted::WeightedConfig),
    }
}
