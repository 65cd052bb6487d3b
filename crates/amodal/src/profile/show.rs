//! The profile as text for a terminal.
use std::fmt::{self, Display, Formatter};

use super::{Column, Listed, Profile, Spread, short};
use crate::data::count;

impl Display for Profile {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        write!(formatter, "{}: {}, {}", self.path, count(self.rows, "row"), count(self.columns.len(), "column"))?;
        for (index, (name, rows)) in self.splits.iter().enumerate() {
            write!(formatter, "{} {name} {rows}", if index == 0 { ";" } else { "," })?;
        }
        writeln!(formatter, "\n")?;
        let header = ["column", "kind", "missing", "distinct", "values"].map(str::to_string);
        let rows = self.columns.iter().map(|column| {
            let missing = if column.missing == 0 { "0".to_string() } else { percent(column.missing_share) };
            [short(&column.name), column.kind.name().into(), missing, column.distinct.to_string(), values(column)]
        });
        aligned(formatter, std::iter::once(header).chain(rows).collect(), [false, false, true, true, false])?;
        writeln!(formatter)?;
        let header = ["column".to_string(), "kind because".to_string()];
        let rows = self.columns.iter().map(|column| [short(&column.name), column.reason.clone()]);
        aligned(formatter, std::iter::once(header).chain(rows).collect(), [false, false])?;
        if !self.errors.is_empty() || !self.warnings.is_empty() {
            writeln!(formatter)?;
        }
        let findings = self.errors.iter().map(|finding| ("error", finding));
        for (kind, finding) in findings.chain(self.warnings.iter().map(|finding| ("warning", finding))) {
            writeln!(formatter, "{kind}: {}", finding.problem)?;
            if !finding.help.is_empty() {
                writeln!(formatter, "  help: {}", finding.help)?;
            }
        }
        Ok(())
    }
}

impl Display for Listed {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        let shown = self.first.len().min(5);
        write!(formatter, "{}", self.first[..shown].join(", "))?;
        match self.total - shown {
            0 => Ok(()),
            more => write!(formatter, ", and {more} more"),
        }
    }
}

impl Display for Spread {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        write!(formatter, "{} to {}, mean {}", figure(self.min), figure(self.max), figure(self.mean))
    }
}

/// Four figures, without zeros at the end.
fn figure(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e9).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = if size >= 1000.0 { 0 } else { 3 - size.max(1.0).log10() as usize };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.1 => "<0.1%".to_string(),
        percent => format!("{percent:.1}%"),
    }
}

/// What there is to say about the values of a column, in one line.
fn values(column: &Column) -> String {
    if let Some(files) = &column.files {
        let good = files.sizes.iter().take(3).map(|size| format!("{} ({})", size.value, size.rows));
        let mut parts = vec![count(files.checked, "file")];
        parts.extend(good);
        if files.different_sizes > 3 {
            parts.push(format!("{} more sizes", files.different_sizes - 3));
        }
        if files.copies > 0 {
            parts.push(if files.copies == 1 { "1 copy".into() } else { format!("{} copies", files.copies) });
        }
        if let Some(near) = files.near.as_ref().filter(|near| near.alike > 0) {
            parts.push(format!("{} look like another", near.alike));
        }
        if files.unreadable.total > 0 {
            parts.push(format!("{} unusable", files.unreadable.total));
        }
        return parts.join(", ");
    }
    if let Some(numbers) = &column.numbers {
        return numbers.to_string();
    }
    if let Some(words) = &column.words {
        let (min, max, mean) = (figure(words.min), figure(words.max), figure(words.mean));
        return format!("{min} to {max} words, mean {mean}");
    }
    if !column.balance.is_empty() {
        let total: f64 = column.balance.iter().map(|count| count.rows as f64).sum::<f64>().max(1.0);
        // The list may be cut: shares are of all values, which missing cells are not.
        let all = if column.distinct > column.balance.len() { None } else { Some(total) };
        let one = |count: &super::Count| match all {
            Some(all) => format!("{} {}", count.value, percent(count.rows as f64 / all)),
            None => format!("{} ({})", count.value, count.rows),
        };
        let mut parts: Vec<_> = column.balance.iter().take(5).map(one).collect();
        if column.distinct > parts.len() {
            parts.push(format!("{} more", column.distinct - parts.len()));
        }
        return parts.join(", ");
    }
    column.examples.join(", ")
}

/// Columns padded to their widest cell; numbers stand on the right.
fn aligned<const N: usize>(formatter: &mut Formatter, rows: Vec<[String; N]>, right: [bool; N]) -> fmt::Result {
    let widths: Vec<usize> =
        (0..N).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let space = " ".repeat(widths[column] - cell.chars().count());
            line += &if right[column] { format!("{space}{cell}") } else { format!("{cell}{space}") };
            line += "  ";
        }
        writeln!(formatter, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let cases = [(0.0, "0"), (1.0, "1"), (2.345_67, "2.346"), (12.345, "12.35"), (1234.5, "1234"), (-0.5, "-0.5")];
        for (value, text) in cases {
            assert_eq!(figure(value), text);
        }
        assert_eq!((figure(1e12), figure(1e-9), figure(0.001)), ("1.000e12".into(), "1.000e-9".into(), "0.001".into()));
        assert_eq!((percent(0.5), percent(0.0001)), ("50.0%".into(), "<0.1%".into()));
    }
}
