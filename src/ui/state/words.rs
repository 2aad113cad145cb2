//! Numbers as a person reads them: with their unit, and no more digits than mean something.

pub use crate::viz::significant;

/// Thousands separated by a thin space: `22 713 216`.
#[must_use]
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}

/// A large number in short: `22.7 M`, `222 k`, `96`.
#[must_use]
pub fn short(n: usize) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..100_000 => format!("{} k", significant(n as f64 / 1e3, 3)),
        100_000..1_000_000 => format!("{} k", n / 1_000),
        _ => format!("{} M", significant(n as f64 / 1e6, 3)),
    }
}

/// A share of 0 to 1 in whole percent.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A share of 0 to 1 in percent with one decimal, for scores.
#[must_use]
pub fn score(share: f32) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Percentage points with their sign.
#[must_use]
pub fn points(difference: f64) -> String {
    let sign = if difference < 0.0 { '−' } else { '+' };
    format!("{sign}{:.1}", difference.abs() * 100.0)
}

/// A length of time.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "—".into();
    }
    match seconds {
        s if s < 1e-3 => "0 s".into(),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 59.5 => format!("{s:.0} s"),
        s if s < 3_570.0 => {
            let whole = s.round() as u64;
            format!("{} min {:02} s", whole / 60, whole % 60)
        }
        s => {
            let minutes = (s / 60.0).round() as u64;
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
    }
}

/// A time still to go, rounded so that it does not flicker.
#[must_use]
pub fn time_left(seconds: f64) -> String {
    match seconds {
        s if s < 5.0 => "a few seconds left".into(),
        s if s < 55.0 => format!("about {} s left", (s / 5.0).round() * 5.0),
        s if s < 90.0 => "about 1 min left".into(),
        s if s < 5_400.0 => format!("about {} min left", (s / 60.0).round()),
        s => {
            let minutes = (s / 300.0).round() as u64 * 5;
            format!("about {} h {:02} min left", minutes / 60, minutes % 60)
        }
    }
}

/// A size in bytes, in powers of 1000 as browsers give them.
#[must_use]
pub fn bytes(n: f64) -> String {
    match n {
        n if n < 1e3 => format!("{n:.0} B"),
        n if n < 1e6 => format!("{:.1} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// `1 adapter`, `3 adapters`.
#[must_use]
pub fn plural(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// `layer.3.output` as a person says it: `layer 3`; numbers stay as in the files, from 0.
#[must_use]
pub fn location(name: &str) -> String {
    match name.split('.').collect::<Vec<_>>()[..] {
        ["layer", layer, "output"] => format!("layer {layer}"),
        ["layer", layer, place] => format!("layer {layer}, {place}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_what_means_something() {
        assert_eq!(count(22_713_216), "22\u{2009}713\u{2009}216");
        assert_eq!(count(1024), "1024");
        assert_eq!(short(22_713_216), "22.7 M");
        assert_eq!(short(223_776), "223 k");
        assert_eq!(short(48), "48");
        assert_eq!(significant(0.012_345, 2), "0.012");
        assert_eq!(significant(123.4, 2), "123");
        assert_eq!(significant(9.996, 3), "10", "rounded up it has a digit more before the point");
        assert_eq!(short(99_990), "100 k");
        assert_eq!(points(-0.0123), "−1.2");
        assert_eq!(score(0.8749), "87.5 %");
        assert_eq!(bytes(90_900_000.0), "90.9 MB");
    }

    #[test]
    fn times_do_not_overflow_their_unit() {
        assert_eq!(duration(0.0123), "12 ms");
        assert_eq!(duration(0.9999), "1.0 s");
        assert_eq!(duration(59.7), "1 min 00 s");
        assert_eq!(duration(3_599.0), "1 h 00 min");
        assert_eq!(duration(f64::NAN), "—");
        assert_eq!(time_left(42.0), "about 40 s left");
        assert_eq!(time_left(170.0), "about 3 min left");
        assert_eq!(time_left(5_399.0), "about 90 min left");
        assert_eq!(time_left(5_400.0), "about 1 h 30 min left");
        assert_eq!(time_left(7_100.0), "about 2 h 00 min left");
    }

    #[test]
    fn locations_in_words() {
        assert_eq!(location("layer.3.output"), "layer 3");
        assert_eq!(location("layer.0.attention"), "layer 0, attention");
    }
}
