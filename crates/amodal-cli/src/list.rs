//! `amodal list`.
use crate::{Output, show};
use amodal::{
    Named,
    cost::{Cost, Measured, Part, ROWS},
    decode::DecoderConfig,
    encode::EncoderConfig,
    fuse::FusionConfig,
    loss::LossConfig,
    metrics,
    modalities::ModalityConfig,
    registry::About,
};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::{fmt::Write, num::NonZeroUsize};

#[derive(Args)]
pub(crate) struct List {
    /// Only one stage
    stage: Option<Stage>,
    /// Measure the time and memory of each encoder, fusion, decoder and loss on this machine (about a minute)
    #[arg(long)]
    measure: bool,
    /// Threads to measure with
    #[arg(long, value_name = "COUNT", default_value = "1", requires = "measure")]
    threads: NonZeroUsize,
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

/// What is shown of one part.
#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    about: About,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Measured>,
}

impl Stage {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
    }

    fn about(self) -> Vec<About> {
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

    /// The parts that cost something, in the order of [`Stage::about`].
    fn parts(self) -> Vec<Part> {
        match self {
            Self::Encoders => EncoderConfig::all().into_iter().map(Part::Encoder).collect(),
            Self::Fusions => FusionConfig::all().into_iter().map(Part::Fusion).collect(),
            Self::Decoders => DecoderConfig::all().into_iter().map(Part::Decoder).collect(),
            Self::Losses => LossConfig::all().into_iter().map(Part::Loss).collect(),
            Self::Modalities | Self::Metrics => Vec::new(),
        }
    }
}

impl List {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let chosen =
            |stage: &Stage| self.stage.is_none_or(|only| only == *stage) && !(self.measure && stage.parts().is_empty());
        let stages: Vec<Stage> = Stage::value_variants().iter().copied().filter(chosen).collect();
        if stages.is_empty() {
            let problem =
                "--measure is for encoders, fusions, decoders and losses: nothing else is computed in a model";
            return Err(show::WrongUse(problem.into()).into());
        }
        let mut all = Named::new();
        if self.measure && !output.json {
            show::print(&format!(
                "{ROWS} rows at a time, {}: the time of one row, forward and in a step of training (forward and back); the \
                 most\nmemory that a step takes for the {ROWS} rows, on top of the parameters.\n\n",
                show::count(self.threads.get(), "thread")
            ))?;
        }
        let has_costs = stages.iter().any(|stage| !stage.parts().is_empty());
        for stage in stages {
            let entries = self.entries(stage, output)?;
            if output.json {
                all.insert(stage.name(), entries);
                continue;
            }
            show::print(&if self.measure { table(stage, &entries) } else { text(stage, &entries)? })?;
        }
        match output.json {
            true => show::json(&all),
            false if has_costs && !self.measure => show::print(
                "Costs are those of one row at the defaults: numbers that are learned, and the multiply-adds of matrix products and\n\
                 convolutions on the way forward; a step of training takes about three times as many.\n",
            ),
            false => Ok(()),
        }
    }

    fn entries(&self, stage: Stage, output: Output) -> anyhow::Result<Vec<Entry>> {
        let mut parts = stage.parts().into_iter();
        if self.measure {
            output.say(format_args!("measuring {} …", show::count(parts.len(), stage.name().trim_end_matches('s'))));
        }
        let entry = |about| {
            let part = parts.next();
            let cost = part.as_ref().map(Part::cost).transpose()?;
            let measured = part.filter(|_| self.measure).map(|part| part.measure(self.threads.get())).transpose()?;
            Ok(Entry { about, cost, measured })
        };
        stage.about().into_iter().map(entry).collect()
    }
}

/// What each part does, costs, and takes as options.
fn text(stage: Stage, entries: &[Entry]) -> anyhow::Result<String> {
    let mut text = format!("{}\n", stage.name());
    for Entry { about, cost, .. } in entries {
        writeln!(text, "  {}", about.name)?;
        if let Some(Cost { input, parameters, multiply_adds }) = cost {
            let (parameters, multiply_adds) = (show::thousands(*parameters as u64), show::short(*multiply_adds));
            writeln!(text, "      {parameters} parameters, {multiply_adds} multiply-adds for {input}")?;
        }
        writeln!(text, "{}", wrapped(&about.about, 6))?;
        for option in &about.options {
            let default = match &option.default {
                serde_json::Value::Null => String::new(),
                value => format!(" = {value}"),
            };
            writeln!(text, "      {}{default}\n{}", option.name, wrapped(&option.about, 10))?;
        }
    }
    Ok(text + "\n")
}

/// A line for each part.
fn table(stage: Stage, entries: &[Entry]) -> String {
    let width = entries.iter().map(|entry| entry.about.name.len()).max().unwrap_or(0);
    let head = ["parameters", "multiply-adds", "forward", "step", "memory"].map(String::from);
    let mut table = vec![[vec![stage.name()], head.to_vec()].concat()];
    for Entry { about, cost, measured } in entries {
        let (Some(cost), Some(measured)) = (cost, measured) else { continue };
        let memory = measured.step_bytes.map_or_else(String::new, show::megabytes);
        table.push(vec![
            format!("  {:width$}  {}", about.name, cost.input),
            show::thousands(cost.parameters as u64),
            show::short(cost.multiply_adds),
            show::duration(measured.forward_seconds),
            show::duration(measured.step_seconds),
            memory,
        ]);
    }
    show::aligned(&table) + "\n"
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
