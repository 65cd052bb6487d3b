//! `amodal index` and `amodal search`.
use crate::{
    Output,
    predict::{FORMATS, named, readable, shown, write_as},
    show,
};
use amodal::{
    Error,
    data::parquet::Column,
    run::{self, Run},
    search::{
        Hit, Index,
        graph::{self, EFFORT},
    },
};
use clap::{ArgGroup, Args};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

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
    /// Build a graph of neighbours, by which a large index is searched quicker and nearly exactly; it is built again when
    /// rows are added or removed
    #[arg(long)]
    graph: bool,
}

/// Vectors on which the recall of a graph is told.
const SAMPLES: usize = 200;

impl IndexCommand {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        if self.graph {
            graph::can_be_built()?;
        }
        let run = Run::open(&self.run)?;
        let model = run.fingerprint()?;
        let mut index = match self.output.exists() {
            true => Some(Index::load(&self.output)?),
            false => None,
        };
        if let Some(index) = &index {
            index.check_model(&model)?;
        }
        if index.as_ref().is_some_and(Index::has_unread_graph) {
            output.say(format_args!("warning: the index's graph cannot be read by this amodal, and is left out"));
        }
        let graph = self.graph || index.as_ref().is_some_and(Index::has_graph);
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
        let Some(mut index) = index else {
            return Err(Error::run(&self.output, "nothing to index: no row has a modality of the shared space").into());
        };
        if graph && !index.has_graph() {
            let begin = Instant::now();
            index.build_graph()?;
            let took = show::about(begin.elapsed().as_secs_f64());
            let recall = show::number(index.recall(EFFORT, SAMPLES)?, true);
            output.say(format_args!(
                "a graph in {took}: it finds {recall} of the 10 nearest, asked with some of its vectors"
            ));
        }
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
#[command(override_usage = "amodal search [OPTIONS] <RUN> <INDEX> <DATA|--by NAME=VALUE>")]
#[command(group = ArgGroup::new("asked").args(["data", "by"]).required(true).multiple(true))]
pub(crate) struct Search {
    /// The run folder
    run: PathBuf,
    /// The index file
    index: PathBuf,
    /// A table, each of whose rows is searched for
    data: Option<PathBuf>,
    /// What to find things like: a path, `-` for stdin, or the text itself; of a table, the modalities that are searched by
    /// [default: all] (repeatable: several are searched by their mean)
    #[arg(long, value_name = "NAME=VALUE|NAME")]
    by: Vec<String>,
    /// Find only this modality [default: any]
    #[arg(long)]
    find: Option<String>,
    /// How many to find
    #[arg(short, default_value_t = 10)]
    k: usize,
    /// Vectors that the index's graph keeps in view for a query: more find more, and take longer [default: 64]
    #[arg(long, value_name = "N")]
    effort: Option<usize>,
    /// Compare every vector, although the index has a graph
    #[arg(long, conflicts_with = "effort")]
    exact: bool,
    /// Rows of this split of the table only
    #[arg(long, default_value = "all", requires = "data")]
    split: String,
    /// Where a table's hits go: .jsonl, .csv or .parquet [default: JSON lines to stdout]
    #[arg(short, requires = "data")]
    output: Option<PathBuf>,
}

impl Search {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        named(self.output.as_deref(), FORMATS)?;
        let run = Run::open(&self.run)?;
        let index = Index::load(&self.index)?;
        index.check_model(&run.fingerprint()?)?;
        if self.effort.is_some() && !index.has_graph() {
            output.say(format_args!("warning: the index has no graph: every vector is compared"));
        }
        match &self.data {
            Some(data) => self.each_row(data, &run, &index, output),
            None => self.one(&run, &index, output),
        }
    }

    fn effort(&self) -> Option<usize> {
        (!self.exact).then_some(self.effort.unwrap_or(EFFORT))
    }

