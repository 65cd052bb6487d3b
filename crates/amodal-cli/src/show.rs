//! Results as text.
use crate::Output;
use amodal::{Error, Named, Raw, eval::Measured, metrics::Figure};
use std::fmt::Write as _;
use std::io::Write as _;

/// A wrong use of the command that clap cannot see.
#[derive(Debug)]
pub(crate) struct WrongUse(pub(crate) String);

impl std::fmt::Display for WrongUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUse {}

/// Writes to stdout; a reader that went away is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// Writes a value as JSON to stdout.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// `1 row`, `2 rows`.
pub(crate) fn count(number: usize, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// Says which rows were left out: the first ten, and how many.
pub(crate) fn left_out(skipped: &[Error], output: Output) {
    for error in skipped.iter().take(10) {
        output.say(format_args!("warning: left out: {error}"));
    }
    if !skipped.is_empty() {
        output.say(format_args!("warning: {} left out: they could not be read", count(skipped.len(), "row")));
    }
}

/// `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let groups = digits.as_bytes()[lead..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let lead = (lead > 0).then(|| digits[..lead].to_string());
    lead.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

/// `640`, `16.4 k`, `4.1 M`.
pub(crate) fn short(number: u64) -> String {
    match number {
        0..10_000 => thousands(number),
        10_000..1_000_000 => format!("{:.1} k", number as f64 / 1e3),
        _ => format!("{:.1} M", number as f64 / 1e6),
    }
}

/// `0.8 µs`, `310 µs`, `1.2 ms`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds * 1e6 {
        ..0.1 => "< 0.1 µs".to_string(),
        micros @ ..10.0 => format!("{micros:.1} µs"),
        micros @ ..1000.0 => format!("{micros:.0} µs"),
        micros => format!("{:.1} ms", micros / 1e3),
    }
}

/// A time that was measured and will not be the same again: `about 22 ms`, `about 3.2 s`, `about 4 min`.
pub(crate) fn about(seconds: f64) -> String {
    match seconds {
        ..0.0995 => format!("about {:.1} ms", seconds * 1e3),
        seconds @ ..9.95 => format!("about {seconds:.1} s"),
        seconds @ ..119.5 => format!("about {seconds:.0} s"),
        seconds @ ..7170.0 => format!("about {:.0} min", seconds / 60.0),
        seconds => format!("about {:.1} h", seconds / 3600.0),
    }
}

/// `0.4 MB`, `23 MB`.
pub(crate) fn megabytes(bytes: usize) -> String {
    match bytes as f64 / 1e6 {
        ..0.1 => "< 0.1 MB".to_string(),
        megabytes @ ..10.0 => format!("{megabytes:.1} MB"),
        megabytes => format!("{megabytes:.0} MB"),
    }
}

/// One figure: `97.3 %` or `2.41`.
pub(crate) fn number(value: f64, is_share: bool) -> String {
    match is_share {
        true => format!("{:.1} %", value * 100.0),
        false if value.fract() == 0.0 && value.abs() < 1e6 => format!("{value:.0}"),
        false => format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_string(),
    }
}

