//! One of a fixed set of classes, as an input or as a target.
use super::{Fit, Read, kind};
use crate::{Error, Item, Named, Raw, Result, suggest, types::Build};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One of a fixed set of classes: a label, a colour, a yes or no.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CategoryConfig {
    /// Names of the classes; empty: the different values of the training rows, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Whether a class never seen in training reads as one more class, "unknown" (sensible for an input), instead of
    /// being an error.
    pub unknown: bool,
}

impl CategoryConfig {
    /// Makes the reader.
    pub fn build(&self, _: &Build) -> Result<Category> {
        Ok(Category { classes: self.classes.clone(), unknown: self.unknown })
    }
}

impl Fit for CategoryConfig {
    fn fit(&mut self, values: &mut dyn Iterator<Item = &Raw>) -> Result<()> {
        if self.classes.is_empty() {
            self.classes = values.map(name).collect::<Result<BTreeSet<_>>>()?.into_iter().collect();
        }
        if self.classes.len() < 2 {
            let problem = format!("{} class in the training rows, expected at least 2", self.classes.len());
            return Err(Error::config("classes", problem));
        }
        Ok(())
    }
}

/// The class that a raw value names.
fn name(raw: &Raw) -> Result<String> {
    match raw {
        Raw::Text(text) => Ok(text.trim().to_string()),
        Raw::Numbers(numbers) if numbers.len() == 1 => Ok(numbers[0].to_string()),
        other => Err(Error::data("", format!("{}, expected the name of a class", kind(other)))),
    }
}

/// Reads [`CategoryConfig`].
#[derive(Module, Debug)]
pub struct Category {
    #[module(skip)]
    classes: Vec<String>,
    unknown: bool,
}

impl Read for Category {
    fn dims(&self) -> Named<usize> {
        [("input".to_string(), self.classes.len() + usize::from(self.unknown))].into()
    }

    fn read(&self, raw: &Raw) -> Result<Item> {
        let name = name(raw)?;
        match self.classes.iter().position(|class| *class == name) {
            Some(id) => Ok(Item::Ids(vec![id as u32])),
            None if self.unknown => Ok(Item::Ids(vec![self.classes.len() as u32])),
            None => {
                let shown: Vec<_> = self.classes.iter().take(10).map(|class| format!("{class:?}")).collect();
                let more = if self.classes.len() > 10 { ", …" } else { "" };
                let problem = format!(
                    "{name:?} is none of the {} classes of the training rows ({}{more})",
                    self.classes.len(),
                    shown.join(", ")
                );
                let help = match suggest(&name, self.classes.iter().map(String::as_str)) {
                    Some(near) => {
                        format!("did you mean {near:?}? Otherwise move a row of this class into the training rows")
                    }
                    None => "move rows of this class into the training rows, or remove this row".to_string(),
                };
                Err(Error::data("", problem).with_help(help))
            }
        }
    }

    fn write(&self, item: &Item, _: &str) -> Result<Raw> {
        let Item::Ids(ids) = item else { return Err(super::no_way_back("a class")) };
        let class = ids.first().and_then(|id| self.classes.get(*id as usize));
        Ok(Raw::Text(class.map_or_else(|| "(unknown)".to_string(), Clone::clone)))
    }

    fn blank(&self) -> Item {
        Item::Ids(vec![0])
    }

    fn time(&self) -> Option<usize> {
        Some(1)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}