    fn one(&self, run: &Run, index: &Index, output: Output) -> anyhow::Result<()> {
        let table = run::single(run, &show::pairs(&self.by)?)?;
        let (examples, _, rows) = run.rows(table, Some("all"))?;
        let vectors = run.embed(&examples, &rows)?.remove(0);
        let Some(query) = sum(vectors.values()) else {
            return Err(Error::config("--by", "is in no modality of the shared space").into());
        };
        let hits = index.search_all(&[&query], self.find.as_deref(), self.k, self.effort())?.remove(0);
        if output.json {
            return show::json(&hits.iter().map(as_json).collect::<Vec<_>>());
        }
        let lines = hits
            .iter()
            .map(|hit| vec![format!("{:.3}", hit.score), hit.modality.clone(), hit.meta.clone(), hit.id.clone()]);
        show::print(&show::aligned(&lines.collect::<Vec<_>>()))
    }

    fn each_row(&self, data: &Path, run: &Run, index: &Index, output: Output) -> anyhow::Result<()> {
        if let Some(name) = self.by.iter().find(|name| !run.config.modalities.contains_key(*name)) {
            let known = run.config.modalities.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let help = format!("with a table, --by names modalities of the run: {known}");
            return Err(Error::config("--by", format!("no modality {name:?}")).with_help(help).into());
        }
        let (examples, _, rows) = run.read(data, Some(&self.split))?;
        let rows = readable(run, &examples, &rows, output)?;
        let (mut places, mut queries) = (Vec::new(), Vec::new());
        for (row, vectors) in rows.iter().zip(run.embed(&examples, &rows)?) {
            let asked = vectors.iter().filter(|(name, _)| self.by.is_empty() || self.by.contains(name));
            if let Some(query) = sum(asked.map(|(_, vector)| vector)) {
                places.push(examples.table().row_place(*row));
                queries.push(query);
            }
        }
        if queries.len() < rows.len() {
            let left = show::count(rows.len() - queries.len(), "row");
            output.say(format_args!("warning: {left} left out: nothing there to search by"));
        }
        let asked: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
        let found = index.search_all(&asked, self.find.as_deref(), self.k, self.effort())?;
        let lines = || {
            let line = |(row, hits): (&String, &Vec<Hit>)| {
                serde_json::json!({ "row": row, "hits": hits.iter().map(as_json).collect::<Vec<_>>() }).to_string()
            };
            places.iter().zip(&found).map(line).collect()
        };
        let columns = || {
            let each: Vec<(&String, usize, &Hit)> = places
                .iter()
                .zip(&found)
                .flat_map(|(row, hits)| hits.iter().enumerate().map(move |(at, hit)| (row, at + 1, hit)))
                .collect();
            let texts = |text: fn(&(&String, usize, &Hit)) -> String| Column::Texts(each.iter().map(text).collect());
            let numbers =
                |number: fn(&(&String, usize, &Hit)) -> f32| Column::Numbers(each.iter().map(number).collect());
            let columns = [
                ("row", texts(|(row, _, _)| (*row).clone())),
                ("rank", numbers(|(_, rank, _)| *rank as f32)),
                ("id", texts(|(_, _, hit)| hit.id.clone())),
                ("modality", texts(|(_, _, hit)| hit.modality.clone())),
                ("score", numbers(|(_, _, hit)| hit.score)),
                ("value", texts(|(_, _, hit)| hit.meta.clone())),
            ];
            columns.into_iter().map(|(name, column)| (name.to_string(), column)).collect()
        };
        write_as(self.output.as_deref(), lines, columns)
    }
}

/// The sum of vectors, which points where their mean does; nothing of none.
fn sum<'a>(vectors: impl Iterator<Item = &'a Vec<f32>>) -> Option<Vec<f32>> {
    vectors.cloned().reduce(|mut sum, vector| {
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        sum
    })
}

fn as_json(hit: &Hit) -> serde_json::Value {
    serde_json::json!({ "id": hit.id, "modality": hit.modality, "score": hit.score, "value": hit.meta })
}
