//! `amodal list`.
use crate::{Output, show};
use amodal::{
    decode::DecoderConfig, encode::EncoderConfig, fuse::FusionConfig, loss::LossConfig, metrics,
    modalities::ModalityConfig, registry::About,
};
use clap::{Args, ValueEnum};
use std::fmt::Write;

#[derive(Args)]
pub(crate) struct List {
    /// Only one stage
    stage: Option<Stage>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    Modalities,
    Encoders,
    Fusions,
    Decoders,
    Losses,
    Metrics,
}

impl Stage {
    fn parts(self) -> Vec<About> {
        match self {
            Self::Modalities => ModalityConfig::about(),
            Self::Encoders => EncoderConfig::about(),
            Self::Fusions => FusionConfig::about(),
            Self::Decoders => DecoderConfig::about(),
            Self::Losses => LossConfig::about(),
            Self::Metrics => metrics::ALL
                .iter()
                .map(|entry| About { name: entry.name, about: entry.about.to_string(), options: Vec::new() })
                .collect(),
        }
    }
}

impl List {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let stages: Vec<Stage> =
            Stage::value_variants().iter().copied().filter(|s| self.stage.is_none_or(|o| o == *s)).collect();
        let name = |stage: &Stage| stage.to_possible_value().map(|v| v.get_name().to_string()).unwrap_or_default();
        if output.json {
            let all: amodal::Named<Vec<About>> = stages.iter().map(|stage| (name(stage), stage.parts())).collect();
            return show::json(&all);
        }
        let mut text = String::new();
        for stage in &stages {
            writeln!(text, "{}", name(stage))?;
            for part in stage.parts() {
                writeln!(text, "  {}\n{}", part.name, wrapped(&part.about, 6))?;
                for option in part.options {
                    let default = match &option.default {
                        serde_json::Value::Null => String::new(),
                        value => format!(" = {value}"),
                    };
                    writeln!(text, "      {}{default}\n{}", option.name, wrapped(&option.about, 10))?;
                }
            }
            writeln!(text)?;
        }
        show::print(&text)
    }
}

/// Lines of at most 100 characters.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("starts with one line");
        if line.chars().count() + word.chars().count() + indent >= 100 && !line.is_empty() {
            lines.push(word.to_string());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("{:indent$}{line}", "")).collect::<Vec<_>>().join("\n")
}
