//! `amodal index` and `amodal search`.
use crate::{
    Output,
    predict::{readable, shown},
    show,
};
use amodal::{
    Error,
    run::{self, Run},
    search::Index,
};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct IndexCommand {
    /// The run folder
    run: PathBuf,
    /// The table whose rows are added
    #[arg(required_unless_present = "remove")]
    data: Option<PathBuf>,
    /// The index file; rows are added to one that exists
    #[arg(short)]
    output: PathBuf,
    /// Rows of this split only
    #[arg(long, default_value = "all")]
    split: String,
    /// Column whose value names a row; a row of the same name is replaced [default: the table's name and line]
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Remove the row of this name (repeatable)
    #[arg(long, value_name = "ID")]
    remove: Vec<String>,
}

impl IndexCommand {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let run = Run::open(&self.run)?;
        let model = run.fingerprint()?;
        let mut index = match self.output.exists() {
            true => Some(Index::load(&self.output)?),
            false => None,
        };
        if let Some(index) = &index {
            index.check_model(&model)?;
        }
        let (mut added, mut removed) = (0, 0);
        if !self.remove.is_empty() {
            let Some(index) = &mut index else {
                return Err(Error::run(&self.output, "no such index to remove rows from").into());
            };
            for id in &self.remove {
                let count = index.remove(id);
                if count == 0 {
                    output.say(format_args!("warning: the index has no row `{id}`"));
                }
                removed += count;
            }
        }
        if let Some(data) = &self.data {
            let (examples, _, rows) = run.read(data, Some(&self.split))?;
            let rows = readable(&run, &examples, &rows, output)?;
            let table = examples.table();
            let column = self.id.as_deref().map(|name| table.column(name)).transpose()?;
            for (row, vectors) in rows.iter().zip(run.embed(&examples, &rows)?) {
                let id = match column.and_then(|column| table.cell(*row, column)) {
                    Some(raw) => shown(raw),
                    None => table.row_place(*row),
                };
                for (modality, vector) in vectors {
                    let cell = table.named(*row, run.config.column(&modality));
                    let meta = cell.map(shown).unwrap_or_default();
                    index
                        .get_or_insert_with(|| Index::new(vector.len(), model.clone()))
                        .add(&id, &modality, &vector, meta)?;
                    added += 1;
                }
            }
        }
        let Some(index) = index else {
            return Err(Error::run(&self.output, "nothing to index: no row has a modality of the shared space").into());
        };
        index.save(&self.output)?;
        output.say(format_args!(
            "{added} vectors added, {removed} removed; {} in {}",
            index.len(),
            self.output.display()
        ));
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Search {
    /// The run folder
    run: PathBuf,
    /// The index file
    index: PathBuf,
    /// What to find things like: a path, `-` for stdin, or the text itself
    #[arg(long, value_name = "NAME=VALUE", required = true)]
    by: Vec<String>,
    /// Find only this modality [default: any]
    #[arg(long)]
    find: Option<String>,
    /// How many to find
    #[arg(short, default_value_t = 10)]
    k: usize,
}

impl Search {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let run = Run::open(&self.run)?;
        let index = Index::load(&self.index)?;
        index.check_model(&run.fingerprint()?)?;
        let table = run::single(&run, &show::pairs(&self.by)?)?;
        let (examples, _, rows) = run.rows(table, Some("all"))?;
        let vectors = run.embed(&examples, &rows)?.remove(0);
        let Some(first) = vectors.values().next() else {
            return Err(Error::config("--by", "is in no modality of the shared space").into());
        };
        let mut query = vec![0.0; first.len()];
        for vector in vectors.values() {
            query.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value); // several are searched by their mean
        }
        let hits = index.search(&query, self.find.as_deref(), self.k)?;
        if output.json {
            let hits = hits.iter().map(|hit| {
                serde_json::json!({ "id": hit.id, "modality": hit.modality, "score": hit.score, "value": hit.meta })
            });
            return show::json(&hits.collect::<Vec<_>>());
        }
        let lines = hits
            .iter()
            .map(|hit| vec![format!("{:.3}", hit.score), hit.modality.clone(), hit.meta.clone(), hit.id.clone()]);
        show::print(&show::aligned(&lines.collect::<Vec<_>>()))
    }
}
