//! A commented config that trains well as it is, of what a profile found.
use std::fmt::{self, Write};
use std::path::Path;

use super::choose::{Choice, choose, is_rich};
use super::guess::Kind;
use super::{Column, Profile};
use crate::data::{Table, count};
use crate::{Config, Error, Named, Result};

/// Rows from which a table counts as large: wider steps, and no picture is changed at random.
const LARGE: usize = 20_000;
/// Pictures from which they are read smaller, so that an epoch stays short.
const MANY_PICTURES: usize = 8_000;

/// The text of a config for a table, every choice with its reason.
///
/// `target` names the column to predict; without it the last category or number that can be learned is taken, and where there
/// is none the modalities are aligned alone. `command` is what trains it, for the first lines.
///
/// # Errors
/// [`Error::Config`] for a target that cannot be predicted, [`Error::Data`] where nothing can be.
pub fn start(
    profile: &Profile,
    table: &Table,
    splits: &Named<Vec<usize>>,
    target: Option<&str>,
    command: &str,
) -> Result<String> {
    if let Some(name) = target {
        table.column(name)?;
        let kind = profile.columns.iter().find(|column| column.name == name).map_or(Kind::Empty, |column| column.kind);
        if !matches!(kind, Kind::Category | Kind::Number) {
            let problem = format!("the column `{name}` is {}: expected a category or a number", kind.name());
            return Err(Error::config("--target", problem));
        }
    }
    let choice = choose(profile, table, splits, target);
    if choice.read.is_empty() || (choice.target.is_none() && choice.align.len() < 2) {
        let problem = "no column can be predicted from the others: expected a category or a number beside \
                       another column, or two of picture, sound and text";
        return Err(Error::data(table.path().display().to_string(), problem));
    }
    let path = std::path::absolute(table.path()).map_err(Error::io(table.path()))?;
    let mut text = String::new();
    Writer { choice: &choice, profile, out: &mut text }.all(&path, command).map_err(|error| {
        Error::run(table.path(), format!("the config could not be written: {error}")) // writing to a text does not fail
    })?;
    Config::parse(&text, &[])?;
    Ok(text)
}

struct Writer<'a> {
    choice: &'a Choice<'a>,
    profile: &'a Profile,
    out: &'a mut String,
}

impl<'a> Writer<'a> {
    fn all(&mut self, path: &Path, command: &str) -> fmt::Result {
        let rows = self.profile.rows;
        writeln!(
            self.out,
            "# Written by `amodal init` from {rows} rows. `amodal list` shows every part and its options."
        )?;
        writeln!(self.out, "# Train it: {command}")?;
        writeln!(self.out, "# How long that takes: amodal check, with the name of this file\n")?;
        self.data(path)?;
        self.train()?;
        let numbers = self.numbers();
        if let [first, .., last] = numbers.as_slice() {
            let name = ["numbers", "measures", "columns"].into_iter().find(|name| self.is_free(name));
            let list: Vec<String> = numbers.iter().map(|column| quoted(&column.name)).collect();
            writeln!(
                self.out,
                "\n# {} columns of numbers, {} to {}, are one modality",
                list.len(),
                first.name,
                last.name
            )?;
            let name = name.unwrap_or("numbers");
            writeln!(self.out, "[modalities.{name}]\ntype = \"number\"\ncolumns = [{}]", list.join(", "))?;
            writeln!(self.out, "\n[encode.{name}]\ntype = \"number\"\ndim = 64\nhidden = [128]")?;
        }
        for column in &self.choice.read {
            if numbers.len() < 2 || column.kind != Kind::Number {
                self.modality(column)?;
            }
        }
        self.tasks()
    }

