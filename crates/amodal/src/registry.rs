//! One list a stage: `"name" => Variant(module, options)`. Help, `amodal list`, the config's schema and the law tests
//! come from it.
use schemars::JsonSchema;
use serde::Serialize;

/// What `amodal list` shows of one part.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// The part's name in a config.
    pub name: &'static str,
    /// What it computes, and its paper.
    pub about: String,
    /// Its options.
    pub options: Vec<OptionAbout>,
}

/// One option of a part.
#[derive(Clone, Debug, Serialize)]
pub struct OptionAbout {
    /// The option's name.
    pub name: String,
    /// Its default, as JSON.
    pub default: serde_json::Value,
    /// What it does.
    pub about: String,
}

/// Reads a part's documentation from its options struct.
pub fn about<T: JsonSchema + Serialize + Default>(name: &'static str) -> About {
    let schema = schemars::schema_for!(T);
    let schema = schema.as_value();
    let defaults = serde_json::to_value(T::default()).unwrap_or_default();
    let text = |value: &serde_json::Value| {
        let text = value.get("description").and_then(|d| d.as_str()).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let options = schema.get("properties").and_then(|p| p.as_object()).into_iter().flatten();
    let options = options.map(|(name, option)| OptionAbout {
        name: name.clone(),
        default: defaults.get(name).cloned().unwrap_or_default(),
        about: text(option),
    });
    About { name, about: text(schema), options: options.collect() }
}

/// Makes a stage's enum of parts, its enum of options, and the list of both.
#[macro_export]
macro_rules! registry {
    (@options $Config:ident [] $($Variant:ident)*) => {};
    (@options $Config:ident [$Options:ident] $($Variant:ident)*) => {
        impl $Config {
            /// The options behind their trait.
            pub fn options(&mut self) -> &mut dyn $Options {
                match self { $(Self::$Variant(options) => options),* }
            }
        }
    };
    ($(#[$doc:meta])* $Part:ident($Trait:ident), $Config:ident$(($Options:ident))? {
        $($name:literal => $Variant:ident($module:ty, $config:ty)),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(burn::module::Module, Debug)]
        #[allow(missing_docs, clippy::large_enum_variant)] // a model has a handful of parts
        pub enum $Part { $($Variant($module)),* }

        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(tag = "type")]
        #[allow(missing_docs)]
        pub enum $Config { $(#[serde(rename = $name)] $Variant($config)),* }

        impl $Part {
            /// The part behind its trait.
            pub fn get(&self) -> &dyn $Trait { match self { $(Self::$Variant(part) => part),* } }

            /// The part behind its trait, to be changed.
            pub fn get_mut(&mut self) -> &mut dyn $Trait { match self { $(Self::$Variant(part) => part),* } }
        }

        impl $Config {
            /// Every name in the list.
            pub const NAMES: &'static [&'static str] = &[$($name),*];
            /// The part's name.
            pub fn name(&self) -> &'static str { match self { $(Self::$Variant(_) => $name),* } }
            /// Makes the part, its parameters drawn at random.
            pub fn build(&self, build: &$crate::types::Build) -> $crate::Result<$Part> {
                match self { $(Self::$Variant(config) => config.build(build).map($Part::$Variant)),* }
            }
            /// Every part with its default options.
            pub fn all() -> Vec<Self> { vec![$(Self::$Variant(<$config>::default())),*] }
            /// Documentation of every part.
            pub fn about() -> Vec<$crate::registry::About> { vec![$($crate::registry::about::<$config>($name)),*] }
        }

        $crate::registry!(@options $Config [$($Options)?] $($Variant)*);
    };
}
