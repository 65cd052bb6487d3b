//! `amodal demo`: the main job on the embedded data.
use crate::{Output, show, train::train};
use amodal::{Config, Error};
use clap::Args;
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

#[derive(Args)]
pub(crate) struct Demo {
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
        Config::parse(CONFIG, &self.set)?; // a wrong --set leaves nothing behind
        unpack(&out)?;
        let path = out.join("config.toml");
        std::fs::write(&path, CONFIG).map_err(Error::io(&path))?;
        output.say(format_args!("data and config: {}", out.display()));
        let config = Config::load(&path, &self.set)?;
        let run = out.join("run");
        let notes = NOTES.iter().map(ToString::to_string).collect();
        let measured = train(config, &run, false, output, notes)?;
        match output.json {
            true => show::json(&measured)?,
            false => show::print(&show::measured(&measured))?,
        }
        let (run, data) = (run.display(), out.join("data").display().to_string());
        output.say(format_args!(
            "next:\n  open {run}/report.html\n  amodal predict {run} --input picture={data}/pictures/fluent/1f408.webp\n  \
             amodal index {run} {data}/table.csv -o {out}/index && amodal search {run} {out}/index --by label=\"red apple\"",
            out = out.display()
        ));
        Ok(())
    }
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