    /// Columns of numbers that are read.
    fn numbers(&self) -> Vec<&'a Column> {
        self.choice.read.iter().copied().filter(|column| column.kind == Kind::Number).collect()
    }

    fn is_free(&self, name: &str) -> bool {
        self.profile.columns.iter().all(|column| column.name != name)
    }

    fn is_small(&self) -> bool {
        self.choice.train < LARGE
    }

    /// Modalities that the model reads: all numbers are one.
    fn modalities(&self) -> usize {
        let numbers = self.numbers().len();
        self.choice.read.len() - numbers + numbers.min(1)
    }

    fn data(&mut self, path: &Path) -> fmt::Result {
        writeln!(self.out, "[data]\npath = {}", quoted(&path.display().to_string()))?;
        if !self.profile.columns.iter().any(|column| column.kind == Kind::Split) {
            writeln!(self.out, "# no column names the splits: this share of the rows is held out")?;
            writeln!(self.out, "validation = 0.1\ntest = 0.1")?;
        }
        match &self.choice.group_by {
            Some((column, why)) => {
                writeln!(self.out, "# rows of one value are copies of one thing ({why}):")?;
                writeln!(self.out, "# they stay in one split, and find each other in a search")?;
                writeln!(self.out, "group_by = {}", quoted(&column.name))?;
            }
            None => writeln!(self.out, "# group_by = \"COLUMN\"  # rows of one value stay in one split")?,
        }
        let read = self.choice.read.iter().copied().chain(self.choice.target);
        let bad: usize = read.filter_map(|column| Some(column.files.as_ref()?.unreadable.total)).sum();
        let unseen = self.choice.target.map_or(0, |target| target.only_outside_train.total);
        if bad + unseen > 0 {
            let why = match (bad, unseen) {
                (0, _) => format!("{unseen} of the target's classes are in no training row"),
                (_, 0) => format!("{} cannot be read", count(bad, "file")),
                _ => format!(
                    "{} cannot be read, {unseen} of the target's classes are in no training row",
                    count(bad, "file")
                ),
            };
            writeln!(self.out, "# {why}: such rows are left out, and listed")?;
            writeln!(self.out, "on_error = \"skip\"\nmax_errors = {}", 2 * (bad + unseen) + self.profile.rows / 20)?;
        }
        for (name, why) in &self.choice.left {
            writeln!(self.out, "# the column {} is not read: {}", quoted(name), one_line(why))?;
        }
        Ok(())
    }

    fn train(&mut self) -> fmt::Result {
        let rows = self.choice.train;
        // where rows share pictures, an epoch has fewer of them than rows
        let visits = if self.choice.together.is_some() { 440_000 } else { 160_000 };
        let media = self.choice.read.iter().any(|column| is_rich(column));
        let epochs = if media { (visits / rows.max(1)).clamp(8, 60) } else { (1_200_000 / rows.max(1)).clamp(20, 100) };
        let every = (epochs / 12).max(1);
        let large = !self.is_small();
        writeln!(self.out, "\n[train]\nepochs = {epochs:<13} # of {rows} training rows")?;
        let (batch, rate) = if large { (256, "2e-3") } else { (64, "1e-3") };
        writeln!(self.out, "batch_size = {batch}\nlearning_rate = {rate}")?;
        if media {
            let decay = if large { "0.01" } else { "0.05" };
            writeln!(
                self.out,
                "weight_decay = {decay}{}",
                if large { "" } else { "     # more than usual: there are few rows" }
            )?;
        } else {
            writeln!(self.out, "weight_decay = 1e-4     # columns of numbers and classes need little")?;
        }
        writeln!(self.out, "evaluate_every = {every}      # epochs between looks at the validation rows")?;
        writeln!(self.out, "patience = 6            # looks without progress after which training stops; 0: never")?;
        if let Some(column) = self.choice.together {
            writeln!(
                self.out,
                "together = {}  # rows of one value share a batch, which encodes it once",
                quoted(&column.name)
            )?;
        }
        if self.choice.align.len() > 1 {
            writeln!(self.out, "modality_dropout = 0.05 # rows that lack something occur in training too")?;
        }
        writeln!(self.out, "seed = 0")
    }

    fn modality(&mut self, column: &Column) -> fmt::Result {
        let name = key(&column.name);
        let small = self.is_small();
        let dropout = if small { "\ndropout = 0.2" } else { "" };
        let files = column.files.as_ref();
        writeln!(self.out, "\n[modalities.{name}]")?;
        match column.kind {
            Kind::Image => {
                let (size, why) = self.size(column);
                writeln!(self.out, "type = \"image\"\nsize = {size}               # {why}")?;
                if small {
                    writeln!(
                        self.out,
                        "# few pictures: each is changed a little every time; add flip = 0.5 where left and right mean nothing"
                    )?;
                    writeln!(
                        self.out,
                        "augment = {{ scale = [0.85, 1.15], shift = 0.06, rotate = 10.0, brightness = 0.15, contrast = 0.2 }}"
                    )?;
                }
                let channels = if small && size >= 48 { "[16, 32, 64, 128]" } else { "[16, 32, 64]" };
                let dim = if small { 256 } else { 128 };
                writeln!(self.out, "\n[encode.{name}]\ntype = \"cnn\"\nchannels = {channels}\ndim = {dim}{dropout}")?;
            }
            Kind::Video => {
                writeln!(self.out, "type = \"video\"\nsize = {}\nframes = 8", self.size(column).0.min(64))?;
                writeln!(
                    self.out,
                    "\n[encode.{name}]\ntype = \"frames\"  # `time = \"transformer\"` where movement counts"
                )?;
                writeln!(self.out, "dim = 128")?;
            }
            Kind::Audio => {
                let most = files.and_then(|files| files.seconds.as_ref()).map_or(3.0, |seconds| seconds.most);
                let seconds = (2.0 * most).ceil().clamp(1.0, 20.0) / 2.0;
                writeln!(
                    self.out,
                    "type = \"audio\"\nseconds = {seconds:.1}           # 19 of 20 are no longer; the rest is cut off"
                )?;
                writeln!(self.out, "mel = {{ sample_rate_hz = 16000, num_mels = 40, hop_ms = 20.0 }}")?;
                if small {
                    writeln!(
                        self.out,
                        "augment = {{ time_shift = 4, mel_shift = 1, time_masks = 1, time_width = 0.1, mel_masks = 1, mel_width = 0.1 }}"
                    )?;
                }
                writeln!(
                    self.out,
                    "\n[encode.{name}]\ntype = \"cnn\"\nchannels = [16, 32, 64]\npool = \"mean\"\ndim = 256{dropout}"
                )?;
            }
            Kind::Text => {
                let longest = column.words.map_or(16.0, |words| words.max);
                let time = ((longest * 1.5) as usize).next_multiple_of(8).clamp(8, 256);
                writeln!(
                    self.out,
                    "type = \"text\"\nmax_time = {time}           # the longest has {longest:.0} words"
                )?;
                if small {
                    writeln!(self.out, "# now and then a word is read as one never seen, as new texts will have such")?;
                    writeln!(self.out, "augment = {{ word_dropout = 0.1 }}")?;
                }
                writeln!(self.out, "\n[encode.{name}]")?;
                match column.words.map_or(0.0, |words| words.mean) > 25.0 && self.choice.train >= MANY_PICTURES {
                    true => writeln!(self.out, "type = \"text_cnn\"  # long texts: what stands beside what counts")?,
                    false => {
                        writeln!(self.out, "type = \"bag\"  # or \"transformer\", which sees the order of the words")?
                    }
                }
                let hidden = if self.choice.asks { "\nhidden = [128]" } else { "" };
                writeln!(self.out, "dim = 128{hidden}{dropout}")?;
            }
            Kind::Number => {
                writeln!(self.out, "type = \"number\"\n\n[encode.{name}]\ntype = \"number\"\ndim = 32\nhidden = [64]")?;
            }
            Kind::Series => {
                writeln!(
                    self.out,
                    "type = \"series\"\n\n[encode.{name}]\ntype = \"gru\"  # or \"transformer\"\ndim = 64"
                )?;
            }
            _ => {
                writeln!(
                    self.out,
                    "type = \"category\"\nunknown = true  # a value never seen reads as one more class"
                )?;
                let dim = if column.distinct <= 16 { 8 } else { 32 };
                writeln!(self.out, "\n[encode.{name}]\ntype = \"category\"\ndim = {dim}")?;
            }
        }
        Ok(())
    }

    /// The side that pictures are scaled to, and why.
    fn size(&self, column: &Column) -> (usize, String) {
        let pixels = column.files.as_ref().and_then(|files| files.pixels.as_ref());
        let median = pixels.map_or(64.0, |pixels| pixels.median);
        let here = format!("half of them have {median:.0} pixels or less a side");
        match (median as usize, column.distinct) {
            (0..=36, _) => (((median as usize).max(8)).next_multiple_of(4), here),
            (37..=56, _) => (48, here),
            (57..=64, ..MANY_PICTURES) => (64, here),
            (_, MANY_PICTURES..) => (48, format!("{here}; there are many, and 64 takes twice the time")),
            _ => (64, here),
        }
    }

    fn tasks(&mut self) -> fmt::Result {
        let small = self.is_small();
        let plain = self.choice.read.iter().any(|column| !is_rich(column));
        if self.choice.target.is_some() && self.modalities() > 1 {
            let (fusion, why) = match (self.choice.asks, plain) {
                (true, _) => ("product", "no column alone tells the answer: each chooses what of the others counts"),
                (_, true) => ("concat", "columns that tell different things stand side by side"),
                _ => ("mean", "each says the same in its own way; \"product\" where they ask about each other"),
            };
            writeln!(self.out, "\n[fuse]\ntype = \"{fusion}\"  # {why}\ndim = 128")?;
        }
        if let Some(target) = self.choice.target {
            writeln!(self.out, "\n[tasks.{}]", key(&target.name))?;
            if self.modalities() > 1 && !self.choice.asks && self.choice.read.iter().any(|column| is_rich(column)) {
                let share = if self.choice.align.len() > 1 { 0.5 } else { 0.3 };
                writeln!(
                    self.out,
                    "modality_dropout = {share}  # so that it learns to do with any of the modalities alone"
                )?;
            }
            let dropout = if small && self.choice.read.iter().any(|column| is_rich(column)) { 0.3 } else { 0.0 };
            if target.kind == Kind::Number {
                writeln!(self.out, "target = {{ type = \"number\" }}")?;
                writeln!(self.out, "decode = {{ type = \"regressor\", hidden = [128, 64], dropout = {dropout:.1} }}")?;
                writeln!(self.out, "loss = {{ type = \"mse\" }}")?;
            } else {
                writeln!(self.out, "target = {{ type = \"category\" }}")?;
                writeln!(self.out, "decode = {{ type = \"classifier\", hidden = [128], dropout = {dropout:.1} }}")?;
                writeln!(self.out, "loss = {{ type = \"cross_entropy\" }}")?;
                let counts = || target.balance.iter().map(|count| count.rows);
                let (most, least) = (counts().max().unwrap_or(0), counts().min().unwrap_or(0));
                if most >= 5 * least.max(1) {
                    let share = 100.0 * most as f64 / self.profile.rows as f64;
                    let note =
                        format!("the largest has {share:.0} % of the rows, the smallest less than a fifth of that");
                    writeln!(self.out, "metrics = [\"accuracy\", \"f1\"]  # {note}: f1 counts every class alike")?;
                }
            }
        }
        if self.choice.align.len() > 1 {
            let names: Vec<String> = self.choice.align.iter().map(|column| quoted(&column.name)).collect();
            let task = ["align", "alignment", "shared_space"].into_iter().find(|name| self.is_free(name));
            writeln!(self.out, "\n# a shared space, in which each modality finds the others")?;
            writeln!(self.out, "[tasks.{}]", task.unwrap_or("align"))?;
            let names = names.join(", ");
            match small {
                true => {
                    writeln!(self.out, "# with few rows a low temperature learns single pairs by heart")?;
                    writeln!(self.out, "loss = {{ type = \"info_nce\", between = [{names}], min_temperature = 0.1 }}")?;
                }
                false => writeln!(self.out, "loss = {{ type = \"info_nce\", between = [{names}] }}")?,
            }
        }
        Ok(())
    }
}

/// For a comment: whatever ends a line becomes a blank.
fn one_line(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect()
}

/// A TOML string on one line.
fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's, but for the slash, which JSON need not escape, and DEL
    serde_json::Value::String(text.to_string()).to_string().replace('\u{7f}', "\\u007f")
}

/// A TOML key.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_string() } else { quoted(name) }
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
