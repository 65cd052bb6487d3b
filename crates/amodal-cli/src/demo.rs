//! `amodal demo`: the main job on the embedded data.
use crate::{Output, show, train::train};
use amodal::{
    Config, Error,
    words::{Language as Cut, segment, tag},
};
use clap::{Args, ValueEnum};
use flate2::read::GzDecoder;
use std::path::{Path, PathBuf};

/// Emoji in several drawing styles, their labels, and the labels spoken: see `NOTICE.txt` in it.
const DATA: &[u8] = include_bytes!("../embedded/demo.tar.gz");
/// How the demo is trained.
const CONFIG: &str = include_str!("../embedded/demo.toml");
const NOTES: &[&str] = &[
    "The speech is synthetic: espeak-ng speaks the labels, in voices that differ between training and test.",
    "test: a drawing style (Fluent) and a voice that training never saw. unseen: the concepts are new as well.",
    "validation: only the voice is new; its pictures were trained on, so that what it says of pictures is no proof.",
];
/// What the demo in Chinese changes in the config: the table that has the names in Chinese, and how a name is read.
const CHINESE: [(&str, &str); 2] = [
    ("path = \"data/table.csv\"", "path = \"data/chinese.csv\""),
    ("type = \"text\"", "type = \"text\"\nlanguage = \"chinese\"\npos = true"),
];
const CHINESE_NOTES: &[&str] = &["The labels are Chinese, cut by jieba; the speech says the same things in English."];
/// Labels that are shown as they are read.
const SHOWN: usize = 3;

/// The language of the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    English,
    Chinese,
}

#[derive(Args)]
pub(crate) struct Demo {
    /// The language of the labels
    #[arg(long, value_enum, default_value_t = Language::English)]
    language: Language,
    /// The folder to make; the first free of amodal-demo, amodal-demo-2, … where not given
    #[arg(long)]
    out: Option<PathBuf>,
    /// Change an option of the demo's config, such as train.epochs=2 (repeatable)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

impl Demo {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let out = match &self.out {
            Some(out) if out.exists() => {
                return Err(Error::run(out, "exists already").with_help("choose another --out").into());
            }
            Some(out) => out.clone(),
            None => free("amodal-demo"),
        };
        let config = self.language.config();
        Config::parse(&config, &self.set)?; // a wrong --set leaves nothing behind
        unpack(&out)?;
        let path = out.join("config.toml");
        std::fs::write(&path, config).map_err(Error::io(&path))?;
        output.say(format_args!("data and config: {}", out.display()));
        if self.language == Language::Chinese {
            show_labels(&out.join("data").join(self.language.table()), output)?;
        }
        let config = Config::load(&path, &self.set)?;
        let run = out.join("run");
        let notes = NOTES.iter().chain(self.language.notes()).map(ToString::to_string).collect();
        let measured = train(config, &run, false, output, notes)?;
        match output.json {
            true => show::json(&measured)?,
            false => show::print(&show::measured(&measured))?,
        }
        let (run, data) = (run.display(), out.join("data").display().to_string());
        output.say(format_args!(
            "next:\n  open {run}/report.html\n  amodal predict {run} --input picture={data}/pictures/fluent/1f408.webp\n  \
             amodal index {run} {data}/{table} -o {out}/index && amodal search {run} {out}/index --by label=\"{label}\"",
            table = self.language.table(),
            label = self.language.label(),
            out = out.display()
        ));
        Ok(())
    }
}

impl Language {
    /// How the demo is trained.
    fn config(self) -> String {
        match self {
            Self::English => CONFIG.to_string(),
            Self::Chinese => CHINESE.iter().fold(CONFIG.to_string(), |config, (from, to)| config.replacen(from, to, 1)),
        }
    }

    /// The file of the labels, among the data.
    fn table(self) -> &'static str {
        match self {
            Self::English => "table.csv",
            Self::Chinese => "chinese.csv",
        }
    }

    /// What is said in the report, beside [`NOTES`].
    fn notes(self) -> &'static [&'static str] {
        match self {
            Self::English => &[],
            Self::Chinese => CHINESE_NOTES,
        }
    }

    /// A label to search by.
    fn label(self) -> &'static str {
        match self {
            Self::English => "red apple",
            Self::Chinese => "红苹果",
        }
    }
}

/// The first labels of a table that have several words, as they are read: the words and their parts of speech.
fn show_labels(table: &Path, output: Output) -> anyhow::Result<()> {
    let mut rows = csv::Reader::from_path(table)?;
    let column = rows.headers()?.iter().position(|name| name == "label").unwrap_or_default();
    let mut shown: Vec<String> = Vec::new();
    for row in rows.records() {
        let label = row?.get(column).unwrap_or_default().to_string();
        let words = segment(&label, Cut::Chinese, usize::MAX);
        let tags = tag::tag(&label, &words, Cut::Chinese);
        let words: Vec<String> = words.iter().zip(tags).map(|(word, tag)| format!("{}/{tag}", word.text)).collect();
        let line = format!("{label}: {}", words.join(" "));
        if words.len() > 1 && !shown.contains(&line) {
            shown.push(line);
        }
        if shown.len() == SHOWN {
            break;
        }
    }
    output.say(format_args!("labels as they are read:\n  {}", shown.join("\n  ")));
    Ok(())
}

/// The first of `name`, `name-2`, … that does not exist.
fn free(name: &str) -> PathBuf {
    let names = std::iter::once(name.to_string()).chain((2..).map(|number| format!("{name}-{number}")));
    names.map(PathBuf::from).find(|path| !path.exists()).expect("numbers do not end")
}

/// Unpacks the embedded data into `out/data`.
fn unpack(out: &Path) -> anyhow::Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(DATA));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let inside: PathBuf = path.components().skip(1).collect(); // the archive has one folder at its top
        let target = out.join("data").join(inside);
        if entry.header().entry_type().is_dir() {
            std::fs::create_dir_all(&target).map_err(Error::io(&target))?;
        } else {
            let folder = target.parent().unwrap_or(out);
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
            let mut file = std::fs::File::create(&target).map_err(Error::io(&target))?;
            std::io::copy(&mut entry, &mut file).map_err(Error::io(&target))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_in_chinese_differs_in_how_labels_are_read() {
        assert_eq!(Language::English.config(), CONFIG);
        let [english, chinese] = [Language::English, Language::Chinese].map(Language::config);
        let changed: Vec<&str> = chinese.lines().filter(|line| !english.lines().any(|other| other == *line)).collect();
        assert_eq!(changed, ["path = \"data/chinese.csv\"", "language = \"chinese\"", "pos = true"]);
        assert_eq!(chinese.lines().count(), english.lines().count() + 2);
        Config::parse(&chinese, &[]).unwrap();
    }

    /// Tables of equal columns, of which only the labels differ, and all that they name is there.
    #[test]
    fn the_tables_differ_in_their_labels() {
        let folder = tempfile::tempdir().unwrap();
        unpack(folder.path()).unwrap();
        let read = |table: &str| -> Vec<csv::StringRecord> {
            let path = folder.path().join("data").join(table);
            let mut rows = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
            rows.records().map(Result::unwrap).collect()
        };
        let (english, chinese) = (read("table.csv"), read("chinese.csv"));
        assert_eq!(english.len(), chinese.len());
        assert_eq!(english[0], chinese[0]);
        for (one, other) in english.iter().zip(&chinese).skip(1) {
            for (at, name) in english[0].iter().enumerate() {
                assert_eq!(one.get(at) != other.get(at), name == "label", "{one:?}");
            }
            assert!(folder.path().join("data").join(&one[0]).exists());
        }
    }
}
