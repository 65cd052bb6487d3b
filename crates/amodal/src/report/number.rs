//! Numbers as a reader wants them: a true minus, thousands apart, three significant digits.

use super::Unit;

/// Stands for a value that does not exist or is not finite.
pub(super) const NONE: &str = "–";

/// A value of a metric in its unit.
pub(super) fn metric(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => share(value),
        Unit::Plain => number(value),
    }
}

/// A share in percent. Only exactly one is "100%" and only exactly nothing is "0%".
pub(super) fn share(value: f64) -> String {
    if !value.is_finite() {
        NONE.to_string()
    } else if value == 0.0 {
        "0%".to_string()
    } else if value == 1.0 {
        "100%".to_string()
    } else if (f64::MIN_POSITIVE..0.0005).contains(&value) {
        "<0.1%".to_string()
    } else if (0.9995..1.0).contains(&value) {
        ">99.9%".to_string()
    } else {
        with_minus(format!("{:.1}%", value * 100.0))
    }
}

/// A plain number with three significant digits, or as a power of ten where it is very large or small.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return NONE.to_string();
    }
    if size == 0.0 {
        return "0".to_string();
    }
    if !(1e-4..1e9).contains(&size) {
        return power_of_ten(value);
    }
    if value.fract() == 0.0 || size >= 999.5 {
        return with_minus(group(&format!("{value:.0}")));
    }
    let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
    with_minus(format!("{value:.decimals$}"))
}

/// A number on an axis whose neighbouring ticks are `step` apart.
pub(super) fn tick(value: f64, step: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_string();
    }
    if !(1e-4..1e7).contains(&value.abs()) {
        return power_of_ten(value);
    }
    let decimals = (-(step * 1.0001).log10().floor()).clamp(0.0, 9.0) as usize;
    with_minus(group(&format!("{value:.decimals$}")))
}

/// A count with its thousands apart.
pub(super) fn count(value: usize) -> String {
    group(&value.to_string())
}

fn power_of_ten(value: f64) -> String {
    let text = format!("{value:.2e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let raised: String = exponent.chars().map(superscript).collect();
    match digits {
        "1" => format!("10{raised}"),
        "-1" => format!("−10{raised}"),
        digits => with_minus(format!("{digits}×10{raised}")),
    }
}

fn superscript(digit: char) -> char {
    match digit {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁻',
    }
}

fn with_minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// Commas between the thousands of the whole part.
fn group(text: &str) -> String {
    let (whole, rest) = text.find('.').map_or((text, ""), |dot| text.split_at(dot));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_round_up_to_all_or_down_to_nothing() {
        let cases = [(0.873, "87.3%"), (1.0, "100%"), (0.99996, ">99.9%"), (0.0, "0%"), (0.00001, "<0.1%")];
        for (value, expected) in cases.into_iter().chain([(-0.25, "−25.0%"), (f64::NAN, "–"), (0.1, "10.0%")]) {
            assert_eq!(share(value), expected);
        }
    }

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.012345, "0.0123"),
            (1.23456, "1.23"),
            (-12.345, "−12.3"),
            (123.4, "123"),
            (7.0, "7"),
            (12345.6, "12,346"),
            (1_000_000.0, "1,000,000"),
            (0.00001234, "1.23×10⁻⁵"),
            (-1e-5, "−10⁻⁵"),
            (1e12, "10¹²"),
            (f64::INFINITY, "–"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected, "{value}");
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
    }

    #[test]
    fn ticks_have_the_decimals_of_their_step() {
        assert_eq!(tick(0.5, 0.25), "0.5");
        assert_eq!(tick(2000.0, 1000.0), "2,000");
        assert_eq!(tick(-0.02, 0.01), "−0.02");
        assert_eq!(tick(1e-17, 0.1), "0");
    }
}