/// Everything that was measured: a block for each split and task, a line for each subset or pair, each value beside its
/// floor; and what was measured with modalities withheld from a share of the rows.
pub(crate) fn measured(all: &[Measured]) -> String {
    let (withheld, whole): (Vec<&Measured>, Vec<&Measured>) = all.iter().partition(|one| one.withheld.is_some());
    let mut text = String::new();
    let mut blocks: Vec<(&str, &str)> = Vec::new();
    for one in &whole {
        if !blocks.contains(&(one.split.as_str(), one.task.as_str())) {
            blocks.push((&one.split, &one.task));
        }
    }
    for (split, task) in blocks {
        let mut lines: Vec<(String, Vec<&Figure>)> = Vec::new();
        for one in whole.iter().filter(|one| one.split == split && one.task == task) {
            let (label, _) = label(one);
            match lines.iter_mut().find(|(known, _)| *known == label) {
                Some((_, figures)) => figures.push(&one.figure),
                None => lines.push((label, vec![&one.figure])),
            }
        }
        let columns: Vec<String> = lines[0].1.iter().map(|figure| column(&figure.name)).collect();
        let mut table = vec![[vec![format!("{task} ({split})")], columns.clone(), vec!["rows".to_string()]].concat()];
        for (label, figures) in &lines {
            let mut cells = vec![label.clone()];
            cells.extend(figures.iter().map(|figure| {
                let share = figure.is_share;
                format!("{} ({} {})", number(figure.value, share), figure.floor_name, number(figure.floor, share))
            }));
            cells.push(figures[0].count.to_string());
            table.push(cells);
        }
        let _ = writeln!(text, "{}", aligned(&table));
    }
    text + &shares(&withheld)
}

/// A block for each split, task and metric, a line for what is withheld, a column for each share of the rows.
fn shares(all: &[&Measured]) -> String {
    let mut blocks: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for (one, withheld) in all.iter().filter_map(|one| Some((one, one.withheld.as_ref()?))) {
        let (figure, share) = (&one.figure, one.figure.is_share);
        let floor = format!("{} {}", figure.floor_name, number(figure.floor, share));
        let title = format!("{} of {} ({}; {floor}) without", figure.name, one.task, one.split);
        let at = blocks.iter().position(|(known, _)| *known == title).unwrap_or_else(|| {
            blocks.push((title.clone(), vec![vec![title]]));
            blocks.len() - 1
        });
        let (table, label) = (&mut blocks[at].1, withheld.modalities.join(" + "));
        if table.last().is_none_or(|line| line[0] != label) {
            table.push(vec![label]);
        }
        if table.len() == 2 {
            table[0].push(format!("{:.0} %", withheld.share * 100.0)); // the first line names the columns
        }
        table.last_mut().expect("pushed above").push(number(figure.value, share));
    }
    blocks.iter().map(|(_, table)| aligned(table) + "\n").collect()
}

/// The line and the column that a measured number belongs to.
fn label(one: &Measured) -> (String, String) {
    match one.figure.name.rsplit_once(' ') {
        _ if !one.given.is_empty() => (one.given.join(" + "), one.figure.name.clone()),
        Some(_) => {
            let name = column(&one.figure.name);
            (one.figure.name.trim_end_matches(&name).trim().to_string(), name)
        }
        None => (String::new(), one.figure.name.clone()),
    }
}

/// The metric in a figure's name: `recall@1` of `image → text recall@1`.
fn column(name: &str) -> String {
    match name.split_once(" median rank") {
        Some(_) => "median rank".to_string(),
        None => name.rsplit(' ').next().unwrap_or(name).to_string(),
    }
}

/// Cells in columns.
pub(crate) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(at, cell)| match at {
            0 => format!("{cell:<width$}", width = widths[at]),
            _ => format!("{cell:>width$}", width = widths[at]),
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// `name=value` pairs of the command line.
pub(crate) fn pairs(values: &[String]) -> anyhow::Result<Named<Raw>> {
    let mut pairs = Named::new();
    for pair in values {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::config(pair.clone(), "expected name=value")
                .with_help("for example image=cat.png")
                .into());
        };
        let raw = match value {
            "-" => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
                Raw::Bytes(bytes.into())
            }
            text => Raw::Text(text.to_string()),
        };
        pairs.insert(name.to_string(), raw);
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_no_zeros_behind_them() {
        let plain = [173.5, 2.41, 1.0, 1e6, 1e-9, -0.25].map(|value| number(value, false));
        assert_eq!(plain, ["173.5", "2.41", "1", "1000000", "0", "-0.25"]);
        assert_eq!([0.5, 1.0].map(|value| number(value, true)), ["50.0 %", "100.0 %"]);
    }
}
