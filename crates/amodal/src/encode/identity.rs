//! Numbers as they are.
use super::Encode;
use crate::{Input, Result, Tokens, types::Build};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For numbers: each step's standardised values as a token, unchanged and without parameters, so that a fusion can be
/// studied alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {}

impl IdentityConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Identity> {
        Ok(Identity { dim: build.dim("input")? })
    }
}

/// See [`IdentityConfig`].
#[derive(Module, Debug)]
pub struct Identity {
    dim: usize,
}

impl Encode for Identity {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, time, channels]` to the same.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        Ok(Tokens { values: input.series()?, mask: input.mask.clone() })
    }
}
